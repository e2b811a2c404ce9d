// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "app/ingest_ids.h"
#include "tests/app/scratch.h"

namespace isochrone::app {
namespace {

nlohmann::json id_of(const IngestIds& ids, std::string_view line, std::uint64_t number) {
  return nlohmann::json::parse(ids.with_id(line, number)).at("id");
}

TEST(IngestIds, AreTheSameAtEveryAttemptWithAFile) {
  const Scratch scratch;
  const auto file = scratch.write("a.ndjson", "");
  const auto first = id_of(IngestIds::for_file(file, "{}"), R"({"site":"fra"})", 7);
  const auto again = id_of(IngestIds::for_file(file, "{}"), R"({"site":"corrected"})", 7);
  EXPECT_EQ(first, again);
  EXPECT_EQ(first.at("sequence"), 7);
}

TEST(IngestIds, DifferWithThePathAndTheFirstLine) {
  const Scratch scratch;
  const auto a = scratch.write("a.ndjson", "");
  const auto b = scratch.write("b.ndjson", "");
  const std::string line = R"({"site":"fra"})";
  const auto id = id_of(IngestIds::for_file(a, "x"), line, 1);
  EXPECT_NE(id, id_of(IngestIds::for_file(b, "x"), line, 1));
  EXPECT_NE(id, id_of(IngestIds::for_file(a, "y"), line, 1));
}

TEST(IngestIds, OfTwoStreamsDiffer) {
  const std::string line = R"({"site":"fra"})";
  EXPECT_NE(id_of(IngestIds::for_stream(), line, 1), id_of(IngestIds::for_stream(), line, 1));
}

TEST(IngestIds, LeaveAloneWhatHasOneOrIsNoObject) {
  const IngestIds ids = IngestIds::for_stream();
  const std::string own = R"({"id":{"source":"x","epoch":1,"sequence":1}})";
  EXPECT_EQ(ids.with_id(own, 3), own);
  EXPECT_EQ(ids.with_id("[1]", 3), "[1]");
  EXPECT_EQ(ids.with_id("{broken", 3), "{broken");
}

TEST(IngestIds, FitAnEmptyObjectAndSpacesAround) {
  const IngestIds ids = IngestIds::for_stream();
  EXPECT_EQ(id_of(ids, "  {}\r", 1).at("sequence"), 1);
  EXPECT_EQ(id_of(ids, " {\"a\" : 1 } ", 2).at("sequence"), 2);
}

}  // namespace
}  // namespace isochrone::app
