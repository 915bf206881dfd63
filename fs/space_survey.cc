// SPDX-License-Identifier: Apache-2.0
#include "fs/space_survey.h"

#include <unistd.h>

#include <algorithm>
#include <set>

#include "core/base/process_files.h"

namespace hubfs {

namespace {

FileUses files_of(const std::vector<DiskUse>& disk, const RepoKey& key) {
  FileUses files;
  for (const DiskUse& root : disk) {
    const RepoUse* use = root.of(key);
    if (use == nullptr) continue;
    files.insert(use->files.begin(), use->files.end());
    files.insert(use->partials.begin(), use->partials.end());
  }
  return files;
}

std::string words_of(const OpenInode& open) {
  if (open.pid == ::getpid()) return "it is open through this mount";
  return "it is open in " + open.command + ", process " + std::to_string(open.pid);
}

// Of those that might go; what is open keeps its model.
void keep_open_ones(Survey& survey) {
  std::set<FileIdentity> wanted;
  for (const EvictionCandidate& model : survey.models) {
    if (!model.kept.empty()) continue;
    for (const auto& [file, use] : model.files) wanted.insert(file);
  }
  std::map<FileIdentity, std::string> open;
  for (const OpenInode& each : find_open(wanted, &survey.unseen))
    open.emplace(FileIdentity{each.dev, each.ino}, words_of(each));
  for (EvictionCandidate& model : survey.models) {
    for (const auto& [file, use] : model.files) {
      if (const auto it = open.find(file); model.kept.empty() && it != open.end()) model.kept = it->second;
    }
  }
}

}  // namespace

std::int64_t last_used_ns(const RepoEntry& repo, const UseLog& uses) {
  std::int64_t last = uses.last_used_ns(repo.key);
  for (const auto& [commit, seen] : repo.first_seen_ns) last = std::max(last, seen);
  return last;
}

Survey survey_models(const SurveyInputs& inputs) {
  Survey survey;
  for (const RepoPtr& repo : inputs.library.all()) {
    EvictionCandidate model{.key = repo->key,
                            .last_used_ns = last_used_ns(*repo, inputs.uses),
                            .files = files_of(inputs.disk, repo->key),
                            .kept = {}};
    if (const auto it = inputs.kept.find(repo->key); it != inputs.kept.end()) {
      model.kept = it->second;
    } else if (inputs.memory.is_pinned_now(repo->key)) {
      model.kept = "it is pinned";
    }
    survey.models.push_back(std::move(model));
  }
  keep_open_ones(survey);
  return survey;
}

}  // namespace hubfs
