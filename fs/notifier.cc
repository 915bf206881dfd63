// SPDX-License-Identifier: Apache-2.0
#include "fs/notifier.h"

#include <chrono>

namespace hubfs {

Notifier::Notifier(KernelCaches& kernel) : kernel_(kernel), thread_([this] { run(); }) {}

Notifier::~Notifier() {
  {
    const MutexLock lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Notifier::push(Note note) {
  {
    const MutexLock lock(mutex_);
    const bool about_dir = note.what == Note::What::kName || note.what == Note::What::kListing;
    if (about_dir && parked_.contains(note.node)) {
      waiting_[note.node].push_back(std::move(note));
      return;
    }
    queue_.push_back(std::move(note));
  }
  wake_.notify_one();
}

void Notifier::name_changed(NodeId parent, std::string name) { push({Note::What::kName, parent, std::move(name)}); }
void Notifier::listing_changed(NodeId dir) { push({Note::What::kListing, dir, {}}); }
void Notifier::attributes_changed(NodeId node) { push({Note::What::kAttributes, node, {}}); }
void Notifier::pages_wrong(NodeId node) { push({Note::What::kPages, node, {}}); }

void Notifier::park(NodeId dir) {
  const MutexLock lock(mutex_);
  if (++parked_[dir] > 1) return;
  // What is queued already waits too: the kernel would hold the thread, and with it every other directory.
  std::deque<Note> others;
  for (Note& note : queue_) {
    const bool waits = note.node == dir && note.what != Note::What::kAttributes;
    if (waits) {
      waiting_[dir].push_back(std::move(note));
    } else {
      others.push_back(std::move(note));
    }
  }
  queue_.swap(others);
  if (queue_.empty()) idle_.notify_all();
}

void Notifier::unpark(NodeId dir) {
  {
    const MutexLock lock(mutex_);
    const auto it = parked_.find(dir);
    if (it == parked_.end() || --it->second > 0) return;
    parked_.erase(it);
    if (const auto waiting = waiting_.find(dir); waiting != waiting_.end()) {
      for (Note& note : waiting->second) queue_.push_back(std::move(note));
      waiting_.erase(waiting);
    }
  }
  wake_.notify_one();
}

void Notifier::drain() {
  MutexLock lock(mutex_);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  while ((!queue_.empty() || busy_) && !stop_) {
    if (idle_.wait_until(lock.native(), until) == std::cv_status::timeout) return;
  }
}

void Notifier::run() {
  MutexLock lock(mutex_);
  while (true) {
    while (queue_.empty() && !stop_) wake_.wait(lock.native());
    if (stop_) return;
    Note note = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    switch (note.what) {
      case Note::What::kName: kernel_.invalidate_name(note.node, note.name); break;
      case Note::What::kListing: kernel_.invalidate_listing(note.node); break;
      case Note::What::kAttributes: kernel_.invalidate_attributes(note.node); break;
      case Note::What::kPages: kernel_.invalidate_pages(note.node); break;
    }
    lock.lock();
    busy_ = false;
    if (queue_.empty()) idle_.notify_all();
  }
}

}  // namespace hubfs
