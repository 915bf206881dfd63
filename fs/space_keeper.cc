// SPDX-License-Identifier: Apache-2.0
#include "fs/space_keeper.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <utility>

#include "core/base/log.h"
#include "fs/kept_room.h"
#include "fs/space_survey.h"

namespace hubfs {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kBetweenSaves = std::chrono::minutes(1);
constexpr auto kCountHolds = std::chrono::seconds(2);
constexpr auto kOthersMayTake = std::chrono::seconds(30);
// Where nothing comes back although models went (a program that could not be asked has them open), more must not go.
constexpr int kRounds = 2;
constexpr std::uint64_t kPage = 4096;

std::uint64_t over(std::uint64_t use, std::uint64_t limit) { return use > limit ? use - limit : 0; }

std::uint64_t missing_of(const FetchFile& file, std::uint64_t upto) {
  const std::uint64_t present = file.present_bytes();
  return upto > present ? (upto - present + kPage - 1) / kPage * kPage : 0;
}

std::string mib(std::uint64_t bytes) { return std::to_string((bytes + (1U << 20U) - 1) >> 20U) + " MiB"; }

std::string name_of(const FetchFile& file) { return file.target().key.text() + "/" + file.target().path.text(); }

}  // namespace

SpaceKeeper::SpaceKeeper(Library& library, Memory& memory, UseLog& uses, SpaceLimits limits, Remove remove)
    : library_(library),
      memory_(memory),
      uses_(uses),
      limits_(limits),
      remove_(std::move(remove)),
      shared_(library.roots().front()) {
  for (const CacheRootPtr& root : library.roots()) disk_.emplace_back(root);
  thread_ = std::thread([this] { run(); });
}

SpaceKeeper::~SpaceKeeper() {
  {
    const MutexLock lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void SpaceKeeper::make_room(FetchFilePtr file, std::uint64_t upto, Done done) {
  {
    const MutexLock lock(mutex_);
    queue_.push_back({std::move(file), upto, std::move(done)});
  }
  wake_.notify_one();
}

SpaceKeeper::Report SpaceKeeper::report() const {
  const MutexLock lock(mutex_);
  return report_;
}

bool SpaceKeeper::stopping() const {
  const MutexLock lock(mutex_);
  return stop_;
}

void SpaceKeeper::run() {
  MutexLock lock(mutex_);
  while (true) {
    if (queue_.empty()) {
      if (stop_) return;
      if (wake_.wait_for(lock.native(), kBetweenSaves) == std::cv_status::timeout) {
        lock.unlock();
        save_uses();
        drop_fulfilled();
        publish_promises();
        lock.lock();
      }
      continue;
    }
    Request request = std::move(queue_.front());
    queue_.pop_front();
    const bool ends = stop_;
    lock.unlock();
    const Status room =
        ends ? Status(fail(ErrorKind::kUnreachable, "the file system is being unmounted")) : decide(request);
    if (!room) {
      const MutexLock again(mutex_);
      report_.last = name_of(*request.file) + ": " + room.error().message;
    }
    request.done(room);
    request = {};
    save_uses();
    lock.lock();
  }
}

void SpaceKeeper::save_uses() {
  if (const Status saved = uses_.save_now_and_then(); !saved) {
    log::debug("times of use not saved: " + saved.error().message);
  }
}

// Of what is here, or will not come.
void SpaceKeeper::drop_fulfilled() {
  std::erase_if(promises_, [](const auto& item) {
    const FetchFilePtr file = item.second.file.lock();
    return !file || file->phase() != FetchFile::Phase::kFilling || missing_of(*file, item.second.upto) == 0;
  });
}

void SpaceKeeper::publish_promises() {
  std::vector<SpacePromise> all;
  for (const auto& [id, promise] : promises_) {
    if (const FetchFilePtr file = promise.file.lock())
      all.push_back({file->target().key, file->target().etag, promise.upto});
  }
  shared_.publish(all);
}

Status SpaceKeeper::decide(const Request& request) {
  const auto end = Clock::now() + kOthersMayTake;
  const auto turn = take_room_lock(*library_.roots().front(), [&] { return stopping() || Clock::now() >= end; });
  if (stopping()) return fail(ErrorKind::kUnreachable, "the file system is being unmounted");
  if (!turn) return std::unexpected(turn.error());
  drop_fulfilled();
  const SpacePromises::Bytes others = shared_.of_others();
  others_ = others.missing;
  // What was promised to it before is part of what it asks for now.
  promises_.erase(request.file.get());
  const std::uint64_t bytes = missing_of(*request.file, request.upto);
  if (!fits_by_last_count(bytes, others.promised)) {
    count();
    if (!needed_for(bytes).none()) {
      if (auto made = evict_for(request, bytes); !made) return made;
    }
    at_most_ += bytes;
  }
  promises_[request.file.get()] = {request.file, request.upto};
  publish_promises();
  return {};
}

Status SpaceKeeper::evict_for(const Request& request, std::uint64_t bytes) {
  std::map<RepoKey, std::string> kept = kept_for(request.file->target().key);
  bool counted = true;
  for (int round = 0; round < kRounds;) {
    if (!std::exchange(counted, false)) count();
    const RoomNeeded needed = needed_for(bytes);
    if (needed.none()) return {};
    const Survey survey = survey_models({library_, memory_, uses_, disk_, kept});
    {
      const MutexLock lock(mutex_);
      report_.unseen = survey.unseen;
    }
    const EvictionChoice choice = choose_evictions(survey.models, needed_without_kept(library_.roots(), needed));
    if (!choice.enough) return std::unexpected(no_room(bytes, choice.stay));
    const auto more = [&] {
      count();
      return !stopping() && !needed_for(bytes).none();
    };
    // What then is still needed is chosen anew, without them.
    if (give_up_kept(library_.roots(), more) > 0) continue;
    bool refused = false;
    for (const RepoKey& key : choice.go) {
      if (stopping()) return fail(ErrorKind::kUnreachable, "the file system is being unmounted");
      const std::uint64_t given = bytes_alone(*find_model(survey.models, key));
      const Status removed = remove_(key);
      if (removed) {
        note_evicted(key, request, given);
        continue;
      }
      log::info(key.text() + " was not removed to make room: " + removed.error().message);
      kept[key] = removed.error().message;
      refused = true;
      break;
    }
    // Each refusal takes one out of the choice, so this ends.
    if (!refused) ++round;
  }
  count();
  return needed_for(bytes).none() ? Status{} : Status(std::unexpected(no_room(bytes, {})));
}

std::map<RepoKey, std::string> SpaceKeeper::kept_for(const RepoKey& wanted) const {
  std::map<RepoKey, std::string> kept;
  for (const auto& [id, promise] : promises_) {
    if (const FetchFilePtr file = promise.file.lock()) kept[file->target().key] = "it is being downloaded";
  }
  {
    const MutexLock lock(mutex_);
    for (const Request& request : queue_) kept[request.file->target().key] = "it is being downloaded";
  }
  kept[wanted] = "the file is of it";
  return kept;
}

void SpaceKeeper::note_evicted(const RepoKey& key, const Request& request, std::uint64_t bytes) {
  const std::string words = "removed " + key.text() + " (" + mib(bytes) +
                            "), which was not used for longest, to make room for " + name_of(*request.file);
  log::info(words);
  const MutexLock lock(mutex_);
  ++report_.evicted;
  report_.evicted_bytes += bytes;
  report_.last = words;
}

// --- How much there is -----------------------------------------------------------------------------------------------

void SpaceKeeper::count() {
  for (DiskUse& root : disk_) root.count();
  total_ = total_of(disk_);
  // Afterwards: what arrives meanwhile is in neither. The other way round it would be in both, and a model would go for
  // it.
  others_ = shared_.of_others().missing;
  at_most_ = total_ + promised() - others_;
  counted_ = Clock::now();
  const MutexLock lock(mutex_);
  report_.occupied = total_;
}

// Many small files ask within a moment: what was counted last, and all that was promised, is more than there can be.
bool SpaceKeeper::fits_by_last_count(std::uint64_t bytes, std::uint64_t promised_by_others) {
  if (limits_.min_free > 0 && over(limits_.min_free + promised() + bytes, free_bytes()) > 0) return false;
  if (limits_.quota == 0) return true;
  if (counted_ == Clock::time_point{} || Clock::now() - counted_ > kCountHolds ||
      at_most_ + promised_by_others + bytes > limits_.quota)
    return false;
  at_most_ += bytes;
  return true;
}

RoomNeeded SpaceKeeper::needed_for(std::uint64_t bytes) const {
  RoomNeeded needed;
  if (limits_.quota > 0) needed.anywhere = over(total_ + promised() + bytes, limits_.quota);
  if (limits_.min_free > 0) needed.on_volume = over(limits_.min_free + promised() + bytes, free_bytes());
  struct stat st{};
  if (::fstat(library_.roots().front()->fd(), &st) == 0) needed.volume = st.st_dev;
  return needed;
}

std::uint64_t SpaceKeeper::promised() const {
  std::uint64_t bytes = others_;
  for (const auto& [id, promise] : promises_) {
    if (const FetchFilePtr file = promise.file.lock()) bytes += missing_of(*file, promise.upto);
  }
  return bytes;
}

std::uint64_t SpaceKeeper::free_bytes() const {
  struct statvfs st{};
  if (::fstatvfs(library_.roots().front()->fd(), &st) != 0) return UINT64_MAX;
  return std::uint64_t{st.f_bavail} * st.f_frsize;
}

Error SpaceKeeper::no_room(std::uint64_t bytes, const std::vector<std::string>& stay) const {
  std::string words = "no room for " + mib(bytes) + " more: ";
  const RoomNeeded needed = needed_for(bytes);
  if (needed.anywhere > 0) words += "of the quota of " + mib(limits_.quota) + " the cache takes " + mib(total_);
  if (needed.anywhere > 0 && needed.on_volume > 0) words += ", and ";
  if (needed.on_volume > 0)
    words += "of the " + mib(limits_.min_free) + " to be kept free " + mib(free_bytes()) + " are left";
  if (const std::uint64_t others = promised(); others > 0)
    words += "; " + mib(others) + " are promised to other downloads";
  words += "; what may be removed is not enough" + words_of_kept(stay);
  return {ErrorKind::kNoSpace, std::move(words), 0};
}

}  // namespace hubfs
