// SPDX-License-Identifier: Apache-2.0
//
// Whether the head of an answer promises the range that was asked for, and what it says about the file. Internal to
// core/hub; thread-safe (no state).
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "core/hub/hub_client.h"

namespace hubfs {

/// What of an answer's body is to be delivered.
struct RangePlan {
  std::uint64_t deliver = 0;  ///< bytes, from the range's first on
  bool covers_all = false;    ///< they reach the range's last
  bool may_run_on = false;    ///< the whole file comes, whose rest is not wanted
};

/// For a 2xx answer; otherwise the words of what is wrong with it.
std::expected<RangePlan, std::string> check_range_answer(const HttpHead& head, const RangeRequest& request);

/// Whether the Hub itself describes the file in this answer, and how.
bool describes_file(const HttpHead& head);
FileHead file_head(const HttpHead& head);

}  // namespace hubfs
