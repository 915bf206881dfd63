// SPDX-License-Identifier: Apache-2.0
#include "mount-helpers/daemon_report.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <thread>

#include "core/base/error.h"
#include "core/base/unique_fd.h"

namespace hubfs {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kLimit = std::chrono::seconds(2);
constexpr auto kReap = std::chrono::milliseconds(200);

// In the child: an errno, 0 for none, and then the text.
[[noreturn]] void tell(const std::string& path, int out) {
  std::array<char, 65536> buffer{};
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  ssize_t n = file < 0 ? -1 : ::read(file, buffer.data(), buffer.size());
  const int err = n < 0 ? errno : 0;
  if (::write(out, &err, sizeof err) != sizeof err) ::_exit(1);
  for (; n > 0; n = ::read(file, buffer.data(), buffer.size())) {
    for (ssize_t done = 0; done < n;) {
      const ssize_t written = ::write(out, buffer.data() + done, static_cast<std::size_t>(n - done));
      if (written <= 0) ::_exit(1);
      done += written;
    }
  }
  ::_exit(0);
}

// Everything up to the end; nullopt when the time is up.
std::optional<std::string> read_until(int fd, Clock::time_point until) {
  std::string text;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd waiting{fd, POLLIN, 0};
    if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) == 0) return std::nullopt;
    std::array<char, 4096> buffer{};
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

void reap(pid_t child) {
  const auto until = Clock::now() + kReap;
  while (::waitpid(child, nullptr, WNOHANG) == 0 && Clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

DaemonReport report_of(const std::string& answer) {
  int err = EIO;
  if (answer.size() >= sizeof err) std::memcpy(&err, answer.data(), sizeof err);
  if (err == 0) return {DaemonReport::State::kAnswers, answer.substr(sizeof err), {}};
  if (err == ENOTCONN || err == ECONNABORTED) {
    return {DaemonReport::State::kDead, {}, "the daemon has ended; `hubfs mount` on it recovers it"};
  }
  if (err == EACCES) {
    return {DaemonReport::State::kUnknown, {}, "cannot be asked (Permission denied): it is another user's mount"};
  }
  return {DaemonReport::State::kUnknown, {}, fail_errno("cannot be asked", err).error().message};
}

}  // namespace

DaemonReport ask_daemon(const std::string& mountpoint) {
  const auto unasked = [](const char* call) {
    return DaemonReport{
        DaemonReport::State::kUnknown, {}, fail_errno(std::string("cannot be asked: ") + call).error().message};
  };
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return unasked("pipe");
  const UniqueFd hears(ends[0]);
  UniqueFd says(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return unasked("fork");
  if (child == 0) tell(mountpoint + "/.hubfs/status.json", says.get());
  says.reset();
  const auto answer = read_until(hears.get(), Clock::now() + kLimit);
  if (!answer) ::kill(child, SIGKILL);
  reap(child);
  if (answer) return report_of(*answer);
  return {DaemonReport::State::kSilent,
          {},
          "the daemon does not answer: it is stopped or hangs; end it, or detach the mount with: hubfs umount --lazy " +
              mountpoint};
}

}  // namespace hubfs
