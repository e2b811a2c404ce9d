// SPDX-License-Identifier: Apache-2.0
//
// `isochrone config`: forecast, trial, confirmation, and undoing by itself, by hand and by a crash.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "tests/integration/world.h"

namespace isochrone::test {
namespace {

constexpr auto kNetwork = "203.0.113.0/24";  // nobody measures it: it gets the first of the order

std::string text_of(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Configured : public testing::Test {
 protected:
  void SetUp() override { start(); }

  void start() {
    daemon_ = std::make_unique<Daemon>(config_);
    ASSERT_TRUE(daemon_->is_ready()) << daemon_->log();
  }
  // The same with iad before fra in the order of last resort.
  std::string candidate() const {
    std::string text = before_;
    const auto at = text.find("[fra, iad, sin]");
    EXPECT_NE(at, std::string::npos) << text;
    return text.replace(at, 15, "[iad, fra, sin]");
  }
  bool serves(const char* address) {
    return eventually([&] { return answers(daemon_->endpoint("dns"), kNetwork, address); });
  }
  Finished config(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "config");
    arguments.insert(arguments.end(), {"--config", config_});
    return isochrone(arguments);
  }
  Finished apply(const char* patience) const {
    return config({"apply", next_, "--confirm", patience, "--collector", daemon_->collector_url()});
  }

  World world_;
  const std::string before_ = world_.all_in_one();
  std::string config_ = world_.write("node.yaml", before_);
  std::string next_ = world_.write("next.yaml", candidate());
  std::unique_ptr<Daemon> daemon_;
};

TEST_F(Configured, ForecastsWhatWouldMove) {
  ASSERT_TRUE(serves("192.0.2.1"));
  ASSERT_TRUE(eventually([&] { return !events_of(daemon_->collector_url(), "demand").empty(); }));
  const Finished people = config({"diff", next_, "--collector", daemon_->collector_url()});
  EXPECT_EQ(people.status, 0) << people.err;
  EXPECT_NE(people.out.find("100.00 % of queries would have moved"), std::string::npos)
      << people.out;
  const auto json = nlohmann::json::parse(
      config({"diff", next_, "--json", "--collector", daemon_->collector_url()}).out, nullptr,
      false);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["moved_share"], 1.0);
  for (const auto& site : json["sites"]) {
    const bool is_left = site["site"] == "fra";
    EXPECT_EQ(site["before"] > 0, is_left) << site.dump();
    EXPECT_EQ(site["after"] > 0, site["site"] == "iad") << site.dump();
  }
  EXPECT_EQ(json["sites"].size(), 2U);
  EXPECT_TRUE(serves("192.0.2.1")) << "nothing was changed";
}

TEST_F(Configured, TakesWhatIsConfirmed) {
  const Finished applied = apply("1h");
  ASSERT_EQ(applied.status, 0) << applied.err;
  EXPECT_TRUE(serves("192.0.2.2"));
  EXPECT_EQ(text_of(config_), before_) << "until it is confirmed";
  EXPECT_EQ(apply("1h").status, 1) << "one at a time";
  EXPECT_EQ(isochrone({"reload", "--config", config_}).status, 1) << "it would undo the trial";
  ASSERT_EQ(config({"confirm"}).status, 0);
  EXPECT_EQ(text_of(config_), candidate());
  EXPECT_EQ(config({"confirm"}).status, 1) << "there is none any more";
  EXPECT_EQ(isochrone({"reload", "--config", config_}).status, 0);
  EXPECT_TRUE(serves("192.0.2.2"));
}

TEST_F(Configured, UndoesWhatIsNotConfirmedInTime) {
  ASSERT_EQ(apply("1s").status, 0);
  ASSERT_TRUE(daemon_->hears("configuration undone")) << daemon_->log();
  EXPECT_TRUE(serves("192.0.2.1"));
  EXPECT_EQ(config({"undo"}).status, 1);
  EXPECT_EQ(text_of(config_), before_);
}

TEST_F(Configured, UndoesByHand) {
  ASSERT_EQ(apply("1h").status, 0);
  ASSERT_TRUE(serves("192.0.2.2"));
  ASSERT_EQ(config({"undo"}).status, 0);
  EXPECT_TRUE(serves("192.0.2.1"));
  EXPECT_EQ(text_of(config_), before_);
}

TEST_F(Configured, ACrashUndoesIt) {
  ASSERT_EQ(apply("1h").status, 0);
  ASSERT_TRUE(serves("192.0.2.2"));
  daemon_->kill();
  start();
  EXPECT_TRUE(serves("192.0.2.1"));
  EXPECT_EQ(config({"confirm"}).status, 1);
}

TEST_F(Configured, ChangesNothingWhenAnythingIsWrong) {
  std::string broken = candidate();
  broken += "colour: blue\n";
  world_.write("next.yaml", broken);
  const Finished wrong = apply("1h");
  EXPECT_EQ(wrong.status, 1);
  EXPECT_NE(wrong.err.find("next.yaml:"), std::string::npos) << wrong.err;
  // Fine by itself, but no running process can do it.
  std::string moved = candidate();
  moved.replace(moved.find("state-ns1"), 9, "state-ns2");
  world_.write("next.yaml", moved);
  EXPECT_EQ(apply("1h").status, 1);
  EXPECT_EQ(config({"undo"}).status, 1) << "nothing is on trial";
  EXPECT_TRUE(serves("192.0.2.1"));
  world_.write("next.yaml", candidate());
  EXPECT_EQ(apply("soon").status, 1);
}

// As when who confirms dies between the two.
TEST_F(Configured, AFileThatHasItConfirmsIt) {
  ASSERT_EQ(apply("1s").status, 0);
  world_.write("node.yaml", candidate());
  ASSERT_TRUE(daemon_->hears("configuration confirmed")) << daemon_->log();
  EXPECT_TRUE(serves("192.0.2.2"));
}

TEST_F(Configured, TriesNoFileThatACrashWouldLeaveInPlace) {
  world_.write("node.yaml", candidate());
  const Finished applied = apply("1h");
  EXPECT_EQ(applied.status, 1);
  EXPECT_NE(applied.err.find("has that text already"), std::string::npos) << applied.err;
  EXPECT_TRUE(serves("192.0.2.1"));
}

TEST_F(Configured, ConfirmsOnlyWhatWasTried) {
  ASSERT_EQ(apply("1h").status, 0);
  world_.write("next.yaml", candidate() + "# and something else\n");
  const Finished confirmed = config({"confirm"});
  EXPECT_EQ(confirmed.status, 1);
  EXPECT_NE(confirmed.err.find("not what is on trial"), std::string::npos) << confirmed.err;
  EXPECT_EQ(text_of(config_), before_);
}

}  // namespace
}  // namespace isochrone::test
