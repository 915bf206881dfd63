// SPDX-License-Identifier: Apache-2.0
//
// What follows when all is here: the hash, publication; and every way in which a fill ends.
#include <algorithm>
#include <utility>

#include "core/base/log.h"
#include "core/fetch/file_fill.h"

namespace hubfs {

// --- All here --------------------------------------------------------------------------------------------------------

void FileFill::feed_hash() {
  if (step_running_ || stage_ == Stage::kStarting || stage_ == Stage::kDone || verified_) return;
  const std::uint64_t here = partial_->present().run_end(0);
  if (stage_ != Stage::kVerifying && here < hash_->done() + RunningHash::kStep) return;
  const std::uint64_t to = std::min(here, hash_->done() + RunningHash::kLargestStep);
  const bool last = to == target().size;
  run_on_pool([this, to, last]() -> std::function<void()> {
    Status status = hash_->advance(partial_->fd(), to, over_);
    if (status && last) status = hash_->check(target());
    return [this, status, last] {
      if (last && stage_ == Stage::kFilling) stage_ = Stage::kVerifying;
      if (last) return verified(status);
      if (!status) return fail_all(status.error());
      feed_hash();
    };
  });
}

void FileFill::verified(const Status& status) {
  if (!status) return status.error().kind == ErrorKind::kBadContent ? start_over(status.error()) : fail_all(status.error());
  verified_ = true;
  file_->set_verified();
  readers_.answer_ready(*file_);
  try_publish();
}

// The bytes were wrong. Once more from nothing; whoever has seen some of them gets errors from now on.
void FileFill::start_over(const Error& error) {
  log::error(error.message);
  partial_->discard();
  partial_.reset();
  hash_.reset();
  const bool again = !second_try_;
  if (again && file_->start_over()) {
    second_try_ = true;
    announced_ = header_known_ = false;
    // What came in an earlier fill may have been read then.
    if (resumed_) world_.events.on_tainted(target());
    return start();
  }
  file_->set_tainted();
  fail_all(error);
  world_.events.on_tainted(target());
  if (again) world_.begin_again(target());
}

void FileFill::try_publish() {
  take_lock();
  if (!lock_.may_fill()) {
    // Another client is about to publish the same bytes: tick() looks for its blob and comes back here.
    stage_ = Stage::kFilling;
    return;
  }
  run_on_pool([this]() -> std::function<void()> {
    auto published = std::make_shared<Status>(publish(*world_.root, target(), *partial_));
    return [this, published] {
      if (*published) return complete(UniqueFd());
      // Readers have had their bytes: without a word here nobody would know why the file is not in the cache.
      log::error(name() + ": complete, but not published: " + published->error().message);
      fail_all(published->error());
    };
  });
}

// --- The end ---------------------------------------------------------------------------------------------------------

void FileFill::complete(UniqueFd blob) {
  const bool adopted = static_cast<bool>(blob);
  file_->set_complete(std::move(blob));
  if (adopted && partial_) partial_->discard();
  end();
  readers_.answer_all(*file_, {});
  world_.events.on_published(target());
}

void FileFill::fail_all(const Error& error) {
  if (stage_ == Stage::kDone) return;
  file_->set_failed(error);
  end();
  readers_.answer_all(*file_, std::unexpected(error));
}

// What every end has in common; readers are answered afterwards. What is left of the fill may outlive its world, inside a
// function that was posted.
void FileFill::end() {
  stage_ = Stage::kDone;
  over_ = true;
  world_.loop.cancel_timer(std::exchange(timer_, 0));
  transfers_.cancel_all();
  lock_.release();
  if (partial_ && file_->phase() != FetchFile::Phase::kComplete) {
    static_cast<void>(partial_->flush_journal());
    // A download that brought nothing leaves nothing.
    if (partial_->present().empty()) partial_->discard();
    world_.events.on_changed(target());
  }
  // Its lock must be free for the next fill of the file.
  if (!step_running_) partial_.reset();
  world_.finished(file_.get());
}

void FileFill::abandon(const Error& error, bool removed, std::function<void()> ended) {
  fail_all(error);
  if (removed) file_->set_removed();
  if (step_running_) {
    ended_.push_back(std::move(ended));
  } else {
    ended();
  }
}

}  // namespace hubfs
