// SPDX-License-Identifier: Apache-2.0
//
// Where hubfs keeps what is its own about a cache (docs/decisions/0004). For CacheRoot only. Thread-safe (no state).
#pragma once

#include <string>

#include "core/base/unique_fd.h"

namespace hubfs {

/// No descriptor where there is none; then the errno that the root itself cannot be written with, if that is why.
struct StateFolder {
  UniqueFd fd;
  std::string path;
  int error = 0;
};

/// Finds or makes the folder for a root: beside it if a rename between the two works, else in its .locks.
StateFolder find_state(const std::string& root_path, int root_fd);

}  // namespace hubfs
