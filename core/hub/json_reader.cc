// SPDX-License-Identifier: Apache-2.0
#include "core/hub/json_reader.h"

#include <exception>
#include <nlohmann/json.hpp>

namespace hubfs {

namespace {

constexpr int kMaxDepth = 64;

class Adapter final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Adapter(JsonSink& sink) : sink_(sink) {}

  bool null() override { return scalar({}); }
  bool boolean(bool) override { return scalar({JsonScalar::Kind::kBool, 0, {}}); }
  bool number_integer(number_integer_t) override { return scalar({JsonScalar::Kind::kOtherNumber, 0, {}}); }
  bool number_unsigned(number_unsigned_t value) override { return scalar({JsonScalar::Kind::kUnsigned, value, {}}); }
  bool number_float(number_float_t, const string_t&) override {
    return scalar({JsonScalar::Kind::kOtherNumber, 0, {}});
  }
  bool string(string_t& value) override { return scalar({JsonScalar::Kind::kString, 0, value}); }
  bool binary(binary_t&) override { return false; }
  bool key(string_t& value) override {
    key_.swap(value);
    return true;
  }
  bool start_object(std::size_t) override { return open(true); }
  bool start_array(std::size_t) override { return open(false); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

  [[nodiscard]] bool stopped_by_sink() const { return stopped_; }

 private:
  bool scalar(const JsonScalar& value) { return pass(sink_.scalar(depth_, key_, value)); }
  bool open(bool is_object) {
    if (depth_ >= kMaxDepth) return false;
    const bool go_on = pass(sink_.open(depth_++, key_, is_object));
    key_.clear();
    return go_on;
  }
  bool close() {
    key_.clear();
    return pass(sink_.close(--depth_));
  }
  bool pass(bool go_on) {
    stopped_ = stopped_ || !go_on;
    return go_on;
  }

  JsonSink& sink_;
  std::string key_;
  int depth_ = 0;
  bool stopped_ = false;
};

}  // namespace

JsonEnd read_json(std::string_view text, JsonSink& sink) {
  Adapter adapter(sink);
  try {
    if (nlohmann::json::sax_parse(text.begin(), text.end(), &adapter)) return JsonEnd::kComplete;
  } catch (const std::exception&) {
    return JsonEnd::kInvalid;
  }
  return adapter.stopped_by_sink() ? JsonEnd::kStoppedBySink : JsonEnd::kInvalid;
}

}  // namespace hubfs
