// SPDX-License-Identifier: Apache-2.0
//
// A Hub on this machine, for tests, benchmarks and the demo.
//
// What: serves repos that a test builds in code, or that lie in a folder, over the same endpoints, headers, redirects
// and errors as the real one, as far as clients look at them; can be told to misbehave (fault.h); remembers every
// request. Two listeners on loopback: the Hub itself, and a CDN on another port, that is, another origin: LFS files are
// redirected there with a signed address, and a request that brings a token there is refused (400) and counted as a
// leak.
//
// Why: what a client does when the Hub is slow, wrong or hostile can only be tested with a Hub of one's own, and a test
// that needs the network is no test.
//
// A data folder:
//   <data>/{models,datasets,spaces,kernels}/<org>/<name>/   `_` as org for an org-less id
//       …files…                                one commit on `main`; or
//       revisions/<revision, / as %2F>/…files… one commit each (a repo with a folder `revisions` is of this form)
//       hub.json                               optional: the JSON of RepoSpec (repo_spec.h), and
//                                              "synthetic": {"path": {"size": N, "seed": S}} added to each revision
//   Symlinks to files are followed. A repo is read, and its files hashed, when it is first asked for.
//
// Control, on the Hub's origin, for tests in any language (JSON in, JSON out; never logged, counted or made to fail):
//   GET  /__hub/stats           HubStats            GET /__hub/log       [LogEntry…]
//   POST /__hub/reset           forgets log, counters and faults; repos and settings stay
//   POST /__hub/faults          a Fault or a list of them → {"ids": […]}; GET /__hub/faults/<id> → {"hits": N}
//   POST /__hub/clear-faults
//   POST /__hub/settings        {"latency_ms", "rate", "page_size", "resolve_cache", "signed_url_seconds"}, each
//   optional POST /__hub/repos           adds a repo, or changes the one with that type and id → {"revisions": {"main":
//   commit}} POST /__hub/branch          {"type", "id", "branch", "files": {path: CONTENT}} new commit → {"commit"}
//   POST /__hub/alias           {"type", "from", "to"}: 307, as after a rename
//
// Commit hashes follow from the content (and, after set_branch, from the parent). `xetHash` is a hash derived from the
// sha256: stable, but not the real Xet hash of the content.
//
// What it cannot do: transfer over Xet (xet-read-token answers 501: run clients with HF_HUB_DISABLE_XET=1, and the JS
// client with xet off); TLS, HTTP/2, multi-range answers (it sends everything, as object stores do); uploads,
// discussions, OAuth, buckets, search; git clone. A Range header that is not well-formed is answered 416 by the HTTP
// library itself and not logged.
//
// Ownership and threads: LocalHub owns its listeners and threads; stop(), or the destructor, ends them, those that hang
// on purpose included. Every function may be called from any thread, start() and stop() from one at a time. Contents
// are shared and immutable; a repo that changes leaves requests under way with what they began with.
#ifndef HUBFS_TESTS_HUB_LOCAL_HUB_H_
#define HUBFS_TESTS_HUB_LOCAL_HUB_H_

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/hub/content.h"
#include "tests/hub/fault.h"
#include "tests/hub/repo_spec.h"
#include "tests/hub/request_log.h"

namespace hubfs::testing {

struct Token {
  std::string value = {};
  std::string user = "tester";
  bool has_access = true;  // to private and gated repos; without it the token is merely valid
};

struct HubOptions {
  int port = 0;  // 0: any free one; kept over stop() and start()
  int cdn_port = 0;
  std::vector<Token> tokens = {};              // any other token is refused with 401, as the real Hub does
  std::chrono::milliseconds latency{0};        // before every answer, of both origins
  std::uint64_t rate = 0;                      // bytes per second of each connection; 0 is no limit
  std::size_t page_size = 1000;                // entries in a page of a listing
  bool resolve_cache = false;                  // regular files behind a relative redirect to /api/resolve-cache/…
  std::chrono::seconds signed_url_life{3600};  // of the CDN's addresses
};

class LocalHub {
 public:
  explicit LocalHub(HubOptions options = {});
  LocalHub(const LocalHub&) = delete;
  LocalHub& operator=(const LocalHub&) = delete;
  ~LocalHub();

  // Throws std::runtime_error when a port cannot be had. After stop() it may be started again, on the same ports.
  void start();
  void stop();
  // Without a trailing slash. Only after start().
  std::string url() const;
  std::string cdn_url() const;
  // Stops or starts the CDN alone: connection refused there.
  void stop_cdn();
  void start_cdn();

  // Replaces a repo of the same type and id.
  void add_repo(RepoSpec spec);
  // `xet`: what a hub.json that does not mention it means.
  void add_data_folder(const std::filesystem::path& folder, bool xet = false);
  void remove_repo(RepoType type, const std::string& id);
  // A renamed repo: requests for `from` are redirected (307) to `to`.
  void add_alias(RepoType type, const std::string& from, const std::string& to);
  // A new commit on a branch (created if need be) with exactly these files. Answers the commit hash.
  std::string set_branch(RepoType type, const std::string& id, const std::string& branch, Files files);
  void set_access(RepoType type, const std::string& id, bool is_private, bool gated, bool disabled = false);
  // The 40 hex of a revision. Throws std::out_of_range if there is none.
  std::string commit(RepoType type, const std::string& id, const std::string& revision = "main") const;

  std::uint64_t add_fault(Fault fault);
  void remove_fault(std::uint64_t id);
  void clear_faults();
  std::uint64_t fault_hits(std::uint64_t id) const;

  void set_latency(std::chrono::milliseconds latency);
  void set_rate(std::uint64_t bytes_per_second);
  void set_page_size(std::size_t entries);
  void set_resolve_cache(bool on);
  void set_signed_url_life(std::chrono::seconds life);

  HubStats stats() const;
  std::vector<LogEntry> log() const;
  // Forgets log, counters and faults.
  void reset();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace hubfs::testing

#endif  // HUBFS_TESTS_HUB_LOCAL_HUB_H_
