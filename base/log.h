// SPDX-License-Identifier: Apache-2.0
//
// Log: what an operator may act on, once, as `what happened key=value`.
//
// Threads: any. Lines go to standard error; under systemd the priority prefix is left to the
// journal. Cost:    a line formats and writes; never called per query. Callers rate-limit what
// packets cause.
#pragma once

#include <string_view>

namespace isochrone {

enum class LogLevel { error, warning, info, debug };

void set_log_level(LogLevel level);
void log(LogLevel level, std::string_view text);

inline void log_error(std::string_view text) { log(LogLevel::error, text); }
inline void log_warning(std::string_view text) { log(LogLevel::warning, text); }
inline void log_info(std::string_view text) { log(LogLevel::info, text); }
inline void log_debug(std::string_view text) { log(LogLevel::debug, text); }

}  // namespace isochrone
