// SPDX-License-Identifier: Apache-2.0
//
// File content: from the Hub itself, or by way of the CDN.
#include <ctime>

#include "tests/hub/digest.h"
#include "tests/hub/endpoints.h"

namespace hubfs::testing {
namespace {

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string disposition(const std::string& path) {
  const std::string name = base_name(path);
  std::string plain;
  for (const char c : name) plain += (c == '"' || c == '\\' || c < ' ') ? '_' : c;
  return "inline; filename*=UTF-8''" + percent_encode(name) + "; filename=\"" + plain + "\";";
}

std::string content_type(const std::string& path) {
  if (path.ends_with(".json")) return "application/json";
  if (path.ends_with(".md") || path.ends_with(".txt") || path.ends_with(".py")) return "text/plain; charset=utf-8";
  return "application/octet-stream";
}

// Not the Hub's etag, as the store behind the real one has its own: a client that takes it for the file's is found out.
std::string cdn_etag(const FileEntry& file) {
  return quoted(sha256_hex("store " + file.content->sha256()).substr(0, 32));
}

std::string signature(const HubState& state, const std::string& path, const std::string& expires) {
  return hmac_sha256_hex(state.secret, path + "\n" + expires);
}

// /repos/<type>s/<id>/<sha256>/<path in the repo>: the name is in it for the sake of faults that go by path.
std::string signed_url(const HubState& state, const Repo& repo, const std::string& path, const FileEntry& file,
                       bool expired) {
  const std::int64_t now = std::time(nullptr);
  const std::string expires = std::to_string(expired ? now - 1 : now + state.signed_url_seconds);
  const std::string address = "/repos/" + repo.key() + "/" + file.content->sha256() + "/" + percent_encode(path, "/");
  return state.cdn_url() + address + "?response-content-disposition=" + percent_encode(disposition(path)) +
         "&Expires=" + expires + "&Signature=" + signature(state, address, expires) + "&Key-Pair-Id=LOCALHUB";
}

void set_xet_headers(const HubState& state, const Repo& repo, const Commit& commit, const FileEntry& file,
                     const HubRequest& request, Answer& answer) {
  const std::string base = state.base(request);
  answer.set("X-Xet-Hash", file.xet_hash());
  answer.set("Link", "<" + base + "/api/" + repo.key() + "/xet-read-token/" + commit.hash() + ">; rel=\"xet-auth\", <" +
                         base + "/v1/reconstructions/" + file.xet_hash() + ">; rel=\"xet-reconstruction-info\"");
}

Answer answer_lfs(const HubState& state, const Repo& repo, const Commit& commit, const std::string& path,
                  const FileEntry& file, const HubRequest& request) {
  Answer answer;
  constexpr std::string_view kXetInfo = "application/vnd.xet-fileinfo+json";
  if (file.xet && request.header("accept").find(kXetInfo) != std::string::npos) {
    answer = json_answer({{"hash", file.xet_hash()}, {"size", file.content->size()}});
    answer.set("Content-Type", std::string(kXetInfo));
  } else {
    answer = redirect_answer(302, signed_url(state, repo, path, file, request.expired_url));
  }
  answer.set("X-Linked-Size", std::to_string(file.content->size()));
  answer.set("X-Linked-ETag", quoted(file.etag()));
  answer.set("Accept-Ranges", "bytes");
  if (file.xet) set_xet_headers(state, repo, commit, file, request, answer);
  return answer;
}

Answer answer_regular(const Repo& repo, const std::string& path, const FileEntry& file, const HubRequest& request) {
  Answer answer;
  answer.set("Content-Disposition", disposition(path));
  answer.set("Content-Type", content_type(path));
  answer_with_content(request, file.content, quoted(file.etag()), answer);
  if (request.header("if-none-match") == quoted(file.etag())) {
    answer.status = 304;
    answer.content = nullptr;
  } else if (answer.content) {
    answer.file = repo.key() + "/" + path;
  }
  return answer;
}

Answer entry_not_found(const Commit& commit) {
  Answer answer = error_answer(404, "EntryNotFound", "Entry not found");
  answer.body = "Entry not found";
  answer.set("Content-Type", "text/plain; charset=utf-8");
  answer.set("X-Repo-Commit", commit.hash());
  return answer;
}

Answer cdn_refusal(int status, std::string_view code, std::string_view message) {
  Answer answer;
  answer.status = status;
  answer.set("Content-Type", "application/xml");
  answer.body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>" + std::string(code) + "</Code><Message>" +
                std::string(message) + "</Message></Error>";
  return answer;
}

}  // namespace

Answer answer_file(const HubState& state, const RepoAddress& address, const HubRequest& request) {
  const auto repo = open_repo(state, request, address, true);
  if (!repo) return repo.error();
  std::vector<std::string> rest = address.rest;
  const std::string revision = take_revision(rest);
  const auto commit = open_commit(**repo, revision);
  if (!commit) return commit.error();
  const std::string path = join(rest, 0, '/');
  const FileEntry* file = (*commit)->file(path);
  if (file == nullptr) return entry_not_found(**commit);

  Answer answer;
  if (address.action == "raw" && file->lfs) {
    answer.set("Content-Type", "text/plain; charset=utf-8");
    answer_with_content(request, Content::bytes(file->pointer()), quoted(file->oid()), answer);
  } else if (file->lfs) {
    answer = answer_lfs(state, **repo, **commit, path, *file, request);
  } else if (state.resolve_cache && address.action == "resolve") {
    answer = redirect_answer(
        307, "/api/resolve-cache/" + (*repo)->key() + "/" + (*commit)->hash() + "/" + percent_encode(path, "/"));
    answer.set("X-Linked-Size", std::to_string(file->content->size()));
    answer.set("X-Linked-ETag", quoted(file->etag()));
  } else {
    answer = answer_regular(**repo, path, *file, request);
  }
  answer.set("X-Repo-Commit", (*commit)->hash());
  return answer;
}

Answer answer_resolve_cache(const HubState& state, const HubRequest& request) {
  const auto& segments = request.segments;
  const auto type = segments.size() > 4 ? parse_type(segments[2]) : std::nullopt;
  if (!type) return error_answer(404, "", "Not found");
  RepoAddress address;
  address.type = *type;
  const bool one_part = state.shelf.has(*type, segments[3]);
  address.id_begin = 3;
  address.id_size = one_part ? 1 : 2;
  address.id = one_part ? segments[3] : segments[3] + "/" + segments[4];
  const auto repo = open_repo(state, request, address, true);
  if (!repo) return repo.error();
  const std::size_t at = 3 + address.id_size;
  const auto commit = open_commit(**repo, at < segments.size() ? segments[at] : "");
  if (!commit) return commit.error();
  const std::string path = join(segments, at + 1, '/');
  const FileEntry* file = (*commit)->file(path);
  if (file == nullptr) return entry_not_found(**commit);
  Answer answer = answer_regular(**repo, path, *file, request);
  answer.set("X-Repo-Commit", (*commit)->hash());
  return answer;
}

Answer answer_cdn(HubState& state, const HubRequest& request) {
  if (!request.header("authorization").empty()) {
    state.log.count_token_leak();
    return cdn_refusal(400, "InvalidArgument", "Only one auth mechanism allowed");
  }
  const auto& segments = request.segments;
  const std::string expires = query_value(request.query, "Expires");
  if (query_value(request.query, "Signature") != signature(state, request.path, expires)) {
    return cdn_refusal(403, "SignatureDoesNotMatch", "The request signature does not match");
  }
  if (std::strtoll(expires.c_str(), nullptr, 10) < std::time(nullptr)) {
    return cdn_refusal(403, "AccessDenied", "Request has expired");
  }
  // Signed by us: /repos/<type>s/<id, one or two parts>/<sha256>/<path>.
  const RepoType type = parse_type(segments.at(1)).value_or(RepoType::kModel);
  const std::size_t hash_at = segments.at(3).size() == 64 && state.shelf.has(type, segments[2]) ? 3 : 4;
  const std::string id = hash_at == 3 ? segments[2] : segments[2] + "/" + segments[3];
  const std::string path = join(segments, hash_at + 1, '/');
  const RepoPtr repo = state.shelf.find(type, id);
  const FileEntry* file = repo ? repo->find_stored(segments.at(hash_at), path) : nullptr;
  if (file == nullptr) return cdn_refusal(404, "NoSuchKey", "The specified key does not exist.");
  Answer answer;
  answer.set("Content-Type", "application/octet-stream");
  answer.set("Content-Disposition", query_value(request.query, "response-content-disposition"));
  answer.set("Cache-Control", "public, max-age=31536000");
  answer_with_content(request, file->content, cdn_etag(*file), answer);
  if (answer.content) answer.file = repo->key() + "/" + path;
  return answer;
}

}  // namespace hubfs::testing
