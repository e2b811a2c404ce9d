// SPDX-License-Identifier: Apache-2.0
#include "app/lab.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>

#include "base/text.h"
#include "lab/control.h"
#include "lab/echo_record.h"
#include "lab/lab.h"
#include "lab/namespaces.h"

namespace isochrone::app {
namespace {

using Json = nlohmann::json;

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;

constexpr std::string_view kHelp = R"(isochrone lab: an Internet in a box

  isochrone lab run --rtt FILE [--sites 8] [--clients 480] [--ipv6-share 0.2]
                    [--jitter 0.2ms] [--loss 0.1%] [--silent 0] [--seed 1]
        Makes a network namespace for each site and for hub, resolver and client, joins them by
        an emulator that delays each packet as the RTT matrix says, and answers for every address
        of the client networks. Runs in the foreground; Ctrl-C removes everything.
  isochrone lab status [--json]              what it carried, and its own error
  isochrone lab truth NETWORK [--json]       the RTT of every site to a client network now
  isochrone lab path SITE NETWORK --rtt 300ms | --reset
  isochrone lab loss SHARE [SITE [NETWORK]]  of every path, of a site's, of one; 5% or 0.05
  isochrone lab cut SITE                     nothing to or from the site arrives
  isochrone lab restore SITE
  isochrone lab exec NODE -- COMMAND...      runs a command inside a node's namespaces
  isochrone lab record FILE [--device wan0]  the delay that each ping of a node really had, until
                    Ctrl-C: an address and nanoseconds a line, -1 for what was not answered. Runs
                    inside a node: isochrone lab exec s1 -- isochrone lab record /tmp/delays
  isochrone lab stop

NODE is s1, s2, ... (the sites), hub, resolver or client. NETWORK is a prefix or an address in it.
Every command takes --state DIR, the lab's directory (default $XDG_RUNTIME_DIR/isochrone-lab, or
/tmp/isochrone-lab); `run` writes DIR/lab.json when the lab is ready.
)";

// The words of one sub-command: those by position, and options with and without a value.
struct Words {
  std::vector<std::string> positional;
  std::map<std::string, std::string> values;
  std::set<std::string> flags;
  std::vector<std::string> command;  // after "--"

  std::string value(const std::string& name, const std::string& otherwise) const {
    const auto found = values.find(name);
    return found == values.end() ? otherwise : found->second;
  }
};

struct Shape {
  std::size_t least;  // positional words
  std::size_t most;
  std::set<std::string> values;
  std::set<std::string> flags;
};

const std::map<std::string, Shape>& shapes() {
  static const std::set<std::string> of_run{"--rtt",    "--sites", "--clients", "--ipv6-share",
                                            "--jitter", "--loss",  "--silent",  "--seed"};
  static const std::map<std::string, Shape> all{{"run", {0, 0, of_run, {}}},
                                                {"status", {0, 0, {}, {"--json"}}},
                                                {"truth", {1, 1, {}, {"--json"}}},
                                                {"path", {2, 2, {"--rtt"}, {"--reset"}}},
                                                {"loss", {1, 3, {}, {}}},
                                                {"cut", {1, 1, {}, {}}},
                                                {"restore", {1, 1, {}, {}}},
                                                {"exec", {1, 1, {}, {}}},
                                                {"record", {1, 1, {"--device"}, {}}},
                                                {"stop", {0, 0, {}, {}}}};
  return all;
}

int wrong_usage(const std::string& what) {
  fmt::print(stderr, "isochrone lab: {}; see `isochrone lab --help`\n", what);
  return kWrongUsage;
}

int failed(const Error& error) {
  fmt::print(stderr, "isochrone lab: {}\n", error.text());
  return kFailed;
}

Result<Words> parse_words(const std::vector<std::string>& args, const Shape& shape) {
  Words words;
  for (std::size_t i = 1; i < args.size(); ++i) {
    std::string word = args[i];
    if (word == "--") {
      words.command.assign(args.begin() + static_cast<std::ptrdiff_t>(i) + 1, args.end());
      break;
    }
    const auto equals = word.starts_with("--") ? word.find('=') : std::string::npos;
    const std::string name = word.substr(0, equals);
    if (shape.values.contains(name) || name == "--state") {
      if (equals == std::string::npos && i + 1 == args.size()) {
        return fail(Errc::invalid, name + " needs a value");
      }
      words.values[name] = equals == std::string::npos ? args[++i] : word.substr(equals + 1);
    } else if (shape.flags.contains(word)) {
      words.flags.insert(word);
    } else if (word.starts_with("--")) {
      return fail(Errc::invalid, "unknown option " + word);
    } else {
      words.positional.push_back(std::move(word));
    }
  }
  if (words.positional.size() < shape.least || words.positional.size() > shape.most) {
    return fail(Errc::invalid, fmt::format("{} takes {} words, not {}", args.front(),
                                           shape.least == shape.most
                                               ? fmt::format("{}", shape.least)
                                               : fmt::format("{} to {}", shape.least, shape.most),
                                           words.positional.size()));
  }
  return words;
}

// "0.2ms", "300ms", "150us", "1.5s"; a number alone is milliseconds, as in the matrix.
std::optional<Micros> parse_rtt(std::string_view text) {
  double factor = 1e3;
  for (const auto& [unit, micros] : {std::pair<std::string_view, double>{"ms", 1e3},
                                     std::pair<std::string_view, double>{"us", 1},
                                     std::pair<std::string_view, double>{"s", 1e6}}) {
    if (!text.ends_with(unit)) continue;
    factor = micros;
    text.remove_suffix(unit.size());
    break;
  }
  const auto number = parse_number<double>(text);
  if (!number || !(*number >= 0) || *number * factor > static_cast<double>(lab::kMaxRtt.count())) {
    return std::nullopt;
  }
  return Micros(std::llround(*number * factor));
}

// "5%" or "0.05".
std::optional<double> parse_share(std::string_view text) {
  const bool is_percent = text.ends_with('%');
  if (is_percent) text.remove_suffix(1);
  const auto number = parse_number<double>(text);
  if (!number) return std::nullopt;
  const double share = is_percent ? *number / 100 : *number;
  if (!(share >= 0 && share <= 1)) return std::nullopt;
  return share;
}

std::filesystem::path state_dir(const Words& words) {
  return words.value("--state", lab::default_state_dir().string());
}

Result<lab::Options> parse_run(const Words& words) {
  lab::Options options;
  options.rtt_file = words.value("--rtt", "");
  if (options.rtt_file.empty()) return fail(Errc::invalid, "run needs --rtt FILE");
  options.state_dir = state_dir(words);
  const auto sites = parse_number<std::size_t>(words.value("--sites", "8"));
  const auto clients = parse_number<std::size_t>(words.value("--clients", "480"));
  const auto seed = parse_number<std::uint64_t>(words.value("--seed", "1"));
  const auto ipv6_share = parse_share(words.value("--ipv6-share", "0.2"));
  const auto jitter = parse_rtt(words.value("--jitter", "0.2ms"));
  const auto loss = parse_share(words.value("--loss", "0.1%"));
  if (!sites || !clients || !seed) {
    return fail(Errc::invalid, "--sites, --clients and --seed take whole numbers");
  }
  const auto silent = parse_share(words.value("--silent", "0"));
  if (!ipv6_share || !loss || !silent) {
    return fail(Errc::invalid, "--ipv6-share, --loss and --silent take a share like 0.001 or 0.1%");
  }
  if (!jitter) return fail(Errc::invalid, "--jitter takes a duration like 0.2ms");
  options.plan = {*sites, *clients, *ipv6_share, *seed, *silent};
  options.jitter = *jitter;
  options.loss = *loss;
  return options;
}

int run(const Words& words) {
  const auto options = parse_run(words);
  if (!options) return wrong_usage(options.error().text());
  const auto done = lab::run(*options, [](const std::string& line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);
  });
  return done ? kDone : failed(done.error());
}

Result<Json> ask(const Words& words, const Json& request) {
  const auto text = lab::ask(lab::control_socket(state_dir(words)), request.dump());
  if (!text) return tl::unexpected(text.error());
  const Json answer = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object()) return fail(Errc::invalid, "the lab gave no JSON");
  if (answer.contains("error")) return fail(Errc::invalid, answer["error"].get<std::string>());
  return answer;
}

std::string milliseconds(const Json& value) {
  return value.is_null() ? "unreachable" : fmt::format("{:.3f} ms", value.get<double>());
}

void print_errors(const char* name, const Json& errors, const std::string& note) {
  fmt::print("{:<12} p50 {:.2f} ms  p99 {:.2f} ms  max {:.2f} ms  of {} {}\n", name,
             errors["p50-us"].get<double>() / 1000, errors["p99-us"].get<double>() / 1000,
             errors["max-us"].get<double>() / 1000, errors["count"].get<std::uint64_t>(), note);
}

void print_status(const Json& status) {
  fmt::print("up {:.0f} s, {} sites, {} client networks, {} packets in flight, {} scheduling\n",
             status["uptime-seconds"].get<double>(), status["sites"].get<int>(),
             status["networks"].get<int>(), status["in-flight"].get<int>(),
             status["realtime"].get<bool>() ? "real-time" : "ordinary");
  for (const auto& [name, count] : status["packets"].items()) {
    fmt::print("  {:<12} {}\n", name, count.get<std::uint64_t>());
  }
  print_errors("timer error", status["timer-error"], "packets: written against due");
  print_errors("delay error", status["delay-error"],
               fmt::format("yardstick packets: seen inside a namespace against the {:.0f} ms asked "
                           "for",
                           status["delay-error"]["requested-us"].get<double>() / 1000));
  for (const Json& site : status["cut-sites"]) fmt::print("cut: {}\n", site.get<std::string>());
  for (const Json& path : status["changed-paths"]) {
    fmt::print("changed: {} to {} is {}\n", path["site"].get<std::string>(),
               path["network"].get<std::string>(), milliseconds(path["rtt-ms"]));
  }
}

void print_truth(const Json& truth) {
  fmt::print("{}\n", truth["network"].get<std::string>());
  for (const Json& site : truth["sites"]) {
    fmt::print("  {:<4} {:>14}  loss {:.2f} %{}\n", site["site"].get<std::string>(),
               milliseconds(site["rtt-ms"]), site["loss"].get<double>() * 100,
               site["cut"].get<bool>() ? "  cut" : "");
  }
}

int print_answer(const Words& words, const Json& request, void (*print)(const Json&)) {
  const auto answer = ask(words, request);
  if (!answer) return failed(answer.error());
  if (words.flags.contains("--json")) {
    fmt::print("{}\n", answer->dump(1));
  } else {
    print(*answer);
  }
  return kDone;
}

int change_path(const Words& words) {
  Json request{
      {"command", "path"}, {"site", words.positional[0]}, {"network", words.positional[1]}};
  const bool is_reset = words.flags.contains("--reset");
  if (is_reset == words.values.contains("--rtt")) {
    return wrong_usage("path takes either --rtt or --reset");
  }
  if (!is_reset) {
    const auto rtt = parse_rtt(words.value("--rtt", ""));
    if (!rtt) return wrong_usage("--rtt takes a duration like 300ms, at most 60s");
    request["rtt-us"] = rtt->count();
  }
  return print_answer(words, request, [](const Json& answer) {
    fmt::print("was {}, is {}\n", milliseconds(answer["before-ms"]),
               milliseconds(answer["rtt-ms"]));
  });
}

int change_loss(const Words& words) {
  const auto share = parse_share(words.positional[0]);
  if (!share) return wrong_usage("loss takes a share like 5% or 0.05");
  Json request{{"command", "loss"}, {"loss", *share}};
  if (words.positional.size() > 1) request["site"] = words.positional[1];
  if (words.positional.size() > 2) request["network"] = words.positional[2];
  return print_answer(words, request, [](const Json&) {});
}

int exec(const Words& words) {
  if (words.command.empty()) return wrong_usage("exec needs a command after --");
  const auto node = ask(words, {{"command", "node"}, {"node", words.positional[0]}});
  if (!node) return failed(node.error());
  return failed(lab::exec_inside((*node)["pid"].get<pid_t>(), words.command));
}

int record(const Words& words) {
  const auto summary =
      lab::record_echoes(words.value("--device", "wan0"), words.positional.front());
  if (!summary) return failed(summary.error());
  fmt::print("{} echoes left, {} were answered, {} packets missed\n", summary->sent,
             summary->answered, summary->missed);
  return kDone;
}

int dispatch(const std::string& name, const Words& words) {
  if (name == "run") return run(words);
  if (name == "exec") return exec(words);
  if (name == "record") return record(words);
  if (name == "path") return change_path(words);
  if (name == "loss") return change_loss(words);
  if (name == "status") return print_answer(words, {{"command", "status"}}, print_status);
  if (name == "truth") {
    return print_answer(words, {{"command", "truth"}, {"network", words.positional[0]}},
                        print_truth);
  }
  Json request{{"command", name}};  // cut, restore, stop
  if (!words.positional.empty()) request["site"] = words.positional[0];
  return print_answer(words, request, [](const Json&) {});
}

}  // namespace

int run_lab(const std::vector<std::string>& args) {
  if (args.empty()) return wrong_usage("a sub-command is missing");
  const std::set<std::string> help{"--help", "-h", "help"};
  const bool asks_for_help =
      help.contains(args[0]) || (args.size() > 1 && (args[1] == "--help" || args[1] == "-h"));
  if (asks_for_help) {
    fmt::print("{}", kHelp);
    return kDone;
  }
  const auto shape = shapes().find(args.front());
  if (shape == shapes().end()) return wrong_usage("unknown sub-command " + args.front());
  const auto words = parse_words(args, shape->second);
  if (!words) return wrong_usage(words.error().text());
  return dispatch(args.front(), *words);
}

}  // namespace isochrone::app
