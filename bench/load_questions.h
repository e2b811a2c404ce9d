// SPDX-License-Identifier: Apache-2.0
//
// Questions: what a load generator asks, made before its clock starts, and how an answer is judged.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace isochrone::bench {

constexpr std::size_t kQuestions = 1 << 16;  // one for each id

struct QuestionSpec {
  std::string name = "www.bench.example";  // "%" is replaced by a number below `names`
  std::uint64_t names = 1;
  std::string networks;  // file of "PREFIX ADDRESS": asked with Client Subnet, the answer checked
  std::uint64_t seed = 1;
  bool edns = false;
  bool dnssec = false;
};

// Small: 65536 of them share the cache with the server that is measured.
struct Question {
  std::array<std::uint8_t, 120> bytes;
  std::uint16_t size = 0;
  std::uint16_t question_end = 0;  // where the answer section of a reply starts
  std::uint32_t expected = 0;      // the A record's octets as they lie in memory; 0: not checked

  void set_id(std::uint16_t id) noexcept;
};

// Empty when the networks cannot be read or the name is too long.
std::vector<Question> make_questions(const QuestionSpec& spec);

// Whether the reply has the expected address, if one is.
bool is_right(const Question& question, Bytes reply) noexcept;

}  // namespace isochrone::bench
