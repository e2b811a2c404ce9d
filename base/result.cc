// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

#include <system_error>

namespace isochrone {

tl::unexpected<Error> fail_errno(std::string_view what, int error_number) {
  // generic_category().message() is thread-safe where strerror() is not.
  return fail(Errc::io, std::string(what) + ": " + std::generic_category().message(error_number));
}

}  // namespace isochrone
