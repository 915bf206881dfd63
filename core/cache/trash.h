// SPDX-License-Identifier: Apache-2.0
//
// The folder of the private state where removed things wait for their deletion. Used inside core/cache only.
// Thread-safe (no state).
#pragma once

#include <string>

#include "core/base/error.h"
#include "core/base/unique_fd.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"

namespace hubfs {

/// The folder, made if absent. kAccessDenied without private state.
Result<UniqueFd> open_trash(const CacheRoot& root);

/// Renames `name` in `dir_fd` into the trash as "<stem>.<8 hex>"; answers its new name.
Result<std::string> move_to_trash(const CacheRoot& root, int dir_fd, const std::string& name, const std::string& stem);

/// Sweeps the payloads that a repo in the trash had links to, then deletes it. `name` may also be anything else there.
Status delete_from_trash(const CacheRoot& root, const std::string& name);

}  // namespace hubfs
