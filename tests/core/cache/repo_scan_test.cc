// SPDX-License-Identifier: Apache-2.0
#include "core/cache/repo_scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::commit_of;
using test::ref_name;
using test::repo_key;
using test::TempCache;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kFolder = "models--org--name";

class RepoScan : public testing::Test {
 protected:
  RepoOnDisk scan() {
    auto repo = scan_repo(cache.root(), key);
    EXPECT_TRUE(repo);
    return repo ? *repo : RepoOnDisk{};
  }
  TempCache cache;
  const RepoKey key = repo_key("model/org/name");
  const std::string a = std::string(40, 'a');
};

TEST_F(RepoScan, ListsReposAndNamesStrangers) {
  cache.make_dir("models--b");
  cache.make_dir("datasets--a--b");
  cache.make_dir("models--org--a");
  cache.make_dir("models--bad--a--b");
  cache.make_dir("stranger");
  cache.write("models--file", "x");
  cache.link("models--link", "models--b");
  cache.write("CACHEDIR.TAG", "x");
  cache.write("blobs/.huggingface-shared-blobs", "1\n");
  std::vector<std::string> problems;
  const auto repos = list_repos(cache.root(), &problems);
  ASSERT_TRUE(repos);
  EXPECT_EQ(*repos, (std::vector{repo_key("model/b"), repo_key("model/org/a"), repo_key("dataset/a/b")}));
  EXPECT_EQ(problems.size(), 4U);
  EXPECT_TRUE(list_repos(cache.root(), nullptr));
}

TEST_F(RepoScan, MissingRepoIsNotFound) {
  EXPECT_EQ(scan_repo(cache.root(), key).error().kind, ErrorKind::kNotFound);
  cache.write(kFolder, "a file");
  EXPECT_EQ(scan_repo(cache.root(), key).error().kind, ErrorKind::kNotFound);
}

TEST_F(RepoScan, LinkedRepoFolderIsNotFound) {
  cache.make_dir("elsewhere");
  cache.link(kFolder, "elsewhere");
  EXPECT_EQ(scan_repo(cache.root(), key).error().kind, ErrorKind::kNotFound);
}

TEST_F(RepoScan, ReadsNestedRefs) {
  cache.make_dir(kFolder);
  cache.set_ref(key, "main", commit_of('a'));
  cache.set_ref(key, "refs/pr/1", commit_of('b'));
  cache.set_ref(key, "v1/x", commit_of('a'));
  const RepoOnDisk repo = scan();
  EXPECT_EQ(repo.refs.size(), 3U);
  EXPECT_EQ(repo.refs.at(ref_name("refs/pr/1")), commit_of('b'));
  EXPECT_EQ(repo.refs.at(ref_name("v1/x")), commit_of('a'));
  EXPECT_THAT(repo.problems, IsEmpty());
}

TEST_F(RepoScan, TrimsWhiteSpaceAroundACommit) {
  cache.write(kFolder + "/refs/newline", a + "\n");
  cache.write(kFolder + "/refs/crlf", a + "\r\n");
  cache.write(kFolder + "/refs/blank", " " + a + "\t");
  const RepoOnDisk repo = scan();
  EXPECT_EQ(repo.refs.size(), 3U);
  EXPECT_THAT(repo.problems, IsEmpty());
}

TEST_F(RepoScan, FaultyRefsHideNothing) {
  cache.set_ref(key, "main", commit_of('a'));
  cache.write(kFolder + "/refs/empty", "");
  cache.write(kFolder + "/refs/bom", "\xEF\xBB\xBF" + a);
  cache.write(kFolder + "/refs/upper", std::string(40, 'A'));
  cache.write(kFolder + "/refs/short", "abc");
  cache.write(kFolder + "/refs/two", a + " " + a);
  cache.write(kFolder + "/refs/huge", std::string(5000, 'a'));
  cache.write(kFolder + "/refs/" + std::string(40, 'c'), a);
  cache.write(kFolder + "/refs/new\nline", a);
  cache.make_fifo(kFolder + "/refs/fifo");
  cache.link(kFolder + "/refs/out", "/etc/passwd");
  const RepoOnDisk repo = scan();
  EXPECT_EQ(repo.refs, (std::map{std::pair(ref_name("main"), commit_of('a'))}));
  EXPECT_EQ(repo.problems.size(), 10U);
  EXPECT_THAT(repo.problems, Contains(HasSubstr("refs/empty: is empty")));
}

TEST_F(RepoScan, TemporaryRefsAreIgnoredSilently) {
  cache.set_ref(key, "main", commit_of('a'));
  cache.set_ref(key, "main.0123abcd.tmp", commit_of('b'));
  cache.write(kFolder + "/refs/v1/x.00000000.tmp", "");
  const RepoOnDisk repo = scan();
  EXPECT_EQ(repo.refs.size(), 1U);
  EXPECT_THAT(repo.problems, IsEmpty());
}

TEST_F(RepoScan, RefsAsAFileIsAProblemAndNoMore) {
  cache.write(kFolder + "/refs", "a file");
  cache.make_dir(kFolder + "/snapshots/" + a);
  const RepoOnDisk repo = scan();
  EXPECT_THAT(repo.refs, IsEmpty());
  EXPECT_EQ(repo.commits.size(), 1U);
  EXPECT_EQ(repo.problems.size(), 1U);
}

TEST_F(RepoScan, RefToAMissingSnapshotAndDetachedSnapshotBothCount) {
  cache.set_ref(key, "main", commit_of('a'));
  cache.add_file(key, commit_of('b'), "f", "x");
  const RepoOnDisk repo = scan();
  EXPECT_EQ(repo.refs.at(ref_name("main")), commit_of('a'));
  ASSERT_EQ(repo.commits.size(), 1U);
  EXPECT_EQ(repo.commits[0].commit, commit_of('b'));
  EXPECT_GT(repo.commits[0].mtime_ns, 0);
  EXPECT_THAT(repo.problems, IsEmpty());
}

TEST_F(RepoScan, OnlyRealFoldersNamedByACommitAreCommits) {
  cache.add_file(key, commit_of('b'), "f", "x");
  cache.add_file(key, commit_of('a'), "f", "x");
  cache.link(kFolder + "/snapshots/" + std::string(40, 'c'), a);
  cache.write(kFolder + "/snapshots/" + std::string(40, 'd'), "a file");
  cache.make_dir(kFolder + "/snapshots/main");
  cache.make_dir(kFolder + "/snapshots/" + std::string(64, 'e'));
  const RepoOnDisk repo = scan();
  ASSERT_EQ(repo.commits.size(), 2U);
  EXPECT_EQ(repo.commits[0].commit, commit_of('a'));
  EXPECT_EQ(repo.commits[1].commit, commit_of('b'));
  EXPECT_EQ(repo.problems.size(), 4U);
}

TEST_F(RepoScan, RefsOnlyRepo) {
  cache.set_ref(key, "main", commit_of('a'));
  const RepoOnDisk repo = scan();
  EXPECT_THAT(repo.commits, IsEmpty());
  EXPECT_THAT(repo.problems, IsEmpty());
  EXPECT_TRUE(S_ISDIR(repo.folder.st_mode));
}

}  // namespace
}  // namespace hubfs
