// SPDX-License-Identifier: Apache-2.0
#include "mount-helpers/crash_report.h"

#include <execinfo.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string_view>

namespace hubfs {

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitizer = true;
#else
constexpr bool kSanitizer = false;
#endif

constexpr std::array<int, 5> kSignals{SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
constexpr unsigned kSecondsForReport = 10;
constexpr std::size_t kFrames = 64;
// Of the main thread, so that the end of its stack can be reported too. Other threads report on their own stacks.
constexpr std::size_t kStackSize = 65536;

// All the handler uses, made before: it may not allocate, lock or look anything up. Written before threads start, except
// for `mount`, which is written before `mounted` is set.
struct Prepared {
  int out = -1;       // a file, stderr, or a socket to the system's log
  bool is_socket = false;
  int trace = -1;     // memory, for the lines of backtrace_symbols_fd, which come in pieces
  MountEntry mount;
  std::atomic<bool> mounted{false};
  std::atomic<bool> dying{false};
  std::array<char, kStackSize> stack{};
};
Prepared* g_prepared = nullptr;  // never freed: the handler may run to the very end

void put(const Prepared& prepared, std::string_view line) {
  if (prepared.is_socket) {
    // <27>: daemon, error.
    constexpr std::string_view kHead = "<27>hubfs: ";
    std::array<char, 1024> datagram{};
    const std::size_t length = std::min(line.size(), datagram.size() - kHead.size());
    std::memcpy(datagram.data(), kHead.data(), kHead.size());
    std::memcpy(datagram.data() + kHead.size(), line.data(), length);
    static_cast<void>(::send(prepared.out, datagram.data(), kHead.size() + length, MSG_DONTWAIT | MSG_NOSIGNAL));
    return;
  }
  static_cast<void>(::write(prepared.out, line.data(), line.size()));
  static_cast<void>(::write(prepared.out, "\n", 1));
}

std::string_view name_of(int signal) {
  switch (signal) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGILL: return "SIGILL";
    case SIGFPE: return "SIGFPE";
    default: return "SIGABRT";
  }
}

void put_trace(const Prepared& prepared) {
  std::array<void*, kFrames> frames{};
  const int depth = ::backtrace(frames.data(), static_cast<int>(frames.size()));
  ::backtrace_symbols_fd(frames.data(), depth, prepared.trace);
  std::array<char, 16384> text{};
  const ssize_t n = ::pread(prepared.trace, text.data(), text.size(), 0);
  std::string_view rest(text.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    put(prepared, rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

std::string_view field(std::string_view& rest) {
  const std::size_t end = std::min(rest.find(' '), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return word;
}

// Whether the topmost mount on our path is ours. The path is compared as the kernel spells it in the line of ours.
class TopMount {
 public:
  explicit TopMount(const MountEntry& ours) : ours_(ours) {}

  void take_line(std::string_view line) {
    std::size_t id = 0;
    for (const char digit : field(line)) id = id * 10 + static_cast<std::size_t>(digit - '0');
    field(line);
    const std::string_view device = field(line);
    field(line);
    const std::string_view point = field(line);
    if (id == static_cast<std::size_t>(ours_.id) && device == ours_.device && point.size() <= point_.size()) {
      std::copy(point.begin(), point.end(), point_.begin());
      length_ = point.size();
      is_ours_ = true;
    } else if (is_ours_ && point == std::string_view(point_.data(), length_)) {
      is_ours_ = false;
    }
  }
  [[nodiscard]] bool is_ours() const { return is_ours_; }

 private:
  const MountEntry& ours_;
  std::array<char, 4096> point_{};
  std::size_t length_ = 0;
  bool is_ours_ = false;
};

bool is_on_top(const MountEntry& ours) {
  const int fd = ::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  TopMount top(ours);
  std::array<char, 16384> buffer{};
  std::size_t have = 0;
  for (ssize_t n = 0; (n = ::read(fd, buffer.data() + have, buffer.size() - have)) > 0;) {
    have += static_cast<std::size_t>(n);
    std::string_view rest(buffer.data(), have);
    for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      top.take_line(rest.substr(0, end));
      rest.remove_prefix(end + 1);
    }
    have = rest.size();
    std::memmove(buffer.data(), rest.data(), have);
    if (have == buffer.size()) break;  // no line is that long
  }
  ::close(fd);
  return top.is_ours();
}

void detach(const Prepared& prepared) {
  if (!prepared.mounted.load(std::memory_order_acquire)) return;
  if (!is_on_top(prepared.mount)) return;
  // Not by force: requests end with the process, and the kernel answers them then.
  const bool done = ::umount2(prepared.mount.point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0;
  put(prepared, done ? "the mount was detached" : "the mount could not be detached; `hubfs mount` on it recovers it");
}

void die(int signal) {
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  ::sigaction(signal, &plain, nullptr);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  ::raise(signal);
}

void on_crash(int signal) {
  Prepared& prepared = *g_prepared;
  // Another thread that fails meanwhile waits for the end.
  if (prepared.dying.exchange(true)) {
    while (true) ::pause();
  }
  // A report that hangs, since what it needs is what is broken, ends all the same.
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  ::sigaction(SIGALRM, &plain, nullptr);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGALRM);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  ::alarm(kSecondsForReport);
  std::array<char, 128> line{};
  std::size_t length = 0;
  for (const std::string_view part :
       {std::string_view("this is a bug in hubfs: it ends with "), name_of(signal), std::string_view("; the trace:")}) {
    std::copy(part.begin(), part.end(), line.begin() + static_cast<std::ptrdiff_t>(length));
    length += part.size();
  }
  put(prepared, {line.data(), length});
  put_trace(prepared);
  detach(prepared);
  die(signal);
}

[[noreturn]] void on_terminate() {
  try {
    if (std::current_exception()) std::rethrow_exception(std::current_exception());
    put(*g_prepared, "an exception without a handler");
  } catch (const std::exception& error) {
    put(*g_prepared, error.what());
  } catch (...) {
    put(*g_prepared, "an unknown exception");
  }
  std::abort();
}

int connect_to_syslog() {
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  constexpr std::string_view kPath = "/dev/log";
  std::copy(kPath.begin(), kPath.end(), std::begin(address.sun_path));
  if (fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  if (fd >= 0) ::close(fd);
  return -1;
}

}  // namespace

void report_crashes(CrashLog where, const std::string& file) {
  if (kSanitizer || g_prepared != nullptr) return;
  auto* prepared = new Prepared();
  prepared->is_socket = where == CrashLog::kSyslog;
  if (where == CrashLog::kStderr) prepared->out = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  if (where == CrashLog::kFile) prepared->out = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (where == CrashLog::kSyslog) prepared->out = connect_to_syslog();
  prepared->trace = ::memfd_create("hubfs-trace", MFD_CLOEXEC);
  g_prepared = prepared;
  // The first call loads a library.
  std::array<void*, 1> frame{};
  ::backtrace(frame.data(), 1);
  const stack_t stack{.ss_sp = prepared->stack.data(), .ss_flags = 0, .ss_size = prepared->stack.size()};
  ::sigaltstack(&stack, nullptr);
  struct sigaction action {};
  action.sa_handler = on_crash;
  action.sa_flags = SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (const int signal : kSignals) ::sigaction(signal, &action, nullptr);
  std::set_terminate(on_terminate);
}

void let_crash_report_end() {
  while (g_prepared != nullptr && g_prepared->dying) ::pause();
}

void detach_on_crash(const MountEntry& mount) {
  if (g_prepared == nullptr) return;
  g_prepared->mount = mount;
  g_prepared->mounted.store(true, std::memory_order_release);
}

}  // namespace hubfs
