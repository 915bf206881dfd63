// SPDX-License-Identifier: Apache-2.0
#include "fs/eviction.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace hubfs {

namespace {

constexpr std::size_t kMostWords = 4;

struct Given {
  std::uint64_t anywhere = 0;
  std::uint64_t on_volume = 0;
};

std::uint64_t less(std::uint64_t from, std::uint64_t by) { return from > by ? from - by : 0; }

}  // namespace

EvictionChoice choose_evictions(std::vector<EvictionCandidate> candidates, const RoomNeeded& needed) {
  std::sort(candidates.begin(), candidates.end(), [](const EvictionCandidate& a, const EvictionCandidate& b) {
    return std::tie(a.last_used_ns, a.key) < std::tie(b.last_used_ns, b.key);
  });
  std::map<FileIdentity, std::size_t> users;
  std::set<FileIdentity> staying;  // and so whatever else has them gives nothing
  EvictionChoice choice;
  for (const EvictionCandidate& candidate : candidates) {
    if (!candidate.kept.empty()) choice.stay.push_back(candidate.key.text() + " (" + candidate.kept + ")");
    for (const auto& [file, use] : candidate.files) {
      ++users[file];
      if (!candidate.kept.empty() || use.names > 1) staying.insert(file);
    }
  }
  std::uint64_t anywhere = needed.anywhere;
  std::uint64_t on_volume = needed.on_volume;
  std::vector<const EvictionCandidate*> go;
  for (const EvictionCandidate& candidate : candidates) {
    if (anywhere == 0 && on_volume == 0) break;
    if (!candidate.kept.empty()) continue;
    Given given;
    bool shares = false;  // what several share is given back by the last of them, so each may help
    for (const auto& [file, use] : candidate.files) {
      if (staying.contains(file)) continue;
      shares = shares || users[file] > 1;
      if (users[file] > 1) continue;
      given.anywhere += use.bytes;
      if (file.first == needed.volume) given.on_volume += use.bytes;
    }
    const bool helps = (anywhere > 0 && given.anywhere > 0) || (on_volume > 0 && given.on_volume > 0);
    if (!helps && !shares) continue;
    for (const auto& [file, use] : candidate.files) --users[file];
    anywhere = less(anywhere, given.anywhere);
    on_volume = less(on_volume, given.on_volume);
    choice.bytes += given.anywhere;
    go.push_back(&candidate);
  }
  choice.enough = anywhere == 0 && on_volume == 0;
  if (!choice.enough) {
    choice.bytes = 0;
    return choice;
  }
  for (const EvictionCandidate* candidate : go) {
    const bool gives = std::any_of(candidate->files.begin(), candidate->files.end(), [&](const auto& item) {
      return item.second.bytes > 0 && users[item.first] == 0 && !staying.contains(item.first);
    });
    if (gives) choice.go.push_back(candidate->key);
  }
  return choice;
}

const EvictionCandidate* find_model(const std::vector<EvictionCandidate>& models, const RepoKey& key) {
  const auto it =
      std::find_if(models.begin(), models.end(), [&](const EvictionCandidate& each) { return each.key == key; });
  return it == models.end() ? nullptr : &*it;
}

std::uint64_t bytes_alone(const EvictionCandidate& model) {
  std::uint64_t bytes = 0;
  for (const auto& [file, use] : model.files) bytes += use.names == 1 ? use.bytes : 0;
  return bytes;
}

std::string words_of_kept(const std::vector<std::string>& stay) {
  if (stay.empty()) return {};
  std::string words = "; what stays: ";
  for (std::size_t i = 0; i < std::min(stay.size(), kMostWords); ++i) words += (i == 0 ? "" : ", ") + stay[i];
  if (stay.size() > kMostWords) words += " and " + std::to_string(stay.size() - kMostWords) + " more";
  return words;
}

}  // namespace hubfs
