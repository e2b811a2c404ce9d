// SPDX-License-Identifier: Apache-2.0
//
// Two collectors of one log in a NATS cluster of three: servers and collectors go, stand still and are
// cut off while others post to both.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "collector/partition.h"
#include "tests/faults/scene.h"
#include "tests/support/nats_cluster.h"
#include "tests/support/process.h"

namespace isochrone::test {
namespace {

using collector::kPartitions;
using std::chrono::milliseconds;

// Less than the lateness, by more than the age of the oldest event: nothing on its way becomes too late.
constexpr std::int64_t kLate = 560;
// Elections take seconds; a busy machine makes them longer.
constexpr std::chrono::minutes kElection{2};

NatsCluster& cluster() {
  static const app::Scratch folder;
  return NatsCluster::make(folder.path());
}

// Two collectors, c1 and c2, that have nothing in common but the stream.
class Pair {
 public:
  Pair(const std::string& fault, std::uint64_t seed)
      : stream_(fmt::format("{}-{}", fault, seed)),
        scene_(seed, fmt::format(", log: {{nats: [{}], stream: {}, lease: 1s}}",
                                 fmt::join(cluster().urls(), ", "), stream_)) {
    other_config_ = scene_.write("c2.yaml", fmt::format("node: {{name: c2, state-dir: state-c2}}\n"
                                                        "{}",
                                                        after_first_line(scene_.config())));
  }

  Scene& scene() { return scene_; }
  const std::string& stream() const { return stream_; }
  Daemon& first() { return scene_.daemon(); }
  Daemon& second() { return *second_; }

  // Both, with their shares; false when one does not become ready.
  bool start() {
    if (!scene_.start() || !start_second()) return false;
    scene_.turn_to({first().collector_url(), second().collector_url()});
    return have_shares();
  }
  bool start_second() {
    second_ = std::make_unique<Daemon>(other_config_,
                                       [this] { scene_.shift().preload(ISOCHRONE_SHIFTED_CLOCK); });
    return second_->is_ready();
  }
  std::size_t share(const Daemon& daemon) const {
    return get_json(daemon.collector_url(), "/v1/status")
        .value("partitions", nlohmann::json::object())
        .value("here", std::size_t{0});
  }
  // Until both have partitions and together all.
  bool have_shares() {
    return eventually([this] {
      const std::size_t one = share(first());
      const std::size_t two = share(second());
      return one > 0 && two > 0 && one + two == kPartitions + 1;
    });
  }

 private:
  static std::string after_first_line(const std::string& file) {
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

  std::string stream_;
  Scene scene_;
  std::string other_config_;
  std::unique_ptr<Daemon> second_;
};

class Cluster : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(cluster().trouble(), ""); }

  // Rounds of what `happen` does while all post to both collectors; `is_lost`: the first is gone then.
  template <class Happen>
  void rounds(const std::string& fault, Happen happen, bool is_lost = false) {
    Findings all;
    for (unsigned round = 0; round < fault_rounds() && !HasFailure(); ++round) {
      SCOPED_TRACE(round);
      Pair pair(fault, round);
      ASSERT_TRUE(pair.start());
      Scene& scene = pair.scene();
      scene.post(3);
      scene.all_read();
      scene.pass(1'200);  // windows close meanwhile
      for (Sender& sender : scene.senders()) sender.set_patience(Millis(3'000));
      scene.post_while([&] {
        pass_some_time(scene.random(), milliseconds(200));
        happen(pair);
      });
      for (Sender& sender : scene.senders()) sender.set_patience(Millis(20'000));
      if (is_lost) scene.turn_to({pair.second().collector_url()});
      ASSERT_TRUE(scene.flush(kElection)) << pair.second().log();
      scene.all_read();
      scene.pass(kLate);
      scene.all_read();
      const Findings found = scene.check();
      if (!found.is_clean()) {
        for (const Daemon* each : {&pair.first(), &pair.second()}) {
          fmt::print(stderr, "{}\n", get_json(each->collector_url(), "/v1/status").dump());
        }
      }
      all += found;
    }
    report(fault, all);
  }
};

TEST_F(Cluster, NothingHappens) {
  rounds("cluster-quiet", [](Pair& pair) { pair.scene().pass(kLate); });
}

TEST_F(Cluster, ACollectorIsKilled) {
  rounds(
      "cluster-collector-killed",
      [](Pair& pair) {
        pair.first().signal(SIGKILL);
        EXPECT_TRUE(eventually([&] { return pair.share(pair.second()) == kPartitions + 1; }))
            << pair.second().log();
        pair.scene().pass(kLate);
        pass_some_time(pair.scene().random(), milliseconds(200));
      },
      true);
}

// The one that stood still goes on with what it was about to say, and is refused.
TEST_F(Cluster, ACollectorIsPausedBeyondItsLease) {
  rounds("cluster-collector-paused", [](Pair& pair) {
    Scene& scene = pair.scene();
    pair.first().signal(SIGSTOP);
    EXPECT_TRUE(
        eventually([&] { return process_status(pair.first().pid(), "State").starts_with("T"); }));
    EXPECT_TRUE(eventually([&] { return pair.share(pair.second()) == kPartitions + 1; }))
        << pair.second().log();
    scene.pass(kLate);
    pass_some_time(scene.random(), milliseconds(300));
    pair.first().signal(SIGCONT);
    EXPECT_TRUE(pair.have_shares()) << pair.first().log() << pair.second().log();
  });
}

TEST_F(Cluster, TheLeaderOfTheStreamIsKilled) {
  rounds("cluster-leader-killed", [](Pair& pair) {
    const std::size_t leader = cluster().leader(pair.stream());
    ASSERT_LT(leader, NatsCluster::kServers);
    cluster().kill(leader);
    pair.scene().pass(kLate);
    EXPECT_TRUE(eventually([&] {
      const std::size_t next = cluster().leader(pair.stream());
      return next != leader && next < NatsCluster::kServers;
    }));
    pass_some_time(pair.scene().random(), milliseconds(300));
    cluster().start(leader);
    EXPECT_TRUE(eventually([] { return cluster().is_whole(); }));
  });
}

TEST_F(Cluster, TheLeaderOfTheStreamIsCutOffAndComesBack) {
  rounds("cluster-leader-cut-off", [](Pair& pair) {
    const std::size_t leader = cluster().leader(pair.stream());
    ASSERT_LT(leader, NatsCluster::kServers);
    cluster().cut(leader);
    pair.scene().pass(kLate);
    EXPECT_TRUE(eventually([&] {
      const std::size_t next = cluster().leader(pair.stream());
      return next != leader && next < NatsCluster::kServers;
    }));
    pass_some_time(pair.scene().random(), milliseconds(500));
    cluster().heal(leader);
    EXPECT_TRUE(eventually([] { return cluster().is_whole(); }));
  });
}

}  // namespace
}  // namespace isochrone::test
