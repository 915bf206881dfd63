// SPDX-License-Identifier: Apache-2.0
//
// Whether there is room for a file: the floor of free space, and what whoever makes room has granted (a quota, for
// example). Room is asked for in steps: a little when the file is opened, all of it when the rest is wanted, and a
// little more while only what is read arrives.
#include <algorithm>
#include <utility>

#include "core/base/log.h"
#include "core/fetch/file_fill.h"
#include "core/fetch/fill_policy.h"
#include "core/fetch/publication.h"

namespace hubfs {

namespace {

constexpr auto kBetweenLooks = std::chrono::seconds(2);
constexpr auto kBetweenAsks = std::chrono::seconds(10);
// Readers ask for at most that much ahead of what is here.
constexpr std::uint64_t kMargin = 16U << 20U;

}  // namespace

// `then` runs on the loop, unless the fill has ended meanwhile.
void FileFill::ask_for_room(std::uint64_t upto, std::function<void(Status)> then) {
  asking_ = true;
  asked_upto_ = upto;
  auto answered = [this, upto, then = std::move(then)](const Status& room) {
    asking_ = false;
    answered_ = Clock::now();
    if (room) granted_ = std::max(granted_, upto);
    no_room_ = room ? Error{} : room.error();
    if (!room) no_room_.message = name() + ": " + no_room_.message;
    // Without a partial it is begun anew.
    if (partial_) then(room ? room : Status(std::unexpected(no_room_)));
  };
  world_.events.make_room(
      file_, upto, [weak = weak_from_this(), &loop = world_.loop, answered = std::move(answered)](const Status& room) {
        loop.post([weak, answered, room] {
          const auto self = weak.lock();
          if (self && self->stage_ != Stage::kDone) answered(room);
        });
      });
}

// Only what is read arrives, and some of it has: asks for more in time. False when what was not granted arrives; then the
// fill ends soon: better no bytes than more than was allowed.
bool FileFill::may_grow() {
  if (!world_.options.ask_for_room || granted_ >= target().size) return true;
  const std::uint64_t here = partial_->present().total();
  if (here + kMargin < granted_) return true;
  if (here >= granted_ && !no_room_.message.empty()) {
    world_.loop.post([weak = weak_from_this(), error = no_room_] {
      if (const auto self = weak.lock()) self->fail_all(error);
    });
    return false;
  }
  if (!asking_ && (no_room_.message.empty() || Clock::now() - answered_ >= kBetweenAsks)) {
    ask_for_room(next_room(target().size, std::max(here, granted_)), [](const Status&) {});
  }
  return true;
}

// The header of a file may be read with less room than the file needs; the rest begins only with room for all of it,
// and stops when the floor is reached.
void FileFill::check_space(Clock::time_point now) {
  if (now - checked_space_ < kBetweenLooks || !partial_) return;
  checked_space_ = now;
  if (world_.options.ask_for_room) {
    ask_for_all(now);
    if (granted_ < target().size) return;
  }
  const std::uint64_t missing = target().size - partial_->present().total();
  if (has_room_for(*world_.root, room_ && announced_ && lock_.held() ? 0 : missing, world_.options.floor_bytes))
    return set_room({});
  set_room(fail(ErrorKind::kNoSpace, name() + ": not downloaded to its end, since " + world_.root->path() +
                                         " has no room for it; make room, for example with `hubfs rm`"));
}

// Asked again now and then: others fill the disk too.
void FileFill::ask_for_all(Clock::time_point now) {
  if (granted_ < target().size) room_ = false;
  if (asking_ || (asked_upto_ == target().size && now - answered_ < kBetweenAsks)) return;
  ask_for_room(target().size, [this](const Status& room) {
    if (!room) {
      granted_ = std::min(granted_, partial_->present().total() + kMargin);
      set_room(room);
    }
    checked_space_ = {};
    check_space(Clock::now());
    schedule();
  });
}

void FileFill::set_room(const Status& room) {
  if (room) {
    if (!std::exchange(room_, true)) file_->set_hindrance("");
    return;
  }
  if (file_->hindrance().empty()) log::warn(room.error().message);
  room_ = false;
  file_->set_hindrance(room.error().message);
  transfers_.cancel_less_urgent_than(Urgency::kAhead);
  readers_.answer_wholes(room);
}

}  // namespace hubfs
