// SPDX-License-Identifier: Apache-2.0
#include "tests/hub/repo_shelf.h"

#include <stdexcept>

namespace hubfs::testing {

RepoPtr RepoShelf::Slot::get() {
  const std::lock_guard lock(mutex);
  if (!repo) {
    repo = std::make_shared<Repo>(maker());
    maker = nullptr;
  }
  return repo;
}

void RepoShelf::put(RepoType type, const std::string& id, Maker maker) {
  auto slot = std::make_shared<Slot>();
  slot->maker = std::move(maker);
  const std::unique_lock lock(mutex_);
  slots_[{type, id}] = std::move(slot);
}

void RepoShelf::put(RepoPtr repo) {
  const Key key = {repo->type(), repo->id()};
  auto slot = std::make_shared<Slot>();
  slot->repo = std::move(repo);
  const std::unique_lock lock(mutex_);
  slots_[key] = std::move(slot);
}

void RepoShelf::remove(RepoType type, const std::string& id) {
  const std::unique_lock lock(mutex_);
  slots_.erase({type, id});
  aliases_.erase({type, id});
}

void RepoShelf::put_alias(RepoType type, const std::string& from, const std::string& to) {
  const std::unique_lock lock(mutex_);
  aliases_[{type, from}] = to;
}

std::shared_ptr<RepoShelf::Slot> RepoShelf::slot(const Key& key) const {
  const std::shared_lock lock(mutex_);
  const auto found = slots_.find(key);
  return found == slots_.end() ? nullptr : found->second;
}

RepoPtr RepoShelf::find(RepoType type, const std::string& id) const {
  const auto found = slot({type, id});
  return found ? found->get() : nullptr;
}

bool RepoShelf::has(RepoType type, const std::string& id) const {
  const std::shared_lock lock(mutex_);
  return slots_.contains({type, id}) || aliases_.contains({type, id});
}

std::optional<std::string> RepoShelf::alias(RepoType type, const std::string& id) const {
  const std::shared_lock lock(mutex_);
  const auto found = aliases_.find({type, id});
  return found == aliases_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<std::string> RepoShelf::ids(RepoType type) const {
  const std::shared_lock lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [key, slot] : slots_) {
    if (key.first == type) out.push_back(key.second);
  }
  return out;
}

RepoPtr RepoShelf::update(RepoType type, const std::string& id, const std::function<RepoPtr(const Repo&)>& change) {
  const auto found = slot({type, id});
  if (!found) throw std::out_of_range("no repo " + id);
  found->get();
  const std::lock_guard lock(found->mutex);
  found->repo = change(*found->repo);
  return found->repo;
}

}  // namespace hubfs::testing
