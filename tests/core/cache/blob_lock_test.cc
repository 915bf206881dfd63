// SPDX-License-Identifier: Apache-2.0
#include "core/cache/blob_lock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cache/layout.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::blob_id;
using test::repo_key;
using test::TempCache;

class BlobLockTest : public testing::Test {
 protected:
  bool can_lock() {
    const auto lock = BlobLock::try_acquire(cache.root(), key, etag);
    EXPECT_TRUE(lock) << lock.error().message;
    return lock && lock->has_value();
  }
  TempCache cache;
  const RepoKey key = repo_key("model/org/name");
  const BlobId etag = blob_id("abc");
  const std::string path = ".locks/models--org--name/abc.lock";
};

// A process that holds the lock as filelock does, until it is told to end.
class Holder {
 public:
  explicit Holder(const std::string& file, int how = LOCK_EX) {
    EXPECT_EQ(::pipe(ready_), 0);
    child_ = ::fork();
    if (child_ == 0) {
      const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_NONBLOCK | O_NOFOLLOW, 0664);
      const char answer = fd >= 0 && ::flock(fd, how | LOCK_NB) == 0 ? 'y' : 'n';
      if (::write(ready_[1], &answer, 1) == 1) ::pause();
      ::_exit(0);
    }
    char answer = 0;
    EXPECT_EQ(::read(ready_[0], &answer, 1), 1);
    EXPECT_EQ(answer, 'y');
  }
  ~Holder() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    ::close(ready_[0]);
    ::close(ready_[1]);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

 private:
  int ready_[2] = {-1, -1};
  pid_t child_ = -1;
};

TEST_F(BlobLockTest, TakenOnceAndKeptOnDisk) {
  {
    auto lock = BlobLock::try_acquire(cache.root(), key, etag);
    ASSERT_TRUE(lock && *lock);
    EXPECT_FALSE(can_lock());
    EXPECT_TRUE(BlobLock::is_held(cache.root(), key, etag));
    EXPECT_TRUE(BlobLock::any_held(cache.root(), key));
    const BlobLock moved = std::move(**lock);
    EXPECT_FALSE(can_lock());
  }
  EXPECT_TRUE(can_lock());
  EXPECT_FALSE(BlobLock::is_held(cache.root(), key, etag));
  // Never removed, empty, and open to the group whatever the umask.
  EXPECT_EQ(cache.read(path), "");
  EXPECT_EQ(cache.mode(path), 0664U);
}

TEST_F(BlobLockTest, AnotherProcessExcludesUsUntilItDies) {
  ASSERT_TRUE(can_lock());
  {
    const Holder python(cache.path() + "/" + path);
    EXPECT_FALSE(can_lock());
    EXPECT_TRUE(BlobLock::is_held(cache.root(), key, etag));
    EXPECT_EQ(BlobLock::all_held(cache.root(), key), std::vector{etag});
    EXPECT_FALSE(BlobLock::is_held(cache.root(), key, blob_id("other")));
  }
  EXPECT_TRUE(can_lock());
  EXPECT_FALSE(BlobLock::any_held(cache.root(), key));
}

TEST_F(BlobLockTest, WeExcludeAnotherProcess) {
  const auto lock = BlobLock::try_acquire(cache.root(), key, etag);
  ASSERT_TRUE(lock && *lock);
  EXPECT_TRUE(test::in_child([&] {
    const int fd = ::open((cache.path() + "/" + path).c_str(), O_RDWR);
    return fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  }));
}

TEST_F(BlobLockTest, LookingMakesNoFiles) {
  EXPECT_FALSE(BlobLock::is_held(cache.root(), key, etag));
  EXPECT_FALSE(BlobLock::any_held(cache.root(), key));
  EXPECT_FALSE(cache.exists(".locks/models--org--name"));
}

TEST_F(BlobLockTest, LookingDoesNotDisturb) {
  ASSERT_TRUE(can_lock());
  // Two that look at once are no holders to each other.
  const Holder looker(cache.path() + "/" + path, LOCK_SH);
  EXPECT_FALSE(BlobLock::is_held(cache.root(), key, etag));
}

TEST_F(BlobLockTest, LinkAsLockIsAnError) {
  cache.write("victim", "x");
  cache.link(path, "../../victim");
  EXPECT_FALSE(BlobLock::try_acquire(cache.root(), key, etag));
  cache.remove(path);
  cache.link(path, "nowhere");
  EXPECT_FALSE(BlobLock::try_acquire(cache.root(), key, etag));
  EXPECT_FALSE(cache.exists(".locks/models--org--name/nowhere"));
}

TEST_F(BlobLockTest, StrangeLockFilesAreErrors) {
  cache.make_dir(path);
  EXPECT_FALSE(BlobLock::try_acquire(cache.root(), key, etag));
  cache.remove(path);
  cache.make_fifo(path);
  EXPECT_FALSE(BlobLock::try_acquire(cache.root(), key, etag));
  cache.remove(".locks/models--org--name");
  cache.write(".locks/models--org--name", "a file");
  EXPECT_FALSE(BlobLock::try_acquire(cache.root(), key, etag));
}

TEST_F(BlobLockTest, LockOnAnUnlinkedFileIsNotTheLock) {
  const auto old = BlobLock::try_acquire(cache.root(), key, etag);
  ASSERT_TRUE(old && *old);
  // As some releases of filelock do when they release.
  cache.remove(path);
  EXPECT_TRUE(can_lock());
}

TEST_F(BlobLockTest, LockFileOfAnotherUserCanStillBeTaken) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs two users";
  ASSERT_TRUE(can_lock());
  cache.chmod(".locks", 0777);
  cache.chmod(".locks/models--org--name", 0755);
  cache.chmod(path, 0644);
  EXPECT_TRUE(test::as_ordinary_user([&] {
    const auto lock = BlobLock::try_acquire(cache.root(), key, etag);
    return lock && lock->has_value();
  }));
}

}  // namespace
}  // namespace hubfs
