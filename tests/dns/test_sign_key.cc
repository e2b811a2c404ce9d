// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "dns/key_store.h"
#include "tests/dns/signed_world.h"

namespace isochrone::dns::testing {
namespace {

using ::testing::HasSubstr;

const std::vector<std::uint8_t> kZone = *name_from_text("example.com");

SigningKey key_of(const KeyFiles& files) {
  return SigningKey::parse(kZone, files.public_text, files.private_text).value();
}

std::string error_of(const std::filesystem::path& folder) {
  const auto keys = KeyStore(folder).load(kZone);
  return keys ? "" : keys.error().text();
}

TEST(SigningKey, ReadsWhatLdnsKeygenWrites) {
  const SigningKey ecdsa = key_of(kEcdsaKey);
  EXPECT_EQ(ecdsa.tag(), 28'416);
  EXPECT_EQ(ecdsa.flags(), 257);
  EXPECT_EQ(ecdsa.file_name(), "Kexample.com.+013+28416");
  EXPECT_EQ(ecdsa.state(kNow), KeyState::active);
  EXPECT_EQ(to_hex(ecdsa.ds()),
            "6f000d02"
            "96a811386c5d3ce933b04036341c8c6e0eb6ad9929c9fdc0dbb3c4ac2447bb56");
  EXPECT_EQ(to_hex(key_of(kEd25519Key).ds()),
            "2ad70f02"
            "c2a2c4042a0ef5b50753aa405c31ace1b9957b7e40d011c9f1a05cd5101d22f2");
}

TEST(SigningKey, SignsTheSameWithEd25519EveryTime) {
  const SigningKey key = key_of(kEd25519Key);
  SignatureBytes a;
  SignatureBytes b;
  ASSERT_TRUE(key.sign(kZone, a));
  ASSERT_TRUE(key.sign(kZone, b));
  EXPECT_EQ(a, b);
}

TEST(SigningKey, GoesThroughItsFilesUnchanged) {
  for (const KeyAlgorithm algorithm : {KeyAlgorithm::ecdsap256sha256, KeyAlgorithm::ed25519}) {
    KeyTimes times;
    times.created = times.publish = kNow;
    times.activate = kNow + Seconds(60);
    const auto made = SigningKey::generate(kZone, algorithm, times).value();
    const auto read = SigningKey::parse(kZone, made.public_text(), made.private_text());
    ASSERT_TRUE(read.has_value()) << read.error().text();
    EXPECT_EQ(read->tag(), made.tag());
    EXPECT_EQ(read->times(), times);
    EXPECT_EQ(to_hex(read->dnskey()), to_hex(made.dnskey()));
    EXPECT_EQ(read->private_text(), made.private_text());
  }
}

TEST(SigningKey, PassesThroughItsStates) {
  KeyTimes times;
  times.publish = kNow;
  times.activate = kNow + Seconds(10);
  times.inactive = kNow + Seconds(20);
  times.remove = kNow + Seconds(30);
  struct Row {
    int after;
    KeyState state;
    int next;
  };
  for (const Row& row : {Row{-1, KeyState::planned, 0}, Row{0, KeyState::published, 10},
                         Row{10, KeyState::active, 20}, Row{20, KeyState::retired, 30}}) {
    const Instant now = kNow + Seconds(row.after);
    EXPECT_EQ(times.state(now), row.state) << row.after;
    EXPECT_EQ(times.next_change(now), kNow + Seconds(row.next)) << row.after;
  }
  EXPECT_EQ(times.state(kNow + Seconds(30)), KeyState::removed);
  EXPECT_FALSE(times.next_change(kNow + Seconds(30)).has_value());
}

class KeyFolder : public ::testing::Test {
 protected:
  KeyFolder() : key(key_of(kEcdsaKey)) {
    EXPECT_TRUE(KeyStore(folder.path()).save(key).has_value());
    secret = folder.path() / "Kexample.com.+013+28416.private";
    open_part = folder.path() / "Kexample.com.+013+28416.key";
  }
  app::Scratch folder;
  SigningKey key;
  std::filesystem::path secret;
  std::filesystem::path open_part;
};

TEST_F(KeyFolder, KeepsSecretsToTheOwner) {
  struct stat status {};
  ASSERT_EQ(::stat(secret.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  ::chmod(secret.c_str(), 0640);
  EXPECT_THAT(error_of(folder.path()), HasSubstr("mode 0640 lets others at the private key"));
}

TEST_F(KeyFolder, SaysWhatIsWrongWithAFile) {
  const std::string good = key.private_text();
  std::ofstream(secret) << "Private-key-format: v1.3\nAlgorithm: 13 (ECDSAP256SHA256)\n";
  EXPECT_THAT(error_of(folder.path()), HasSubstr("28416.private: not a private key"));
  std::ofstream(secret) << good << "Activate: tomorrow\n";
  EXPECT_THAT(error_of(folder.path()), HasSubstr("\"Activate: tomorrow\" is not a time"));
  std::ofstream(secret)
      << SigningKey::generate(kZone, KeyAlgorithm::ecdsap256sha256, {})->private_text();
  EXPECT_THAT(error_of(folder.path()), HasSubstr("does not belong to the DNSKEY"));
  std::ofstream(secret) << std::string(kMaxKeyFileBytes + 1, 'x');
  EXPECT_THAT(error_of(folder.path()), HasSubstr("too large"));
  std::ofstream(secret) << good;
  EXPECT_EQ(error_of(folder.path()), "");
  std::ofstream(open_part) << "example.net. IN DNSKEY 257 3 15 "
                              "WMFFAjN3NknkmYWzzkpVKTevZLdMXIO5QX+u/gOpMN4=\n";
  EXPECT_THAT(error_of(folder.path()), HasSubstr("is that of example.net, not of example.com"));
  std::filesystem::remove(open_part);
  EXPECT_THAT(error_of(folder.path()), HasSubstr("28416.key: cannot read"));
}

// A limit on the size of files stops a write in the middle, as a full disk does.
TEST_F(KeyFolder, AWriteThatFailsLeavesTheOldFiles) {
  KeyTimes times;
  times.activate = kNow;
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit small = before;
  small.rlim_cur = 16;
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto saved = KeyStore(folder.path()).save(key.with_times(times));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, handler);
  ASSERT_FALSE(saved.has_value());
  EXPECT_THAT(saved.error().text(), HasSubstr("28416.key: cannot write"));
  EXPECT_EQ(KeyStore(folder.path()).load(kZone).value().front().times(), key.times());
  for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
    EXPECT_NE(file.path().extension(), ".new");
  }
}

TEST_F(KeyFolder, HoldsKeysOfOtherZonesApart) {
  const auto other = KeyStore(folder.path()).load(*name_from_text("com"));
  ASSERT_TRUE(other.has_value());
  EXPECT_TRUE(other->empty());
  EXPECT_EQ(KeyStore(folder.path() / "absent").load(kZone)->size(), 0U);
}

TEST(SignedZones, NamesEveryKeyThatIsMissing) {
  SignedWorld world;
  std::filesystem::remove_all(world.policy.keys);
  const auto made = world.sign_again(kNow);
  ASSERT_EQ(made.errors.size(), 1U);
  EXPECT_THAT(made.errors[0].text(), HasSubstr("zone example.com has no active key in"));
  EXPECT_THAT(made.errors[0].text(), HasSubstr("isochrone key generate example.com"));
  // The zone goes on with the keys that are known, a changed one too.
  ASSERT_NE(made.zones->of(&world.zone()), nullptr);
  const auto later = world.sign_again(kNow + world.policy.lifetime);
  EXPECT_GT(later.zones->of(&world.zone())->signatures_made(), 0U);
  const Snapshot changed =
      snapshot_of({}, {{"example.com", example_zone() + "aa A 192.0.2.200\n"}}, three_sites());
  const auto moved = SignedZones::sign(changed.zones, {{"example.com", world.policy}}, kNow,
                                       world.snapshot.signatures.get());
  EXPECT_NE(moved.zones->of(&changed.zones->zones().front()), nullptr);
}

TEST(SignedZones, RefusesAPublishedKeyOfAnotherAlgorithm) {
  SignedWorld world;
  KeyTimes times;
  times.publish = kNow;
  const auto other = SigningKey::generate(kZone, KeyAlgorithm::ed25519, times);
  ASSERT_TRUE(KeyStore(world.policy.keys).save(*other).has_value());
  const auto made = world.sign_again(kNow);
  ASSERT_EQ(made.errors.size(), 1U);
  EXPECT_THAT(made.errors[0].text(), HasSubstr("published while no key of ed25519 is active"));
}

}  // namespace
}  // namespace isochrone::dns::testing
