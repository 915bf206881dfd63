// SPDX-License-Identifier: Apache-2.0
//
// Tells the kernel what it must forget. A thread of its own does the calls, because each may block until another request
// is answered: a name's parent may be locked by a look-up that waits for the Hub, pages by a read. Whoever notices a
// change only queues; nobody waits for this thread, and it holds no lock of ours while it calls. Nothing is sent to a
// directory while a look-up in it is parked: that is queued for this directory alone. Thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "core/base/thread_annotations.h"
#include "fs/inode_table.h"

namespace hubfs {

/// The kernel's side; fs/fuse_session.cc implements it.
class KernelCaches {
 public:
  virtual ~KernelCaches() = default;
  /// Forget what this name stands for (also that it stands for nothing).
  virtual void invalidate_name(NodeId parent, const std::string& name) = 0;
  /// Forget the cached listing of a directory.
  virtual void invalidate_listing(NodeId dir) = 0;
  /// Forget the attributes of a node, not its pages.
  virtual void invalidate_attributes(NodeId node) = 0;
  /// Forget the pages of a file: they are wrong. Waits for reads of the file that are not answered.
  virtual void invalidate_pages(NodeId node) = 0;
};

class Notifier {
 public:
  explicit Notifier(KernelCaches& kernel);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  void name_changed(NodeId parent, std::string name);
  void listing_changed(NodeId dir);
  void attributes_changed(NodeId node);
  /// Only when all waiting reads of the file have been answered.
  void pages_wrong(NodeId node);

  /// While a look-up in `dir` waits for the Hub.
  void park(NodeId dir);
  void unpark(NodeId dir);

  /// The view has taken a change, and what it means for the kernel is queued next. A reply that was made of the state
  /// before and reaches the kernel after these calls would stay there: who replies compares changes() from before it asked
  /// the view with that from after the reply, and where they differ has the kernel forget what it was just told.
  void begin_change() { ++changes_; }
  [[nodiscard]] std::uint64_t changes() const { return changes_; }

  /// Returns when everything queued so far was sent (tests), or after a second.
  void drain();

 private:
  struct Note {
    enum class What { kName, kListing, kAttributes, kPages } what = What::kName;
    NodeId node = 0;
    std::string name;
  };
  void push(Note note);
  void run();

  KernelCaches& kernel_;
  std::atomic<std::uint64_t> changes_{0};
  Mutex mutex_;  ///< guards all below; never held while the kernel is called
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::deque<Note> queue_ GUARDED_BY(mutex_);
  std::map<NodeId, int> parked_ GUARDED_BY(mutex_);
  std::map<NodeId, std::vector<Note>> waiting_ GUARDED_BY(mutex_);
  bool busy_ GUARDED_BY(mutex_) = false;
  bool stop_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hubfs
