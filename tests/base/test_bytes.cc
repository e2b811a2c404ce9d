// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "base/bytes.h"

namespace isochrone {
namespace {

using ::testing::ElementsAre;

TEST(ByteReader, ReadsNetworkByteOrder) {
  const std::array<std::uint8_t, 15> bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.u8(), 0x01);
  EXPECT_EQ(reader.u16(), 0x0203);
  EXPECT_EQ(reader.u32(), 0x0405'0607U);
  EXPECT_EQ(reader.u64(), 0x0809'0a0b'0c0d'0e0fU);
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.remaining(), 0U);
}

TEST(ByteReader, RemembersItsFirstFailure) {
  const std::array<std::uint8_t, 3> bytes{1, 2, 3};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.u32(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0);  // though a byte is there
  EXPECT_EQ(reader.remaining(), 0U);
  EXPECT_EQ(reader.position(), 0U);
}

TEST(ByteReader, TakesAndSkips) {
  const std::array<std::uint8_t, 4> bytes{1, 2, 3, 4};
  ByteReader reader(bytes);
  reader.skip(1);
  EXPECT_THAT(reader.take(2), ElementsAre(2, 3));
  EXPECT_TRUE(reader.take(2).empty());
  EXPECT_FALSE(reader.ok());
}

TEST(ByteReader, TakingNothingAtTheEndIsNoFailure) {
  ByteReader reader(Bytes{});
  EXPECT_TRUE(reader.take(0).empty());
  EXPECT_TRUE(reader.ok());
}

TEST(ByteWriter, WritesNetworkByteOrder) {
  std::array<std::uint8_t, 15> bytes{};
  ByteWriter writer(bytes);
  writer.u8(1);
  writer.u16(0x0203);
  writer.u32(0x0405'0607);
  writer.u64(0x0809'0a0b'0c0d'0e0f);
  EXPECT_TRUE(writer.ok());
  EXPECT_THAT(bytes, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

TEST(ByteWriter, WhatDoesNotFitIsNotWrittenAndRemembered) {
  std::array<std::uint8_t, 3> bytes{};
  ByteWriter writer(bytes);
  writer.u16(0x0102);
  writer.u16(0x0304);
  EXPECT_FALSE(writer.ok());
  writer.u8(5);
  EXPECT_THAT(writer.written(), ElementsAre(1, 2));
  EXPECT_EQ(bytes[2], 0);
}

TEST(ByteWriter, RewindForgetsASectionThatDidNotFit) {
  std::array<std::uint8_t, 4> bytes{};
  ByteWriter writer(bytes);
  writer.u16(0x0102);
  const std::size_t start = writer.position();
  writer.u32(0);
  writer.rewind(start);
  EXPECT_TRUE(writer.ok());
  writer.u16(0x0304);
  EXPECT_THAT(writer.written(), ElementsAre(1, 2, 3, 4));
}

TEST(ByteWriter, PatchesOnlyWhatIsWritten) {
  std::array<std::uint8_t, 4> bytes{};
  ByteWriter writer(bytes);
  writer.u16(0);
  writer.patch_u16(0, 0xabcd);
  writer.patch_u16(1, 0xffff);
  EXPECT_THAT(bytes, ElementsAre(0xab, 0xcd, 0, 0));
}

TEST(ByteWriter, PutsBytesAsTheyAre) {
  std::array<std::uint8_t, 3> bytes{};
  ByteWriter writer(bytes);
  writer.put({});
  writer.put(std::array<std::uint8_t, 2>{7, 8});
  EXPECT_THAT(writer.written(), ElementsAre(7, 8));
  EXPECT_EQ(writer.remaining(), 1U);
}

}  // namespace
}  // namespace isochrone
