// SPDX-License-Identifier: Apache-2.0
//
// Which queries look up the name of a beacon's task, and what nobody can make the server believe.
#include <gtest/gtest.h>

#include "dns/beacon_watch.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns {
namespace {

constexpr std::uint32_t kNow = 1'700'000'000;
const std::string kSecret(64, 's');

std::vector<std::uint8_t> asked(std::string_view name, std::uint16_t questions = 1) {
  std::vector<std::uint8_t> query{0, 1, 0, 0, 0, static_cast<std::uint8_t>(questions),
                                  0, 0, 0, 0, 0, 0};
  while (!name.empty()) {
    const auto dot = std::min(name.find('.'), name.size());
    query.push_back(static_cast<std::uint8_t>(dot));
    query.insert(query.end(), name.begin(), name.begin() + static_cast<std::ptrdiff_t>(dot));
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  query.insert(query.end(), {0, 0, 1, 0, 1});
  return query;
}

class Watch : public ::testing::Test {
 protected:
  static std::string label(std::uint32_t given_out, const std::string& secret = kSecret) {
    return event::beacon_label(event::beacon_label_key(secret), std::uint64_t{given_out} << 32 | 7);
  }
  std::optional<event::BeaconNumber> task_of(const std::string& name) const {
    return watch_.task_of(asked(name), kNow);
  }

  BeaconWatch watch_ = BeaconWatch::make("b.example.com", {kSecret}, Seconds(120));
};

TEST_F(Watch, TheNameOfATaskTellsIt) {
  const auto task = std::uint64_t{kNow} << 32 | 7;
  EXPECT_EQ(task_of(label(kNow) + ".b.example.com"), task);
  std::string upper = label(kNow) + ".B.exaMple.com";
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(task_of(upper), task);  // 0x20
}

TEST_F(Watch, NoOtherNameDoes) {
  for (const std::string& name :
       {label(kNow) + ".example.com", label(kNow) + ".b.example.net",
        label(kNow) + ".b.example.com.net", "x." + label(kNow) + ".b.example.com",
        label(kNow).substr(1) + ".b.example.com", std::string(26, 'a') + ".b.example.com",
        std::string("b.example.com"),
        label(kNow, "another secret, just as long as it") + ".b.example.com"}) {
    EXPECT_EQ(task_of(name), std::nullopt) << name;
  }
}

TEST_F(Watch, ATaskIsOverWhenItsTokenIs) {
  EXPECT_TRUE(task_of(label(kNow - 120) + ".b.example.com"));
  EXPECT_FALSE(task_of(label(kNow - 121) + ".b.example.com"));
  EXPECT_TRUE(task_of(label(kNow + 60) + ".b.example.com"));
  EXPECT_FALSE(task_of(label(kNow + 61) + ".b.example.com"));
}

TEST_F(Watch, NoCutOfAQueryIsReadPastItsEnd) {
  const auto whole = asked(label(kNow) + ".b.example.com");
  for (std::size_t size = 0; size + 4 < whole.size(); ++size) {
    const std::vector<std::uint8_t> part(whole.begin(),
                                         whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(watch_.task_of(part, kNow)) << size;
  }
  EXPECT_FALSE(watch_.task_of(asked(label(kNow) + ".b.example.com", 2), kNow));
}

TEST_F(Watch, WatchesForNothingUnlessTold) {
  const auto query = asked(label(kNow) + ".b.example.com");
  EXPECT_FALSE(BeaconWatch().task_of(query, kNow));
  EXPECT_FALSE(BeaconWatch::make("", {kSecret}, Seconds(120)).task_of(query, kNow));
  const auto both =
      BeaconWatch::make("b.example.com", {std::string(64, 'n'), kSecret}, Seconds(120));
  EXPECT_TRUE(both.task_of(query, kNow));  // the old secret counts until it is taken away
}

}  // namespace
}  // namespace isochrone::dns
