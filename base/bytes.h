// SPDX-License-Identifier: Apache-2.0
//
// ByteReader and ByteWriter: bounded access to packets in network byte order.
//
// Errors:  the first read or write past the end is remembered and every later one does nothing
//          (reads give zero), so a parser checks ok() once at its end.
// Cost:    no allocation; both borrow the bytes for as long as they live.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "base/endian.h"

namespace isochrone {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) noexcept : bytes_(bytes) {}

  bool ok() const noexcept { return ok_; }
  std::size_t position() const noexcept { return position_; }
  std::size_t remaining() const noexcept { return ok_ ? bytes_.size() - position_ : 0; }

  std::uint8_t u8() noexcept { return number<std::uint8_t>(); }
  std::uint16_t u16() noexcept { return number<std::uint16_t>(); }
  std::uint32_t u32() noexcept { return number<std::uint32_t>(); }
  std::uint64_t u64() noexcept { return number<std::uint64_t>(); }
  // The next `count` bytes, or an empty span when there are fewer.
  Bytes take(std::size_t count) noexcept {
    if (!has(count)) return {};
    const Bytes taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }
  void skip(std::size_t count) noexcept { take(count); }

 private:
  bool has(std::size_t count) noexcept {
    ok_ = ok_ && count <= bytes_.size() - position_;
    return ok_;
  }
  template <class T>
  T number() noexcept {
    if (!has(sizeof(T))) return 0;
    const std::size_t at = std::exchange(position_, position_ + sizeof(T));
    return load_be<T>(bytes_.data() + at);
  }

  Bytes bytes_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

class ByteWriter {
 public:
  explicit ByteWriter(MutableBytes bytes) noexcept : bytes_(bytes) {}

  bool ok() const noexcept { return ok_; }
  std::size_t position() const noexcept { return position_; }
  std::size_t remaining() const noexcept { return ok_ ? bytes_.size() - position_ : 0; }
  Bytes written() const noexcept { return bytes_.first(position_); }

  void u8(std::uint8_t value) noexcept { number(value); }
  void u16(std::uint16_t value) noexcept { number(value); }
  void u32(std::uint32_t value) noexcept { number(value); }
  void u64(std::uint64_t value) noexcept { number(value); }
  void put(Bytes bytes) noexcept {
    if (bytes.empty() || !has(bytes.size())) return;
    std::memcpy(bytes_.data() + position_, bytes.data(), bytes.size());
    position_ += bytes.size();
  }
  // Overwrites two bytes already written: counts and lengths known only later.
  void patch_u16(std::size_t at, std::uint16_t value) noexcept {
    if (at + 2 > position_) return;
    store_be(bytes_.data() + at, value);
  }
  // Drops everything from `position` on and forgets a failure: a section that did not fit.
  void rewind(std::size_t position) noexcept {
    if (position <= position_) position_ = position;
    ok_ = true;
  }

 private:
  bool has(std::size_t count) noexcept {
    ok_ = ok_ && count <= bytes_.size() - position_;
    return ok_;
  }
  template <class T>
  void number(T value) noexcept {
    if (!has(sizeof value)) return;
    store_be(bytes_.data() + position_, value);
    position_ += sizeof value;
  }

  MutableBytes bytes_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace isochrone
