// SPDX-License-Identifier: Apache-2.0
#include "core/hub/listing_json.h"

#include <optional>

#include "core/hub/text.h"

namespace hubfs {

namespace {

constexpr std::uint64_t kMaxSize = 1ULL << 60U;

// One element of a page as it is being read.
struct Entry {
  std::optional<std::string> type, path, oid, xet_hash, lfs_oid;
  std::optional<std::uint64_t> size, lfs_size;
  bool is_lfs = false;
};

}  // namespace

class ListingBuilder::Page final : public JsonSink {
 public:
  explicit Page(ListingBuilder& builder) : builder_(builder) {}

  bool scalar(int depth, std::string_view key, const JsonScalar& value) override {
    if (depth < 2) return refuse(depth == 0 ? "it is not an array" : "an entry is not an object");
    if (depth == 2) return entry_field(key, value);
    return depth == 3 && in_lfs_ ? lfs_field(key, value) : true;
  }

  bool open(int depth, std::string_view key, bool is_object) override {
    if (depth == 0) return !is_object || refuse("it is not an array");
    if (depth == 1) {
      entry_ = Entry();
      return is_object || refuse("an entry is not an object");
    }
    if (depth == 2 && key == "lfs") {
      if (!is_object) return refuse("an lfs field is not an object");
      in_lfs_ = entry_.is_lfs = true;
    } else if (depth == 2 && is_known(key)) {
      return refuse("a field has the wrong type");
    } else if (depth == 3 && in_lfs_ && (key == "oid" || key == "size")) {
      return refuse("a field has the wrong type");
    }
    return true;
  }

  bool close(int depth) override {
    if (depth == 2) in_lfs_ = false;
    return depth != 1 || add_entry();
  }

  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  static bool is_known(std::string_view key) { return key == "type" || key == "path" || key == "oid" || key == "size"; }

  bool refuse(std::string words) {
    problem_ = std::move(words);
    return false;
  }
  bool refuse_entry(std::string_view words) {
    return refuse("\"" + escaped_name(entry_.path.value_or("")) + "\": " + std::string(words));
  }

  bool entry_field(std::string_view key, const JsonScalar& value) {
    if (key == "type") return take_text(entry_.type, value);
    if (key == "path") return take_text(entry_.path, value);
    if (key == "oid") return take_text(entry_.oid, value);
    if (key == "size") return take_size(entry_.size, value);
    if (key == "lfs") return value.kind == JsonScalar::Kind::kNull || refuse("an lfs field is not an object");
    // A wrong Xet hash costs a short cut, not the file: one bad hash would void the saved listing for Python.
    if (key == "xetHash" && value.kind == JsonScalar::Kind::kString) entry_.xet_hash = std::string(value.text);
    return true;
  }

  bool lfs_field(std::string_view key, const JsonScalar& value) {
    if (key == "oid") return take_text(entry_.lfs_oid, value);
    if (key == "size") return take_size(entry_.lfs_size, value);
    return true;
  }

  bool take_text(std::optional<std::string>& into, const JsonScalar& value) {
    if (value.kind != JsonScalar::Kind::kString) return refuse("a field has the wrong type");
    into = std::string(value.text);
    return true;
  }

  bool take_size(std::optional<std::uint64_t>& into, const JsonScalar& value) {
    if (value.kind != JsonScalar::Kind::kUnsigned || value.number > kMaxSize) return refuse("a size that cannot be");
    into = value.number;
    return true;
  }

  bool add_entry() {
    if (!entry_.type || !entry_.path) return refuse("an entry without type or path");
    const bool is_file = *entry_.type == "file";
    if (!is_file && *entry_.type != "directory") return true;
    if (builder_.files_.size() + builder_.folders_.size() >= builder_.max_files_) return refuse("too many files");
    if (!RelPath::parse(*entry_.path)) return refuse_entry("a path that cannot be used");
    if (!is_file) {
      builder_.folders_.push_back(*std::move(entry_.path));
      return true;
    }
    if (!is_lower_hex(entry_.oid.value_or(""), 40)) return refuse_entry("no git hash");
    ListedFile file;
    file.git_oid = *std::move(entry_.oid);
    if (entry_.is_lfs) {
      if (!is_lower_hex(entry_.lfs_oid.value_or(""), 64)) return refuse_entry("no sha256");
      file.lfs_sha256 = *std::move(entry_.lfs_oid);
    }
    const auto size = entry_.is_lfs ? entry_.lfs_size : entry_.size;
    if (!size) return refuse_entry("no size");
    file.size = *size;
    if (entry_.xet_hash) file.xet_hash = XetHash::parse(*entry_.xet_hash);
    const auto [at, added] = builder_.files_.try_emplace(*entry_.path, std::move(file));
    return added || refuse_entry("listed twice");
  }

  ListingBuilder& builder_;
  Entry entry_;
  bool in_lfs_ = false;
  std::string problem_;
};

Status ListingBuilder::add_page(std::string_view json) {
  Page page(*this);
  switch (read_json(json, page)) {
    case JsonEnd::kComplete:
      return {};
    case JsonEnd::kInvalid:
      return fail(ErrorKind::kBadContent, "the listing is not valid JSON");
    case JsonEnd::kStoppedBySink:
      break;
  }
  return fail(ErrorKind::kBadContent, "the listing is refused: " + page.problem());
}

Result<Listing> ListingBuilder::finish() {
  const auto clash = [](std::string_view path) {
    return fail(ErrorKind::kBadContent,
                "the listing is refused: \"" + escaped_name(path) + "\" is both a file and a folder");
  };
  for (const std::string& folder : folders_) {
    if (files_.contains(folder)) return clash(folder);
  }
  if (const auto problem = problem_of_paths(files_)) {
    return fail(ErrorKind::kBadContent, "the listing is refused: " + plain_words(*problem, 400));
  }
  folders_.clear();
  return std::exchange(files_, {});
}

}  // namespace hubfs
