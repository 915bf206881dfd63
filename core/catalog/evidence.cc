// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/evidence.h"

#include <nlohmann/json.hpp>

#include "core/base/file_io.h"
#include "core/cache/layout.h"

namespace hubfs {

namespace {

constexpr std::size_t kMaxConfigBytes = 1U << 20U;

std::string json_string_field(const std::string& text, const char* field) {
  // A depth bomb must not overflow the stack: nlohmann parses iteratively, and 1 MiB of "[" is bounded by the limit above.
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return {};
  const auto it = json.find(field);
  if (it == json.end() || !it->is_string()) return {};
  return it->get<std::string>();
}

std::string read_field(const CacheRoot& root, const RepoKey& key, const CommitHash& commit, const char* file,
                       const char* field) {
  const auto path = RelPath::parse(file);
  const auto text = read_small_file(root.fd(), layout::snapshot_entry(key, commit, *path), kMaxConfigBytes);
  return text ? json_string_field(*text, field) : std::string();
}

}  // namespace

Evidence read_evidence(const CacheRoot& root, const RepoKey& key, const CommitHash& commit) {
  if (key.type != RepoType::kModel) return {};
  Evidence evidence;
  evidence.model_type = read_field(root, key, commit, "config.json", "model_type");
  evidence.class_name = read_field(root, key, commit, "model_index.json", "_class_name");
  return evidence;
}

}  // namespace hubfs
