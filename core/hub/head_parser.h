// SPDX-License-Identifier: Apache-2.0
//
// Collects the header lines of one answer into an HttpHead: skips interim answers (1xx), ignores trailers, and notices
// a flood. Internal to core/hub; used by one thread.
#pragma once

#include <cstddef>
#include <string_view>

#include "core/hub/http_loop.h"

namespace hubfs {

class HeadParser {
 public:
  enum class Event {
    kMore,      ///< go on
    kComplete,  ///< head() is the final answer's; reported once
    kTooLarge,  ///< more than the limit, over all lines, interim answers and trailers together
  };

  explicit HeadParser(std::size_t max_bytes) : max_bytes_(max_bytes) {}
  /// One line with its line end.
  Event add_line(std::string_view line);
  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] const HttpHead& head() const { return head_; }

 private:
  void add_status(std::string_view line);
  void add_field(std::string_view line);

  std::size_t max_bytes_;
  std::size_t seen_bytes_ = 0;
  bool at_status_line_ = true;
  bool complete_ = false;
  HttpHead head_;
};

}  // namespace hubfs
