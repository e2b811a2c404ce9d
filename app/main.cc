// SPDX-License-Identifier: Apache-2.0
//
// The command line: which command, with which arguments.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/key.h"
#include "app/lab.h"

namespace isochrone::app {
namespace {

constexpr auto kExamples = R"(
Examples:
  isochrone check --config /etc/isochrone/isochrone.yaml
  isochrone run --config /etc/isochrone/isochrone.yaml
  isochrone route 198.51.100.7 --service www.example.com
  isochrone show sites
  isochrone ingest measurements.ndjson
  isochrone key generate example.com
  isochrone replay --since 1h --without-site fra
  isochrone simulate --rtt slice1.tsv.gz --sites 20 --draws 40 --budget 3

See isochrone(1), and isochrone.conf(5) for the configuration.)";

const std::vector<std::string> kShown{"status",  "sites", "services", "table",   "paths",
                                      "targets", "tasks", "channels", "holdout", "changes"};

void add_config(CLI::App& command, std::filesystem::path& config) {
  command.add_option("-c,--config", config, "Configuration of the node")
      ->default_val("/etc/isochrone/isochrone.yaml")
      ->type_name("FILE");
}

void add_access(CLI::App& command, ApiArguments& api) {
  command.add_option("--token-file", api.token_file, "File with the token to show")
      ->type_name("FILE");
  command.add_option("--ca", api.authorities, "Who vouches for the collector's certificate, PEM")
      ->type_name("FILE");
}

void add_api(CLI::App& command, ApiArguments& api) {
  auto* url = command.add_option("--collector", api.collector, "The collector's HTTP API")
                  ->type_name("URL");
  command.add_option("-c,--config", api.config, "Configuration that says where the collector is")
      ->type_name("FILE")
      ->excludes(url);
  add_access(command, api);
}

struct Arguments {
  RunArguments run;
  ReplaceArguments replace;
  ReloadArguments reload;
  CheckArguments check;
  RouteArguments route;
  ShowArguments show;
  IngestArguments ingest;
  KeyArguments key;
  ReplayArguments replay;
  ConfigArguments config;
  TokenArguments token;
  SimulateArguments simulate;
};

void describe_local(CLI::App& app, Arguments& arguments) {
  auto* run = app.add_subcommand("run", "Run the roles of a node");
  run->footer("SIGHUP reloads the configuration and the zones; SIGTERM ends.");
  add_config(*run, arguments.run.config);
  auto* replace = app.add_subcommand("replace", "Run in place of the process that runs now");
  replace->footer(
      "The new process takes its sockets over once it is ready to answer, so no query is lost; "
      "until\n"
      "then any failure leaves the old one as it was.");
  add_config(*replace, arguments.replace.config);
  replace->add_flag("--detach", arguments.replace.detach,
                    "End when the new process is ready, and leave it in the background");
  auto* reload = app.add_subcommand("reload", "Let the running process read its files again");
  reload->footer(
      "Errors are printed; then nothing has changed. Example: isochrone reload example.com");
  reload
      ->add_option("zone", arguments.reload.zone,
                   "One zone; all, and the configuration, when absent")
      ->type_name("ZONE");
  add_config(*reload, arguments.reload.config);
  auto* check = app.add_subcommand("check", "Say all that is wrong with a configuration");
  check->footer("Errors are FILE:LINE:COLUMN: what; what to do. Nothing is opened or changed.");
  add_config(*check, arguments.check.config);
  check->add_flag("--explain-keys", arguments.check.explain_keys,
                  "Print every key with its range and default, as mdoc");
  auto* token = app.add_subcommand("token", "Make a token of the HTTP API, and print its digest");
  token->footer("A file that is there is left as it is. The digest belongs in access.tokens.");
  token->add_option("file", arguments.token.file, "Where the token is, or is to be")
      ->required()
      ->type_name("FILE");
  app.add_subcommand("lab", "Run the Internet in a box; see `isochrone lab --help`");
}

void describe_remote(CLI::App& app, Arguments& arguments) {
  auto* route = app.add_subcommand("route", "Explain the answer that a client gets");
  route->footer(
      "Examples:\n"
      "  isochrone route 198.51.100.0/24 --service www.example.com --json\n"
      "  isochrone route 198.51.100.7 --at 15m\n"
      "  isochrone route --decision dns-ns1/1777636800000000/42");
  auto* address = route->add_option("address", arguments.route.address, "Client, or its network")
                      ->type_name("ADDRESS[/LENGTH]");
  route->add_option("--service", arguments.route.service, "Host name; every service when absent")
      ->type_name("NAME");
  auto* at = route->add_option("--at", arguments.route.at,
                               "As it was then: how long ago, or a time; from the event log");
  at->type_name("DURATION|TIME");
  auto* decision = route->add_option("--decision", arguments.route.decision,
                                     "Of an answer that was given: the id of its decision event");
  decision->type_name("SOURCE/EPOCH/SEQUENCE")->excludes(at)->excludes(address);
  route->callback([address, decision] {
    if (address->count() + decision->count() == 0) throw CLI::RequiredError("ADDRESS");
  });
  route->add_flag("--json", arguments.route.json, "Print the collector's JSON");
  add_api(*route, arguments.route.api);
  auto* show = app.add_subcommand("show", "Show what the collector knows");
  show->add_option("what", arguments.show.what, "What to show")
      ->required()
      ->check(CLI::IsMember(kShown))
      ->type_name("WHAT");
  show->add_option("--since", arguments.show.since, "Of changes: how long ago, or a time")
      ->default_val("1h")
      ->type_name("DURATION|TIME");
  show->add_option("--service", arguments.show.service, "Of changes: host name; all when absent")
      ->type_name("NAME");
  show->add_flag("--json", arguments.show.json, "Print the collector's JSON");
  add_api(*show, arguments.show.api);
  auto* ingest = app.add_subcommand("ingest", "Post measurement events, one JSON object per line");
  ingest->footer(
      "Lines without an id get one that stays the same when the file is ingested again.\n"
      "Example line: {\"time\":\"2024-05-01T12:00:00Z\",\"site\":\"fra\",\"prefix\":"
      "\"198.51.100.0/24\",\"method\":\"icmp\",\"rtt_us\":20123}");
  ingest->add_option("file", arguments.ingest.file, "NDJSON, \"-\" for standard input")
      ->required()
      ->type_name("FILE");
  add_api(*ingest, arguments.ingest.api);
}

CLI::App* add_key_command(CLI::App& key, KeyArguments& arguments, const char* name,
                          const char* text, bool needs_zone = true) {
  auto* command = key.add_subcommand(name, text);
  command->add_option("zone", arguments.zone, "The zone")->required(needs_zone)->type_name("ZONE");
  add_config(*command, arguments.config);
  return command;
}

void describe_keys(CLI::App& app, KeyArguments& arguments) {
  auto* key = app.add_subcommand("key", "Make, show and replace DNSSEC keys");
  key->footer("A running node sees changed keys when it reloads, and by itself within an hour.");
  key->require_subcommand(1);
  auto* generate = add_key_command(*key, arguments, "generate", "Make the first key of a zone");
  generate->add_option("--algorithm", arguments.algorithm, "Instead of the zone's")
      ->check(CLI::IsMember({"ecdsap256sha256", "ed25519"}))
      ->type_name("NAME");
  add_key_command(*key, arguments, "ds", "Print the DS records that the parent should have");
  auto* show = add_key_command(*key, arguments, "show", "Show keys, their states and times", false);
  show->add_flag("--json", arguments.json, "Print JSON");
  auto* roll =
      add_key_command(*key, arguments, "roll", "Publish a new key that will replace the old");
  roll->add_option("--after", arguments.after, "When it begins to sign; DNSKEY TTL and an hour")
      ->type_name("DURATION");
  auto* retire = add_key_command(*key, arguments, "retire",
                                 "Let a retired key go, once the parent has the new DS");
  retire->add_option("tag", arguments.tag, "Tag of the key")->required()->type_name("TAG");
  retire->add_option("--after", arguments.after, "When it leaves the zone; two days")
      ->type_name("DURATION");
}

int dispatch_key(const CLI::App& key, const KeyArguments& arguments) {
  if (key.got_subcommand("generate")) return key_generate_command(arguments);
  if (key.got_subcommand("ds")) return key_ds_command(arguments);
  if (key.got_subcommand("show")) return key_show_command(arguments);
  if (key.got_subcommand("roll")) return key_roll_command(arguments);
  return key_retire_command(arguments);
}

void describe_replay(CLI::App& app, ReplayArguments& arguments) {
  auto* replay = app.add_subcommand("replay", "Say what a past interval would have been otherwise");
  replay->footer(
      "The measurements and queries of the interval go through the collector's own code twice, as "
      "it was\n"
      "configured and without a site or with another configuration; compared are the answers that "
      "the\n"
      "queries get. Nothing is changed anywhere.\n"
      "Moved queries are weighed by demand events, or each decision event is one. RTTs are those\n"
      "measured then: of queries that moved to a site nobody measured them from, they are "
      "unknown.\n"
      "Examples:\n"
      "  isochrone replay --since 1h --without-site fra\n"
      "  isochrone replay --since 2026-05-01T12:00:00Z --until 2026-05-01T14:00:00Z --config "
      "new.yaml\n"
      "  isochrone replay --since 1d --log /var/lib/isochrone/log --config new.yaml --json");
  replay->add_option("--since", arguments.since, "When it begins: how long ago, or a time")
      ->required()
      ->type_name("TIME");
  replay->add_option("--until", arguments.until, "When it ends; now when absent")
      ->type_name("TIME");
  replay
      ->add_option("--without-site", arguments.without_sites,
                   "Leave this site out; repeat for more")
      ->type_name("NAME");
  replay->add_option("-c,--config", arguments.config, "The configuration to compare with")
      ->type_name("FILE");
  replay
      ->add_option("--baseline", arguments.api.config,
                   "The configuration as it was; also says where the collector and its log are")
      ->default_val("/etc/isochrone/isochrone.yaml")
      ->type_name("FILE");
  auto* url = replay->add_option("--collector", arguments.api.collector, "The collector's HTTP API")
                  ->type_name("URL");
  replay
      ->add_option(
          "--log", arguments.log,
          "Folder of an event log to read instead; by itself only while the collector is down")
      ->check(CLI::ExistingDirectory)
      ->excludes(url)
      ->type_name("DIR");
  add_access(*replay, arguments.api);
  replay->add_flag("--json", arguments.json, "Print JSON");
}

void describe_config(CLI::App& app, ConfigArguments& arguments) {
  auto* config = app.add_subcommand("config", "Forecast, try and take a new configuration");
  config->require_subcommand(1);
  config->footer(
      "A configuration on trial never survives its process: the file of the node is replaced when "
      "it is "
      "confirmed.\n"
      "Examples:\n"
      "  isochrone config diff new.yaml\n"
      "  isochrone config apply new.yaml --confirm 5m\n"
      "  isochrone config confirm");
  const auto add = [&](const char* name, const char* what) {
    auto* command = config->add_subcommand(name, what);
    add_config(*command, arguments.config);
    command->callback([&arguments, name] { arguments.what = name; });
    return command;
  };
  const auto add_candidate = [&](CLI::App& command) {
    command.add_option("file", arguments.candidate, "The new configuration")
        ->required()
        ->type_name("FILE");
    command
        .add_option("--since", arguments.since,
                    "What the forecast replays: how long ago, or a time")
        ->default_val("1h")
        ->type_name("DURATION|TIME");
    command.add_option("--collector", arguments.api.collector, "The collector's HTTP API")
        ->type_name("URL");
    add_access(command, arguments.api);
    command.add_flag("--json", arguments.json, "Print the forecast as JSON");
  };
  add_candidate(*add("diff", "Say what it would have changed"));
  auto* apply = add("apply", "Let the running process take it, and undo it unless it is confirmed");
  add_candidate(*apply);
  apply->add_option("--confirm", arguments.confirm, "How long it may stay unconfirmed")
      ->default_val("5m")
      ->type_name("DURATION");
  add("confirm", "Keep what is on trial: it replaces the node's file");
  add("undo", "Go back to what ran before");
}

void describe_simulate(CLI::App& app, SimulateArguments& arguments) {
  auto* simulate = app.add_subcommand("simulate", "Judge the routing by a matrix of measured RTTs");
  simulate->footer(
      "A matrix has one row per node, white-space separated decimals, gzip or plain; nan or a\n"
      "negative number where nothing was measured. Rows drawn as sites serve the other columns.\n"
      "Example: isochrone simulate --rtt slice1.tsv.gz --sites 20 --draws 40 --budget 3");
  simulate->add_option("--rtt", arguments.rtt, "Matrix of one time slice; repeat for the next")
      ->required()
      ->type_name("FILE");
  simulate->add_option("--unit", arguments.unit, "Unit of the matrix")
      ->check(CLI::IsMember({"us", "ms", "s"}))
      ->capture_default_str();
  simulate->add_option("--coordinates", arguments.coordinates, "LATITUDE,LONGITUDE per row")
      ->type_name("FILE");
  simulate->add_option("--sites", arguments.sites, "How many rows to draw as sites, or which rows")
      ->check(CLI::Validator(check_sites, "N|LIST"));
  simulate->add_option("--draws", arguments.draws, "How many times to draw sites")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  simulate->add_option("--budget", arguments.budget, "Paths per client and slice; all when absent")
      ->check(CLI::Range(1, 64));
  simulate->add_option("--seed", arguments.seed, "Seed of the first draw")->capture_default_str();
  simulate->add_option("--rounds", arguments.rounds, "Rounds of probing in each slice, 6 s apart")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  simulate
      ->add_option("--noise", arguments.noise_ms, "Mean queueing delay added to every probe, in ms")
      ->check(CLI::Range(0.0, 10'000.0))
      ->capture_default_str();
  simulate->add_option("--from-slice", arguments.from_slice, "First slice that counts, from 1")
      ->check(CLI::Range(1, 65'535))
      ->capture_default_str();
  simulate->add_flag("--json", arguments.json, "Print JSON");
}

int dispatch(const CLI::App& app, const Arguments& arguments) {
  if (app.got_subcommand("run")) return run_command(arguments.run);
  if (app.got_subcommand("replace")) return replace_command(arguments.replace);
  if (app.got_subcommand("reload")) return reload_command(arguments.reload);
  if (app.got_subcommand("check")) return check_command(arguments.check);
  if (app.got_subcommand("route")) return route_command(arguments.route);
  if (app.got_subcommand("show")) return show_command(arguments.show);
  if (app.got_subcommand("replay")) return replay_command(arguments.replay);
  if (app.got_subcommand("config")) return config_command(arguments.config);
  if (app.got_subcommand("key")) return dispatch_key(*app.get_subcommand("key"), arguments.key);
  if (app.got_subcommand("token")) return token_command(arguments.token);
  if (app.got_subcommand("simulate")) return simulate_command(arguments.simulate);
  return ingest_command(arguments.ingest);
}

}  // namespace
}  // namespace isochrone::app

int main(int argc, char** argv) {
  using namespace isochrone::app;
  // The laboratory has commands of its own and parses them itself.
  if (argc > 1 && std::string(argv[1]) == "lab") return run_lab({argv + 2, argv + argc});
  CLI::App app("Authoritative DNS that sends each user to the server measured to be nearest.",
               "isochrone");
  app.footer(kExamples);
  app.set_version_flag("--version", "isochrone " ISOCHRONE_VERSION);
  app.require_subcommand(1);
  Arguments arguments;
  describe_local(app, arguments);
  describe_remote(app, arguments);
  describe_keys(app, arguments.key);
  describe_replay(app, arguments.replay);
  describe_config(app, arguments.config);
  describe_simulate(app, arguments.simulate);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version are errors to CLI11, with status 0; every other one is wrong usage.
    return app.exit(error) == 0 ? 0 : 2;
  }
  return dispatch(app, arguments);
}
