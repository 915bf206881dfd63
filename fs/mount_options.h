// SPDX-License-Identifier: Apache-2.0
//
// Everything a mount is told, checked, without argv in it. Value type.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/fetch/fetch_options.h"
#include "fs/permissions.h"

namespace hubfs {

struct MountOptions {
  std::string mountpoint;                  ///< absolute
  std::vector<std::string> cache_roots;    ///< absolute; the first is where downloads go
  std::string endpoint;                    ///< without a trailing "/"
  std::optional<std::string> token;
  bool offline = false;
  bool read_only = false;
  bool remove_on_shelves_only = false;     ///< not through hub/ or any other place than models/, datasets/, …
  std::uint64_t quota = 0;                 ///< what all roots may occupy; older models go for new downloads. 0: no limit
  std::uint64_t min_free = 0;              ///< free space of the first root's volume that is kept in the same way
  bool allow_other = false;
  bool show_all = true;
  FetchOptions fetch;
  std::chrono::seconds keep_removed{0};    ///< how long removed things can be brought back; 0: they are deleted
  bool passthrough = true;                 ///< try it; per open it falls back by itself
  std::string subtree;
  PermissionOptions permissions;
  std::vector<std::string> fuse_options;   ///< handed to libfuse as they are
  bool debug = false;                      ///< libfuse's own trace
};

}  // namespace hubfs
