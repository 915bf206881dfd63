// SPDX-License-Identifier: Apache-2.0
//
// Clang's thread-safety attributes, and a mutex that carries them. `cmake --preset lint` compiles with
// -Werror=thread-safety, so "which lock guards this" is checked and not only written. GCC sees empty macros.
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define HUBFS_TSA(x) __attribute__((x))
#else
#define HUBFS_TSA(x)
#endif

#define GUARDED_BY(x) HUBFS_TSA(guarded_by(x))
#define REQUIRES(...) HUBFS_TSA(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) HUBFS_TSA(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) HUBFS_TSA(acquire_capability(__VA_ARGS__))
#define RELEASE(...) HUBFS_TSA(release_capability(__VA_ARGS__))
#define CAPABILITY(x) HUBFS_TSA(capability(x))
#define SCOPED_CAPABILITY HUBFS_TSA(scoped_lockable)
#define NO_THREAD_SAFETY_ANALYSIS HUBFS_TSA(no_thread_safety_analysis)

namespace hubfs {

/// std::mutex with capability annotations.
class CAPABILITY("mutex") Mutex {
 public:
  void lock() ACQUIRE() { mutex_.lock(); }
  void unlock() RELEASE() { mutex_.unlock(); }
  std::mutex& native() { return mutex_; }

 private:
  std::mutex mutex_;
};

/// Scoped lock of a Mutex; can be released early and taken again.
class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : lock_(mutex.native()) {}
  ~MutexLock() RELEASE() = default;
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  void unlock() RELEASE() { lock_.unlock(); }
  void lock() ACQUIRE() { lock_.lock(); }
  /// For condition variables only.
  std::unique_lock<std::mutex>& native() { return lock_; }

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace hubfs
