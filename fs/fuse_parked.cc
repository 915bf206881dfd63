// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse_parked.h"

#include "fs/fuse_version.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace hubfs {

namespace {

// libfuse hands one pointer back, and may do so while the request is being answered by another thread: the pointer is a
// number, never an object, and numbers are unique in the process.
Mutex g_registries_mutex;
std::set<ParkedRequests*> g_registries GUARDED_BY(g_registries_mutex);
std::atomic<ParkedId> g_next_id{1};

constexpr auto kWatchInterval = std::chrono::milliseconds(50);

constexpr std::uint64_t signal_bit(int signal) { return std::uint64_t{1} << static_cast<unsigned>(signal - 1); }

// Of the other signals that end a program the kernel makes a SIGKILL at once; of these only when the program takes them.
constexpr std::uint64_t kDumpingSignals = signal_bit(SIGQUIT) | signal_bit(SIGILL) | signal_bit(SIGTRAP) |
                                          signal_bit(SIGABRT) | signal_bit(SIGBUS) | signal_bit(SIGFPE) |
                                          signal_bit(SIGSEGV) | signal_bit(SIGSYS) | signal_bit(SIGXCPU) |
                                          signal_bit(SIGXFSZ);

struct TaskSignals {
  bool dead = false;
  std::uint64_t pending = 0;
  std::uint64_t handled = 0;  // blocked, ignored or caught
};

std::optional<TaskSignals> read_signals(const std::string& proc) {
  std::ifstream status(proc + "/status");
  if (!status) return std::nullopt;
  TaskSignals signals;
  for (std::string line; std::getline(status, line);) {
    const std::string_view field = std::string_view(line).substr(0, 7);
    if (field.starts_with("State:")) signals.dead = line.find_first_of("ZX", 6) != std::string::npos;
    const bool pending = field == "SigPnd:" || field == "ShdPnd:";
    const bool handled = field == "SigBlk:" || field == "SigIgn:" || field == "SigCgt:";
    if (!pending && !handled) continue;
    (pending ? signals.pending : signals.handled) |= std::strtoull(line.c_str() + field.size(), nullptr, 16);
  }
  return signals;
}

}  // namespace

bool task_wants_out(int task) {
  if (task <= 0) return true;
  const std::string proc = "/proc/" + std::to_string(task);
  const auto signals = read_signals(proc);
  if (!signals || signals->dead || (signals->pending & signal_bit(SIGKILL)) != 0) return true;
  if ((signals->pending & kDumpingSignals & ~signals->handled) != 0) return true;
  if ((signals->pending & signal_bit(SIGINT)) == 0) return false;
  // Ctrl-C of a program that handles it: its read may end, a page fault may not (that would be SIGBUS). In a page fault
  // the task is in no system call.
  std::ifstream call(proc + "/syscall");
  std::string number;
  return (call >> number) && number != "-1" && number != "running";
}

ParkedRequests::ParkedRequests() : watcher_([this] { watch(); }) {
  const MutexLock lock(g_registries_mutex);
  g_registries.insert(this);
}

ParkedRequests::~ParkedRequests() {
  {
    const MutexLock lock(g_registries_mutex);
    g_registries.erase(this);
  }
  {
    const MutexLock lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  watcher_.join();
}

void ParkedRequests::on_interrupt(fuse_req* /*request*/, void* data) {
  const auto id = reinterpret_cast<ParkedId>(data);
  const MutexLock lock(g_registries_mutex);
  for (ParkedRequests* registry : g_registries) registry->interrupted(id);
}

ParkedId ParkedRequests::park(fuse_req* request, std::function<void()> dropped) {
  const ParkedId id = g_next_id++;
  {
    const MutexLock lock(mutex_);
    items_.emplace(id, Item{request, static_cast<int>(fuse_req_ctx(request)->pid), std::move(dropped), false});
  }
  fuse_req_interrupt_func(request, &ParkedRequests::on_interrupt, reinterpret_cast<void*>(id));
  return id;
}

fuse_req* ParkedRequests::take(ParkedId id) {
  const MutexLock lock(mutex_);
  const auto it = items_.find(id);
  if (it == items_.end()) return nullptr;
  fuse_req* request = it->second.request;
  items_.erase(it);
  return request;
}

void ParkedRequests::interrupted(ParkedId id) {
  {
    const MutexLock lock(mutex_);
    const auto it = items_.find(id);
    if (it == items_.end()) return;
    it->second.interrupted = true;
  }
  wake_.notify_one();
}

void ParkedRequests::answer_interrupted(ParkedId id) {
  std::function<void()> dropped;
  fuse_req* request = nullptr;
  {
    const MutexLock lock(mutex_);
    const auto it = items_.find(id);
    if (it == items_.end()) return;
    request = it->second.request;
    dropped = std::move(it->second.dropped);
    items_.erase(it);
  }
  fuse_reply_err(request, EINTR);
  if (dropped) dropped();
}

void ParkedRequests::drop_all() {
  std::vector<ParkedId> ids;
  {
    const MutexLock lock(mutex_);
    for (const auto& [id, item] : items_) ids.push_back(id);
  }
  for (const ParkedId id : ids) answer_interrupted(id);
}

std::size_t ParkedRequests::size() const {
  const MutexLock lock(mutex_);
  return items_.size();
}

void ParkedRequests::watch() {
  MutexLock lock(mutex_);
  while (!stop_) {
    std::vector<std::pair<ParkedId, int>> suspects;
    for (const auto& [id, item] : items_) {
      if (item.interrupted) suspects.emplace_back(id, item.task);
    }
    if (suspects.empty()) {
      wake_.wait(lock.native());
      continue;
    }
    lock.unlock();
    for (const auto& [id, task] : suspects) {
      if (task_wants_out(task)) answer_interrupted(id);
    }
    lock.lock();
    if (!stop_) wake_.wait_for(lock.native(), kWatchInterval);
  }
}

}  // namespace hubfs
