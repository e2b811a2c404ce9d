// SPDX-License-Identifier: Apache-2.0
//
// The program, loaded into this kernel and run on frames without an interface: what it takes, what
// it leaves.
#include <bpf/bpf.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "dns/xdp_program.h"
#include "dns/xdp_socket.h"
#include "tests/integration/xdp_world.h"
#include "tests/support/two_hosts.h"

namespace isochrone::test {
namespace {

const Endpoint kV4{Address::v4(10, 99, 0, 1), 53};
const Endpoint kOtherV4{Address::v4(10, 99, 0, 7), 5353};
const Endpoint kV6{*Address::parse("2001:db8:99::1"), 53};

Octets v6_frame() {
  Octets frame(62 + 20);
  ByteWriter out(frame);
  out.put(std::array<std::uint8_t, 14>{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd});
  out.u32(0x6000'0000);
  out.u16(28);
  out.u16(17 << 8 | 64);
  out.put(Address::parse("2001:db8:99::2")->bytes());
  out.put(kV6.address.bytes());
  out.u16(40'000);
  out.u16(53);
  return frame;
}

Octets with(Octets frame, std::size_t at, std::uint8_t value) {
  frame[at] = value;
  return frame;
}

class XdpProgram : public testing::Test {
 protected:
  void SetUp() override {
    map_ = Fd(bpf_map_create(BPF_MAP_TYPE_XSKMAP, "test_xsk", 4, 4, 1, nullptr));
    ASSERT_TRUE(map_) << std::strerror(errno) << ": this test needs CAP_BPF and CAP_NET_ADMIN";
  }

  // Loaded so that what would go to a socket is dropped instead: without one the kernel would take
  // it, and nobody could tell.
  void load(const std::vector<Endpoint>& endpoints) {
    auto code = dns::assemble_xdp_program({{2, 0, 0, 0, 0, 1}, endpoints}, map_.get());
    for (std::size_t i = 0; i + 1 < code.size(); ++i) {
      const bool is_verdict = code[i].dst_reg == BPF_REG_3 && code[i].imm == XDP_PASS &&
                              code[i + 1].code == (BPF_JMP | BPF_CALL);
      if (is_verdict) code[i].imm = XDP_DROP;
    }
    program_ = Fd(
        bpf_prog_load(BPF_PROG_TYPE_XDP, "test", "Apache-2.0", code.data(), code.size(), nullptr));
    ASSERT_TRUE(program_) << std::strerror(errno);
  }
  bool takes(const Octets& frame) {
    LIBBPF_OPTS(bpf_test_run_opts, run);
    run.data_in = frame.data();
    run.data_size_in = static_cast<std::uint32_t>(frame.size());
    run.repeat = 1;
    EXPECT_EQ(bpf_prog_test_run_opts(program_.get(), &run), 0) << std::strerror(errno);
    EXPECT_TRUE(run.retval == XDP_PASS || run.retval == XDP_DROP) << run.retval;
    return run.retval == XDP_DROP;
  }

  Fd map_;
  Fd program_;
  const Octets query_ = query_frame(kV4, 40'000, Octets(20));
};

TEST_F(XdpProgram, TakesQueriesToItsAddressesAndNothingElse) {
  load({kV4, kV6, kOtherV4});
  EXPECT_TRUE(takes(query_));
  EXPECT_TRUE(takes(query_frame(kOtherV4, 1, Octets(20))));
  EXPECT_TRUE(takes(v6_frame()));
  const std::vector<std::pair<const char*, Octets>> left{
      {"another neighbour", with(query_, 5, 9)},
      {"everybody", with(query_, 0, 0xff)},
      {"ARP", with(query_, 13, 6)},
      {"a VLAN tag", with(query_, 12, 0x81)},
      {"IP options", with(query_, 14, 0x46)},
      {"the first fragment", with(query_, 20, 0x20)},
      {"a later fragment", with(query_, 21, 1)},
      {"a fragment far behind", with(query_, 20, 0x10)},
      {"TCP", with(query_, 23, 6)},
      {"another address", with(query_, 33, 2)},
      {"another port", with(query_, 37, 54)},
      {"the port of another address", query_frame({kOtherV4.address, 53}, 1, Octets(20))},
      {"longer than a frame", query_frame(kV4, 1, Octets(dns::XdpSocket::kMaxReceiveOctets - 41))},
      {"an extension header", with(v6_frame(), 20, 44)},
      {"another IPv6 address", with(v6_frame(), 38, 0x21)},
      {"its last octet", with(v6_frame(), 53, 2)},
      {"another IPv6 port", with(v6_frame(), 56, 1)},
  };
  for (const auto& [what, frame] : left) EXPECT_FALSE(takes(frame)) << what;
  EXPECT_TRUE(takes(with(query_, 20, 0x40))) << "don't fragment is no fragment";
  EXPECT_TRUE(takes(query_frame(kV4, 1, Octets(dns::XdpSocket::kMaxReceiveOctets - 42))));
}

TEST_F(XdpProgram, ServesOneFamilyAlone) {
  load({kV6});
  EXPECT_FALSE(takes(query_));
  EXPECT_TRUE(takes(v6_frame()));
  load({kV4});
  EXPECT_TRUE(takes(query_));
  EXPECT_FALSE(takes(v6_frame()));
}

TEST_F(XdpProgram, TakesAsManyAddressesAsItSays) {
  std::vector<Endpoint> many;
  for (unsigned i = 0; i < dns::kMaxXdpEndpoints / 2; ++i) {
    many.push_back(
        {Address::v4(10, 1, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)), 53});
    many.push_back({Address::from_bits(Family::v6, 0x20010db8ULL << 32, i + 2), 53});
  }
  load(many);
  EXPECT_TRUE(takes(query_frame(many.front(), 1, Octets(20))));
  EXPECT_TRUE(takes(query_frame(many[many.size() - 2], 1, Octets(20))));
  EXPECT_FALSE(takes(query_));
}

}  // namespace
}  // namespace isochrone::test
