// SPDX-License-Identifier: Apache-2.0
#include "core/base/process_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "core/base/file_io.h"
#include "tests/core/base/temp_dir.h"

namespace hubfs {
namespace {

using test::TempDir;

FileIdentity make_file(const TempDir& dir, const std::string& name) {
  EXPECT_TRUE(write_file_atomic(dir.fd(), name, std::string(4096, 'x'), 0600, false));
  struct stat st{};
  EXPECT_EQ(::fstatat(dir.fd(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW), 0);
  return {st.st_dev, st.st_ino};
}

// A child that did `prepare` and stays until this is gone.
class Child {
 public:
  explicit Child(const std::function<bool()>& prepare) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      const char word = prepare() ? 'y' : 'n';
      static_cast<void>(::write(ends[1], &word, 1));
      ::pause();
      ::_exit(0);
    }
    UniqueFd hears(ends[0]);
    ::close(ends[1]);
    char word = '?';
    EXPECT_EQ(::read(hears.get(), &word, 1), 1);
    EXPECT_EQ(word, 'y');
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

TEST(ProcessFiles, AnOpenFileOfAnotherProcessIsFoundAndTheOthersAreNot) {
  const TempDir dir;
  const FileIdentity open_file = make_file(dir, "open");
  const FileIdentity closed_file = make_file(dir, "closed");
  const Child child([&] { return ::openat(dir.fd(), "open", O_RDONLY) >= 0; });
  const auto found = find_open({open_file, closed_file});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ((FileIdentity{found[0].dev, found[0].ino}), open_file);
  EXPECT_EQ(found[0].pid, child.pid());
  EXPECT_FALSE(found[0].command.empty());
}

TEST(ProcessFiles, AMappedFileIsFoundAfterItsDescriptorIsClosed) {
  const TempDir dir;
  const FileIdentity mapped = make_file(dir, "mapped");
  const Child child([&] {
    const UniqueFd fd(::openat(dir.fd(), "mapped", O_RDONLY));
    return ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd.get(), 0) != MAP_FAILED;
  });
  const auto found = find_open({mapped});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ((FileIdentity{found[0].dev, found[0].ino}), mapped);
  EXPECT_EQ(found[0].pid, child.pid());
}

TEST(ProcessFiles, OurOwnDescriptorsCountAndEachProcessOnce) {
  const TempDir dir;
  const FileIdentity file = make_file(dir, "file");
  const UniqueFd first(::openat(dir.fd(), "file", O_RDONLY | O_CLOEXEC));
  const UniqueFd second(::openat(dir.fd(), "file", O_RDONLY | O_CLOEXEC));
  const auto found = find_open({file});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].pid, ::getpid());
}

TEST(ProcessFiles, ADeletedFileThatIsOpenIsFound) {
  const TempDir dir;
  const FileIdentity file = make_file(dir, "file");
  const UniqueFd fd(::openat(dir.fd(), "file", O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::unlinkat(dir.fd(), "file", 0), 0);
  EXPECT_EQ(find_open({file}).size(), 1U);
}

TEST(ProcessFiles, NothingWantedIsNothingFound) { EXPECT_TRUE(find_open({}).empty()); }

TEST(ProcessFiles, ProcessesThatMayNotBeLookedIntoAreSkippedAndCounted) {
  if (::geteuid() != 0) FAIL() << "needs root to become another user";
  const TempDir dir;
  const FileIdentity file = make_file(dir, "file");
  const UniqueFd fd(::openat(dir.fd(), "file", O_RDONLY | O_CLOEXEC));
  // Another user may not look into this process of root's.
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) ::_exit(2);
    std::size_t skipped = 0;
    bool of_parent = false;
    for (const OpenInode& open : find_open({file}, &skipped)) of_parent = of_parent || open.pid == ::getppid();
    ::_exit(skipped > 0 && !of_parent ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace hubfs
