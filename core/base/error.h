// SPDX-License-Identifier: Apache-2.0
//
// Errors are values. `Result<T>` is what every fallible function of core/ returns; absence is `std::optional`, never an
// error. `ErrorKind` names the cause in the words of the domain; fs/errno_map.cc is the one place that turns it into an
// errno, so that the table in docs/semantics.md can be read off one function.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace hubfs {

/// Why an operation failed, in domain words.
enum class ErrorKind {
  kNotFound,         ///< no such repo, revision, file or path
  kAccessDenied,     ///< gated or forbidden by the Hub, or the caller may not do this in the cache
  kUnreachable,      ///< offline mode, no network, name not resolved, connection refused
  kTimeout,          ///< no answer within the time limit
  kBadContent,       ///< bytes that do not match their hash, or an answer that cannot be used
  kNoSpace,          ///< disk full, or less free than the floor
  kBusy,             ///< another process is using what should be changed
  kPinned,           ///< pinned, or a top folder
  kNotEmpty,         ///< a folder that still lists something
  kReadOnly,         ///< the view does not take this kind of write
  kExists,           ///< the target is already there
  kStale,            ///< the content went away while it was open
  kInvalid,          ///< malformed input: an option, a name, a file that cannot be parsed
  kUnsupported,      ///< not supported here
  kInterrupted,      ///< the caller went away
  kSystem,           ///< a system call failed; `sys_errno` says how
};

/// A failure: its kind, a sentence for people (what, where, what to do), and the errno of a failed system call if any.
struct Error {
  ErrorKind kind = ErrorKind::kSystem;
  std::string message;
  int sys_errno = 0;
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = std::expected<void, Error>;

/// Shorthand for `return std::unexpected(Error{...})`.
[[nodiscard]] inline std::unexpected<Error> fail(ErrorKind kind, std::string message) {
  return std::unexpected(Error{kind, std::move(message), 0});
}

/// An error from `errno`: "<what>: <strerror>". ENOENT becomes kNotFound, EACCES/EPERM/EROFS kAccessDenied,
/// ENOSPC/EDQUOT kNoSpace, EBUSY kBusy; everything else kSystem. Call at once: it reads errno.
[[nodiscard]] std::unexpected<Error> fail_errno(std::string_view what);
/// The same for a given errno value.
[[nodiscard]] std::unexpected<Error> fail_errno(std::string_view what, int err);

}  // namespace hubfs
