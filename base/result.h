// SPDX-License-Identifier: Apache-2.0
//
// Result<T>: a value or an Error that an operator can act on.
//
// Threads:   values; no sharing.
// Cost:      an Error owns one string; not for the packet path.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace isochrone {

enum class Errc {
  invalid,      // input that is not well-formed or not allowed
  not_found,    // something named does not exist
  io,           // the operating system refused
  limit,        // a bound was exceeded
  unavailable,  // a peer or resource is not there now; trying again may help
  stale,        // what was built on is not so any more: begin anew
};

class [[nodiscard]] Error {
 public:
  Error(Errc code, std::string text) : code_(code), text_(std::move(text)) {}

  Errc code() const noexcept { return code_; }
  const std::string& text() const noexcept { return text_; }

  // The same error seen from one step further out: "zone example.com: no SOA".
  Error within(std::string_view context) const {
    return {code_, std::string(context) + ": " + text_};
  }

 private:
  Errc code_;
  std::string text_;
};

template <class T>
using Result = tl::expected<T, Error>;

// The only maker of errors: `return fail(Errc::io, "cannot open " + file);`
[[nodiscard]] inline tl::unexpected<Error> fail(Errc code, std::string text) {
  return tl::unexpected<Error>(Error(code, std::move(text)));
}

// fail() with what errno says appended: "cannot bind 127.0.0.1@53: Permission denied".
[[nodiscard]] tl::unexpected<Error> fail_errno(std::string_view what, int error_number);

}  // namespace isochrone
