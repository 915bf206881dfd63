// SPDX-License-Identifier: Apache-2.0
#include "tests/hub/content.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "tests/hub/digest.h"

namespace hubfs::testing {
namespace {

constexpr std::uint64_t kChunk = std::uint64_t{1} << 20;
constexpr std::uint64_t kBlock = std::uint64_t{1} << 20;
constexpr std::uint64_t kStamp = 16;

std::uint64_t mix(std::uint64_t value) {  // splitmix64
  value += 0x9e3779b97f4a7c15U;
  value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27U)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31U);
}

// One block of noise, twice in a row, so that a block that starts anywhere in it is contiguous.
const std::string& noise() {
  static const std::string bytes = [] {
    std::string block(2 * kBlock, '\0');
    for (std::uint64_t i = 0; i < kBlock; i += sizeof(std::uint64_t)) {
      const std::uint64_t word = mix(i);
      std::memcpy(&block[i], &word, sizeof word);
    }
    std::memcpy(&block[kBlock], block.data(), kBlock);
    return block;
  }();
  return bytes;
}

class BytesContent final : public Content {
 public:
  explicit BytesContent(std::string text) : text_(std::move(text)) {}
  std::uint64_t size() const override { return text_.size(); }
  std::string_view view(std::uint64_t offset, std::uint64_t max, std::string& /*scratch*/) const override {
    return std::string_view(text_).substr(offset, max);
  }

 private:
  std::string text_;
};

class FileContent final : public Content {
 public:
  explicit FileContent(const std::filesystem::path& path)
      : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat info{};
    if (fd_ < 0 || ::fstat(fd_, &info) != 0) {
      if (fd_ >= 0) ::close(fd_);
      throw std::runtime_error("cannot open " + path.string() + ": " + std::generic_category().message(errno));
    }
    size_ = static_cast<std::uint64_t>(info.st_size);
  }
  FileContent(const FileContent&) = delete;
  FileContent& operator=(const FileContent&) = delete;
  ~FileContent() override { ::close(fd_); }

  std::uint64_t size() const override { return size_; }
  std::string_view view(std::uint64_t offset, std::uint64_t max, std::string& scratch) const override {
    scratch.resize(std::min({max, kChunk, size_ - offset}));
    const ssize_t got = ::pread(fd_, scratch.data(), scratch.size(), static_cast<off_t>(offset));
    if (got <= 0) throw std::runtime_error("cannot read " + path_.string());
    return std::string_view(scratch).substr(0, static_cast<std::size_t>(got));
  }

 private:
  std::filesystem::path path_;
  int fd_;
  std::uint64_t size_ = 0;
};

// Block k is a 16-byte stamp of (seed, k), then the noise from an offset that depends on both: handed out without a
// copy, and no two blocks are equal, so that a client that mixes up ranges or files is found out.
class SyntheticContent final : public Content {
 public:
  SyntheticContent(std::uint64_t size, std::uint64_t seed) : size_(size), seed_(seed) {}
  std::uint64_t size() const override { return size_; }

  std::string_view view(std::uint64_t offset, std::uint64_t max, std::string& scratch) const override {
    const std::uint64_t block = offset / kBlock;
    const std::uint64_t inside = offset % kBlock;
    const std::uint64_t length = std::min({max, size_ - offset, kBlock - inside});
    const std::uint64_t key = mix(mix(seed_) ^ block);
    if (inside < kStamp) {
      const std::array<std::uint64_t, 2> stamp = {key, mix(key)};
      scratch.assign(reinterpret_cast<const char*>(stamp.data()), kStamp);
      return std::string_view(scratch).substr(inside, std::min(length, kStamp - inside));
    }
    return std::string_view(noise()).substr((key % kBlock) + inside, length);
  }

  std::string identity() const override { return "synthetic:" + std::to_string(size_) + ":" + std::to_string(seed_); }

 protected:
  // Gigabytes take seconds to hash, and a test program makes the same content again and again.
  std::string compute_sha256() const override {
    static std::mutex mutex;
    static std::map<std::string, std::string> known;
    const std::string key = identity();
    {
      const std::lock_guard lock(mutex);
      if (const auto found = known.find(key); found != known.end()) return found->second;
    }
    std::string hash = Content::compute_sha256();
    const std::lock_guard lock(mutex);
    return known[key] = std::move(hash);
  }

 private:
  std::uint64_t size_;
  std::uint64_t seed_;
};

class JoinedContent final : public Content {
 public:
  explicit JoinedContent(std::vector<ContentPtr> parts) : parts_(std::move(parts)) {
    for (const auto& part : parts_) size_ += part->size();
  }
  std::uint64_t size() const override { return size_; }

  std::string_view view(std::uint64_t offset, std::uint64_t max, std::string& scratch) const override {
    for (const auto& part : parts_) {
      if (offset < part->size()) return part->view(offset, max, scratch);
      offset -= part->size();
    }
    throw std::runtime_error("read past the end of joined content");
  }

  std::string identity() const override {
    std::string all = "joined";
    for (const auto& part : parts_) all += "|" + part->identity();
    return all;
  }

 private:
  std::vector<ContentPtr> parts_;
  std::uint64_t size_ = 0;
};

template <typename Add>
void each_chunk(const Content& content, std::uint64_t offset, std::uint64_t length, const Add& add) {
  std::string scratch;
  while (length > 0) {
    const std::string_view chunk = content.view(offset, std::min(length, kChunk), scratch);
    add(chunk);
    offset += chunk.size();
    length -= chunk.size();
  }
}

}  // namespace

ContentPtr Content::bytes(std::string text) { return std::make_shared<BytesContent>(std::move(text)); }

ContentPtr Content::file(const std::filesystem::path& path) { return std::make_shared<FileContent>(path); }

ContentPtr Content::synthetic(std::uint64_t size, std::uint64_t seed) {
  return std::make_shared<SyntheticContent>(size, seed);
}

ContentPtr Content::joined(std::vector<ContentPtr> parts) { return std::make_shared<JoinedContent>(std::move(parts)); }

ContentPtr Content::safetensors(std::uint64_t size, std::uint64_t seed) {
  constexpr std::uint64_t kHeader =
      192;  // without the eight bytes of its length; padded with spaces, as the format says
  if (size < 256) throw std::invalid_argument("a safetensors file needs at least 256 bytes here");
  const std::string rest = std::to_string(size - kHeader - 8);
  std::string header = R"({"__metadata__":{"format":"pt"},"weight":{"dtype":"U8","shape":[)" + rest +
                       R"(],"data_offsets":[0,)" + rest + "]}}";
  header.resize(kHeader, ' ');
  std::string length(8, '\0');
  length[0] = static_cast<char>(kHeader);
  return joined({bytes(length + header), synthetic(size - kHeader - 8, seed)});
}

std::string Content::compute_sha256() const {
  Digest digest(Digest::Kind::kSha256);
  each_chunk(*this, 0, size(), [&](std::string_view chunk) { digest.add(chunk); });
  return digest.hex();
}

const std::string& Content::sha256() const {
  std::call_once(sha256_once_, [this] { sha256_ = compute_sha256(); });
  return sha256_;
}

const std::string& Content::git_sha1() const {
  std::call_once(git_sha1_once_, [this] {
    Digest digest(Digest::Kind::kSha1);
    digest.add("blob " + std::to_string(size()) + std::string(1, '\0'));
    each_chunk(*this, 0, size(), [&](std::string_view chunk) { digest.add(chunk); });
    git_sha1_ = digest.hex();
  });
  return git_sha1_;
}

std::string Content::slice(std::uint64_t offset, std::uint64_t length) const {
  std::string out;
  if (offset < size()) {
    each_chunk(*this, offset, std::min(length, size() - offset), [&](std::string_view chunk) { out += chunk; });
  }
  return out;
}

}  // namespace hubfs::testing
