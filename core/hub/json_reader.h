// SPDX-License-Identifier: Apache-2.0
//
// Foreign JSON without a tree in memory: values are seen as they are parsed, to a bounded depth, and nothing throws.
// Internal to core/hub; one thread per object.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hubfs {

/// A value that is neither object nor array.
struct JsonScalar {
  enum class Kind { kNull, kBool, kUnsigned, kOtherNumber, kString };
  Kind kind = Kind::kNull;
  std::uint64_t number = 0;  ///< kUnsigned
  std::string_view text;     ///< kString; valid during the call
};

/// Sees the values in order. `depth` is how many objects and arrays are open around the value (0 for the root), `key`
/// its name in the innermost one ("" in an array). False ends the reading.
class JsonSink {
 public:
  virtual ~JsonSink() = default;
  virtual bool scalar(int depth, std::string_view key, const JsonScalar& value) = 0;
  virtual bool open(int depth, std::string_view key, bool is_object) = 0;
  virtual bool close(int depth) = 0;
};

enum class JsonEnd { kComplete, kStoppedBySink, kInvalid };

/// Reads one JSON text (UTF-8, nothing after it). Deeper than 64 levels counts as invalid.
JsonEnd read_json(std::string_view text, JsonSink& sink);

}  // namespace hubfs
