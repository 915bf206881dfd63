// SPDX-License-Identifier: Apache-2.0
//
// Which system call fails, or kills the daemon. The calls of hubfs-faulty that concern what lies below HUBFS_FAULT_ROOT are
// steps, counted from the moment when the file named by HUBFS_FAULT exists. It holds one line:
//
//   count:FILE     every step is written to FILE: its number, "change" or "look", the call, the path
//   kill:N         SIGKILL before the N-th change
//   killafter:N    SIGKILL after the N-th change
//   ENOSPC:N       the N-th step fails so; likewise EIO, EMFILE, EACCES, EDQUOT
//   ENOSPC:N+      and so does every change after it
//
// Thread-safe. Allocates, but makes no system call that is a step itself.
#pragma once

#include <string>

namespace hubfs::faulty {

enum class Kind : unsigned char { kChange, kLook };

/// Where a call of `path` relative to `dir_fd` leads, and where a descriptor does; "" for what is not below the root, or
/// while nothing is planned.
std::string place_of(int dir_fd, const char* path);
std::string place_of(int fd);

/// One step. Constructed before the call: `error` is the errno that it must fail with, 0 for none. Destroyed after it.
class Step {
 public:
  Step(const char* call, Kind kind, const std::string& place);
  ~Step();
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  int error = 0;

 private:
  bool kill_after_ = false;
};

}  // namespace hubfs::faulty
