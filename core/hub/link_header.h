// SPDX-License-Identifier: Apache-2.0
//
// The Link header of paged answers. Internal to core/hub; thread-safe (no state).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hubfs {

/// The target of rel="next", as written (absolute or relative), or nullopt.
std::optional<std::string> next_link(std::string_view header);

}  // namespace hubfs
