// SPDX-License-Identifier: Apache-2.0
//
// The Hub's API as hubfs needs it: which commit a revision is, what files a commit has, bytes of a file by range. Knows
// nothing of the disk. Lives on the loop's thread: every method is called there and every callback comes there, so
// there is no lock. Retries are the caller's, who knows what waits for the answer. Redirects are followed here (at most
// 10, http and https only); the token goes to the Hub's own origin only and is dropped on any change of scheme, host or
// port, for redirects and for `Link: next` alike.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/error.h"
#include "core/hub/http_loop.h"
#include "core/model/ids.h"
#include "core/model/listing.h"

namespace hubfs {

struct HubOptions {
  std::string endpoint = "https://huggingface.co";  ///< no trailing "/"
  std::optional<std::string> token;
  bool offline = false;  ///< every call fails with kUnreachable at once
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds idle_timeout{10'000};
  std::size_t max_listing_bytes = 256U << 20U;  ///< all pages together
  std::size_t max_listing_files = 2'000'000;
};

/// What a call was refused with, for retry decisions: the error, and whether another try may help.
struct HubError {
  Error error;
  int http_status = 0;     ///< 0: no answer
  bool retryable = false;  ///< 408, 429, 5xx, cut connections, timeouts, no network (not offline)
  std::optional<std::chrono::seconds> retry_after;  ///< from Retry-After or RateLimit
};
template <typename T>
using HubResult = std::expected<T, HubError>;

/// A handle to a running call; destroying it or calling cancel() (loop thread, also from inside the call's own
/// callbacks) stops the call without a further callback. Callbacks never come from within the function that starts a
/// call.
class HubCall {
 public:
  HubCall() = default;
  explicit HubCall(std::function<void()> cancel) : cancel_(std::move(cancel)) {}
  HubCall(HubCall&& other) noexcept : cancel_(std::exchange(other.cancel_, nullptr)) {}
  HubCall& operator=(HubCall&& other) noexcept {
    if (this != &other) {
      cancel();
      cancel_ = std::exchange(other.cancel_, nullptr);
    }
    return *this;
  }
  ~HubCall() { cancel(); }
  void cancel() {
    if (auto c = std::exchange(cancel_, nullptr)) c();
  }

 private:
  std::function<void()> cancel_;
};

/// What the first hop of a resolve answer says about a file (all optional: another Hub may not send them).
struct FileHead {
  std::string etag;                   ///< X-Linked-Etag or ETag, normalised
  std::optional<XetHash> xet_hash;    ///< X-Xet-Hash
  std::optional<std::uint64_t> size;  ///< X-Linked-Size
};

/// Which bytes of which file; `last` is inclusive.
struct RangeRequest {
  RepoKey key;
  CommitHash commit;
  RelPath path;
  std::uint64_t file_size = 0;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

/// Receives a range. All on the loop's thread. on_head comes once, after redirects, when the final answer's status and
/// Content-Range have been checked; on_bytes comes in order from `first` on and never passes `last`; on_end comes once.
/// Returning false ends the call (on_end follows with kInterrupted).
class RangeHandler {
 public:
  virtual ~RangeHandler() = default;
  virtual bool on_head(const FileHead& head) = 0;
  virtual bool on_bytes(std::span<const std::byte> bytes) = 0;
  virtual void on_end(const HubResult<void>& result) = 0;
};

struct HubState;

/// Loop thread only. Destroy it there, outside of its own callbacks, or anywhere after the loop has stopped; running
/// calls are then cancelled, and their HubCalls may outlive it.
class HubClient {
 public:
  HubClient(HttpLoop& loop, HubOptions options);
  ~HubClient();
  HubClient(const HubClient&) = delete;
  HubClient& operator=(const HubClient&) = delete;

  /// The commit of a revision (ref name or commit; nullopt asks for the default branch). `limit` bounds the whole call,
  /// redirects included; zero: no bound but the idle timeout.
  [[nodiscard]] HubCall resolve(const RepoKey& key, const std::optional<std::string>& revision,
                                std::chrono::milliseconds limit, std::function<void(HubResult<CommitHash>)> done);

  /// The complete, recursive listing of a commit, all pages. A listing with a bad path, a clash, a negative or absurd
  /// size, a hash that is not one (but for Xet hashes, which are dropped: the file has another name), or an endless
  /// chain of pages is refused whole (kBadContent). `limit` as for resolve, over all pages.
  [[nodiscard]] HubCall list(const RepoKey& key, const CommitHash& commit, std::chrono::milliseconds limit,
                             std::function<void(HubResult<Listing>)> done);

  /// Asks for a range by commit. The address that the Hub redirects to is remembered per file until it expires (its own
  /// expiry parameters, at most 10 minutes without one) or refuses (401, 403, 404, 410), then asked for once again from
  /// the Hub within the same call. An address that failed before its first byte is forgotten, so that the caller's next
  /// try begins at the Hub. Content-Encoding, a 200 where first > 0, a wrong Content-Range, a wrong total size, another
  /// commit, more bytes than announced: kBadContent, not retryable; a body cut short: kBadContent, retryable (on_bytes
  /// before it are good). Files of size zero are never asked for (kInvalid).
  [[nodiscard]] HubCall fetch(const RangeRequest& request, std::unique_ptr<RangeHandler> handler);

  [[nodiscard]] const HubOptions& options() const;

 private:
  std::shared_ptr<HubState> state_;
};

/// Turns a status, its X-Error-Code and whether a token was sent into an error kind (table in docs/semantics.md).
/// `what` begins the message: the repo's id and, for a file, its path.
[[nodiscard]] HubError classify_answer(const HttpHead& head, bool had_token, std::string_view what);

}  // namespace hubfs
