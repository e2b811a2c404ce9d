// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/integration/world.h"

namespace isochrone::test {
namespace {

TEST(CommandLine, WrongUsageIsTwo) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"dance"},
      {"route"},
      {"show", "weather"},
      {"run", "--colour"},
      {"ingest"},
      {"simulate"},
      {"simulate", "--rtt", "x", "--sites", "3,3"},
      {"simulate", "--rtt", "x", "--sites", "few"},
      {"simulate", "--rtt", "x", "--sites", "0"},
      {"simulate", "--rtt", "x", "--budget", "0"},
      {"simulate", "--rtt", "x", "--unit", "h"},
      {"simulate", "--rtt", "x", "--draws", "-1"},
      {"show", "sites", "--collector", "http://127.0.0.1:1", "--config", "x"},
  };
  for (const auto& arguments : wrong) {
    const Finished finished = isochrone(arguments);
    EXPECT_EQ(finished.status, 2) << testing::PrintToString(arguments);
    EXPECT_FALSE(finished.err.empty()) << testing::PrintToString(arguments);
  }
}

TEST(CommandLine, HelpTeachesAndIsDone) {
  const Finished help = isochrone({"--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* word :
       {"run", "check", "route", "show", "ingest", "simulate", "lab", "Examples"}) {
    EXPECT_NE(help.out.find(word), std::string::npos) << word;
  }
  EXPECT_EQ(isochrone({"route", "--help"}).status, 0);
  EXPECT_EQ(isochrone({"--version"}).out.substr(0, 10), "isochrone ");
}

TEST(CommandLine, SimulatePrintsStableJson) {
  const World world;
  const std::string file = world.write("rtt.txt", "0 10 30\n10 0 20\n30 20 0\n");
  const Finished done = isochrone({"simulate", "--rtt", file, "--sites", "0,2", "--json"});
  ASSERT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(
      done.out,
      R"({"rtt":[")" + file +
          R"("],"slices":1,"from_slice":1,"sites":2,"clients":1,"draws":1,"seed":1,)"
          R"("budget":null,"strategies":{)"
          R"("oracle":{"count":1,"mean_ms":0.0,"p50_ms":0.0,"p90_ms":0.0,"p95_ms":0.0,)"
          R"("p99_ms":0.0,"wrong_site_share":0.0,"worse_than_geo_share":null,)"
          R"("measurements":2},"geo":null,)"
          R"("order":{"count":1,"mean_ms":0.0,"p50_ms":0.0,"p90_ms":0.0,"p95_ms":0.0,)"
          R"("p99_ms":0.0,"wrong_site_share":0.0,"worse_than_geo_share":null,)"
          R"("measurements":0},)"
          R"("isochrone":{"count":1,"mean_ms":0.0,"p50_ms":0.0,"p90_ms":0.0,"p95_ms":0.0,)"
          R"("p99_ms":0.0,"wrong_site_share":0.0,"worse_than_geo_share":null,)"
          R"("measurements":2},"isochrone_before":null},)"
          R"("draw_sites":[[0,2]],"mesh_measurements":2,"preferences_changed":3,"late_changes":0,"late_client_hours":0.0})"
          "\n");
}

TEST(CommandLine, SimulateNamesTheFaultInAFile) {
  const World world;
  const std::string bad = world.write("bad.txt", "0 1\n1 x\n");
  const std::string good = world.write("good.txt", "0 1\n1 0\n");
  const std::string wide = world.write("wide.txt", "0 1 2\n1 0 2\n");
  const std::string places = world.write("places.txt", "50,8\n50;8\n");
  const auto error_of = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "simulate");
    const Finished finished = isochrone(arguments);
    EXPECT_EQ(finished.status, 1) << testing::PrintToString(arguments);
    return finished.err;
  };
  EXPECT_NE(error_of({"--rtt", bad}).find(bad + ":2:3: 'x' is no round-trip time"),
            std::string::npos);
  EXPECT_NE(error_of({"--rtt", good, "--rtt", wide}).find(wide + ":1: 2 rows of 3, but " + good),
            std::string::npos);
  EXPECT_NE(error_of({"--rtt", good, "--sites", "1", "--coordinates", places})
                .find(places + ":2: '50;8' is no place"),
            std::string::npos);
  EXPECT_NE(error_of({"--rtt", good, "--sites", "5"}).find("cannot be drawn"), std::string::npos);
  EXPECT_NE(error_of({"--rtt", world.path("none.txt")}).find("none.txt"), std::string::npos);
}

TEST(CommandLine, CheckTakesAGoodConfiguration) {
  const World world;
  for (const std::string& text :
       {world.all_in_one(), world.collector_only(), world.dns_only("http://127.0.0.1:1")}) {
    const std::string file = world.write("good.yaml", text);
    const Finished finished = isochrone({"check", "--config", file});
    EXPECT_EQ(finished.status, 0) << finished.err;
    EXPECT_EQ(finished.out, file + ": ok\n");
  }
}

TEST(CommandLine, CheckAndRunNameEveryFaultWithItsPlace) {
  const World world;
  const std::string file = world.write("bad.yaml",
                                       "node: {name: ns1, rolez: [dns]}\n"
                                       "dns: {listen: 127.0.0.1@99999}\n"
                                       "zones: [{name: example.com, file: none.zone}]\n"
                                       "sites: [{name: fra, addresses: 192.0.2.1}]\n"
                                       "services: [{name: www.example.com, sites: [frb]}]\n");
  const std::vector<std::string> faults = {
      file + ":1:19: unknown key \"rolez\"; correct or remove it (did you mean \"roles\"?)",
      file + ":2:15: dns.listen: \"127.0.0.1@99999\" is not ADDRESS@PORT",
      file + ":3:35: no file " + world.path("none.zone"),
      file +
          ":5:44: unknown site \"frb\"; add it to sites or correct the name (did you mean "
          "\"fra\"?)",
  };
  for (const char* command : {"check", "run"}) {
    const Finished finished = isochrone({command, "--config", file});
    EXPECT_EQ(finished.status, 1) << command;
    for (const std::string& fault : faults) {
      EXPECT_NE(finished.err.find(fault), std::string::npos)
          << command << " lacks " << fault << "\n"
          << finished.err;
    }
  }
}

TEST(CommandLine, AFaultInAZoneNamesFileAndLine) {
  const World world;
  world.write_zone("bad IN A 999.1.1.1\n");
  const std::string file = world.write("good.yaml", world.all_in_one());
  const Finished finished = isochrone({"check", "--config", file});
  EXPECT_EQ(finished.status, 1);
  EXPECT_NE(finished.err.find(world.path("example.com.zone") + ":6:"), std::string::npos)
      << finished.err;
}

TEST(CommandLine, WithoutACollectorTheCommandsSaySo) {
  // Port 1 of loopback: nobody listens there.
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"route", "192.0.2.1"}, {"show", "status"}, {"ingest", "-"}}) {
    auto arguments = command;
    arguments.insert(arguments.end(), {"--collector", "http://127.0.0.1:1"});
    const Finished finished = isochrone(arguments, measurement("fra", "198.51.100.0/24", 1'000));
    EXPECT_EQ(finished.status, 1) << command[0];
    EXPECT_NE(finished.err.find("no answer from the collector"), std::string::npos) << finished.err;
  }
}

}  // namespace
}  // namespace isochrone::test
