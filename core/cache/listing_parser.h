// SPDX-License-Identifier: Apache-2.0
//
// Builds a Listing from the events of nlohmann's SAX parser, so that no tree of the whole text is ever made. Used by
// listing_file.cc only. One object for one text; not thread-safe.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "core/model/listing.h"

namespace hubfs {

class ListingParser : public nlohmann::json_sax<nlohmann::json> {
 public:
  /// The listing once the text has ended; `complete` is what sax_parse answered.
  Result<Listing> finish(bool complete);

  bool null() override;
  bool boolean(bool value) override;
  bool number_integer(number_integer_t value) override;
  bool number_unsigned(number_unsigned_t number) override;
  bool number_float(number_float_t value, const string_t& text) override;
  bool string(string_t& text) override;
  bool binary(binary_t& value) override;
  bool start_object(std::size_t elements) override;
  bool key(string_t& name) override;
  bool end_object() override;
  bool start_array(std::size_t elements) override;
  bool end_array() override;
  bool parse_error(std::size_t position, const std::string& token, const nlohmann::detail::exception& error) override;

 private:
  // The values of one file as they come; a field given twice counts as its last, as in Python.
  struct Fields {
    std::optional<std::uint64_t> size;
    std::optional<std::uint64_t> lfs_size;
    std::optional<std::string> blob_id;
    std::optional<std::string> lfs_sha256;
    std::optional<std::string> xet_hash;
  };
  enum class ValueKind { kNull, kNumber, kText, kOther };

  bool refuse(const std::string& words);
  bool value(ValueKind kind, std::uint64_t number, std::string* text);
  bool field(ValueKind kind, std::uint64_t number, std::string* text);
  bool end_file();
  [[nodiscard]] bool in_file() const { return depth_ == 3 && in_files_; }

  int depth_ = 0;
  bool in_files_ = false;  // below the top-level member "files"
  bool have_files_ = false;
  bool have_version_ = false;
  std::string top_key_;
  std::string path_;
  std::string field_;
  Fields fields_;
  Listing listing_;
  std::string problem_;
};

}  // namespace hubfs
