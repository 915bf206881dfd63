// SPDX-License-Identifier: Apache-2.0
//
// Hashes as git, LFS and the Hub write them: lower-case hex.
#ifndef HUBFS_TESTS_HUB_DIGEST_H_
#define HUBFS_TESTS_HUB_DIGEST_H_

#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace hubfs::testing {

// One running hash. Not thread-safe; make one for each thread.
class Digest {
 public:
  enum class Kind { kSha1, kSha256 };

  explicit Digest(Kind kind);
  Digest& add(std::string_view bytes);
  // The raw bytes of the hash. Call once.
  std::string raw();
  // The hash in hex. Call once.
  std::string hex();

 private:
  struct ContextDeleter {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, ContextDeleter> context_;
};

std::string to_hex(std::string_view raw);
std::string sha1_hex(std::string_view bytes);
std::string sha256_hex(std::string_view bytes);
// Keyed hash for signed addresses.
std::string hmac_sha256_hex(std::string_view key, std::string_view bytes);
// Standard base64 with padding. Decoding throws std::invalid_argument on anything else.
std::string base64_encode(std::string_view bytes);
std::string base64_decode(std::string_view text);

}  // namespace hubfs::testing

#endif  // HUBFS_TESTS_HUB_DIGEST_H_
