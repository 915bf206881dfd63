// SPDX-License-Identifier: Apache-2.0
#include "tests/faulty/fault_plan.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>

extern "C" {
long __real_syscall(long number, ...);
}

namespace hubfs::faulty {

namespace {

struct Plan {
  std::string action;
  std::string file;  // of count
  long step = 0;
  bool and_after = false;
  int error = 0;
};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

const std::string& fault_root() {
  static const std::string root = variable("HUBFS_FAULT_ROOT");
  return root;
}

int error_named(std::string_view name) {
  if (name == "ENOSPC") return ENOSPC;
  if (name == "EIO") return EIO;
  if (name == "EMFILE") return EMFILE;
  if (name == "EACCES") return EACCES;
  if (name == "EDQUOT") return EDQUOT;
  return 0;
}

// The line of the file; "" as long as there is none.
std::string read_plan() {
  static const std::string path = variable("HUBFS_FAULT");
  if (path.empty()) return {};
  const auto fd = static_cast<int>(__real_syscall(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd < 0) return {};
  std::array<char, 4096> text{};
  const long n = __real_syscall(SYS_read, fd, text.data(), text.size());
  __real_syscall(SYS_close, fd);
  std::string line(text.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  return line.substr(0, line.find('\n'));
}

Plan parse(const std::string& line) {
  const std::size_t colon = line.find(':');
  Plan plan{.action = line.substr(0, colon), .file = {}, .step = 0, .and_after = false, .error = 0};
  const std::string argument = colon == std::string::npos ? std::string() : line.substr(colon + 1);
  if (plan.action == "count") {
    plan.file = argument;
    return plan;
  }
  plan.error = error_named(plan.action);
  plan.step = std::strtol(argument.c_str(), nullptr, 10);
  plan.and_after = argument.ends_with('+');
  return plan;
}

// Null until the plan is there; never freed.
const Plan* current_plan() {
  static std::atomic<const Plan*> current{nullptr};
  static std::mutex mutex;
  const Plan* plan = current.load();
  if (plan != nullptr) return plan;
  const std::lock_guard lock(mutex);
  if (current.load() != nullptr) return current.load();
  const std::string line = read_plan();
  if (line.empty()) return nullptr;
  current = new Plan(parse(line));
  return current.load();
}

std::string link_of(int fd) {
  const std::string name = fd == AT_FDCWD ? std::string("/proc/self/cwd") : "/proc/self/fd/" + std::to_string(fd);
  std::array<char, 4096> text{};
  const long n = __real_syscall(SYS_readlink, name.c_str(), text.data(), text.size());
  return {text.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
}

std::string below_root(const std::string& path) {
  const std::string& root = fault_root();
  return !root.empty() && path.starts_with(root + "/") ? path.substr(root.size() + 1) : std::string();
}

[[noreturn]] void kill_self() {
  __real_syscall(SYS_kill, __real_syscall(SYS_getpid), SIGKILL);
  while (true) __real_syscall(SYS_pause);
}

void write_down(const Plan& plan, long step, const char* call, Kind kind, const std::string& place) {
  const std::string line = std::to_string(step) + " " + (kind == Kind::kChange ? "change" : "look") + " " + call + " " + place + "\n";
  const long fd = __real_syscall(SYS_openat, AT_FDCWD, plan.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  __real_syscall(SYS_write, fd, line.data(), line.size());
  __real_syscall(SYS_close, fd);
}

std::atomic<long> g_steps{0};
std::atomic<long> g_changes{0};

}  // namespace

std::string place_of(int dir_fd, const char* path) {
  const int saved = errno;
  std::string place;
  if (current_plan() != nullptr) place = below_root(path[0] == '/' ? std::string(path) : link_of(dir_fd) + "/" + path);
  errno = saved;
  return place;
}

std::string place_of(int fd) {
  const int saved = errno;
  std::string place;
  if (current_plan() != nullptr) place = below_root(link_of(fd));
  errno = saved;
  return place;
}

Step::Step(const char* call, Kind kind, const std::string& place) {
  if (place.empty()) return;
  const Plan& plan = *current_plan();
  const int saved = errno;
  const long step = ++g_steps;
  const long change = kind == Kind::kChange ? ++g_changes : 0;
  if (plan.action == "count") write_down(plan, step, call, kind, place);
  if (plan.action == "kill" && change == plan.step) kill_self();
  kill_after_ = plan.action == "killafter" && change == plan.step;
  const bool later = plan.and_after && kind == Kind::kChange && step > plan.step;
  if (step == plan.step || later) error = plan.error;
  errno = saved;
}

Step::~Step() {
  if (kill_after_) kill_self();
}

}  // namespace hubfs::faulty
