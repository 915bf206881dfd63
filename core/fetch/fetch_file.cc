// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/fetch_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "core/base/hash.h"

namespace hubfs {

namespace {

// The time of birth too: file systems give the number of a file that is gone to the next one.
std::uint64_t identity_of(int fd) {
  struct statx st {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) != 0) return 0;
  return stable_hash64(std::to_string(st.stx_dev_major) + "." + std::to_string(st.stx_dev_minor) + "." + std::to_string(st.stx_ino) +
                       "." + std::to_string(st.stx_btime.tv_sec) + "." + std::to_string(st.stx_btime.tv_nsec));
}

}  // namespace

bool FetchFile::has_locked(ByteRange range) const {
  if (phase_ == Phase::kComplete) return true;
  if (descriptors_.empty() || !present_.contains(range)) return false;
  if (hold_back_ && !verified_) return false;
  // Who reads to the end of a file that has arrived learns whether its hash was right: the last bytes wait for it. While
  // other parts are missing the end is served at once (archives keep their directory there).
  const bool last_bytes = range.end >= target_.size && present_.total() == target_.size;
  return !last_bytes || verified_ || phase_ == Phase::kRemoved;
}

bool FetchFile::has(ByteRange range) const {
  const MutexLock lock(mutex_);
  return has_locked(range);
}

std::optional<int> FetchFile::begin_read(ByteRange range) {
  const MutexLock lock(mutex_);
  if (tainted_ || !has_locked(range)) return std::nullopt;
  seen_ = true;
  return descriptors_.back().get();
}

UniqueFd FetchFile::whole() const {
  int fd = -1;
  {
    const MutexLock lock(mutex_);
    const bool right = phase_ == Phase::kComplete || (verified_ && present_.total() == target_.size);
    if (tainted_ || !right || descriptors_.empty()) return {};
    fd = descriptors_.back().get();
  }
  // Descriptors stay open as long as this object is there.
  return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

FetchFile::Phase FetchFile::phase() const {
  const MutexLock lock(mutex_);
  return phase_;
}

Error FetchFile::error() const {
  const MutexLock lock(mutex_);
  return error_;
}

std::uint64_t FetchFile::present_bytes() const {
  const MutexLock lock(mutex_);
  return phase_ == Phase::kComplete ? target_.size : present_.total();
}

void FetchFile::set_descriptor(UniqueFd fd, const RangeSet& present) {
  const std::uint64_t partial = identity_of(fd.get());
  const MutexLock lock(mutex_);
  partial_ = partial;
  descriptors_.push_back(std::move(fd));
  present_ = present;
}

std::uint64_t FetchFile::partial() const {
  const MutexLock lock(mutex_);
  return partial_;
}

void FetchFile::add_present(ByteRange range) {
  const MutexLock lock(mutex_);
  present_.add(range);
}

bool FetchFile::start_over() {
  const MutexLock lock(mutex_);
  if (seen_) return false;
  present_ = {};
  verified_ = false;
  return true;
}

std::string FetchFile::hindrance() const {
  const MutexLock lock(mutex_);
  return hindrance_;
}

void FetchFile::set_hindrance(std::string words) {
  const MutexLock lock(mutex_);
  hindrance_ = std::move(words);
}

void FetchFile::set_verified() {
  const MutexLock lock(mutex_);
  verified_ = true;
}

void FetchFile::set_complete(UniqueFd fd) {
  const MutexLock lock(mutex_);
  if (fd) descriptors_.push_back(std::move(fd));
  phase_ = Phase::kComplete;
  error_ = {};
}

void FetchFile::set_failed(Error error) {
  const MutexLock lock(mutex_);
  phase_ = Phase::kFailed;
  error_ = std::move(error);
}

void FetchFile::set_removed() {
  const MutexLock lock(mutex_);
  if (phase_ != Phase::kComplete) phase_ = Phase::kRemoved;
}

void FetchFile::set_filling() {
  const MutexLock lock(mutex_);
  phase_ = Phase::kFilling;
  error_ = {};
}

}  // namespace hubfs
