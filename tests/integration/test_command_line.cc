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
  for (const char* word : {"run", "check", "route", "show", "ingest", "lab", "Examples"}) {
    EXPECT_NE(help.out.find(word), std::string::npos) << word;
  }
  EXPECT_EQ(isochrone({"route", "--help"}).status, 0);
  EXPECT_EQ(isochrone({"--version"}).out.substr(0, 10), "isochrone ");
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
