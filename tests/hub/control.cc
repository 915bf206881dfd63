// SPDX-License-Identifier: Apache-2.0
//
// /__hub/…: how a test in any language looks into the Hub and steers it.
#include "tests/hub/endpoints.h"

namespace hubfs::testing {
namespace {

using nlohmann::json;

Files parse_files(const json& value) {
  Files files;
  for (const auto& [path, content] : value.items()) files[path] = content_from_json(content);
  return files;
}

RepoType parse_body_type(const json& body) {
  const auto type = parse_type(body.value("type", "model"));
  if (!type) throw std::invalid_argument("no such repo type: " + body.at("type").dump());
  return *type;
}

json add_faults(HubState& state, const json& body) {
  json ids = json::array();
  if (body.is_array()) {
    for (const json& one : body) ids.push_back(state.faults.add(fault_from_json(one)));
  } else {
    ids.push_back(state.faults.add(fault_from_json(body)));
  }
  return {{"ids", ids}};
}

json change_settings(HubState& state, const json& body) {
  for (const auto& [name, value] : body.items()) {
    if (name == "latency_ms") {
      state.latency_ms = value.get<std::int64_t>();
    } else if (name == "rate") {
      state.rate = value.get<std::uint64_t>();
    } else if (name == "page_size") {
      state.page_size = value.get<std::size_t>();
    } else if (name == "resolve_cache") {
      state.resolve_cache = value.get<bool>();
    } else if (name == "signed_url_seconds") {
      state.signed_url_seconds = value.get<std::int64_t>();
    } else {
      throw std::invalid_argument("no such setting: " + name);
    }
  }
  return json::object();
}

json change_repo(HubState& state, const json& body) {
  const RepoType type = parse_body_type(body);
  const auto id = body.at("id").get<std::string>();
  RepoPtr repo;
  if (body.contains("files") || body.contains("revisions") || !state.shelf.has(type, id)) {
    RepoSpec spec;
    merge_json(body, spec);
    repo = std::make_shared<Repo>(std::move(spec));
    state.shelf.put(repo);
  } else {
    repo = state.shelf.update(type, id, [&](const Repo& old) {
      return old.with_access(body.value("private", old.spec().is_private), body.value("gated", old.spec().gated),
                             body.value("disabled", old.spec().disabled));
    });
  }
  json revisions = json::object();
  for (const auto& [name, commit] : repo->heads()) revisions[name] = commit->hash();
  return {{"revisions", revisions}};
}

json change_branch(HubState& state, const json& body) {
  const auto branch = body.value("branch", "main");
  const RepoPtr repo =
      state.shelf.update(parse_body_type(body), body.at("id").get<std::string>(),
                         [&](const Repo& old) { return old.with_commit(branch, parse_files(body.at("files"))); });
  return {{"commit", repo->resolve(branch)->hash()}};
}

json post(HubState& state, const std::string& what, const json& body) {
  if (what == "reset" || what == "clear-faults") {
    state.faults.clear();
    if (what == "reset") state.log.clear();
    return json::object();
  }
  if (what == "faults") return add_faults(state, body);
  if (what == "settings") return change_settings(state, body);
  if (what == "repos") return change_repo(state, body);
  if (what == "branch") return change_branch(state, body);
  if (what == "alias") {
    state.shelf.put_alias(parse_body_type(body), body.at("from").get<std::string>(), body.at("to").get<std::string>());
    return json::object();
  }
  throw std::out_of_range("no such control endpoint: " + what);
}

json get(const HubState& state, const std::vector<std::string>& segments) {
  const std::string& what = segments.at(1);
  if (what == "stats") return to_json(state.log.stats());
  if (what == "faults") return {{"hits", state.faults.hits(std::stoull(segments.at(2)))}};
  if (what != "log") throw std::out_of_range("no such control endpoint: " + what);
  json list = json::array();
  for (const LogEntry& entry : state.log.entries()) list.push_back(to_json(entry));
  return list;
}

}  // namespace

bool is_control(const HubRequest& request) { return request.segments.size() > 1 && request.segments[0] == "__hub"; }

Answer answer_control(HubState& state, const HubRequest& request) {
  try {
    if (request.method != "POST") return json_answer(get(state, request.segments));
    const json body = request.body.empty() ? json::object() : json::parse(request.body);
    return json_answer(post(state, request.segments[1], body));
  } catch (const std::exception& error) {
    return json_answer({{"error", error.what()}}, 400);
  }
}

}  // namespace hubfs::testing
