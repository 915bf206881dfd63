// SPDX-License-Identifier: Apache-2.0
//
// The hashes by which the Hub names content: sha256 for LFS files, git's blob sha1 for all others, over libcrypto
// (which uses the processor's instructions). An object is used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace hubfs {

/// An incremental hash with a lower-case hex result.
class Hasher {
 public:
  /// Plain sha256.
  static Hasher sha256();
  /// git's blob id: sha1 over "blob <size>\0" and the bytes; `size` must be the final length in bytes.
  static Hasher git_blob(std::uint64_t size);

  void update(std::span<const std::byte> bytes);
  void update(std::string_view bytes);
  /// Ends the hash; the object takes no further bytes.
  [[nodiscard]] std::string finish_hex();

 private:
  struct Context;
  struct ContextDeleter {
    void operator()(Context* c) const;
  };
  explicit Hasher(std::unique_ptr<Context, ContextDeleter> context);
  std::unique_ptr<Context, ContextDeleter> context_;
};

/// sha256 of a short text, in hex.
[[nodiscard]] std::string sha256_hex(std::string_view text);

/// A stable 64-bit number for a text (FNV-1a with a final mix): for inode numbers, never for security.
[[nodiscard]] std::uint64_t stable_hash64(std::string_view text);

}  // namespace hubfs
