// SPDX-License-Identifier: Apache-2.0
//
// What all endpoints share.
#ifndef HUBFS_TESTS_HUB_HUB_STATE_H_
#define HUBFS_TESTS_HUB_HUB_STATE_H_

#include <atomic>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "tests/hub/local_hub.h"
#include "tests/hub/message.h"
#include "tests/hub/repo_shelf.h"

namespace hubfs::testing {

struct HubState {
  RepoShelf shelf;
  FaultTable faults;
  RequestLog log;
  std::vector<Token> tokens;  // set before the start, then only read
  std::string secret;         // signs the CDN's addresses
  std::atomic<int> port{0};
  std::atomic<int> cdn_port{0};
  std::atomic<std::int64_t> latency_ms{0};
  std::atomic<std::uint64_t> rate{0};
  std::atomic<std::size_t> page_size{1000};
  std::atomic<bool> resolve_cache{false};
  std::atomic<std::int64_t> signed_url_seconds{3600};

  std::string cdn_url() const { return "http://127.0.0.1:" + std::to_string(cdn_port.load()); }
  // As the client knows us, for the absolute addresses that it gets back.
  std::string base(const HubRequest& request) const;
  const Token* find_token(const HubRequest& request) const;
};

// A repo as an address names it.
struct RepoAddress {
  RepoType type = RepoType::kModel;
  std::string id;
  std::string action;             // "" for the repo itself, "tree", "resolve", …
  std::vector<std::string> rest;  // what follows the action
  std::size_t id_begin = 0;       // the id's place among the segments of the path
  std::size_t id_size = 0;
};
// /api/models/<id>[/action[/…]]
std::optional<RepoAddress> parse_api_address(const HubState& state, const HubRequest& request);
// /[datasets/|spaces/|kernels/]<id>/{resolve,raw}/<revision>/<path>
std::optional<RepoAddress> parse_file_address(const HubState& state, const HubRequest& request);

// Takes the revision off the front of `rest`; the JS client sends refs/pr/1 as three segments.
std::string take_revision(std::vector<std::string>& rest);

// The repo, or the answer that refuses it. `content`: file content is asked for, not only names.
std::expected<RepoPtr, Answer> open_repo(const HubState& state, const HubRequest& request, const RepoAddress& address,
                                         bool content);
std::expected<CommitPtr, Answer> open_commit(const Repo& repo, const std::string& revision);

}  // namespace hubfs::testing

#endif  // HUBFS_TESTS_HUB_HUB_STATE_H_
