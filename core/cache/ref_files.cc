// SPDX-License-Identifier: Apache-2.0
#include "core/cache/ref_files.h"

#include "core/base/file_io.h"
#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"

namespace hubfs {

namespace {

constexpr std::size_t kMaxRefBytes = 4096;
constexpr int kMaxRefDepth = 64;
constexpr std::string_view kWhite = " \t\r\n\v\f";

struct RefWalk {
  const CacheRoot& root;
  std::string refs_dir;
  std::vector<RefFile>& found;
  std::vector<std::string>* problems;
  std::optional<Error>* failure;

  void note_failure(const Error& error) const {
    if (failure != nullptr && !*failure && may_pass(error.sys_errno)) *failure = error;
  }
  void note(std::string sentence) const {
    if (problems != nullptr) problems->push_back(std::move(sentence));
  }

  RefFile read_one(const std::string& name) const {
    RefFile file{name, std::nullopt, {}};
    const auto content = read_small_file(root.fd(), refs_dir + "/" + name, kMaxRefBytes);
    if (!content) {
      note_failure(content.error());
      file.problem = "cannot be read: " + content.error().message;
    } else if (content->empty()) {
      file.problem = "is empty (another program may be writing it)";
    } else {
      file.commit = parse_ref_content(*content);
      if (!file.commit) file.problem = "does not hold a commit of 40 lower-case hex digits";
    }
    return file;
  }

  void folder(const std::string& prefix, int depth) const {
    const std::string path = prefix.empty() ? refs_dir : refs_dir + "/" + prefix;
    const auto names = read_dir_at(root.fd(), path);
    if (!names) {
      note_failure(names.error());
      return note(names.error().message);
    }
    for (const NameInDir& entry : *names) {
      const std::string name = prefix.empty() ? entry.name : prefix + "/" + entry.name;
      if (entry.kind != NameKind::kFolder) {
        found.push_back(read_one(name));
      } else if (depth < kMaxRefDepth) {
        folder(name, depth + 1);
      } else {
        note(refs_dir + "/" + name + ": folders nested too deep");
      }
    }
  }
};

}  // namespace

std::optional<CommitHash> parse_ref_content(std::string_view content) {
  const std::size_t first = content.find_first_not_of(kWhite);
  if (first == std::string_view::npos) return std::nullopt;
  return CommitHash::parse(content.substr(first, content.find_last_not_of(kWhite) - first + 1));
}

std::vector<RefFile> read_ref_files(const CacheRoot& root, const RepoKey& key, std::vector<std::string>* problems,
                                    std::optional<Error>* failure) {
  std::vector<RefFile> found;
  RefWalk{root, layout::refs_dir(key), found, problems, failure}.folder("", 0);
  return found;
}

}  // namespace hubfs
