// SPDX-License-Identifier: Apache-2.0
//
// What is known of a repo as a whole: its info, its refs, its history; and the list of repos.
#include <algorithm>
#include <set>

#include "tests/hub/digest.h"
#include "tests/hub/endpoints.h"

namespace hubfs::testing {
namespace {

nlohmann::json siblings(const Commit& commit, bool blobs) {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& [path, file] : commit.entries()) {
    nlohmann::json one = {{"rfilename", path}};
    if (blobs) {
      one["size"] = file.content->size();
      one["blobId"] = file.oid();
      if (file.lfs) {
        one["lfs"] = {
            {"sha256", file.content->sha256()}, {"size", file.content->size()}, {"pointerSize", file.pointer().size()}};
      }
    }
    list.push_back(std::move(one));
  }
  return list;
}

nlohmann::json summary(const Repo& repo, const Commit& commit) {
  const std::size_t slash = repo.id().find('/');
  std::uint64_t used = 0;
  for (const auto& [path, file] : commit.entries()) used += file.content->size();
  nlohmann::json json = {{"_id", sha1_hex(repo.key()).substr(0, 24)},
                         {"id", repo.id()},
                         {"author", slash == std::string::npos ? "" : repo.id().substr(0, slash)},
                         {"sha", commit.hash()},
                         {"lastModified", commit.stamp().date},
                         {"createdAt", "2024-01-01T00:00:00.000Z"},
                         {"private", repo.spec().is_private},
                         {"disabled", repo.spec().disabled},
                         {"gated", false},
                         {"downloads", 0},
                         {"likes", 0},
                         {"usedStorage", used},
                         {"tags", nlohmann::json::array()}};
  if (slash == std::string::npos) json.erase("author");
  if (repo.spec().gated) json["gated"] = "manual";
  if (repo.type() == RepoType::kModel) {
    json["modelId"] = repo.id();
    json["spaces"] = nlohmann::json::array();
  }
  if (repo.type() == RepoType::kSpace) {
    json["sdk"] = "static";
    json["models"] = nlohmann::json::array();
  }
  json.update(repo.spec().info);
  return json;
}

// Only what is asked for, and what tells which repo it is.
nlohmann::json only(const nlohmann::json& json, const std::set<std::string>& fields) {
  nlohmann::json out;
  for (const auto& [name, value] : json.items()) {
    if (name == "_id" || name == "id" || fields.contains(name)) out[name] = value;
  }
  return out;
}

nlohmann::json ref_json(const std::string& name, const std::string& ref, const Commit& commit) {
  return {{"name", name}, {"ref", ref}, {"targetCommit", commit.hash()}};
}

}  // namespace

Answer answer_repo_info(const Repo& repo, const Commit& commit, const HubRequest& request) {
  nlohmann::json json = summary(repo, commit);
  std::set<std::string> fields;
  for (const auto& [name, value] : request.query) {
    if (name != "expand" && name != "expand[]") continue;
    for (const std::string& field : split(value, ',')) fields.insert(field);
  }
  if (fields.empty() || fields.contains("siblings"))
    json["siblings"] = siblings(commit, query_flag(request.query, "blobs"));
  Answer answer = json_answer(fields.empty() ? json : only(json, fields));
  answer.set("X-Repo-Commit", commit.hash());
  return answer;
}

Answer answer_repo_list(const HubState& state, RepoType type, const HubRequest& request) {
  const std::string author = query_value(request.query, "author");
  const std::string search = lower_case(query_value(request.query, "search"));
  const std::string limit = query_value(request.query, "limit", "1000");
  const Token* token = state.find_token(request);
  nlohmann::json list = nlohmann::json::array();
  for (const std::string& id : state.shelf.ids(type)) {
    if (std::to_string(list.size()) == limit) break;
    if (!author.empty() && !id.starts_with(author + "/")) continue;
    if (lower_case(id).find(search) == std::string::npos) continue;
    const RepoPtr repo = state.shelf.find(type, id);
    const CommitPtr commit = repo ? repo->resolve("main") : nullptr;
    if (!commit || (repo->spec().is_private && (token == nullptr || !token->has_access))) continue;
    list.push_back(summary(*repo, *commit));
  }
  return json_answer(list);
}

Answer answer_refs(const Repo& repo, const HubRequest& request) {
  nlohmann::json json = {
      {"branches", nlohmann::json::array()}, {"converts", nlohmann::json::array()}, {"tags", nlohmann::json::array()}};
  nlohmann::json pulls = nlohmann::json::array();
  constexpr std::string_view kPull = "refs/pr/";
  constexpr std::string_view kConvert = "refs/convert/";
  for (const auto& [name, commit] : repo.heads()) {
    if (name.starts_with(kPull)) {
      pulls.push_back(ref_json(name.substr(kPull.size()), name, *commit));
    } else if (name.starts_with(kConvert)) {
      json["converts"].push_back(ref_json(name.substr(kConvert.size()), name, *commit));
    } else {
      json["branches"].push_back(ref_json(name, "refs/heads/" + name, *commit));
    }
  }
  for (const auto& [name, commit] : repo.tags()) json["tags"].push_back(ref_json(name, "refs/tags/" + name, *commit));
  if (query_flag(request.query, "include_prs")) json["pullRequests"] = std::move(pulls);
  return json_answer(json);
}

Answer answer_commits(const Repo& repo, const Commit& commit) {
  nlohmann::json list = nlohmann::json::array();
  const std::string user = repo.id().substr(0, repo.id().find('/'));
  for (const Commit* at = &commit; at != nullptr; at = at->parent().get()) {
    list.push_back({{"id", at->hash()},
                    {"title", at->stamp().title},
                    {"message", ""},
                    {"date", at->stamp().date},
                    {"authors", {{{"user", user}, {"avatar", ""}}}}});
  }
  Answer answer = json_answer(list);
  answer.set("X-Total-Count", std::to_string(list.size()));
  return answer;
}

}  // namespace hubfs::testing
