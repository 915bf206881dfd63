// SPDX-License-Identifier: Apache-2.0
//
// Foreign text made fit for messages, and numbers out of headers. Internal to core/hub. Thread-safe (no state).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hubfs {

/// Printable ASCII only (everything else becomes a space or "?"), at most `limit` characters.
std::string plain_words(std::string_view text, std::size_t limit);

/// For names: control characters, quotes and backslashes as \xNN; cut with "…" after `limit` bytes.
std::string escaped_name(std::string_view text, std::size_t limit = 300);

/// Decimal digits only, and no overflow; nullopt otherwise.
std::optional<std::uint64_t> parse_u64(std::string_view text);

/// ASCII only.
std::string lower_ascii(std::string_view text);
std::string_view trim_space(std::string_view text);

}  // namespace hubfs
