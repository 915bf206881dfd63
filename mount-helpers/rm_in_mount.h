// SPDX-License-Identifier: Apache-2.0
//
// Removing a path below a mounted hubfs: done by the mount itself, whose caches, part of the view and rules may be
// others than those of the command line. Thread-safe (no state).
#pragma once

#include <string>

#include "core/base/error.h"

namespace hubfs {

/// Whether the path lies in a mounted hubfs: below its mountpoint, and in nothing that is mounted over a part of it.
/// `path` is absolute_path()'s.
bool lies_in_hubfs(const std::string& path);

/// rmdir or unlink of the path; the words of a failure say why in terms of hubfs.
Status remove_in_mount(const std::string& path);

}  // namespace hubfs
