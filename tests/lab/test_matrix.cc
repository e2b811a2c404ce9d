// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>

#include "lab/matrix.h"

namespace isochrone::lab {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string error_of(std::string_view text) {
  const auto matrix = RttMatrix::parse(text, "rtt.tsv");
  return matrix ? "" : matrix.error().text();
}

TEST(Matrix, ReadsMillisecondsIntoMicroseconds) {
  const auto matrix = RttMatrix::parse("0\t0.175\n2.5  1e2\n", "rtt.tsv");
  ASSERT_TRUE(matrix);
  EXPECT_EQ(matrix->rows(), 2U);
  EXPECT_EQ(matrix->columns(), 2U);
  EXPECT_EQ(matrix->rtt(0, 1), Micros(175));
  EXPECT_EQ(matrix->rtt(1, 0), Micros(2500));
  EXPECT_EQ(matrix->rtt(1, 1), Micros(100'000));
}

TEST(Matrix, TakesNanAndNegativeAsNotMeasured) {
  const auto matrix = RttMatrix::parse("nan -1 NaN 0", "rtt.tsv");
  ASSERT_TRUE(matrix);
  EXPECT_EQ(matrix->rtt(0, 0), std::nullopt);
  EXPECT_EQ(matrix->rtt(0, 1), std::nullopt);
  EXPECT_EQ(matrix->rtt(0, 2), std::nullopt);
  EXPECT_EQ(matrix->rtt(0, 3), Micros(0));
}

TEST(Matrix, SkipsEmptyLinesAndTakesCarriageReturns) {
  const auto matrix = RttMatrix::parse("1 2\r\n\r\n\n3 4", "rtt.tsv");
  ASSERT_TRUE(matrix);
  EXPECT_EQ(matrix->rows(), 2U);
  EXPECT_EQ(matrix->rtt(1, 1), Micros(4000));
}

TEST(Matrix, NamesFileLineAndColumnOfWhatIsWrong) {
  EXPECT_THAT(error_of("1 2\n3 x4\n"), StartsWith("rtt.tsv:2:3: 'x4' is no round-trip time"));
  EXPECT_THAT(error_of("1 2\n\n3\n"), StartsWith("rtt.tsv:3:1: 1 values, but the first row has 2"));
  EXPECT_THAT(error_of("1 70000"), StartsWith("rtt.tsv:1:3: '70000'"));
  EXPECT_THAT(error_of("1,2"), StartsWith("rtt.tsv:1:1: '1,2'"));
  EXPECT_THAT(error_of("inf"), StartsWith("rtt.tsv:1:1: 'inf'"));
  EXPECT_THAT(error_of(" \n"), HasSubstr("no values"));
}

class MatrixFile : public testing::Test {
 protected:
  MatrixFile()
      : file_(std::filesystem::path(testing::TempDir()) / ("rtt" + std::to_string(::getpid()))) {}
  ~MatrixFile() override { std::filesystem::remove(file_); }
  void write_gzip(const std::string& text) const {
    gzFile out = gzopen(file_.c_str(), "wb");
    gzwrite(out, text.data(), static_cast<unsigned>(text.size()));
    gzclose(out);
  }
  const std::filesystem::path file_;
};

TEST_F(MatrixFile, IsReadPlainAndCompressed) {
  std::ofstream(file_) << "1 2\n";
  ASSERT_TRUE(RttMatrix::read(file_));
  write_gzip("1 2\n3 4\n");
  const auto matrix = RttMatrix::read(file_);
  ASSERT_TRUE(matrix);
  EXPECT_EQ(matrix->rtt(1, 0), Micros(3000));
}

TEST_F(MatrixFile, CutShortIsAnError) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i * 7919 % 1000) + " ";
  write_gzip(text);
  std::filesystem::resize_file(file_, std::filesystem::file_size(file_) / 2);
  EXPECT_FALSE(RttMatrix::read(file_));
}

TEST_F(MatrixFile, MissingIsAnErrorWithItsName) {
  const auto matrix = RttMatrix::read(file_);
  ASSERT_FALSE(matrix);
  EXPECT_THAT(matrix.error().text(), HasSubstr(file_.string()));
}

TEST(Matrix, TheOneWeShipIsWhole) {
  const auto matrix = RttMatrix::read(ISOCHRONE_LAB_DATA "/planetlab490-slice01.tsv.gz");
  ASSERT_TRUE(matrix);
  EXPECT_EQ(matrix->rows(), 490U);
  EXPECT_EQ(matrix->columns(), 490U);
  for (std::size_t i = 0; i < 490; ++i) {
    EXPECT_EQ(matrix->rtt(i, i), Micros(0));
    EXPECT_EQ(matrix->rtt(i, 7), matrix->rtt(7, i));
  }
}

}  // namespace
}  // namespace isochrone::lab
