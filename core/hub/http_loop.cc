// SPDX-License-Identifier: Apache-2.0
//
// HttpLoop over CurlTransport. Order within a round: sockets first, then posted work and timers, so that a deadline is
// only judged after everything that had arrived by then has been read (a round that was long held up by its owner's
// work must not look like silence). libcurl forbids adding and removing requests from inside its callbacks: start() and
// cancel() therefore only take notes, which the round acts on between calls into libcurl.
#include "core/hub/http_loop.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>

#include "core/base/thread_annotations.h"
#include "core/hub/admission.h"
#include "core/hub/curl_transport.h"
#include "core/hub/deadlines.h"
#include "core/hub/head_parser.h"
#include "core/hub/posted_work.h"
#include "core/hub/request_check.h"
#include "core/hub/timer_queue.h"

namespace hubfs {

namespace {

using Clock = TimerQueue::Clock;
using std::chrono::milliseconds;

constexpr milliseconds kLongestSleep{60'000};

class CurlHttpLoop;

// One request from start() to its end.
class Transfer final : public CurlReceiver {
 public:
  Transfer(CurlHttpLoop& owner, HttpLoop::RequestId number, const HttpRequest& what, std::unique_ptr<HttpHandler> who)
      : id(number),
        request(what),
        handler(std::move(who)),
        head(what.max_head_bytes),
        deadlines(what, Clock::now()),
        loop_(owner) {}

  void on_connected() noexcept override;
  bool on_header_line(std::string_view line) noexcept override;
  bool on_body_bytes(std::span<const std::byte> bytes) noexcept override;
  // How the request ended, given what libcurl says.
  [[nodiscard]] Status verdict(const Status& transport) const;

  const HttpLoop::RequestId id;
  const HttpRequest request;
  const std::unique_ptr<HttpHandler> handler;
  HeadParser head;
  Deadlines deadlines;
  HttpLoop::TimerId watchdog = 0;
  RequestTarget target;
  CurlTransport::Exchange* exchange = nullptr;
  bool admitted = false;
  bool cancelled = false;
  std::optional<Error> failure;  // found by us, not by libcurl

 private:
  bool end_with(ErrorKind kind, std::string words) {
    failure = Error{kind, std::move(words), 0};
    return false;
  }

  CurlHttpLoop& loop_;
};

class CurlHttpLoop final : public HttpLoop {
 public:
  explicit CurlHttpLoop(const HttpLoopOptions& options);
  ~CurlHttpLoop() override { stop(); }
  CurlHttpLoop(const CurlHttpLoop&) = delete;
  CurlHttpLoop& operator=(const CurlHttpLoop&) = delete;

  void post(std::function<void()> work) override;
  bool on_loop_thread() const override { return std::this_thread::get_id() == thread_id_.load(); }
  RequestId start(const HttpRequest& request, std::unique_ptr<HttpHandler> handler) override;
  void cancel(RequestId id) override;
  TimerId after(milliseconds delay, std::function<void()> work) override;
  void cancel_timer(TimerId id) override { timers_.cancel(id); }
  void stop() override;

  [[nodiscard]] bool stopping() const { return stopping_; }
  void arm_watchdog(Transfer& t);

 private:
  void run();
  void run_posted();
  void admit();
  void refuse_unusable();
  void collect_finished();
  void bury_cancelled();
  void teardown();
  [[nodiscard]] milliseconds longest_sleep();
  void detach(Transfer& t);
  void finish(RequestId id, const Status& status);
  void check_deadlines(RequestId id);

  CurlTransport transport_;
  Admission admission_;
  TimerQueue timers_;
  RequestId next_id_ = 1;
  std::unordered_map<RequestId, std::unique_ptr<Transfer>> transfers_;
  std::vector<RequestId> unusable_;
  std::vector<std::unique_ptr<Transfer>> cancelled_;
  Clock::time_point looked_at_;  // when the sockets were last looked at
  PostedWork posted_;
  std::atomic<bool> stopping_{false};
  Mutex join_mutex_;
  std::thread thread_ GUARDED_BY(join_mutex_);
  std::atomic<std::thread::id> thread_id_;
};

CurlHttpLoop::CurlHttpLoop(const HttpLoopOptions& options)
    : transport_(options),
      admission_(options.max_connections_per_host, options.max_connections),
      posted_([this] { transport_.wake(); }) {
  // No signal is for this thread or the resolver's threads that it starts: also not SIGPIPE, which OpenSSL's writes
  // could raise. Those of a bug stay: blocked, they would end the process before anything could be reported.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  for (const int bug : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) sigdelset(&all, bug);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const MutexLock lock(join_mutex_);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void CurlHttpLoop::post(std::function<void()> work) {
  if (!stopping_) posted_.add(std::move(work), on_loop_thread());
}

HttpLoop::RequestId CurlHttpLoop::start(const HttpRequest& request, std::unique_ptr<HttpHandler> handler) {
  const RequestId id = next_id_++;
  if (stopping_) return id;
  Transfer& t = *(transfers_[id] = std::make_unique<Transfer>(*this, id, request, std::move(handler)));
  if (auto target = check_request(request)) {
    t.target = *std::move(target);
    admission_.enqueue(t.target.connection_key, id);
    arm_watchdog(t);
  } else {
    t.failure = target.error();
    unusable_.push_back(id);
  }
  return id;
}

void CurlHttpLoop::cancel(RequestId id) {
  const auto found = transfers_.find(id);
  if (found == transfers_.end()) return;
  found->second->cancelled = true;
  cancelled_.push_back(std::move(found->second));
  transfers_.erase(found);
}

HttpLoop::TimerId CurlHttpLoop::after(milliseconds delay, std::function<void()> work) {
  return timers_.add(Clock::now() + delay, std::move(work));
}

void CurlHttpLoop::stop() {
  stopping_ = true;
  posted_.wake();
  const MutexLock lock(join_mutex_);
  if (thread_.joinable()) thread_.join();
}

// --- The round -------------------------------------------------------------------------------------------------------

void CurlHttpLoop::run() {
  thread_id_ = std::this_thread::get_id();
  const auto stop_asked = [this] { return stopping_.load(); };
  while (!stopping_) {
    looked_at_ = Clock::now();
    transport_.perform();
    collect_finished();
    run_posted();
    timers_.run_due(Clock::now(), stop_asked);
    refuse_unusable();
    bury_cancelled();
    admit();
    if (!stopping_) transport_.poll(longest_sleep());
  }
  teardown();
}

milliseconds CurlHttpLoop::longest_sleep() {
  if (!posted_.empty() || !unusable_.empty() || !cancelled_.empty()) return milliseconds(0);
  const auto next = timers_.next();
  if (!next) return kLongestSleep;
  return std::clamp(std::chrono::ceil<milliseconds>(*next - Clock::now()), milliseconds(0), kLongestSleep);
}

void CurlHttpLoop::run_posted() {
  for (auto& one : posted_.take()) {
    if (stopping_) return;
    one();
    one = nullptr;
  }
}

void CurlHttpLoop::admit() {
  while (const auto id = admission_.next()) {
    const auto found = transfers_.find(*id);
    if (found == transfers_.end()) continue;  // cannot be: cancelled ones were dropped
    Transfer& t = *found->second;
    t.admitted = true;
    t.deadlines.admitted(Clock::now());
    t.exchange = transport_.add(t.request, t.target.host, t);
    if (t.exchange == nullptr) {
      t.failure = Error{ErrorKind::kSystem, "libcurl takes no further request", ENOMEM};
      unusable_.push_back(t.id);
    }
    arm_watchdog(t);
  }
}

void CurlHttpLoop::refuse_unusable() {
  for (const RequestId id : std::exchange(unusable_, {})) {
    const auto found = transfers_.find(id);
    if (stopping_ || found == transfers_.end()) continue;
    const Error error = *found->second->failure;
    finish(id, std::unexpected(error));
  }
}

void CurlHttpLoop::collect_finished() {
  while (!stopping_) {
    const auto ended = transport_.next_finished();
    if (!ended) return;
    const auto& t = static_cast<const Transfer&>(*ended->receiver);
    if (!t.cancelled) finish(t.id, t.verdict(ended->status));
  }
}

void CurlHttpLoop::bury_cancelled() {
  // What the handlers own may cancel more when it goes.
  while (!cancelled_.empty()) {
    const auto dead = std::exchange(cancelled_, {});
    for (const auto& t : dead) detach(*t);
  }
}

void CurlHttpLoop::teardown() {
  auto dropped = posted_.close();
  while (!transfers_.empty()) cancel(transfers_.begin()->first);
  bury_cancelled();
  dropped.clear();
  timers_.clear();
}

// --- One request -----------------------------------------------------------------------------------------------------

// Takes a request off libcurl and the books.
void CurlHttpLoop::detach(Transfer& t) {
  timers_.cancel(t.watchdog);
  if (t.exchange != nullptr) transport_.remove(std::exchange(t.exchange, nullptr));
  if (t.target.connection_key.empty()) return;
  if (t.admitted) {
    admission_.release(t.target.connection_key);
  } else {
    admission_.drop(t.target.connection_key, t.id);
  }
}

void CurlHttpLoop::finish(RequestId id, const Status& status) {
  const auto found = transfers_.find(id);
  if (found == transfers_.end()) return;
  const std::unique_ptr<Transfer> t = std::move(found->second);
  transfers_.erase(found);
  detach(*t);
  t->handler->on_end(status);
}

void CurlHttpLoop::arm_watchdog(Transfer& t) {
  timers_.cancel(std::exchange(t.watchdog, 0));
  const auto next = t.deadlines.next();
  if (!next) return;
  // Never in this very round: the sockets are looked at first.
  t.watchdog = timers_.add(std::max(*next, Clock::now() + milliseconds(1)), [this, id = t.id] { check_deadlines(id); });
}

void CurlHttpLoop::check_deadlines(RequestId id) {
  const auto found = transfers_.find(id);
  if (found == transfers_.end()) return;
  Transfer& t = *found->second;
  if (const auto words = t.deadlines.overdue(looked_at_)) {
    finish(id, fail(ErrorKind::kTimeout, t.target.host + ": " + std::string(*words)));
  } else {
    arm_watchdog(t);
  }
}

void Transfer::on_connected() noexcept {
  if (cancelled) return;
  deadlines.connected(Clock::now());
  loop_.arm_watchdog(*this);
}

bool Transfer::on_header_line(std::string_view line) noexcept {
  if (cancelled || loop_.stopping()) return false;
  if (deadlines.received(line.size(), Clock::now())) loop_.arm_watchdog(*this);
  switch (head.add_line(line)) {
    case HeadParser::Event::kMore:
      return true;
    case HeadParser::Event::kTooLarge:
      return end_with(ErrorKind::kBadContent, target.host + ": a head too large");
    case HeadParser::Event::kComplete:
      break;
  }
  return handler->on_head(head.head()) || end_with(ErrorKind::kInterrupted, "ended by its receiver");
}

bool Transfer::on_body_bytes(std::span<const std::byte> bytes) noexcept {
  if (cancelled || loop_.stopping()) return false;
  deadlines.received(bytes.size(), Clock::now());
  if (!head.complete()) return end_with(ErrorKind::kBadContent, target.host + ": an answer without a usable head");
  return handler->on_body(bytes) || end_with(ErrorKind::kInterrupted, "ended by its receiver");
}

Status Transfer::verdict(const Status& transport) const {
  if (failure) return std::unexpected(*failure);
  if (transport && !head.complete()) {
    return fail(ErrorKind::kBadContent, target.host + ": an answer without a usable head");
  }
  return transport;
}

}  // namespace

std::unique_ptr<HttpLoop> make_curl_http_loop(const HttpLoopOptions& options) {
  return std::make_unique<CurlHttpLoop>(options);
}

}  // namespace hubfs
