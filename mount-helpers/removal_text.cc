// SPDX-License-Identifier: Apache-2.0
#include "mount-helpers/removal_text.h"

#include "core/cache/layout.h"
#include "mount-helpers/quantities.h"

namespace hubfs {

namespace {

using What = Removal::What;

std::string count_of(std::size_t n, const char* noun) { return std::to_string(n) + " " + noun + (n == 1 ? "" : "s"); }

std::string title(const Removal& removal) {
  const std::string name = removal.key.text();
  switch (removal.what) {
    case What::kRepo: return name + ": the repo with all its revisions";
    case What::kCommit: return name + ": commit " + removal.commits.front().text();
    case What::kFile: return name + ": " + removal.path + ", from " + count_of(removal.commits.size(), "commit");
    case What::kFolder: return name + ": the empty folder " + removal.path;
  }
  return name;
}

void add_line(std::string& text, const char* verb, const std::string& what) {
  text += std::string("  ") + verb + "  " + what + "\n";
}

void add_part(std::string& text, const RootRemoval& part) {
  const RemovalPlan& plan = part.plan;
  const std::string base = part.root->path() + "/";
  if (plan.whole_repo) add_line(text, "goes ", base + layout::repo_folder(plan.key));
  for (const RefName& ref : plan.refs) add_line(text, "goes ", base + layout::ref(plan.key, ref));
  for (const CommitHash& commit : plan.snapshots) add_line(text, "goes ", base + layout::snapshot(plan.key, commit));
  for (const RemovalPlan::Entry& entry : plan.entries) {
    add_line(text, "goes ", base + layout::snapshot_entry(plan.key, entry.commit, entry.path));
  }
  if (!plan.whole_repo) {
    for (const BlobId& etag : plan.blobs) add_line(text, "goes ", base + layout::blob(plan.key, etag));
  }
  for (const Stays& item : plan.stays) add_line(text, "stays", base + item.path + ": " + item.why);
}

// "1.2G only when python3 (process 4711) closes it"
std::string pending_text(const Removal& removal, const std::vector<OpenInode>& open) {
  std::set<FileIdentity> held;
  std::set<std::string> holders;
  for (const OpenInode& each : open) {
    held.emplace(each.dev, each.ino);
    holders.insert(each.command + " (process " + std::to_string(each.pid) + ")");
  }
  std::uint64_t bytes = 0;
  for (const RootRemoval& part : removal.roots) {
    for (const FreedInode& file : part.plan.freed) bytes += held.contains({file.dev, file.ino}) ? file.bytes : 0;
  }
  if (bytes == 0) return {};
  std::string names;
  for (const std::string& holder : holders) names += (names.empty() ? "" : ", ") + holder;
  return ", " + human_size(bytes) + " of it only when it is closed by " + names;
}

}  // namespace

std::set<FileIdentity> freed_files(const Removal& removal) {
  std::set<FileIdentity> files;
  for (const RootRemoval& part : removal.roots) {
    for (const FreedInode& file : part.plan.freed) files.emplace(file.dev, file.ino);
  }
  return files;
}

std::string removal_text(const Removal& removal, const std::vector<OpenInode>& open) {
  std::string text = title(removal) + "\n";
  for (const RootRemoval& part : removal.roots) add_part(text, part);
  if (removal.roots.empty()) text += "  nothing on disk; the name is hidden\n";
  text += "  gives back " + human_size(removal.bytes()) + pending_text(removal, open) + "\n";
  return text;
}

}  // namespace hubfs
