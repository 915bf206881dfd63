// SPDX-License-Identifier: Apache-2.0
#include "tests/hub/digest.h"
#include "tests/hub/endpoints.h"

namespace hubfs::testing {
namespace {

Answer of_kind(Answer answer, std::string kind) {
  answer.kind = std::move(kind);
  return answer;
}

Answer answer_whoami(const HubState& state, const HubRequest& request) {
  const Token* token = state.find_token(request);
  if (token == nullptr) return error_answer(401, "", "Invalid username or password.");
  return json_answer(
      {{"type", "user"},
       {"id", sha1_hex(token->user).substr(0, 24)},
       {"name", token->user},
       {"fullname", token->user},
       {"email", token->user + "@example.org"},
       {"emailVerified", true},
       {"canPay", false},
       {"periodEnd", nullptr},
       {"isPro", false},
       {"avatarUrl", ""},
       {"orgs", nlohmann::json::array()},
       {"auth",
        {{"type", "access_token"},
         {"accessToken", {{"displayName", "test"}, {"role", "read"}, {"createdAt", "2024-01-01T00:00:00.000Z"}}}}}});
}

// Kind first: a refusal is logged under what was asked for.
std::string kind_of(const std::string& action) {
  if (action.empty() || action == "revision" || action == "auth-check") return "info";
  return action == "xet-read-token" ? "xet-token" : action;
}

Answer answer_repo_api(const HubState& state, RepoAddress address, const HubRequest& request) {
  const auto repo = open_repo(state, request, address, address.action == "auth-check");
  if (!repo) return repo.error();
  if (address.action == "auth-check") return json_answer({{"ok", true}});
  if (address.action == "refs") return answer_refs(**repo, request);
  const std::string revision = take_revision(address.rest);
  if (address.action == "xet-read-token") {
    return error_answer(501, "", "The local Hub does not speak Xet; run clients with HF_HUB_DISABLE_XET=1");
  }
  const auto commit = open_commit(**repo, revision);
  if (!commit) return commit.error();
  if (address.action.empty() || address.action == "revision") return answer_repo_info(**repo, **commit, request);
  if (address.action == "tree") return answer_tree(state, **repo, **commit, join(address.rest, 0, '/'), request);
  if (address.action == "commits") return answer_commits(**repo, **commit);
  if (address.action == "paths-info" && request.method == "POST") return answer_paths_info(**commit, request);
  return error_answer(404, "", "Sorry, we can't find the page you are looking for.");
}

Answer answer_api(const HubState& state, const HubRequest& request) {
  const auto& segments = request.segments;
  if (segments.size() == 2) {
    if (segments[1] == "whoami-v2") return of_kind(answer_whoami(state, request), "whoami");
    if (const auto type = parse_type(segments[1])) return of_kind(answer_repo_list(state, *type, request), "list");
  }
  if (segments.size() > 1 && segments[1] == "resolve-cache") {
    return of_kind(answer_resolve_cache(state, request), "resolve-cache");
  }
  if (auto address = parse_api_address(state, request)) {
    std::string kind = kind_of(address->action);
    return of_kind(answer_repo_api(state, std::move(*address), request), std::move(kind));
  }
  return error_answer(404, "", "Sorry, we can't find the page you are looking for.");
}

}  // namespace

Answer answer_hub(const HubState& state, const HubRequest& request) {
  Answer answer;
  if (request.segments[0] == "api") {
    answer = answer_api(state, request);
  } else if (const auto address = parse_file_address(state, request)) {
    answer = of_kind(answer_file(state, *address, request), address->action);
  } else {
    answer = error_answer(404, "", "Sorry, we can't find the page you are looking for.");
  }
  answer.set("X-Powered-By", "huggingface-moon");
  answer.set("X-Request-Id", "Root=1-" + sha1_hex(request.target).substr(0, 32));
  answer.set("Access-Control-Allow-Origin", "*");
  answer.set(
      "Access-Control-Expose-Headers",
      "X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,Accept-Ranges,Content-Range,"
      "X-Linked-Size,X-Linked-ETag,X-Xet-Hash");
  if (answer.find("Vary") == nullptr) answer.set("Vary", "Origin");
  return answer;
}

}  // namespace hubfs::testing
