// SPDX-License-Identifier: Apache-2.0
//
// A signed zone as secondaries get it: whole, in increments, and with a serial for every signature.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "dns/ldns.h"
#include "dns/transfer_desk.h"
#include "dns/transfer_in.h"
#include "dns/transfer_policy.h"
#include "tests/dns/signed_world.h"

namespace isochrone::dns::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using Texts = std::multiset<std::string>;

constexpr std::uint32_t kUnixNow = 1'780'272'000;
const std::vector<std::uint8_t> kApex = name_from_text("example.com").value();

// Lines of "owner TTL class type data" as ldns writes them, of what a secondary receives.
Texts texts_of(const ZoneRecords& records) {
  Texts texts;
  for (const auto& row : records.rows) {
    std::vector<std::uint8_t> wire(records.owner(row).begin(), records.owner(row).end());
    const auto put = [&wire](std::uint64_t value, int octets) {
      while (octets-- > 0) wire.push_back(static_cast<std::uint8_t>(value >> (8 * octets)));
    };
    put(row.type, 2);
    put(1, 2);
    put(row.ttl, 4);
    put(row.rdata_octets, 2);
    wire.insert(wire.end(), records.rdata(row).begin(), records.rdata(row).end());
    ldns_rr* raw = nullptr;
    std::size_t at = 0;
    EXPECT_EQ(ldns_wire2rr(&raw, wire.data(), wire.size(), &at, LDNS_SECTION_ANSWER),
              LDNS_STATUS_OK);
    const LdnsRr rr(raw);
    char* text = ldns_rr2str(raw);
    texts.insert(text);
    std::free(text);
  }
  return texts;
}

class SignedTransfer : public ::testing::TestWithParam<Denial> {
 protected:
  // Signed as of `now`, as the successor of what is served, with its step in the journal.
  void sign(Instant now) {
    const auto before = world_.snapshot.signatures;
    const auto made = SignedZones::sign(world_.snapshot.zones, {{"example.com", world_.policy}},
                                        now, before.get());
    ASSERT_TRUE(made.errors.empty());
    const ZoneVersion was = version(*before);
    const ZoneVersion is = version(*made.zones);
    if (was.serial() != is.serial()) {
      journal_ = journal_.extended(std::make_shared<const Difference>(difference(was, is)));
    }
    world_.snapshot.signatures = made.zones;
  }
  ZoneVersion version(const SignedZones& signatures) const {
    return {*world_.snapshot.zones, *world_.snapshot.topology, world_.zone(),
            signatures.of(&world_.zone())};
  }
  std::uint32_t serial() const { return version(*world_.snapshot.signatures).serial(); }

  ZoneRecords get(std::optional<std::uint32_t> held, const ZoneRecords& from = {}) {
    auto policy = std::make_shared<TransferPolicy>();
    ZoneTransfer& zone = policy->zones[kApex];
    zone.options.allow = {{prefix("0.0.0.0/0"), ""}};
    zone.journal = std::make_shared<const Journal>(journal_);
    world_.snapshot.transfers = policy;
    WorkerCounters counters;
    TransferDesk desk(counters, {});
    TransferIn in(
        kApex, held, [&] { return from; }, nullptr, 77);
    const auto query = in.request(!held, kUnixNow);
    Request request;
    request.query = query;
    request.sender = address("192.0.2.1");
    request.transport = Transport::tcp;
    request.now = kUnixNow;
    auto served = desk.serve(std::make_shared<const Snapshot>(world_.snapshot), request);
    EXPECT_TRUE(served && served->transfer);
    auto step = TransferIn::Step::more;
    while (step == TransferIn::Step::more && !served->transfer->is_done()) {
      step = in.take(served->transfer->next(kUnixNow), kUnixNow);
    }
    EXPECT_EQ(step, TransferIn::Step::done) << in.why();
    was_incremental_ = in.is_incremental();
    return in.records();
  }

  SignedWorld world_{GetParam()};
  Journal journal_;
  bool was_incremental_ = false;
};
INSTANTIATE_TEST_SUITE_P(Denials, SignedTransfer,
                         ::testing::Values(Denial::nsec, Denial::nsec3, Denial::compact));

// That each signature is right, and the chain whole, ldns-verify-zone says in tests/integration.
TEST_P(SignedTransfer, CarriesWhatValidatorsAskSecondariesFor) {
  const auto texts = texts_of(get(std::nullopt));
  const char* const denial = GetParam() == Denial::nsec3 ? "NSEC3" : "NSEC";
  for (const std::string one : {"example.com.\t3600\tIN\tDNSKEY\t257 3 13", "RRSIG\tDNSKEY 13 2",
                                "RRSIG\tSOA 13 2", "RRSIG\tCDS 13 2", "RRSIG\tDS 13 3"}) {
    EXPECT_THAT(texts, Contains(HasSubstr(one)));
  }
  EXPECT_THAT(texts, Contains(HasSubstr(fmt::format("\t{}\t", denial))));
  EXPECT_THAT(texts, Contains(HasSubstr(fmt::format("RRSIG\t{} 13", denial))));
  EXPECT_THAT(texts, Contains("www.example.com.\t30\tIN\tA\t192.0.2.99\n"))
      << "a routed name in its order of last resort";
  EXPECT_THAT(texts, Contains(HasSubstr("www.example.com.\t30\tIN\tRRSIG\tA 13 3 30")));
  EXPECT_THAT(texts, Each(Not(AllOf(HasSubstr("ns1.child."), HasSubstr("RRSIG"))))) << "glue";
}

TEST_P(SignedTransfer, EverySignatureThatIsRenewedIsAVersion) {
  world_.policy.raises_serial = true;
  sign(kNow);
  EXPECT_EQ(serial(), 7U) << "what the zone says, as long as nothing was signed since";
  const auto first = get(std::nullopt);
  sign(kNow + Seconds(60));
  EXPECT_EQ(serial(), 7U);
  const Instant later = kNow + world_.policy.lifetime;
  sign(later);
  EXPECT_EQ(serial(), 8U);
  sign(later + world_.policy.lifetime);
  EXPECT_EQ(serial(), 9U);
  const auto whole = texts_of(get(std::nullopt));
  EXPECT_EQ(whole.size(), first.rows.size()) << "a signature took the place of each";
  const auto increment = get(7, first);
  EXPECT_EQ(texts_of(increment), whole);
}

TEST_P(SignedTransfer, AnswersTellTheSerialThatIsTransferred) {
  world_.policy.raises_serial = true;
  world_.policy.last_serial = 41;
  world_.snapshot.signatures =
      SignedZones::sign(world_.snapshot.zones, {{"example.com", world_.policy}}, kNow, nullptr)
          .zones;
  EXPECT_EQ(serial(), 42U) << "after a start everything is signed anew";
  const auto serial_in = [](const Heard& heard) {
    return to_hex(heard.bytes).find("0000002a00000e10") != std::string::npos;
  };
  for (const char* type : {"SOA", "ANY"}) {
    const Heard heard = ask_signed(world_, "example.com", type);
    EXPECT_EQ(fault_of(world_, heard, "example.com", type), "") << type;
  }
  EXPECT_TRUE(serial_in(ask_signed(world_, "example.com", "SOA")));
  EXPECT_TRUE(serial_in(ask_signed(world_, "nothing.example.com")));
  EXPECT_TRUE(serial_in(ask(world_.snapshot, {.name = "example.com", .type = "SOA"})));
  EXPECT_TRUE(serial_in(ask(world_.snapshot, {.name = "nothing.example.com"})));
  const Heard denied = ask_online(world_, {.name = "nothing.example.com"});
  EXPECT_EQ(fault_of(world_, denied, "nothing.example.com"), "");
}

TEST_P(SignedTransfer, ANewerSerialOfTheFileIsTaken) {
  world_.policy.raises_serial = true;
  world_.policy.last_serial = 3;
  const auto signed_after = [&](std::uint32_t last) {
    world_.policy.last_serial = last;
    const auto made =
        SignedZones::sign(world_.snapshot.zones, {{"example.com", world_.policy}}, kNow, nullptr);
    return version(*made.zones).serial();
  };
  EXPECT_EQ(signed_after(3), 7U);
  EXPECT_EQ(signed_after(7), 8U);
  EXPECT_EQ(signed_after(100), 101U);
  EXPECT_EQ(signed_after(0xffff'ffff), 7U) << "RFC 1982: 7 comes after 4294967295";
}

}  // namespace
}  // namespace isochrone::dns::testing
