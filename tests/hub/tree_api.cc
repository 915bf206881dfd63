// SPDX-License-Identifier: Apache-2.0
//
// What a commit holds: listings in pages, and single paths.
#include <algorithm>
#include <charconv>

#include "tests/hub/digest.h"
#include "tests/hub/endpoints.h"

namespace hubfs::testing {
namespace {

constexpr std::size_t kExpandedPageSize = 50;  // the real one's, where it has to look up commits

nlohmann::json stamp_json(const CommitStamp& stamp) {
  return {{"id", stamp.hash}, {"title", stamp.title}, {"date", stamp.date}};
}

nlohmann::json item_json(const Commit& commit, const TreeItem& item, bool expand) {
  if (item.file == nullptr) {
    nlohmann::json json = {
        {"type", "directory"}, {"oid", commit.directory_oid(item.path)}, {"size", 0}, {"path", item.path}};
    if (expand) json["lastCommit"] = stamp_json(commit.stamp());
    return json;
  }
  const FileEntry& file = *item.file;
  nlohmann::json json = {{"type", "file"}, {"oid", file.oid()}, {"size", file.content->size()}, {"path", item.path}};
  if (file.lfs) {
    json["lfs"] = {
        {"oid", file.content->sha256()}, {"size", file.content->size()}, {"pointerSize", file.pointer().size()}};
  }
  if (file.xet) json["xetHash"] = file.xet_hash();
  if (expand) {
    json["lastCommit"] = stamp_json(*file.last_commit);
    json["securityFileStatus"] = {
        {"status", "safe"}, {"avScan", {{"status", "safe"}}}, {"pickleImportScan", {{"status", "unscanned"}}}};
  }
  return json;
}

// How far a listing has come; opaque to the client.
std::string encode_cursor(std::size_t next) { return base64_encode("{\"next\":" + std::to_string(next) + "}"); }

std::optional<std::size_t> decode_cursor(const std::string& cursor) {
  if (cursor.empty()) return 0;
  try {
    return nlohmann::json::parse(base64_decode(cursor)).at("next").get<std::size_t>();
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::string next_page(const HubState& state, const HubRequest& request, std::size_t next) {
  std::string query;
  for (const auto& [name, value] : request.query) {
    if (name != "cursor") query += percent_encode(name) + "=" + percent_encode(value) + "&";
  }
  return "<" + state.base(request) + request.path + "?" + query + "cursor=" + percent_encode(encode_cursor(next)) +
         ">; rel=\"next\"";
}

std::size_t page_size(const HubState& state, const HubRequest& request, bool expand) {
  std::size_t size = std::max<std::size_t>(state.page_size, 1);
  if (expand) size = std::min(size, kExpandedPageSize);
  const std::string limit = query_value(request.query, "limit");
  std::size_t asked = 0;
  std::from_chars(limit.data(), limit.data() + limit.size(), asked);
  return asked > 0 ? std::min(size, asked) : size;
}

}  // namespace

Answer answer_tree(const HubState& state, const Repo& repo, const Commit& commit, const std::string& directory,
                   const HubRequest& request) {
  std::string path = directory;
  while (path.ends_with('/')) path.pop_back();
  const bool expand = query_flag(request.query, "expand");
  const auto items = commit.list(path, query_flag(request.query, "recursive"));
  if (!items) {
    Answer answer = error_answer(404, "EntryNotFound", path + " does not exist on \"" + repo.id() + "\"");
    answer.set("X-Repo-Commit", commit.hash());
    return answer;
  }
  const auto cursor = decode_cursor(query_value(request.query, "cursor"));
  if (!cursor) return error_answer(400, "", "Invalid cursor");
  const std::size_t first = std::min(*cursor, items->size());
  const std::size_t last = std::min(first + page_size(state, request, expand), items->size());
  nlohmann::json page = nlohmann::json::array();
  for (std::size_t i = first; i < last; ++i) page.push_back(item_json(commit, (*items)[i], expand));
  Answer answer = json_answer(page);
  answer.set("X-Repo-Commit", commit.hash());
  if (last < items->size()) answer.set("Link", next_page(state, request, last));
  return answer;
}

Answer answer_paths_info(const Commit& commit, const HubRequest& request) {
  std::vector<std::string> paths;
  bool expand = false;
  if (request.header("content-type").starts_with("application/json")) {
    const auto json = nlohmann::json::parse(request.body, nullptr, false);
    if (!json.is_object() || !json.contains("paths")) return error_answer(400, "", "Invalid body");
    const auto& asked = json.at("paths");
    paths = asked.is_string() ? std::vector{asked.get<std::string>()} : asked.get<std::vector<std::string>>();
    expand = json.value("expand", false);
  } else {
    const Query form = parse_query(request.body);
    for (const auto& [name, value] : form) {
      if (name == "paths") paths.push_back(value);
    }
    expand = query_flag(form, "expand");
  }
  nlohmann::json list = nlohmann::json::array();
  for (std::string path : paths) {
    while (path.ends_with('/')) path.pop_back();
    if (const FileEntry* file = commit.file(path)) {
      list.push_back(item_json(commit, {path, file}, expand));
    } else if (!path.empty() && commit.has_directory(path)) {
      list.push_back(item_json(commit, {path, nullptr}, expand));
    }  // what is not there is left out, without a word
  }
  Answer answer = json_answer(list);
  answer.set("X-Repo-Commit", commit.hash());
  return answer;
}

}  // namespace hubfs::testing
