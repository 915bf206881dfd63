// SPDX-License-Identifier: Apache-2.0
#include "mount-helpers/removal_target.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace hubfs {

namespace {

constexpr std::string_view kUrl = "hf://";

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::unexpected<Error> not_cached(const std::string& text) {
  return fail(ErrorKind::kNotFound, text + ": not in the cache; see `hubfs ls`");
}

std::optional<RepoKey> repo_of(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const auto type = repo_type_from_singular(text.substr(0, slash));
  auto id = RepoId::parse(text.substr(slash + 1));
  if (!type || !id) return std::nullopt;
  return RepoKey{*type, *std::move(id)};
}

std::unexpected<Error> several(const std::string& text, const std::vector<RepoKey>& found, const std::string& advice) {
  std::string names;
  for (const RepoKey& key : found) names += (names.empty() ? "" : ", ") + key.text();
  return fail(ErrorKind::kInvalid, text + " is in several repos (" + names + "); " + advice);
}

// The cached repo of that id: as it is spelled, else the one that differs only in case.
Result<RepoKey> cached_repo(const Library& library, const RepoKey& key) {
  if (library.find(key)) return key;
  std::vector<RepoKey> found;
  for (const RepoPtr& repo : library.all()) {
    if (repo->key.type == key.type && lower(repo->key.id.text()) == lower(key.id.text())) found.push_back(repo->key);
  }
  if (found.empty()) return not_cached(key.text());
  if (found.size() > 1) return several(key.text(), found, "spell it as one of them");
  return found.front();
}

Result<RemovalTarget> target_of_commit(const Library& library, const CommitHash& commit) {
  std::vector<RepoKey> found;
  for (const RepoPtr& repo : library.all()) {
    if (repo->commits.contains(commit)) found.push_back(repo->key);
  }
  if (found.empty()) return not_cached("commit " + commit.text());
  if (found.size() > 1) {
    return several("commit " + commit.text(), found, "name one of them: hub/ORG/NAME@" + commit.text());
  }
  return RemovalTarget{found.front(), commit, {}};
}

// hf://[models/|datasets/|…]name[/path] and hf://…org/name[/path]. Which of the two is meant, the cache tells.
Result<RemovalTarget> target_of_url(const Library& library, const std::string& url) {
  std::string text = url.substr(kUrl.size());
  RepoType type = RepoType::kModel;
  if (const auto named = repo_type_from_plural(text.substr(0, text.find('/')))) {
    type = *named;
    text = text.find('/') == std::string::npos ? std::string() : text.substr(text.find('/') + 1);
  }
  const std::size_t first = text.find('/');
  const std::size_t second = first == std::string::npos ? first : text.find('/', first + 1);
  if (text.substr(0, second).find('@') != std::string::npos) {
    return fail(ErrorKind::kInvalid, url + ": a revision cannot be named here; give its commit hash, or hub/ORG/NAME@REVISION");
  }
  for (const std::size_t end : {second, first}) {
    const auto id = RepoId::parse(text.substr(0, end));
    const auto key = id ? cached_repo(library, {type, *id}) : Result<RepoKey>(not_cached(url));
    if (key) return RemovalTarget{*key, {}, end == std::string::npos ? std::string() : text.substr(end + 1)};
    if (key.error().kind != ErrorKind::kNotFound) return std::unexpected(key.error());
  }
  return not_cached(url);
}

}  // namespace

bool may_be_path(const std::string& text) { return !text.starts_with(kUrl) && !CommitHash::parse(text) && !repo_of(text); }

Result<RemovalTarget> find_target(const Library& library, const std::string& text) {
  if (text.starts_with(kUrl)) return target_of_url(library, text);
  if (const auto commit = CommitHash::parse(text)) return target_of_commit(library, *commit);
  if (const auto named = repo_of(text)) {
    const auto key = cached_repo(library, *named);
    if (!key) return std::unexpected(key.error());
    return RemovalTarget{*key, {}, {}};
  }
  std::string path = text;
  while (path.ends_with('/')) path.pop_back();
  return RemovalTarget{{}, {}, std::move(path)};
}

}  // namespace hubfs
