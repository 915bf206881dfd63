// SPDX-License-Identifier: Apache-2.0
#include "core/cache/listing_parser.h"

#include <utility>

namespace hubfs {

namespace {

// A listing needs three levels; whatever a newer writer may add will not need many more.
constexpr int kMaxDepth = 32;

}  // namespace

Result<Listing> ListingParser::finish(bool complete) {
  if (problem_.empty() && !complete) problem_ = "it ends too early";
  if (problem_.empty() && !have_version_) problem_ = "it has no format_version";
  if (problem_.empty() && !have_files_) problem_ = "it has no files";
  if (problem_.empty()) {
    problem_ = problem_of_paths(listing_).value_or("");
  }
  if (!problem_.empty()) return fail(ErrorKind::kInvalid, "not a listing: " + problem_);
  return std::move(listing_);
}

bool ListingParser::refuse(const std::string& words) {
  if (problem_.empty()) problem_ = words;
  return false;
}

bool ListingParser::null() { return value(ValueKind::kNull, 0, nullptr); }
bool ListingParser::boolean(bool /*value*/) { return value(ValueKind::kOther, 0, nullptr); }
// Only negative numbers come this way.
bool ListingParser::number_integer(number_integer_t /*value*/) { return value(ValueKind::kOther, 0, nullptr); }
bool ListingParser::number_unsigned(number_unsigned_t number) { return value(ValueKind::kNumber, number, nullptr); }
bool ListingParser::number_float(number_float_t /*value*/, const string_t& /*text*/) {
  return value(ValueKind::kOther, 0, nullptr);
}
bool ListingParser::string(string_t& text) { return value(ValueKind::kText, 0, &text); }
bool ListingParser::binary(binary_t& /*value*/) { return refuse("it is not text"); }

bool ListingParser::start_object(std::size_t /*elements*/) {
  if (++depth_ > kMaxDepth) return refuse("it is nested too deep");
  if (depth_ == 2 && top_key_ == "files") {
    if (have_files_) return refuse("it has files twice");
    have_files_ = in_files_ = true;
  } else if (in_file()) {
    fields_ = {};
  } else if (depth_ == 4 && in_files_) {
    --depth_;
    const bool fine = field(ValueKind::kOther, 0, nullptr);
    ++depth_;
    return fine;
  }
  return true;
}

bool ListingParser::start_array(std::size_t elements) {
  if (depth_ == 0 || (in_files_ && depth_ == 2)) return refuse("it has an array where an object should be");
  if (depth_ == 1 && top_key_ == "files") return refuse("its files are an array");
  return start_object(elements);
}

bool ListingParser::key(string_t& name) {
  if (depth_ == 1) top_key_ = name;
  if (depth_ == 2 && in_files_) path_ = name;
  if (in_file()) field_ = name;
  return true;
}

bool ListingParser::end_object() {
  if (in_file() && !end_file()) return false;
  --depth_;
  if (depth_ == 1) in_files_ = false;
  return true;
}

bool ListingParser::end_array() { return end_object(); }

bool ListingParser::parse_error(std::size_t position, const std::string& /*token*/,
                                const nlohmann::detail::exception& /*error*/) {
  return refuse("bad JSON at byte " + std::to_string(position));
}

bool ListingParser::value(ValueKind kind, std::uint64_t number, std::string* text) {
  if (depth_ == 0) return refuse("it is no object");
  if (depth_ == 1 && top_key_ == "format_version") {
    if (kind != ValueKind::kNumber || number != 1) return refuse("its format_version is not 1");
    have_version_ = true;
    return true;
  }
  if (depth_ == 1 && top_key_ == "files") return refuse("its files are no object");
  if (depth_ == 2 && in_files_) return refuse("\"" + path_ + "\" is no object");
  return in_file() ? field(kind, number, text) : true;
}

bool ListingParser::field(ValueKind kind, std::uint64_t number, std::string* text) {
  const bool is_size = field_ == "size" || field_ == "lfs_size";
  const bool is_text = field_ == "blob_id" || field_ == "lfs_sha256" || field_ == "xet_hash";
  if (!is_size && !is_text) return true;
  const bool optional = field_ != "size" && field_ != "blob_id";
  const ValueKind wanted = is_size ? ValueKind::kNumber : ValueKind::kText;
  if (kind != wanted && !(optional && kind == ValueKind::kNull)) return refuse("\"" + path_ + "\": bad " + field_);
  const auto size = kind == ValueKind::kNumber ? std::optional(number) : std::nullopt;
  const auto words = kind == ValueKind::kText ? std::optional(*text) : std::nullopt;
  if (field_ == "size") fields_.size = size;
  if (field_ == "lfs_size") fields_.lfs_size = size;
  if (field_ == "blob_id") fields_.blob_id = words;
  if (field_ == "lfs_sha256") fields_.lfs_sha256 = words;
  if (field_ == "xet_hash") fields_.xet_hash = words;
  return true;
}

bool ListingParser::end_file() {
  const auto bad = [&](const char* what) { return refuse("\"" + path_ + "\": " + what); };
  if (!fields_.size) return bad("no size");
  if (!fields_.blob_id) return bad("no blob_id");
  if (!is_lower_hex(*fields_.blob_id, 40)) return bad("bad blob_id");
  if (fields_.lfs_sha256 && !is_lower_hex(*fields_.lfs_sha256, 64)) return bad("bad lfs_sha256");
  if (!RelPath::parse(path_)) return bad("not a path that a repo can have");
  ListedFile file;
  file.size = fields_.lfs_sha256 && fields_.lfs_size ? *fields_.lfs_size : *fields_.size;
  if (file.size > static_cast<std::uint64_t>(INT64_MAX)) return bad("bad size");
  file.git_oid = *std::move(fields_.blob_id);
  file.lfs_sha256 = std::move(fields_.lfs_sha256);
  if (fields_.xet_hash) {
    file.xet_hash = XetHash::parse(*fields_.xet_hash);
    if (!file.xet_hash) return bad("bad xet_hash");
  }
  if (!listing_.emplace(path_, std::move(file)).second) return bad("listed twice");
  return true;
}

}  // namespace hubfs
