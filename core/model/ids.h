// SPDX-License-Identifier: Apache-2.0
//
// Validated values for what gets mixed up: repo types and ids, commits, refs, etags, relative paths. Text from a
// directory listing, a command line or the Hub is parsed here once; code behind the edge never sees a bare string for
// them. Rules as in huggingface_hub (`utils/_validators.py`, `file_download.py`), stricter where that one trusts the Hub.
// All immutable, copyable, thread-safe.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace hubfs {

enum class RepoType : std::uint8_t { kModel, kDataset, kSpace, kKernel };
inline constexpr std::array<RepoType, 4> kRepoTypes{RepoType::kModel, RepoType::kDataset, RepoType::kSpace,
                                                    RepoType::kKernel};

/// "model", "dataset", "space", "kernel".
[[nodiscard]] std::string_view singular(RepoType type);
/// "models", "datasets", "spaces", "kernels".
[[nodiscard]] std::string_view plural(RepoType type);
[[nodiscard]] std::optional<RepoType> repo_type_from_plural(std::string_view text);
[[nodiscard]] std::optional<RepoType> repo_type_from_singular(std::string_view text);

/// "org/name", or "name" for the old ids without an org.
class RepoId {
 public:
  /// ASCII [A-Za-z0-9_.-], at most 96 per part and one "/", no "--" or "..", no "-" or "." at either end of a part, no
  /// ".git" suffix.
  static std::optional<RepoId> parse(std::string_view text);

  [[nodiscard]] const std::string& text() const { return text_; }
  /// Empty for ids without an org.
  [[nodiscard]] std::string_view org() const;
  [[nodiscard]] std::string_view name() const;
  auto operator<=>(const RepoId&) const = default;

 private:
  explicit RepoId(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// A repo: type and id. Ordered by type, then id in byte order.
struct RepoKey {
  RepoType type = RepoType::kModel;
  RepoId id;
  auto operator<=>(const RepoKey&) const = default;
  /// "model/org/name", as `hf cache ls` prints it.
  [[nodiscard]] std::string text() const;
};

/// Exactly 40 lower-case hex digits.
class CommitHash {
 public:
  static std::optional<CommitHash> parse(std::string_view text);
  [[nodiscard]] const std::string& text() const { return text_; }
  /// The first 12 digits, as shown in hub/.
  [[nodiscard]] std::string short_text() const { return text_.substr(0, 12); }
  auto operator<=>(const CommitHash&) const = default;

 private:
  explicit CommitHash(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// The name of a branch, tag or pull request ref ("main", "v1/x", "refs/pr/1"): a relative path without empty, "." or
/// ".." parts, control characters or a part over 255 bytes; not 40 hex digits.
class RefName {
 public:
  static std::optional<RefName> parse(std::string_view text);
  /// From its form in a folder name of hub/ ("%25" for "%", "%2F" for "/").
  static std::optional<RefName> from_folder(std::string_view text);
  [[nodiscard]] const std::string& text() const { return text_; }
  /// One path component: "%" as "%25" and "/" as "%2F".
  [[nodiscard]] std::string folder() const;
  auto operator<=>(const RefName&) const = default;

 private:
  explicit RefName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// The name of a blob: the normalised etag. 64 hex digits are a sha256 (LFS), 40 a git blob sha1; JS clients may use
/// a Xet hash (64 hex too). Anything else that is safe as a file name (1 to 200 of [A-Za-z0-9_-] ) is accepted for
/// reading what is on disk, but has no hash to verify.
class BlobId {
 public:
  static std::optional<BlobId> parse(std::string_view text);
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] bool is_sha256() const { return hex_ && text_.size() == 64; }
  [[nodiscard]] bool is_git_sha1() const { return hex_ && text_.size() == 40; }
  auto operator<=>(const BlobId& other) const { return text_ <=> other.text_; }
  bool operator==(const BlobId& other) const { return text_ == other.text_; }

 private:
  BlobId(std::string text, bool hex) : text_(std::move(text)), hex_(hex) {}
  std::string text_;
  bool hex_ = false;
};

/// 64 lower-case hex digits: the Xet (Merkle) hash that names a payload of the shared store.
class XetHash {
 public:
  static std::optional<XetHash> parse(std::string_view text);
  [[nodiscard]] const std::string& text() const { return text_; }
  auto operator<=>(const XetHash&) const = default;

 private:
  explicit XetHash(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// A path inside a repo: parts joined by "/", none empty, "." or "..", at most 255 bytes each and 4096 in all, no NUL,
/// no backslash-dotdot tricks (a part that a Windows client would split into ".." is refused, as Python does).
class RelPath {
 public:
  static std::optional<RelPath> parse(std::string_view text);
  [[nodiscard]] const std::string& text() const { return text_; }
  auto operator<=>(const RelPath&) const = default;

 private:
  explicit RelPath(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// True for [0-9a-f] of exactly `length` characters.
[[nodiscard]] bool is_lower_hex(std::string_view text, std::size_t length);

}  // namespace hubfs
