// SPDX-License-Identifier: Apache-2.0
//
// What arrives, what fails, and what time brings.
#include <algorithm>
#include <random>

#include "core/base/file_io.h"
#include "core/base/log.h"
#include "core/fetch/file_fill.h"

namespace hubfs {

namespace {

constexpr auto kTick = std::chrono::milliseconds(250);
constexpr auto kLockWithoutBytes = std::chrono::seconds(10);
constexpr auto kPauseForOthers = std::chrono::seconds(1);
constexpr auto kIdle = std::chrono::seconds(10);
constexpr auto kBetweenLooks = std::chrono::seconds(2);
constexpr int kBackgroundTries = 6;

std::chrono::milliseconds backoff(int failures) {
  static thread_local std::minstd_rand random{std::random_device{}()};
  const long long base = 250LL << std::min(failures - 1, 5);
  return std::chrono::milliseconds(base / 2 + static_cast<long long>(random() % static_cast<unsigned long>(base)));
}

}  // namespace

// --- What arrives ----------------------------------------------------------------------------------------------------

void FileFill::on_answer() { readers_.answer_opens({}); }

bool FileFill::on_arrived(ByteRange range, std::span<const std::byte> bytes) {
  if (stage_ != Stage::kFilling) return false;
  Status stored = pwrite_all(partial_->fd(), bytes, range.first);
  if (stored) stored = partial_->record(range);
  if (!stored) {
    world_.loop.post([weak = weak_from_this(), error = stored.error()] {
      if (const auto self = weak.lock()) self->fail_all(error);
    });
    return false;
  }
  file_->add_present(range);
  if (!announced_) {
    // From now on the file takes space and is shown as partly there.
    announced_ = true;
    static_cast<void>(partial_->flush_journal());
    world_.events.on_changed(target());
  }
  last_byte_ = Clock::now();
  failures_ = 0;
  if (!may_grow()) return false;
  if (!header_known_) look_for_header();
  if (!readers_.readers().empty()) readers_.answer_ready(*file_);
  feed_hash();
  return true;
}

void FileFill::on_over(bool whole, const HubResult<void>& result) {
  for (const auto& weak : std::exchange(world_.hungry, {})) {
    world_.loop.post([weak] {
      if (const auto fill = weak.lock()) fill->schedule();
    });
  }
  if (stage_ != Stage::kFilling) return;
  if (auto noted = partial_->flush_journal(); !noted) return fail_all(noted.error());
  if (!result && !whole && result.error().error.kind != ErrorKind::kInterrupted) note_failure(result.error());
  schedule();
}

void FileFill::note_failure(const HubError& error) {
  log::debug(name() + ": " + error.error.message);
  last_error_ = error.error;
  const bool hopeless = !error.retryable || world_.hub.options().offline;
  if (hopeless) return fail_all(error.error);
  // No way to the Hub: an open is answered at once, a read goes on trying. Other faults may pass within an open's time.
  if (error.error.kind == ErrorKind::kUnreachable) readers_.answer_opens(std::unexpected(error.error));
  // Requests that failed together are one failure.
  if (Clock::now() < retry_at_) return;
  ++failures_;
  auto wait = backoff(failures_);
  if (error.retry_after) wait = std::max<std::chrono::milliseconds>(wait, *error.retry_after);
  retry_at_ = Clock::now() + wait;
  const bool waited_for = !readers_.readers().empty() || readers_.any_open();
  if (!waited_for && failures_ > kBackgroundTries) fail_all(error.error);
}

// --- Time ------------------------------------------------------------------------------------------------------------

void FileFill::tick_later() {
  timer_ = world_.loop.after(kTick, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->tick();
  });
}

void FileFill::tick() {
  tick_later();
  const auto now = Clock::now();
  give_up_late_ones(now);
  if (stage_ == Stage::kVerifying) return schedule();
  if (stage_ != Stage::kFilling) return;
  // Python waits for this lock without a timeout: it is held only while bytes come.
  if (lock_.held() && now - last_byte_ > kLockWithoutBytes) {
    lock_.release();
    retry_at_ = std::max(retry_at_, now + kPauseForOthers);
  }
  if (filling_) check_space(now);
  if (now - looked_for_blob_ > (lock_.others_have_it() ? kTick : kBetweenLooks) && !step_running_) return look_for_blob_of_others();
  schedule();
  end_if_idle(now);
}

void FileFill::give_up_late_ones(Clock::time_point now) {
  const auto opened = readers_.oldest_open();
  // Making room takes its own time.
  if (opened && !asking_ && now - std::max(*opened, answered_) > world_.options.open_gives_up_after) {
    Error late{ErrorKind::kTimeout,
               name() + ": no answer from the Hub within " + std::to_string(world_.options.open_gives_up_after.count()) + " s", 0};
    readers_.answer_opens(std::unexpected(last_error_.message.empty() ? std::move(late) : last_error_));
  }
  if (stage_ != Stage::kFilling) return;
  const auto& waiting = readers_.readers();
  const bool stuck = std::any_of(waiting.begin(), waiting.end(), [&](const FillReaders::Reader& reader) {
    return now - std::max(reader.since, last_byte_) > world_.options.give_up_after;
  });
  if (!stuck) return;
  fail_all(last_error_.message.empty() ? Error{ErrorKind::kTimeout, name() + ": nothing came from the Hub", 0} : last_error_);
}

// Another client may have published the same blob: then it is ours too.
void FileFill::look_for_blob_of_others() {
  looked_for_blob_ = Clock::now();
  run_on_pool([this]() -> std::function<void()> {
    auto blob = std::make_shared<std::optional<UniqueFd>>(adopt_blob(*world_.root, target()));
    return [this, blob] {
      if (*blob) return complete(std::move(**blob));
      schedule();
      feed_hash();
    };
  });
}

void FileFill::take_lock() {
  const auto now = Clock::now();
  const bool held_before = lock_.held();
  const Status taken = lock_.take(now);
  // The time without bytes counts from here.
  if (lock_.held() && !held_before) last_byte_ = std::max(last_byte_, now);
  if (taken || !filling_) return;
  log::error(name() + ": cannot be downloaded to its end: " + taken.error().message);
  file_->set_hindrance(taken.error().message);
  filling_ = false;
  readers_.answer_wholes(std::unexpected(taken.error()));
}

// A fill for which nobody waits and that cannot go on is let go of; its partial stays.
void FileFill::end_if_idle(Clock::time_point now) {
  if (stage_ != Stage::kFilling || readers_.any() || !transfers_.empty() || lock_.held() || step_running_) return;
  if (now - std::max(last_byte_, last_used_) < kIdle) return;
  end();
}

}  // namespace hubfs
