// SPDX-License-Identifier: Apache-2.0
//
// What a daemon does that hits a bug: it says so in its log, with a trace, detaches its mount so that no program is left
// with a dead one, and dies of the same signal, which lets a service manager start it again. Without a right to unmount
// (another user than root) the mount stays, dead, until the next `hubfs mount` on it. Under a sanitizer, which has
// reports of its own, nothing is installed. Called by one thread; what runs in the handler is async-signal-safe.
#pragma once

#include <string>

#include "fs/mount_table.h"

namespace hubfs {

/// Where a report goes, besides nowhere.
enum class CrashLog : unsigned char { kStderr, kFile, kSyslog };

/// Takes over SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT and std::terminate. `file` is for kFile. Call once, before
/// threads start.
void report_crashes(CrashLog where, const std::string& file);

/// The mount to detach when the process dies of a bug; none until this is called. Nothing else is ever detached: what
/// somebody mounted over it meanwhile stays.
void detach_on_crash(const MountEntry& mount);

/// Does not return while another thread reports a bug: the process must end with that, not well. For the main thread,
/// whose work ends when the mount is detached.
void let_crash_report_end();

}  // namespace hubfs
