// SPDX-License-Identifier: Apache-2.0
#include "fs/space_promises.h"

#include <unistd.h>

#include <chrono>
#include <span>
#include <sstream>
#include <thread>

#include "core/base/file_io.h"
#include "core/base/log.h"
#include "core/base/plain_path.h"
#include "core/cache/dir_walk.h"
#include "core/cache/flock_file.h"
#include "core/cache/state_paths.h"

namespace hubfs {

namespace {

constexpr std::size_t kMaxFile = 4U << 20U;
constexpr std::uint64_t kBlock = 512;

}  // namespace

Result<UniqueFd> take_room_lock(const CacheRoot& root, const std::function<bool()>& give_up) {
  if (!root.has_state()) return UniqueFd();
  while (true) {
    auto lock = try_flock_file(root.state_fd(), state::kRoomLock, 0660);
    if (!lock) {
      log::debug("room is made without a lock: " + lock.error().message);
      return UniqueFd();
    }
    if (*lock) return lock;
    if (give_up()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return fail(ErrorKind::kNoSpace,
              "another mount of " + root.path() + " has been making room for too long; try again later");
}

SpacePromises::~SpacePromises() {
  if (own_) static_cast<void>(unlink_plain(root_->state_fd(), name_));
}

void SpacePromises::publish(const std::vector<SpacePromise>& promises) {
  if (!root_->has_state()) return;
  std::string text;
  for (const SpacePromise& each : promises) {
    text += std::to_string(each.upto) + " " + state::partial_data(each.key, each.etag) + "\n";
  }
  if (text == said_) return;
  if (!own_) {
    const std::string folder = state::kPromises;
    if (auto made = make_dirs_at(root_->state_fd(), folder, 0770); !made) return log::debug(made.error().message);
    name_ = folder + "/" + std::to_string(::getpid()) + "." + random_hex8();
    auto own = try_flock_file(root_->state_fd(), name_, 0660);
    if (!own || !*own) return log::debug("promises of room are not shared with other mounts");
    own_ = std::move(*own);
  }
  // In place: the lock is on this inode.
  if (::ftruncate(own_.get(), 0) == 0) {
    const Status written = pwrite_all(own_.get(), std::as_bytes(std::span(text.data(), text.size())), 0);
    if (!written) log::debug("promises of room: " + written.error().message);
  }
  said_ = std::move(text);
}

SpacePromises::Bytes SpacePromises::of_others() const {
  if (!root_->has_state()) return {};
  const auto files = read_dir_at(root_->state_fd(), state::kPromises);
  Bytes bytes;
  for (const NameInDir& file : files ? *files : std::vector<NameInDir>{}) {
    const std::string name = std::string(state::kPromises) + "/" + file.name;
    if (name == name_) continue;
    const auto lock = try_flock_file(root_->state_fd(), name, 0660);
    if (lock && *lock) {
      static_cast<void>(unlink_plain(root_->state_fd(), name));
    } else if (const auto text = read_small_file(root_->state_fd(), name, kMaxFile); text && lock) {
      add(*text, bytes);
    }
  }
  return bytes;
}

void SpacePromises::add(const std::string& text, Bytes& bytes) const {
  std::istringstream lines(text);
  std::uint64_t upto = 0;
  std::string path;
  while (lines >> upto >> path) {
    const auto st = lstat_at(root_->state_fd(), path);
    // Gone: published, or given up.
    if (!st) continue;
    const auto here = static_cast<std::uint64_t>(st->st_blocks) * kBlock;
    bytes.promised += upto;
    bytes.missing += upto > here ? upto - here : 0;
  }
}

}  // namespace hubfs
