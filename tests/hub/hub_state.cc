// SPDX-License-Identifier: Apache-2.0
#include "tests/hub/hub_state.h"

#include <algorithm>
#include <array>

namespace hubfs::testing {
namespace {

constexpr std::array<std::string_view, 7> kActions = {"revision", "tree",           "paths-info", "refs",
                                                      "commits",  "xet-read-token", "auth-check"};

bool is_action(const std::string& segment) { return std::ranges::find(kActions, segment) != kActions.end(); }

// Where the id ends: "<name>/<action>" if there is such an org-less repo, else "<org>/<name>".
std::size_t id_length(const HubState& state, RepoType type, const std::vector<std::string>& segments, std::size_t begin,
                      bool (*ends_id)(const std::string&)) {
  const std::size_t left = segments.size() - begin;
  if (left < 2) return left;
  const bool action_next = ends_id(segments[begin + 1]);
  if (action_next && state.shelf.has(type, segments[begin])) return 1;
  const bool action_after = left > 2 && ends_id(segments[begin + 2]);
  if (action_after) return 2;
  return action_next ? 1 : 2;
}

std::optional<RepoAddress> parse_from(const HubState& state, RepoType type, const std::vector<std::string>& segments,
                                      std::size_t begin, bool (*ends_id)(const std::string&)) {
  RepoAddress address;
  address.type = type;
  address.id_begin = begin;
  address.id_size = id_length(state, type, segments, begin, ends_id);
  if (address.id_size == 0) return std::nullopt;
  address.id = segments[begin];
  if (address.id_size == 2) address.id += "/" + segments[begin + 1];
  const std::size_t action = begin + address.id_size;
  if (action < segments.size()) {
    address.action = segments[action];
    address.rest.assign(segments.begin() + static_cast<std::ptrdiff_t>(action) + 1, segments.end());
  }
  return address;
}

Answer redirect_to_new_name(const HubState& state, const HubRequest& request, const RepoAddress& address,
                            const std::string& to) {
  // Built from the path as sent, so that escapes survive.
  std::vector<std::string> raw = split(std::string_view(request.path).substr(1), '/');
  const auto begin = raw.begin() + static_cast<std::ptrdiff_t>(address.id_begin);
  raw.erase(begin, begin + static_cast<std::ptrdiff_t>(address.id_size));
  raw.insert(raw.begin() + static_cast<std::ptrdiff_t>(address.id_begin), to);
  std::string location = "/" + join(raw, 0, '/');
  if (!request.query_text.empty()) location += "?" + request.query_text;
  // As the real one: the API redirects to a full address, files to a relative one.
  if (request.segments.front() == "api") location = state.base(request) + location;
  return redirect_answer(307, location);
}

Answer refuse_gated(const RepoAddress& address, bool has_token) {
  const std::string what = "Access to " + std::string(type_name(address.type)) + " " + address.id + " is restricted";
  if (!has_token) {
    return error_answer(401, "GatedRepo",
                        what + ". You must have access to it and be authenticated to access it. Please log in.");
  }
  return error_answer(403, "GatedRepo",
                      what + " and you are not in the authorized list. Visit the repository to ask for access.");
}

}  // namespace

std::string HubState::base(const HubRequest& request) const {
  const std::string host = request.header("host");
  return "http://" + (host.empty() ? "127.0.0.1:" + std::to_string(port.load()) : host);
}

const Token* HubState::find_token(const HubRequest& request) const {
  const auto value = request.token();
  if (!value) return nullptr;
  const auto found = std::ranges::find_if(tokens, [&](const Token& token) { return token.value == *value; });
  return found == tokens.end() ? nullptr : &*found;
}

std::optional<RepoAddress> parse_api_address(const HubState& state, const HubRequest& request) {
  const auto& segments = request.segments;
  if (segments.size() < 3 || segments[0] != "api") return std::nullopt;
  const auto type = parse_type(segments[1]);
  if (!type || type_folder(*type) != segments[1] || segments[2].empty()) return std::nullopt;
  return parse_from(state, *type, segments, 2, is_action);
}

std::optional<RepoAddress> parse_file_address(const HubState& state, const HubRequest& request) {
  const auto& segments = request.segments;
  RepoType type = RepoType::kModel;
  std::size_t begin = 0;
  if (const auto prefix = parse_type(segments[0]); prefix && type_folder(*prefix) == segments[0]) {
    type = *prefix;
    begin = 1;
  }
  const auto is_file_action = [](const std::string& segment) { return segment == "resolve" || segment == "raw"; };
  auto address = parse_from(state, type, segments, begin, is_file_action);
  if (!address || !is_file_action(address->action) || address->rest.size() < 2) return std::nullopt;
  return address;
}

std::string take_revision(std::vector<std::string>& rest) {
  if (rest.empty()) return "main";
  const std::size_t count = rest[0] == "refs" && rest.size() >= 3 ? 3 : 1;
  std::string revision = rest[0];
  for (std::size_t i = 1; i < count; ++i) revision += "/" + rest[i];
  rest.erase(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(count));
  return revision;
}

std::expected<RepoPtr, Answer> open_repo(const HubState& state, const HubRequest& request, const RepoAddress& address,
                                         bool content) {
  const bool has_token = request.token().has_value();
  const Token* token = state.find_token(request);
  if (has_token && token == nullptr) {
    return std::unexpected(error_answer(401, "", "Invalid credentials in Authorization header"));
  }
  RepoPtr repo = state.shelf.find(address.type, address.id);
  if (!repo) {
    if (const auto to = state.shelf.alias(address.type, address.id)) {
      return std::unexpected(redirect_to_new_name(state, request, address, *to));
    }
  }
  const bool has_access = token != nullptr && token->has_access;
  if (!repo || (repo->spec().is_private && !has_access)) {
    // Who is not logged in shall not learn whether the repo is missing or private.
    return std::unexpected(has_token ? error_answer(404, "RepoNotFound", "Repository not found")
                                     : error_answer(401, "RepoNotFound", "Invalid username or password."));
  }
  if (repo->spec().disabled) return std::unexpected(error_answer(403, "", "Access to this resource is disabled."));
  if (content && repo->spec().gated && !has_access) return std::unexpected(refuse_gated(address, has_token));
  return repo;
}

std::expected<CommitPtr, Answer> open_commit(const Repo& repo, const std::string& revision) {
  CommitPtr commit = repo.resolve(revision);
  if (!commit) return std::unexpected(error_answer(404, "RevisionNotFound", "Invalid rev id: " + revision));
  return commit;
}

}  // namespace hubfs::testing
