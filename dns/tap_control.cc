// SPDX-License-Identifier: Apache-2.0
#include "dns/tap_control.h"

#include <fstrm.h>

#include <cstdlib>
#include <memory>
#include <string_view>

namespace isochrone::dns {
namespace {

constexpr std::string_view kContentType = "protobuf:dnstap.Dnstap";
constexpr std::size_t kHead = 8;  // an empty frame as escape, and the length

struct Free {
  void operator()(fstrm_control* control) const { fstrm_control_destroy(&control); }
};
using Control = std::unique_ptr<fstrm_control, Free>;

const std::uint8_t* content_type() {
  return reinterpret_cast<const std::uint8_t*>(kContentType.data());
}

fstrm_control_type type_of(TapControl kind) {
  switch (kind) {
    case TapControl::ready:
      return FSTRM_CONTROL_READY;
    case TapControl::accept:
      return FSTRM_CONTROL_ACCEPT;
    case TapControl::start:
      return FSTRM_CONTROL_START;
    case TapControl::stop:
      return FSTRM_CONTROL_STOP;
    case TapControl::finish:
      break;
  }
  return FSTRM_CONTROL_FINISH;
}

TapControl kind_of(fstrm_control_type type) {
  for (const TapControl kind :
       {TapControl::ready, TapControl::accept, TapControl::start, TapControl::stop}) {
    if (type_of(kind) == type) return kind;
  }
  return TapControl::finish;
}

bool has_content_type(TapControl kind) {
  return kind != TapControl::stop && kind != TapControl::finish;
}

}  // namespace

std::vector<std::uint8_t> control_frame(TapControl kind) {
  const Control control(fstrm_control_init());
  fstrm_control_set_type(control.get(), type_of(kind));
  if (has_content_type(kind)) {
    fstrm_control_add_field_content_type(control.get(), content_type(), kContentType.size());
  }
  std::vector<std::uint8_t> frame(kHead + FSTRM_CONTROL_FRAME_LENGTH_MAX);
  std::size_t octets = frame.size();
  const auto made =
      fstrm_control_encode(control.get(), frame.data(), &octets, FSTRM_CONTROL_FLAG_WITH_HEADER);
  if (made != fstrm_res_success) std::abort();  // of our own making alone
  frame.resize(octets);
  return frame;
}

Result<std::optional<TapControl>> TapControlReader::next() {
  ByteReader reader(octets_);
  const bool is_escape = reader.u32() == 0;
  const std::uint32_t length = reader.u32();
  if (!reader.ok()) return std::nullopt;
  if (!is_escape || length > FSTRM_CONTROL_FRAME_LENGTH_MAX) {
    return fail(Errc::invalid, "what answers is no receiver of Frame Streams");
  }
  const Bytes payload = reader.take(length);
  if (!reader.ok()) return std::nullopt;
  const Control control(fstrm_control_init());
  fstrm_control_type type{};
  if (fstrm_control_decode(control.get(), payload.data(), payload.size(), 0) != fstrm_res_success ||
      fstrm_control_get_type(control.get(), &type) != fstrm_res_success) {
    return fail(Errc::invalid, "the receiver sent a broken control frame");
  }
  const TapControl kind = kind_of(type);
  if (kind == TapControl::accept &&
      fstrm_control_match_field_content_type(control.get(), content_type(), kContentType.size()) !=
          fstrm_res_success) {
    return fail(Errc::invalid, "the receiver does not take " + std::string(kContentType));
  }
  octets_.erase(octets_.begin(), octets_.begin() + static_cast<std::ptrdiff_t>(kHead + length));
  return kind;
}

}  // namespace isochrone::dns
