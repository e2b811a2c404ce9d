// SPDX-License-Identifier: Apache-2.0
//
// Answers one message of 60 KB that was made to cost time; run under callgrind, which counts what it took.
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "dns/answer_worker.h"
#include "dns/follower.h"
#include "dns/name.h"
#include "dns/tsig.h"

namespace isochrone::dns {
namespace {

using Message = std::vector<std::uint8_t>;
constexpr std::size_t kOctets = 60'000;
constexpr std::uint32_t kNow = 1'795'479'151;

void put16(Message& out, std::size_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value));
}
void set16(Message& out, std::size_t at, std::size_t value) {
  out[at] = static_cast<std::uint8_t>(value >> 8);
  out[at + 1] = static_cast<std::uint8_t>(value);
}

// A question for www.example.com and room for records of all sections.
Message question(std::uint8_t opcode = 0, std::uint16_t record_type = 1) {
  Message out{0, 1, static_cast<std::uint8_t>(opcode << 3), 0, 0, 1, 0, 0, 0, 0, 0, 0};
  const auto name = name_from_text(record_type == 1 ? "www.example.com" : "example.com");
  out.insert(out.end(), name->begin(), name->end());
  put16(out, record_type);
  put16(out, 1);
  return out;
}

void add_record(Message& out, const Message& owner, std::uint16_t record_type,
                const Message& data) {
  out.insert(out.end(), owner.begin(), owner.end());
  put16(out, record_type);
  put16(out, record_type == 250 ? 255 : 1);
  put16(out, 0);
  put16(out, 0);
  put16(out, data.size());
  out.insert(out.end(), data.begin(), data.end());
}

// Fills the section whose count stands at `count_at`.
Message filled(Message out, std::size_t count_at, const Message& owner, std::uint16_t record_type,
               const Message& data) {
  std::size_t count = 0;
  while (out.size() + owner.size() + data.size() + 10 <= kOctets) {
    add_record(out, owner, record_type, data);
    ++count;
  }
  set16(out, count_at, count);
  return out;
}

Message of_labels(std::size_t labels) {
  Message name;
  for (std::size_t i = 0; i < labels; ++i) name.insert(name.end(), {1, 'a'});
  name.push_back(0);
  return name;
}

// Pointers, each to the one before, and then names that begin at the last.
Message ladder() {
  Message out = question();
  Message rungs;
  std::size_t below = 12;
  while (rungs.size() < 15'000) {
    const std::size_t at = out.size() + 11 + rungs.size();
    put16(rungs, 0xc000 | below);
    below = at;
  }
  add_record(out, {0}, 16, rungs);
  Message last;
  put16(last, 0xc000 | below);
  out = filled(std::move(out), 6, last, 2, last);
  set16(out, 6, (std::size_t{out[6]} << 8 | out[7]) + 1);
  return out;
}

Message options(const Message& option) {
  Message out = question();
  Message data;
  while (out.size() + data.size() + option.size() + 11 <= kOctets) {
    data.insert(data.end(), option.begin(), option.end());
  }
  add_record(out, {0}, 41, data);
  set16(out, 10, 1);
  return out;
}

Message questions() {
  Message out = question();
  std::size_t count = 1;
  for (; out.size() + 5 <= kOctets; ++count) out.insert(out.end(), {0, 0, 1, 0, 1});
  set16(out, 4, count);
  return out;
}

// Signed with the server's key, then broken: all of it has to be hashed to find out.
Message badly_signed() {
  const TsigKey key{"k", {1, 'k', 0}, HmacAlgorithm::sha256, {1, 2, 3, 4}};
  Message out = filled(question(), 6, {0}, 1, {1, 2, 3, 4});
  TsigChain(key).sign(out, kNow);
  out[out.size() - 10] ^= 1;
  return out;
}

const std::map<std::string, std::function<Message()>> kMessages{
    {"one", [] { return question(); }},
    {"records", [] { return filled(question(), 6, {0}, 1, {}); }},
    {"names", [] { return filled(question(), 6, of_labels(127), 2, of_labels(127)); }},
    {"labels", [] { return filled(question(), 10, of_labels(29'900), 1, {}); }},
    {"ladder", [] { return ladder(); }},
    {"questions", [] { return questions(); }},
    {"options",
     [] {
       return options({0xfd, 0xe9, 0, 0});
     }},
    {"subnets",
     [] {
       return options({0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2});
     }},
    {"cookies",
     [] {
       return options({0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8});
     }},
    {"tsig", [] { return filled(question(), 10, {0}, 250, {}); }},
    {"badly-signed", [] { return badly_signed(); }},
    {"notify", [] { return filled(question(4, 6), 6, of_labels(127), 6, {}); }},
    {"ixfr", [] { return filled(question(0, 251), 8, of_labels(127), 6, of_labels(127)); }},
};

std::shared_ptr<const Snapshot> world() {
  routing::Topology topology;
  topology.sites = {{"fra", {}, {Address::v4(192, 0, 2, 1)}}};
  topology.services.resize(1);
  topology.services[0].name = "www.example.com";
  topology.services[0].sites = {routing::SiteId(0)};
  BuildInputs inputs;
  inputs.zones =
      ZoneSet::parse({{"example.com", "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\n"}}, topology).zones;
  inputs.topology = std::make_shared<const routing::Topology>(topology);
  auto policy = std::make_shared<TransferPolicy>();
  policy->keys = {{"k", {1, 'k', 0}, HmacAlgorithm::sha256, {1, 2, 3, 4}}};
  auto& zone = policy->zones[*name_from_text("example.com")];
  zone.options.allow = {{Prefix(Address::v4(10, 0, 0, 0), 8), ""}};
  zone.options.primaries = {{{Address::v4(10, 1, 2, 3), 53}, ""}};
  inputs.transfers = std::move(policy);
  return build_snapshot(inputs, {}, 1);
}

}  // namespace

// What callgrind collects, by name.
__attribute__((noinline)) std::size_t measured(Answers& answers, Bytes message, MutableBytes out) {
  return answers.reply_to(message, Address::v4(10, 1, 2, 3), Transport::tcp, out).size;
}

}  // namespace isochrone::dns

int main(int argc, char** argv) {
  using namespace isochrone;
  using namespace isochrone::dns;
  if (argc == 1) {
    for (const auto& [name, make] : kMessages) std::printf("%s\n", name.c_str());
    return 0;
  }
  const auto found = kMessages.find(argv[1]);
  if (found == kMessages.end()) return 2;
  Published<Snapshot> published(world());
  WorkerCounters counters;
  Answers answers(published, counters, 1, [](Bytes, const Address&) {});
  Message out(kMaxMessage);
  const Message warm = question();
  const Message message = found->second();
  answers.reply_to(warm, Address::v4(10, 1, 2, 3), Transport::tcp, out);
  const std::size_t size = measured(answers, message, out);
  std::printf("%zu octets, reply %zu\n", message.size(), size);
  return 0;
}
