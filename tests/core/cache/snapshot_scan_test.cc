// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "core/cache/layout.h"
#include "core/cache/repo_scan.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::blob_id;
using test::commit_of;
using test::rel_path;
using test::repo_key;
using test::TempCache;

const std::string kFolder = "models--org--name";
const std::string kSnapshot = kFolder + "/snapshots/" + std::string(40, 'a') + "/";

class SnapshotScan : public testing::Test {
 protected:
  // One line for each entry: how it was taken.
  std::map<std::string, std::string> scan() {
    problems.clear();
    const auto entries = scan_snapshot(cache.root(), key, commit, &problems);
    std::map<std::string, std::string> forms;
    EXPECT_TRUE(entries);
    if (!entries) return forms;
    for (const SnapshotEntry& entry : *entries) {
      std::string form = entry.form == EntryForm::kBlob       ? "blob"
                         : entry.form == EntryForm::kRealFile ? "real"
                                                              : "unusable";
      if (entry.etag) form += " " + entry.etag->text();
      forms[entry.path.text()] = form;
    }
    return forms;
  }
  TempCache cache;
  const RepoKey key = repo_key("model/org/name");
  const CommitHash commit = commit_of('a');
  std::vector<std::string> problems;
};

TEST_F(SnapshotScan, RelativeLinksAtAnyDepth) {
  const BlobId one = cache.add_file(key, commit, "config.json", "{}");
  const BlobId two = cache.add_file(key, commit, "a/b/c.bin", "ccc", true);
  EXPECT_EQ(scan(), (std::map<std::string, std::string>{{"config.json", "blob " + one.text()},
                                                        {"a/b/c.bin", "blob " + two.text()}}));
  EXPECT_TRUE(problems.empty());
}

TEST_F(SnapshotScan, MissingOrStrangeFolderIsNotFound) {
  EXPECT_EQ(scan_snapshot(cache.root(), key, commit, nullptr).error().kind, ErrorKind::kNotFound);
  cache.make_dir(kFolder + "/snapshots/real");
  cache.link(kFolder + "/snapshots/" + std::string(40, 'a'), "real");
  EXPECT_EQ(scan_snapshot(cache.root(), key, commit, nullptr).error().kind, ErrorKind::kNotFound);
  cache.write(kFolder + "/snapshots/" + std::string(40, 'b'), "file");
  EXPECT_EQ(scan_snapshot(cache.root(), key, commit_of('b'), nullptr).error().kind, ErrorKind::kNotFound);
}

TEST_F(SnapshotScan, EmptyFolderIsEmpty) {
  cache.make_dir(kSnapshot + "sub");
  EXPECT_TRUE(scan().empty());
}

TEST_F(SnapshotScan, AbsoluteLinksBelowTheRootInAnySpelling) {
  cache.write(kFolder + "/blobs/e1", "x");
  std::filesystem::create_symlink(cache.path(), cache.dir() + "/alias");
  std::filesystem::create_symlink(cache.path() + "/" + kFolder, cache.dir() + "/repo-alias");
  cache.link(kSnapshot + "plain", cache.path() + "/" + kFolder + "/blobs/e1");
  cache.link(kSnapshot + "by-alias", cache.dir() + "/alias/" + kFolder + "/blobs/e1");
  cache.link(kSnapshot + "by-repo-alias", cache.dir() + "/repo-alias/blobs/e1");
  cache.link(kSnapshot + "dangling-by-alias", cache.dir() + "/alias/" + kFolder + "/blobs/e2");
  EXPECT_EQ(scan(), (std::map<std::string, std::string>{{"plain", "blob e1"},
                                                        {"by-alias", "blob e1"},
                                                        {"by-repo-alias", "blob e1"},
                                                        {"dangling-by-alias", "blob e2"}}));
}

TEST_F(SnapshotScan, LinkIntoTheSharedStoreCountsAsTheBlobThatLinksTheSame) {
  const XetHash hash = cache.add_shared_file(key, commit, "shared.bin", "payload");
  cache.link(kSnapshot + "direct", "../../../" + layout::payload(hash));
  cache.link(kSnapshot + "unknown", "../../../" + layout::payload(test::xet_hash_of("other")));
  const auto forms = scan();
  const std::string etag = test::sha256_of("payload");
  EXPECT_EQ(forms.at("shared.bin"), "blob " + etag);
  EXPECT_EQ(forms.at("direct"), "blob " + etag);
  EXPECT_EQ(forms.at("unknown"), "unusable");
}

TEST_F(SnapshotScan, DanglingLinkNamesItsBlob) {
  cache.link(kSnapshot + "f", "../../blobs/gone");
  EXPECT_EQ(scan(), (std::map<std::string, std::string>{{"f", "blob gone"}}));
}

TEST_F(SnapshotScan, WhatLeadsElsewhereIsUnusable) {
  cache.write("models--other/blobs/e", "x");
  cache.write(kFolder + "/blobs/e", "x");
  cache.make_dir(kSnapshot + "folder");
  cache.set_ref(key, "main", commit);
  cache.link(kSnapshot + "outside", "/etc/passwd");
  cache.link(kSnapshot + "up-and-out", "../../../../../../../../etc/passwd");
  cache.link(kSnapshot + "other-repo", "../../../models--other/blobs/e");
  cache.link(kSnapshot + "to-folder", "folder");
  cache.link(kSnapshot + "to-blobs", "../../blobs");
  cache.link(kSnapshot + "to-ref", "../../refs/main");
  cache.link(kSnapshot + "to-incomplete", "../../blobs/e.01234567.incomplete");
  cache.link(kSnapshot + "self", "self");
  cache.make_fifo(kSnapshot + "fifo");
  cache.make_socket(kSnapshot + "socket");
  const auto forms = scan();
  EXPECT_EQ(forms.size(), 10U);
  for (const auto& [path, form] : forms) EXPECT_EQ(form, "unusable") << path;
  EXPECT_EQ(problems.size(), 10U);
}

TEST_F(SnapshotScan, LinkedFoldersAreNotDescended) {
  cache.write("elsewhere/file", "x");
  cache.link(kSnapshot + "sub", "../../../elsewhere");
  EXPECT_EQ(scan(), (std::map<std::string, std::string>{{"sub", "unusable"}}));
}

TEST_F(SnapshotScan, RealFilesHaveNoBlob) {
  cache.write(kSnapshot + "sub/real.bin", "12345");
  EXPECT_EQ(scan(), (std::map<std::string, std::string>{{"sub/real.bin", "real"}}));
  const auto entries = scan_snapshot(cache.root(), key, commit, nullptr);
  EXPECT_EQ((*entries)[0].st.st_size, 5);
  EXPECT_TRUE(open_real_file(cache.root(), key, commit, rel_path("sub/real.bin")));
}

TEST_F(SnapshotScan, NamesAreBytes) {
  cache.add_file(key, commit, "new\nline", "x");
  cache.add_file(key, commit, "\xff\xfe", "x");
  cache.link(kSnapshot + "back\\..\\slash", "../../blobs/e");
  const auto forms = scan();
  EXPECT_EQ(forms.size(), 2U);
  EXPECT_TRUE(forms.contains("new\nline"));
  EXPECT_TRUE(forms.contains("\xff\xfe"));
  EXPECT_EQ(problems.size(), 1U);
}

TEST_F(SnapshotScan, SortedByPath) {
  for (const char* name : {"b", "a/z", "a-", "a.b", "c/d/e", "a/b"}) cache.add_file(key, commit, name, name);
  const auto entries = scan_snapshot(cache.root(), key, commit, nullptr);
  ASSERT_TRUE(entries);
  EXPECT_TRUE(
      std::is_sorted(entries->begin(), entries->end(), [](const auto& x, const auto& y) { return x.path < y.path; }));
}

// What is half seen is no snapshot: its other files would be taken for gone.
TEST_F(SnapshotScan, WithoutDescriptorsItIsWholeOrAnError) {
  cache.add_file(key, commit, "config.json", "{}");
  cache.add_file(key, commit, "a/b/c.bin", "ccc", true);
  cache.add_file(key, commit, "d/e.bin", "eee", true);
  const CacheRoot& root = cache.root();
  const bool held = test::in_child([&] {
    int refused = 0;
    for (rlim_t more = 0; more < 12; ++more) {
      const int next = ::dup(0);
      ::close(next);
      rlimit old{};
      ::getrlimit(RLIMIT_NOFILE, &old);
      const rlimit few{.rlim_cur = static_cast<rlim_t>(next) + more, .rlim_max = old.rlim_max};
      ::setrlimit(RLIMIT_NOFILE, &few);
      const auto entries = scan_snapshot(root, key, commit, nullptr);
      ::setrlimit(RLIMIT_NOFILE, &old);
      if (entries && entries->size() != 3) return false;
      refused += entries ? 0 : 1;
    }
    return refused > 0;
  });
  EXPECT_TRUE(held);
}

TEST_F(SnapshotScan, OpensOnlyRealFiles) {
  cache.add_file(key, commit, "link", "x");
  cache.make_fifo(kSnapshot + "fifo");
  cache.write("elsewhere/file", "x");
  cache.link(kSnapshot + "sub", "../../../elsewhere");
  for (const char* path : {"link", "fifo", "sub/file", "none"}) {
    EXPECT_FALSE(open_real_file(cache.root(), key, commit, rel_path(path))) << path;
  }
}

}  // namespace
}  // namespace hubfs
