// SPDX-License-Identifier: Apache-2.0
#include "tests/hub/repo_spec.h"

#include <stdexcept>

#include "tests/hub/digest.h"

namespace hubfs::testing {
namespace {

Files files_from_json(const nlohmann::json& json) {
  Files files;
  for (const auto& [path, content] : json.items()) files[path] = content_from_json(content);
  return files;
}

template <typename T>
void take(const nlohmann::json& json, const char* name, T& value) {
  if (const auto found = json.find(name); found != json.end()) found->get_to(value);
}

void merge_refs(const nlohmann::json& refs, RepoSpec& spec) {
  if (refs.contains("tags")) {
    for (const auto& [tag, target] : refs.at("tags").items()) spec.tags[tag] = target.get<std::string>();
  }
  if (refs.contains("pulls")) {
    for (const auto& [number, target] : refs.at("pulls").items()) {
      const auto source = spec.revisions.find(target.get<std::string>());
      if (source == spec.revisions.end()) throw std::invalid_argument("refs.pulls: no revision " + target.dump());
      spec.revisions["refs/pr/" + number] = source->second;
    }
  }
}

}  // namespace

std::string_view type_name(RepoType type) {
  switch (type) {
    case RepoType::kModel:
      return "model";
    case RepoType::kDataset:
      return "dataset";
    case RepoType::kSpace:
      return "space";
    case RepoType::kKernel:
      return "kernel";
  }
  return "model";
}

std::string type_folder(RepoType type) { return std::string(type_name(type)) + "s"; }

std::optional<RepoType> parse_type(std::string_view text) {
  for (const RepoType type : kRepoTypes) {
    if (text == type_name(type) || text == type_folder(type)) return type;
  }
  return std::nullopt;
}

ContentPtr content_from_json(const nlohmann::json& json) {
  if (json.is_string()) return Content::bytes(json.get<std::string>());
  if (json.contains("text")) return Content::bytes(json.at("text").get<std::string>());
  if (json.contains("base64")) return Content::bytes(base64_decode(json.at("base64").get<std::string>()));
  const auto size = json.at("size").get<std::uint64_t>();
  const auto seed = json.value("seed", std::uint64_t{0});
  return json.value("safetensors", false) ? Content::safetensors(size, seed) : Content::synthetic(size, seed);
}

void merge_json(const nlohmann::json& json, RepoSpec& spec) {
  if (json.contains("type")) {
    const auto type = parse_type(json.at("type").get<std::string>());
    if (!type) throw std::invalid_argument("no such repo type: " + json.at("type").dump());
    spec.type = *type;
  }
  take(json, "id", spec.id);
  take(json, "private", spec.is_private);
  take(json, "gated", spec.gated);
  take(json, "disabled", spec.disabled);
  take(json, "xet", spec.xet);
  take(json, "lfs_threshold", spec.lfs_threshold);
  take(json, "lfs_suffixes", spec.lfs_suffixes);
  if (json.contains("info")) spec.info.update(json.at("info"));
  if (json.contains("files")) spec.revisions["main"] = files_from_json(json.at("files"));
  if (json.contains("revisions")) {
    for (const auto& [name, files] : json.at("revisions").items()) spec.revisions[name] = files_from_json(files);
  }
  if (json.contains("synthetic")) {
    for (auto& [name, files] : spec.revisions) files.merge(files_from_json(json.at("synthetic")));
  }
  if (json.contains("refs")) merge_refs(json.at("refs"), spec);
}

}  // namespace hubfs::testing
