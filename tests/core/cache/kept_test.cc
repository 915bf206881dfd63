// SPDX-License-Identifier: Apache-2.0
#include "core/cache/kept.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "core/cache/kept_files.h"
#include "core/cache/layout.h"
#include "core/cache/removal.h"
#include "core/cache/shared_store.h"
#include "core/cache/undo.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::commit_of;
using test::rel_path;
using test::repo_key;
using test::TempCache;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kFolder = "models--org--name";

class Kept : public testing::Test {
 protected:
  void SetUp() override {
    cache.add_file(key, a, "same.bin", "in both revisions");
    cache.add_file(key, b, "same.bin", "in both revisions");
    only_a = cache.add_file(key, a, "sub/a.bin", "aaa", true);
    cache.add_file(key, b, "b.bin", "bb");
    cache.write(layout::snapshot(key, b) + "/real.txt", "a real file");
    cache.write(layout::listing(key, a), "{}");
    cache.set_ref(key, "main", b);
    cache.set_ref(key, "v1/x", a);
    before = cache.names();
  }
  KeptRecord record(const KeptPlace& place) {
    auto opened = KeptRecord::open(cache.root(), key, place);
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }
  KeptPlace place(bool last = false) { return keeping.place_for(key, last); }
  std::string remove(const Result<RemovalPlan>& plan, const KeptPlace& where) {
    EXPECT_TRUE(plan);
    KeptRecord keep = record(where);
    const Status done = apply_removal(cache.root(), *plan, nullptr, &keep);
    EXPECT_TRUE(done) << done.error().message;
    return where.id;
  }
  std::string remove_repo() { return remove(plan_repo_removal(cache.root(), key), place(true)); }
  std::string remove_commit(const CommitHash& commit) {
    return remove(plan_commit_removal(cache.root(), key, commit), place());
  }
  std::string remove_file(const CommitHash& commit, const char* path) {
    return remove(plan_file_removal(cache.root(), key, {commit}, rel_path(path)), place());
  }
  Restored undo(const std::string& id) {
    auto restored = restore_kept(cache.root(), id);
    EXPECT_TRUE(restored) << restored.error().message;
    EXPECT_THAT(list_kept(cache.root()), Each(testing::Field(&KeptInfo::id, Not(id))));
    EXPECT_TRUE(std::filesystem::is_empty(cache.root().state_path() + "/kept"));
    return restored ? *restored : Restored{key, {}, false, {}};
  }
  std::string kept_path(const std::string& id) { return cache.root().state_path() + "/kept/" + id; }

  TempCache cache;
  const RepoKey key = repo_key("model/org/name");
  const CommitHash a = commit_of('a');
  const CommitHash b = commit_of('b');
  BlobId only_a = test::blob_id("x");
  Keeping keeping{std::chrono::hours(1)};
  std::vector<std::string> before;
};

TEST_F(Kept, AWholeRepoComesBackAsItWas) {
  const std::string id = remove_repo();
  EXPECT_FALSE(cache.exists(kFolder));
  const auto kept = list_kept(cache.root());
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].key, key);
  EXPECT_TRUE(kept[0].whole);
  EXPECT_EQ(kept[0].files, 4U);
  EXPECT_GT(kept[0].bytes, 0U);
  EXPECT_EQ(kept[0].deadline_s, kept[0].added_s + 3600);
  const Restored restored = undo(id);
  EXPECT_TRUE(restored.whole);
  EXPECT_THAT(restored.lost, IsEmpty());
  EXPECT_EQ(cache.names(), before);
}

TEST_F(Kept, ACommitComesBackWithItsRefsAndItsListing) {
  const std::string id = remove_commit(a);
  EXPECT_FALSE(cache.exists(layout::snapshot(key, a)));
  EXPECT_FALSE(cache.exists(layout::blob(key, only_a)));
  EXPECT_FALSE(cache.exists(kFolder + "/refs/v1"));
  EXPECT_EQ(cache.read(layout::snapshot(key, b) + "/same.bin"), "in both revisions");
  const Restored restored = undo(id);
  EXPECT_EQ(restored.entries.size(), 2U);
  EXPECT_EQ(cache.names(), before);
  EXPECT_EQ(cache.read(layout::snapshot(key, a) + "/sub/a.bin"), "aaa");
  EXPECT_EQ(cache.read(kFolder + "/refs/v1/x"), a.text());
}

TEST_F(Kept, AFileAndARealFileComeBack) {
  const std::string id = remove_file(a, "sub/a.bin");
  EXPECT_EQ(remove_file(b, "real.txt"), id);
  EXPECT_FALSE(cache.exists(layout::blob(key, only_a)));
  EXPECT_FALSE(cache.exists(layout::snapshot(key, b) + "/real.txt"));
  const Restored restored = undo(id);
  EXPECT_THAT(restored.entries, ElementsAre(std::pair(a, rel_path("sub/a.bin")), std::pair(b, rel_path("real.txt"))));
  EXPECT_EQ(cache.names(), before);
}

TEST_F(Kept, RemovalsThatFollowEachOtherAreOneRecordUntilTheRepoIsGone) {
  const std::string id = remove_file(a, "sub/a.bin");
  EXPECT_EQ(remove_file(a, "same.bin"), id);
  EXPECT_EQ(remove_commit(b), id);
  EXPECT_EQ(remove_repo(), id);
  cache.add_file(key, a, "new.bin", "new");
  const std::string next = remove_repo();
  EXPECT_NE(next, id);
  ASSERT_EQ(list_kept(cache.root()).size(), 2U);
  ASSERT_TRUE(restore_kept(cache.root(), next));
  EXPECT_EQ(cache.read(layout::snapshot(key, a) + "/new.bin"), "new");
  EXPECT_THAT(undo(id).lost, IsEmpty());
  for (const std::string& name : before) EXPECT_THAT(cache.names(), Contains(name));
  EXPECT_EQ(cache.read(layout::snapshot(key, a) + "/new.bin"), "new");
}

TEST_F(Kept, FileByFileAndThenTheFolderComesBackWhole) {
  for (const char* path : {"same.bin", "b.bin", "real.txt"}) remove_file(b, path);
  remove_file(a, "sub/a.bin");
  remove_file(a, "same.bin");
  EXPECT_THAT(undo(remove_repo()).lost, IsEmpty());
  EXPECT_EQ(cache.names(), before);
}

TEST_F(Kept, AnotherReposRemovalIsAnotherRecord) {
  const RepoKey other = repo_key("model/org/other");
  EXPECT_NE(keeping.place_for(key, false).id, keeping.place_for(other, false).id);
}

TEST_F(Kept, WhatCameBackMeanwhileStays) {
  const std::string id = remove_repo();
  cache.add_file(key, a, "sub/a.bin", "aaa", true);
  cache.write(layout::snapshot(key, b) + "/real.txt", "another");
  cache.set_ref(key, "main", a);
  struct stat blob{};
  ::stat((cache.path() + "/" + layout::blob(key, only_a)).c_str(), &blob);
  const Restored restored = undo(id);
  EXPECT_FALSE(restored.whole);
  EXPECT_THAT(restored.lost, IsEmpty());
  EXPECT_EQ(cache.read(kFolder + "/refs/main"), a.text());
  EXPECT_EQ(cache.read(kFolder + "/refs/v1/x"), a.text());
  EXPECT_EQ(cache.read(layout::snapshot(key, b) + "/real.txt"), "another");
  EXPECT_EQ(cache.read(layout::snapshot(key, b) + "/b.bin"), "bb");
  struct stat now{};
  ::stat((cache.path() + "/" + layout::blob(key, only_a)).c_str(), &now);
  EXPECT_EQ(now.st_ino, blob.st_ino);
}

TEST_F(Kept, ARefIsNotBroughtBackToAMissingSnapshot) {
  const std::string id = remove_commit(a);
  std::filesystem::remove_all(kept_path(id) + "/part.0/snapshots");
  undo(id);
  EXPECT_FALSE(cache.exists(kFolder + "/refs/v1/x"));
}

TEST_F(Kept, UndoGoesOnWhereACrashEndedIt) {
  const std::string id = remove_repo();
  // As after a crash between the blobs and the rest: some are in the cache, the record is as it was.
  std::filesystem::create_directories(cache.path() + "/" + layout::blobs_dir(key));
  std::filesystem::rename(kept_path(id) + "/whole.0/blobs/" + only_a.text(),
                          cache.path() + "/" + layout::blob(key, only_a));
  EXPECT_THAT(undo(id).lost, IsEmpty());
  EXPECT_EQ(cache.names(), before);
}

TEST_F(Kept, FoldersThatClashLoseOnlyWhatIsInTheWay) {
  const std::string id = remove_file(a, "sub/a.bin");
  cache.remove(layout::snapshot(key, a) + "/sub");
  cache.write(layout::snapshot(key, a) + "/sub", "a file by now");
  const Restored restored = undo(id);
  EXPECT_THAT(restored.lost, ElementsAre(HasSubstr("sub/a.bin")));
  EXPECT_EQ(cache.read(layout::snapshot(key, a) + "/sub"), "a file by now");
}

TEST_F(Kept, LinksIntoTheStoreGetTheirReferenceBack) {
  const XetHash hash = cache.add_shared_file(key, a, "shared.bin", "payload");
  const std::string id = remove_repo();
  EXPECT_TRUE(cache.exists(layout::payload(hash)));
  EXPECT_THAT(payloads_of_kept(cache.root()), ElementsAre(hash));
  // Another client's sweep of a second user leaves no line of ours.
  cache.add_shared_file(repo_key("model/org/other"), a, "shared.bin", "payload");
  ASSERT_TRUE(sweep_payload(cache.root(), hash));
  EXPECT_THAT(undo(id).lost, IsEmpty());
  EXPECT_EQ(cache.read(layout::snapshot(key, a) + "/shared.bin"), "payload");
  EXPECT_EQ(valid_references(cache.root(), hash)->size(), 2U);
}

TEST_F(Kept, WhatTheStoreLostMeanwhileIsSaidAndTheRestComesBack) {
  const XetHash hash = cache.add_shared_file(key, a, "shared.bin", "payload");
  const std::string id = remove_repo();
  ASSERT_TRUE(sweep_payload(cache.root(), hash));
  EXPECT_FALSE(cache.exists(layout::payload(hash)));
  EXPECT_THAT(undo(id).lost, ElementsAre(HasSubstr("shared.bin")));
  EXPECT_FALSE(cache.exists(layout::snapshot(key, a) + "/shared.bin"));
  EXPECT_EQ(cache.read(layout::snapshot(key, a) + "/sub/a.bin"), "aaa");
}

TEST_F(Kept, ABlobWhoseLinkDanglesIsReplaced) {
  const std::string id = remove_file(a, "sub/a.bin");
  cache.link(layout::blob(key, only_a), "../../blobs/ab/" + std::string(64, 'a'));
  EXPECT_THAT(undo(id).lost, IsEmpty());
  EXPECT_EQ(cache.read(layout::snapshot(key, a) + "/sub/a.bin"), "aaa");
}

TEST_F(Kept, ExpiryDeletesWhatIsDueAndSweepsItsPayloads) {
  const XetHash hash = cache.add_shared_file(key, a, "shared.bin", "payload");
  const std::string id = remove_repo();
  const std::int64_t deadline = list_kept(cache.root())[0].deadline_s;
  ASSERT_TRUE(expire_all_kept(cache.root(), deadline - 1));
  EXPECT_EQ(list_kept(cache.root()).size(), 1U);
  EXPECT_TRUE(cache.exists(layout::payload(hash)));
  ASSERT_TRUE(expire_all_kept(cache.root(), deadline));
  EXPECT_THAT(list_kept(cache.root()), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(kept_path(id)));
  EXPECT_TRUE(std::filesystem::is_empty(cache.root().state_path() + "/trash"));
  EXPECT_FALSE(cache.exists(layout::payload(hash)));
}

TEST_F(Kept, ARecordThatIsBeingFilledDoesNotExpire) {
  const KeptPlace where = place();
  {
    const KeptRecord open = record(where);
    EXPECT_FALSE(*expire_kept(cache.root(), where.id, where.deadline_s));
  }
  EXPECT_TRUE(*expire_kept(cache.root(), where.id, where.deadline_s));
  EXPECT_TRUE(*expire_kept(cache.root(), where.id, where.deadline_s));  // gone
}

TEST_F(Kept, ARecordThatCannotBeReadIsSaidAndNeverDeleted) {
  const std::string id = remove_repo();
  std::ofstream(kept_path(id) + "/record.json") << "{";
  std::vector<std::string> problems;
  EXPECT_THAT(list_kept(cache.root(), &problems), IsEmpty());
  EXPECT_THAT(problems, ElementsAre(HasSubstr(id)));
  ASSERT_TRUE(expire_all_kept(cache.root(), 1LL << 40U));
  EXPECT_FALSE(restore_kept(cache.root(), id));
  EXPECT_TRUE(std::filesystem::exists(kept_path(id) + "/whole.0/refs/main"));
}

TEST_F(Kept, ARecordThatACrashEndedBeforeItsNoteGoesUnlessSomethingIsInIt) {
  remove_repo();
  std::filesystem::create_directory(kept_path("1-00000000"));
  std::filesystem::create_directories(kept_path("2-00000000") + "/part.0/blobs");
  ASSERT_TRUE(expire_all_kept(cache.root(), 0));
  EXPECT_FALSE(std::filesystem::exists(kept_path("1-00000000")));
  EXPECT_TRUE(std::filesystem::exists(kept_path("2-00000000")));
  EXPECT_EQ(list_kept(cache.root()).size(), 1U);
}

TEST_F(Kept, NamesThatAreNoRecordAreLeftAlone) {
  remove_repo();
  for (const char* name : {"..", "x", "12-xyz", "../trash", "", "12-0a1b2c3d/x"}) {
    EXPECT_FALSE(restore_kept(cache.root(), name)) << name;
  }
  std::filesystem::create_directory(cache.root().state_path() + "/kept/notes");
  EXPECT_EQ(list_kept(cache.root()).size(), 1U);
}

TEST_F(Kept, NotesSurviveTheirText) {
  const auto note = parse_kept_note(format_kept_note({key, 1, 2, 3}));
  ASSERT_TRUE(note);
  EXPECT_EQ(note->key, key);
  EXPECT_EQ(note->created_s + 10 * note->added_s + 100 * note->deadline_s, 321);
  for (const char* text :
       {"", "[]", "{}", R"({"version":2})", R"({"version":1,"repo":"../x","created":1,"added":1,"deadline":1})",
        R"({"version":1,"repo":"model/a/b","created":"1","added":1,"deadline":1})"}) {
    EXPECT_FALSE(parse_kept_note(text)) << text;
  }
}

TEST_F(Kept, WithoutStateNothingIsRemoved) {
  cache.chmod("", 0555);
  EXPECT_TRUE(test::as_ordinary_user([&] {
    const auto root = CacheRoot::open(cache.path(), false);
    return root && !KeptRecord::open(**root, key, place()) && list_kept(**root).empty();
  }));
  EXPECT_EQ(cache.names(), before);
}

}  // namespace
}  // namespace hubfs
