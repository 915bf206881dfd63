// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "tests/hub/repo_shelf.h"
#include "tests/hub/url.h"

namespace hubfs::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kRevisions = "revisions";
constexpr std::string_view kSettings = "hub.json";

Files read_files(const fs::path& folder, bool is_repo_folder) {
  Files files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;  // follows symlinks
    const std::string path = entry.path().lexically_relative(folder).generic_string();
    if (is_repo_folder && path == kSettings) continue;
    files[path] = Content::file(entry.path());
  }
  return files;
}

RepoSpec read_repo(RepoType type, const std::string& id, const fs::path& folder, bool xet) {
  RepoSpec spec;
  spec.type = type;
  spec.id = id;
  spec.xet = xet;
  if (fs::is_directory(folder / kRevisions)) {
    for (const auto& entry : fs::directory_iterator(folder / kRevisions)) {
      if (!entry.is_directory()) continue;
      spec.revisions[percent_decode(entry.path().filename().string())] = read_files(entry.path(), false);
    }
  } else {
    spec.revisions["main"] = read_files(folder, true);
  }
  if (std::ifstream settings(folder / kSettings); settings) {
    auto json = nlohmann::json::parse(settings);
    json.erase("id");  // the folder says what it is
    json.erase("type");
    merge_json(json, spec);
  }
  return spec;
}

}  // namespace

void load_data_folder(const fs::path& folder, bool xet, RepoShelf& shelf) {
  if (!fs::is_directory(folder)) throw std::runtime_error("no such data folder: " + folder.string());
  for (const RepoType type : kRepoTypes) {
    const fs::path type_path = folder / type_folder(type);
    if (!fs::is_directory(type_path)) continue;
    for (const auto& org : fs::directory_iterator(type_path)) {
      if (!org.is_directory()) continue;
      for (const auto& name : fs::directory_iterator(org.path())) {
        if (!name.is_directory()) continue;
        const std::string org_name = org.path().filename().string();
        const std::string repo_name = name.path().filename().string();
        const std::string id = org_name == "_" ? repo_name : org_name + "/" + repo_name;
        shelf.put(type, id, [type, id, xet, path = name.path()] { return read_repo(type, id, path, xet); });
      }
    }
  }
}

}  // namespace hubfs::testing
