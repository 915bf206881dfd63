// SPDX-License-Identifier: Apache-2.0
//
// One line per event, to stderr, a file or syslog. A thin face over spdlog, so that only log.cc pays for its headers.
// Callers never pass tokens, signed addresses or request headers: see docs/decisions. Thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace hubfs::log {

enum class Level { kDebug, kInfo, kWarn, kError };

/// Where lines go. Call once, before threads start; a second call replaces the sink.
void to_stderr(Level least);
void to_syslog(Level least);
/// Appends to a file (created 0600). Falls back to stderr with a warning if it cannot be opened.
void to_file(const std::string& path, Level least);

void write(Level level, std::string_view text);
inline void debug(std::string_view text) { write(Level::kDebug, text); }
inline void info(std::string_view text) { write(Level::kInfo, text); }
inline void warn(std::string_view text) { write(Level::kWarn, text); }
inline void error(std::string_view text) { write(Level::kError, text); }

}  // namespace hubfs::log
