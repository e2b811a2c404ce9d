// SPDX-License-Identifier: Apache-2.0
#include "bench/load_questions.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <string_view>

#include "base/ip.h"
#include "base/random.h"
#include "base/text.h"

namespace isochrone::bench {
namespace {

struct Network {
  Prefix prefix;
  Address answer;
};

std::vector<Network> read_networks(const std::string& file) {
  std::vector<Network> networks;
  std::ifstream in(file);
  std::string prefix;
  std::string answer;
  while (in >> prefix >> answer) {
    const auto p = Prefix::parse(prefix);
    const auto a = Address::parse(answer);
    if (p && a) networks.push_back({*p, *a});
  }
  return networks;
}

void put_name(ByteWriter& out, std::string_view name) {
  for (const auto label : split(name, '.')) {
    out.u8(static_cast<std::uint8_t>(label.size()));
    out.put({reinterpret_cast<const std::uint8_t*>(label.data()), label.size()});
  }
  out.u8(0);
}

std::string draw_name(const QuestionSpec& spec, Random& random) {
  std::string name = spec.name;
  const auto at = name.find('%');
  if (at == std::string::npos) return name;
  std::array<char, 24> number{};
  std::snprintf(number.data(), number.size(), "%07llu",
                static_cast<unsigned long long>(random.below(spec.names)));
  return name.replace(at, 1, number.data());
}

// CLIENT-SUBNET (RFC 7871) of a /24.
void put_subnet(ByteWriter& out, const Network& network) {
  out.u16(11);
  out.u16(8);
  out.u16(7);
  out.u16(1);
  out.u8(24);
  out.u8(0);
  const auto address = network.prefix.address().bytes();
  out.put(Bytes(address).first(3));
}

std::optional<Question> make_question(const QuestionSpec& spec,
                                      const std::vector<Network>& networks, Random& random) {
  Question question;
  ByteWriter out(question.bytes);
  const bool edns = spec.edns || spec.dnssec || !networks.empty();
  for (const unsigned number : {0U, 0U, 1U, 0U, 0U, edns ? 1U : 0U}) {
    out.u16(static_cast<std::uint16_t>(number));  // id and flags, then one question
  }
  put_name(out, draw_name(spec, random));
  out.u16(1);  // A
  out.u16(1);  // IN
  question.question_end = static_cast<std::uint16_t>(out.position());
  if (edns) {
    out.u8(0);
    out.u16(41);  // OPT (RFC 6891)
    out.u16(1232);
    out.u16(0);
    out.u16(spec.dnssec ? 0x8000 : 0);
    if (networks.empty()) {
      out.u16(0);
    } else {
      const Network& network = networks[random.below(networks.size())];
      put_subnet(out, network);
      const auto answer = network.answer.bytes();
      std::memcpy(&question.expected, answer.data(), 4);
    }
  }
  if (!out.ok()) return std::nullopt;
  question.size = static_cast<std::uint16_t>(out.position());
  return question;
}

}  // namespace

void Question::set_id(std::uint16_t id) noexcept {
  bytes[0] = static_cast<std::uint8_t>(id >> 8);
  bytes[1] = static_cast<std::uint8_t>(id);
}

std::vector<Question> make_questions(const QuestionSpec& spec) {
  const auto networks =
      spec.networks.empty() ? std::vector<Network>{} : read_networks(spec.networks);
  if (!spec.networks.empty() && networks.empty()) return {};
  Random random(spec.seed);
  std::vector<Question> questions;
  questions.reserve(kQuestions);
  for (std::size_t id = 0; id < kQuestions; ++id) {
    auto question = make_question(spec, networks, random);
    if (!question) return {};
    question->set_id(static_cast<std::uint16_t>(id));
    questions.push_back(*question);
  }
  return questions;
}

bool is_right(const Question& question, Bytes reply) noexcept {
  if (question.expected == 0) return true;
  std::array<std::uint8_t, 6> rdata{0, 4};
  std::memcpy(rdata.data() + 2, &question.expected, 4);
  // The first answer's data where every server here puts it: behind a pointer to the question.
  const std::size_t usual = question.question_end + std::size_t{10};
  if (reply.size() >= usual + rdata.size() &&
      std::memcmp(reply.data() + usual, rdata.data(), rdata.size()) == 0) {
    return true;
  }
  return std::search(reply.begin(), reply.end(), rdata.begin(), rdata.end()) != reply.end();
}

}  // namespace isochrone::bench
