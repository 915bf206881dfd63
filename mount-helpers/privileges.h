// SPDX-License-Identifier: Apache-2.0
//
// What a daemon gives up and what it asks for, before it touches the cache or starts a thread. Called by one thread.
#pragma once

namespace hubfs {

/// Keeps of root's capabilities those that a mount needs (docs/decisions/0015): mounting, passthrough and unmounting, and
/// acting on a cache that belongs to others. Programs it starts get no more than it has, unless it mounts through
/// fusermount3, whose right comes from being started. What cannot be given up is said in the log and goes on.
void drop_privileges();

/// As many open files as the hard limit allows; no core file, since the token is in memory.
void set_limits();

}  // namespace hubfs
