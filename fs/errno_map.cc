// SPDX-License-Identifier: Apache-2.0
#include "fs/errno_map.h"

#include <cerrno>

namespace hubfs {

int errno_of(const Error& error) {
  switch (error.kind) {
    case ErrorKind::kNotFound: return ENOENT;
    case ErrorKind::kAccessDenied: return EACCES;
    case ErrorKind::kUnreachable: return ENETUNREACH;
    case ErrorKind::kTimeout: return ETIMEDOUT;
    case ErrorKind::kBadContent: return EIO;
    case ErrorKind::kNoSpace: return ENOSPC;
    case ErrorKind::kBusy: return EBUSY;
    case ErrorKind::kPinned: return EPERM;
    case ErrorKind::kNotEmpty: return ENOTEMPTY;
    case ErrorKind::kReadOnly: return EROFS;
    case ErrorKind::kExists: return EEXIST;
    case ErrorKind::kStale: return ESTALE;
    case ErrorKind::kInvalid: return EINVAL;
    case ErrorKind::kUnsupported: return EOPNOTSUPP;
    case ErrorKind::kInterrupted: return EINTR;
    case ErrorKind::kSystem: return error.sys_errno != 0 ? error.sys_errno : EIO;
  }
  return EIO;
}

}  // namespace hubfs
