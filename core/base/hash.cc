// SPDX-License-Identifier: Apache-2.0
#include "core/base/hash.h"

#include <openssl/evp.h>

#include <array>

namespace hubfs {

struct Hasher::Context {
  EVP_MD_CTX* md = nullptr;
};

void Hasher::ContextDeleter::operator()(Context* c) const {
  EVP_MD_CTX_free(c->md);
  delete c;
}

Hasher::Hasher(std::unique_ptr<Context, ContextDeleter> context) : context_(std::move(context)) {}

Hasher Hasher::sha256() {
  Hasher hasher{std::unique_ptr<Context, ContextDeleter>(new Context{EVP_MD_CTX_new()})};
  EVP_DigestInit_ex(hasher.context_->md, EVP_sha256(), nullptr);
  return hasher;
}

Hasher Hasher::git_blob(std::uint64_t size) {
  Hasher hasher{std::unique_ptr<Context, ContextDeleter>(new Context{EVP_MD_CTX_new()})};
  EVP_DigestInit_ex(hasher.context_->md, EVP_sha1(), nullptr);
  std::string header = "blob " + std::to_string(size);
  header.push_back('\0');
  hasher.update(std::string_view(header));
  return hasher;
}

void Hasher::update(std::span<const std::byte> bytes) { EVP_DigestUpdate(context_->md, bytes.data(), bytes.size()); }

void Hasher::update(std::string_view bytes) { update(std::as_bytes(std::span(bytes.data(), bytes.size()))); }

std::string Hasher::finish_hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  EVP_DigestFinal_ex(context_->md, digest.data(), &length);
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  hex.reserve(std::size_t{length} * 2);
  for (unsigned int i = 0; i < length; ++i) {
    hex.push_back(kDigits[digest[i] >> 4U]);
    hex.push_back(kDigits[digest[i] & 0x0FU]);
  }
  return hex;
}

std::string sha256_hex(std::string_view text) {
  Hasher hasher = Hasher::sha256();
  hasher.update(text);
  return hasher.finish_hex();
}

std::uint64_t stable_hash64(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    h ^= static_cast<unsigned char>(c);
    h *= 0x100000001b3ULL;
  }
  h ^= h >> 33U;
  h *= 0xff51afd7ed558ccdULL;
  h ^= h >> 33U;
  return h;
}

}  // namespace hubfs
