// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/remote_catalog.h"

#include "core/base/log.h"
#include "core/cache/listing_file.h"
#include "core/cache/repo_scan.h"

namespace hubfs {

namespace {

using Clock = std::chrono::steady_clock;

std::string resolve_question(const RepoKey& key, const std::string& revision) { return key.text() + "@" + revision; }
std::string listing_question(const RepoKey& key, const CommitHash& commit) { return key.text() + "#" + commit.text(); }

// The Hub itself is out of reach or wants to be left alone: then no look-up asks it for a while.
bool is_outage(const HubError& error) {
  return error.http_status == 429 || error.error.kind == ErrorKind::kUnreachable || error.error.kind == ErrorKind::kTimeout;
}

}  // namespace

RemoteCatalog::RemoteCatalog(std::vector<CacheRootPtr> roots, HttpLoop& loop, HubClient& hub, RemoteOptions options)
    : roots_(std::move(roots)), loop_(loop), hub_(hub), options_(options) {}

std::optional<CommitHash> RemoteCatalog::known_commit(const RepoKey& key, const std::string& revision) const {
  const MutexLock lock(mutex_);
  const auto it = commits_.find(resolve_question(key, revision));
  return it == commits_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<Error> RemoteCatalog::fresh_refusal_locked(const std::string& question) const {
  const auto now = Clock::now();
  if (const auto it = refusals_.find(question); it != refusals_.end() && now < it->second.until) return it->second.error;
  if (now < outage_until_) return Error{outage_kind_, outage_words_, 0};
  return std::nullopt;
}

std::optional<Error> RemoteCatalog::refusal(const RepoKey& key, const std::string& revision) const {
  const MutexLock lock(mutex_);
  return fresh_refusal_locked(resolve_question(key, revision));
}

void RemoteCatalog::note_refusal(const std::string& question, const HubError& error) {
  // A program that probes for names makes many of the one kind; the other says that something is wrong.
  if (error.error.kind == ErrorKind::kBadContent) {
    log::warn(error.error.message);
  } else {
    log::debug(question + ": " + error.error.message);
  }
  const MutexLock lock(mutex_);
  if (error.error.kind != ErrorKind::kNotFound) last_refusal_ = error.error.message;
  const auto now = Clock::now();
  if (is_outage(error)) {
    outage_until_ = now + options_.remember_outage;
    outage_words_ = error.error.message;
    outage_kind_ = error.error.kind;
    return;
  }
  // Bounded: a program that probes endless names must not fill the memory.
  if (refusals_.size() > 10'000) std::erase_if(refusals_, [now](const auto& item) { return item.second.until < now; });
  if (refusals_.size() > 10'000) refusals_.clear();
  refusals_[question] = {error.error, now + options_.remember_refusal};
}

std::string RemoteCatalog::last_refusal() const {
  const MutexLock lock(mutex_);
  return last_refusal_;
}

void RemoteCatalog::resolve(const RepoKey& key, const std::string& revision,
                            const std::function<void(Result<CommitHash>)>& done) {
  const std::string question = resolve_question(key, revision);
  std::optional<Result<CommitHash>> at_once;
  {
    const MutexLock lock(mutex_);
    if (const auto it = commits_.find(question); it != commits_.end()) {
      at_once = it->second;
    } else if (auto refused = fresh_refusal_locked(question)) {
      at_once = std::unexpected(std::move(*refused));
    } else {
      auto& waiting = resolving_[question];
      waiting.push_back(done);
      if (waiting.size() > 1) return;
    }
  }
  if (at_once) return done(std::move(*at_once));
  loop_.post([this, key, revision, question] {
    const std::uint64_t id = next_call_++;
    calls_[id] = hub_.resolve(key, revision, options_.wait, [this, id, question](HubResult<CommitHash> answer) {
      if (!answer) note_refusal(question, answer.error());
      std::vector<std::function<void(Result<CommitHash>)>> waiting;
      {
        const MutexLock lock(mutex_);
        if (answer) commits_.insert_or_assign(question, *answer);
        waiting.swap(resolving_[question]);
        resolving_.erase(question);
      }
      Result<CommitHash> result = answer ? Result<CommitHash>(*answer) : std::unexpected(answer.error().error);
      for (auto& each : waiting) each(result);
      // The call object is in use right now (we are inside its callback): dropped on the next turn of the loop.
      loop_.post([this, id] { calls_.erase(id); });
    });
  });
}

ListingPtr RemoteCatalog::known_listing(const RepoKey& key, const CommitHash& commit) {
  const std::string question = listing_question(key, commit);
  {
    const MutexLock lock(mutex_);
    if (const auto it = listings_.find(question); it != listings_.end()) return it->second;
  }
  std::optional<Listing> found;
  for (const CacheRootPtr& root : roots_) {
    std::string problem;
    found = read_listing(*root, key, commit, &problem);
    if (found) break;
    if (!problem.empty()) log::warn(problem);
  }
  if (!found) found = read_private_listing(*roots_.front(), key, commit);
  if (!found) return nullptr;
  auto listing = std::make_shared<const Listing>(std::move(*found));
  const MutexLock lock(mutex_);
  return listings_.try_emplace(question, std::move(listing)).first->second;
}

bool RemoteCatalog::may_ask_listing(const RepoKey& key, const CommitHash& commit) const {
  if (hub_.options().offline) return false;
  const MutexLock lock(mutex_);
  return !fresh_refusal_locked(listing_question(key, commit));
}

void RemoteCatalog::save_listing(const RepoKey& key, const CommitHash& commit, const Listing& listing) const {
  for (const CacheRootPtr& root : roots_) {
    const auto disk = scan_repo(*root, key);
    if (!disk) continue;
    for (const CommitOnDisk& on_disk : disk->commits) {
      if (on_disk.commit != commit) continue;
      if (const auto saved = write_listing(*root, key, commit, listing); !saved) {
        log::debug("listing not saved: " + saved.error().message);
        break;
      }
      return;
    }
  }
  if (const auto saved = write_private_listing(*roots_.front(), key, commit, listing); !saved) {
    log::debug("listing not saved: " + saved.error().message);
  }
}

void RemoteCatalog::list(const RepoKey& key, const CommitHash& commit, const std::function<void(Result<ListingPtr>)>& done) {
  const std::string question = listing_question(key, commit);
  std::optional<Result<ListingPtr>> at_once;
  {
    const MutexLock lock(mutex_);
    if (const auto it = listings_.find(question); it != listings_.end()) {
      at_once = it->second;
    } else if (auto refused = fresh_refusal_locked(question)) {
      at_once = std::unexpected(std::move(*refused));
    } else {
      auto& waiting = listing_[question];
      waiting.push_back(done);
      if (waiting.size() > 1) return;
    }
  }
  if (at_once) return done(std::move(*at_once));
  loop_.post([this, key, commit, question] {
    const std::uint64_t id = next_call_++;
    calls_[id] = hub_.list(key, commit, options_.wait, [this, id, key, commit, question](HubResult<Listing> answer) {
      Result<ListingPtr> result = std::unexpected(Error{});
      if (answer) {
        save_listing(key, commit, *answer);
        result = std::make_shared<const Listing>(std::move(*answer));
      } else {
        note_refusal(question, answer.error());
        result = std::unexpected(answer.error().error);
      }
      std::vector<std::function<void(Result<ListingPtr>)>> waiting;
      {
        const MutexLock lock(mutex_);
        if (result) listings_[question] = *result;
        waiting.swap(listing_[question]);
        listing_.erase(question);
      }
      for (auto& each : waiting) each(result);
      loop_.post([this, id] { calls_.erase(id); });
    });
  });
}

void RemoteCatalog::forget(const RepoKey& key) {
  const MutexLock lock(mutex_);
  const std::string at = key.text() + "@";
  const std::string hash = key.text() + "#";
  const auto concerns = [&](const auto& item) { return item.first.starts_with(at) || item.first.starts_with(hash); };
  std::erase_if(commits_, concerns);
  std::erase_if(listings_, concerns);
  std::erase_if(refusals_, concerns);
}

}  // namespace hubfs
