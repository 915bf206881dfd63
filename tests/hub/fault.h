// SPDX-License-Identifier: Apache-2.0
//
// What shall go wrong, for which requests, and how often.
#ifndef HUBFS_TESTS_HUB_FAULT_H_
#define HUBFS_TESTS_HUB_FAULT_H_

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hubfs::testing {

enum class OriginKind : std::uint8_t { kHub, kCdn };

// Every effect is off until set; several in one Fault, and several Faults, add up. The JSON of POST /__hub/faults has
// the same names, but "json" for `replacement`, "delay_ms" for `delay`, "trickle_ms" for `trickle_interval`.
struct Fault {
  // `= {}` even where it says nothing: GCC's -Wmissing-field-initializers then lets tests name only the fields they
  // want.

  // --- which requests: all that are set must fit
  std::optional<OriginKind> origin = {};  // JSON "hub" or "cdn"
  std::string method = {};                // "GET", "HEAD", "POST"; empty is any
  std::string path = {};                  // glob over the path as sent (escapes kept, no query); `*` crosses slashes
  std::string regex = {};                 // ECMAScript, searched for in path and query
  std::string header = {};                // glob over any "name: value" line (names in lower case): "range: bytes=0-*"
  int skip = 0;                           // let so many fitting requests pass first
  int count = -1;                         // then act on so many; -1 is all

  // --- instead of the answer
  std::optional<int> status = {};  // with `headers` and `body`
  std::string body = {};           // of `status`
  std::string redirect = {};       // 302 there; "self" is a loop; any scheme. An answer's X- headers stay
  bool hang = false;               // accept and say nothing, until the client goes or the Hub stops
  bool reset = false;              // TCP reset instead of an answer
  std::optional<nlohmann::json> replacement =
      {};  // JSON "json": this body instead of that of a good answer (hostile listings)

  // --- the answer's head
  std::chrono::milliseconds delay{0};               // before the answer
  std::map<std::string, std::string> headers = {};  // set or replaced; Content-Length too, which then may be a lie
  std::vector<std::string> drop_headers = {};       // without Content-Length the body ends with the connection
  std::string etag = {};                            // ETag and X-Linked-Etag, verbatim: quotes are yours to give
  std::string content_range = {};                   // verbatim
  bool ignore_range = false;                        // 200 with everything instead of 206
  std::string link_next = {};                       // next page: "self", or any address
  bool expired = false;                             // the signed address in the redirect has run out

  // --- the body
  std::optional<std::uint64_t> rate = {};        // bytes per second
  std::optional<std::uint64_t> cut_after = {};   // close the connection after so many body bytes
  std::optional<std::uint64_t> hang_after = {};  // say nothing more after so many body bytes
  std::uint64_t short_by = 0;                    // a well-framed body with so many bytes less than it should have
  std::uint64_t long_by = 0;                     // a well-framed body with so many bytes (zeros) more
  std::uint64_t surplus = 0;             // so many bytes after the end that Content-Length announced, then close
  std::vector<std::uint64_t> flip = {};  // offsets in the file (in the body, if that is no file) to be inverted
  std::uint64_t trickle_bytes = 0;       // so many at a time …
  std::chrono::milliseconds trickle_interval{100};  // … with this pause between
  bool gzip = false;                                // Content-Encoding: gzip, asked for or not
};

// Throws std::invalid_argument for names it does not know, so that a typing error does not make a test pass.
Fault fault_from_json(const nlohmann::json& json);

// What a request looks like to a fault.
struct FaultTarget {
  OriginKind origin = OriginKind::kHub;
  std::string_view method;
  std::string_view path;
  std::string_view target;  // path and query
  const std::vector<std::pair<std::string, std::string>>* headers = nullptr;
};

// The faults in force. Thread-safe.
class FaultTable {
 public:
  std::uint64_t add(Fault fault);
  void remove(std::uint64_t id);
  void clear();
  // The faults that act on this request, oldest first; counts them as used.
  std::vector<Fault> take(const FaultTarget& target);
  // How many requests a fault has acted on; also after its count ran out, until clear().
  std::uint64_t hits(std::uint64_t id) const;

 private:
  struct Entry {
    std::uint64_t id = 0;
    Fault fault;
    std::optional<std::regex> pattern;
    int skip_left = 0;
    int left = -1;
    std::uint64_t hits = 0;
  };
  static bool fits(const Entry& entry, const FaultTarget& target);

  mutable std::mutex mutex_;
  std::list<Entry> entries_;
  std::uint64_t next_id_ = 1;
};

}  // namespace hubfs::testing

#endif  // HUBFS_TESTS_HUB_FAULT_H_
