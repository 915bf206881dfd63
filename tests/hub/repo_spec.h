// SPDX-License-Identifier: Apache-2.0
//
// What a test says about a repo: plain values.
#ifndef HUBFS_TESTS_HUB_REPO_SPEC_H_
#define HUBFS_TESTS_HUB_REPO_SPEC_H_

#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/hub/content.h"

namespace hubfs::testing {

enum class RepoType : std::uint8_t { kModel, kDataset, kSpace, kKernel };

inline constexpr std::array kRepoTypes = {RepoType::kModel, RepoType::kDataset, RepoType::kSpace, RepoType::kKernel};

// "model"
std::string_view type_name(RepoType type);
// "models", as in /api/models and in a data folder
std::string type_folder(RepoType type);
// "model" or "models"; nothing else
std::optional<RepoType> parse_type(std::string_view text);

// Path in the repo to content. Any text is taken as a path, so that a test can serve hostile names.
using Files = std::map<std::string, ContentPtr>;

struct RepoSpec {
  RepoType type = RepoType::kModel;
  std::string id = {};  // "org/name", or "name" for an org-less id

  // Name of a branch ("main", "v1/x"), or "refs/pr/1", or "refs/convert/parquet", to its files. Revisions with equal
  // files are one commit.
  std::map<std::string, Files> revisions = {};
  std::map<std::string, std::string> tags = {};  // tag to the revision it points to

  bool is_private = false;  // unknown to callers without a token that may read it
  bool gated = false;       // listed for all, files only for tokens with access
  bool disabled = false;    // every answer is 403
  bool xet = false;         // LFS files carry a Xet hash
  // An LFS file is one of at least this many bytes, or with one of these endings.
  std::uint64_t lfs_threshold = std::uint64_t{10} << 20;
  std::vector<std::string> lfs_suffixes = {".safetensors", ".bin",     ".gguf",    ".onnx", ".pt",  ".pth", ".ckpt",
                                           ".h5",          ".msgpack", ".parquet", ".zip",  ".tar", ".gz",  ".npz",
                                           ".pkl",         ".model",   ".arrow",   ".mp4",  ".wav"};
  // Merged over the answer of /api/models/<id>: tags, pipeline_tag, cardData, config, …
  nlohmann::json info = nlohmann::json::object();
};

// The JSON form, as in hub.json and in POST /__hub/repos:
//   {"type": "model", "id": "org/name", "private": false, "gated": false, "disabled": false, "xet": false,
//    "lfs_threshold": 10485760, "lfs_suffixes": [".safetensors"], "info": {…},
//    "revisions": {"main": {"path": CONTENT, …}}, "files": {…} (the same as revisions.main),
//    "refs": {"tags": {"v1.0": "main"}, "pulls": {"1": "main"}}}
// CONTENT: "text", {"text": "…"}, {"base64": "…"}, {"size": N, "seed": S}, the latter also with "safetensors": true.
// Fields that are missing keep what `spec` holds. Throws std::invalid_argument or nlohmann::json::exception.
void merge_json(const nlohmann::json& json, RepoSpec& spec);
ContentPtr content_from_json(const nlohmann::json& json);

}  // namespace hubfs::testing

#endif  // HUBFS_TESTS_HUB_REPO_SPEC_H_
