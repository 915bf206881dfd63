// SPDX-License-Identifier: Apache-2.0
#include "core/hub/timer_queue.h"

namespace hubfs {

TimerQueue::Id TimerQueue::add(Clock::time_point when, std::function<void()> work) {
  const Id id = next_id_++;
  queue_.emplace(std::pair(when, id), std::move(work));
  when_.emplace(id, when);
  return id;
}

void TimerQueue::cancel(Id id) {
  const auto found = when_.find(id);
  if (found == when_.end()) return;
  // Taken out before it is destroyed: what it owns may cancel other timers when it goes.
  const auto node = queue_.extract(std::pair(found->second, id));
  when_.erase(found);
}

void TimerQueue::run_due(Clock::time_point now, const std::function<bool()>& stop) {
  // Timers made by this round's work wait for the next one, or a timer that renews itself would hold the loop.
  const Id made_later = next_id_;
  auto at = queue_.begin();
  while (at != queue_.end() && at->first.first <= now && !stop()) {
    if (at->first.second >= made_later) {
      ++at;
      continue;
    }
    const auto key = at->first;
    auto node = queue_.extract(at);
    when_.erase(key.second);
    node.mapped()();
    at = queue_.lower_bound(key);
  }
}

std::optional<TimerQueue::Clock::time_point> TimerQueue::next() const {
  if (queue_.empty()) return std::nullopt;
  return queue_.begin()->first.first;
}

void TimerQueue::clear() {
  when_.clear();
  const auto dropped = std::exchange(queue_, {});
}

}  // namespace hubfs
