// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.h"

#include <cerrno>
#include <system_error>

namespace hubfs {

namespace {

ErrorKind kind_of_errno(int err) {
  switch (err) {
    case ENOENT: return ErrorKind::kNotFound;
    case EACCES:
    case EPERM: return ErrorKind::kAccessDenied;
    case EROFS: return ErrorKind::kReadOnly;
    case ENOSPC:
    case EDQUOT: return ErrorKind::kNoSpace;
    case EBUSY: return ErrorKind::kBusy;
    case ENOTEMPTY: return ErrorKind::kNotEmpty;
    case EEXIST: return ErrorKind::kExists;
    default: return ErrorKind::kSystem;
  }
}

}  // namespace

std::unexpected<Error> fail_errno(std::string_view what, int err) {
  std::string message(what);
  message += ": ";
  message += std::generic_category().message(err);
  return std::unexpected(Error{kind_of_errno(err), std::move(message), err});
}

std::unexpected<Error> fail_errno(std::string_view what) { return fail_errno(what, errno); }

}  // namespace hubfs
