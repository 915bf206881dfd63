// SPDX-License-Identifier: Apache-2.0
#include "mount-helpers/removal_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fs/view_parts.h"
#include "mount-helpers/removal_text.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::commit_of;
using test::repo_key;
using testing::HasSubstr;
using testing::Not;

class TargetOfRm : public testing::Test {
 protected:
  void SetUp() override {
    cache.add_file(repo_key("model/Org/Name"), commit_of('a'), "sub/f.bin", "one");
    cache.add_file(repo_key("model/gpt2"), commit_of('b'), "f.bin", "two");
    cache.add_file(repo_key("dataset/org/name"), commit_of('a'), "f.bin", "one");
    MountOptions options;
    options.cache_roots = {cache.path()};
    options.endpoint = "http://127.0.0.1:9";
    options.offline = true;
    auto roots = open_roots(options.cache_roots);
    ASSERT_TRUE(roots);
    parts = std::make_unique<ViewParts>(options, *std::move(roots));
    parts->library.load();
  }
  /// "key|commit|path", or the error's words.
  std::string found(const std::string& text) {
    const auto target = find_target(parts->library, text);
    if (!target) return target.error().message;
    return (target->key ? target->key->text() : "") + "|" + (target->commit ? target->commit->text().substr(0, 3) : "") + "|" +
           target->path;
  }
  test::TempCache cache;
  std::unique_ptr<ViewParts> parts;
};

TEST_F(TargetOfRm, ReposInAnyCase) {
  EXPECT_EQ(found("model/Org/Name"), "model/Org/Name||");
  EXPECT_EQ(found("model/org/NAME"), "model/Org/Name||");
  EXPECT_EQ(found("dataset/org/name"), "dataset/org/name||");
  EXPECT_EQ(found("model/gpt2"), "model/gpt2||");
  EXPECT_THAT(found("model/org/none"), HasSubstr("not in the cache"));
  cache.add_file(repo_key("model/ORG/NAME"), commit_of('c'), "f", "x");
  parts->library.load();
  EXPECT_THAT(found("model/org/name"), HasSubstr("several repos (model/ORG/NAME, model/Org/Name)"));
  EXPECT_EQ(found("model/ORG/NAME"), "model/ORG/NAME||");
}

TEST_F(TargetOfRm, CommitsUnlessSeveralReposHaveThem) {
  EXPECT_EQ(found(commit_of('b').text()), "model/gpt2|bbb|");
  EXPECT_THAT(found(commit_of('a').text()), HasSubstr("several repos"));
  EXPECT_THAT(found(commit_of('d').text()), HasSubstr("not in the cache"));
}

TEST_F(TargetOfRm, UrlsAsHfCacheRmTakesThem) {
  EXPECT_EQ(found("hf://Org/Name"), "model/Org/Name||");
  EXPECT_EQ(found("hf://models/org/name/sub/f.bin"), "model/Org/Name||sub/f.bin");
  EXPECT_EQ(found("hf://datasets/org/name/f.bin"), "dataset/org/name||f.bin");
  EXPECT_EQ(found("hf://gpt2/f.bin"), "model/gpt2||f.bin");
  EXPECT_EQ(found("hf://gpt2"), "model/gpt2||");
  EXPECT_THAT(found("hf://Org/Name@main/f.bin"), HasSubstr("a revision cannot be named here"));
  EXPECT_THAT(found("hf://Org/None/f.bin"), HasSubstr("not in the cache"));
  EXPECT_THAT(found("hf://"), HasSubstr("not in the cache"));
}

TEST_F(TargetOfRm, EverythingElseIsAPlaceOfTheView) {
  EXPECT_EQ(found("models/other/Name/"), "||models/other/Name");
  EXPECT_TRUE(may_be_path("models/other/Name"));
  EXPECT_TRUE(may_be_path("/mnt/x"));
  EXPECT_FALSE(may_be_path("model/org/name"));
  EXPECT_FALSE(may_be_path("hf://a/b"));
  EXPECT_FALSE(may_be_path(commit_of('a').text()));
}

TEST_F(TargetOfRm, ThePlanInWords) {
  const auto file = plan_file_everywhere(parts->view, repo_key("model/Org/Name"), "sub/f.bin");
  ASSERT_TRUE(file);
  const FreedInode inode = file->roots.at(0).plan.freed.at(0);
  const std::string text = removal_text(*file, {{inode.dev, inode.ino, 4711, "python3"}});
  EXPECT_THAT(text, HasSubstr("model/Org/Name: sub/f.bin, from 1 commit\n"));
  EXPECT_THAT(text, HasSubstr("goes   " + cache.path() + "/models--Org--Name/"));
  EXPECT_THAT(text, HasSubstr("gives back 4.1K, 4.1K of it only when it is closed by python3 (process 4711)"));
  EXPECT_THAT(removal_text(*file, {}), Not(HasSubstr("closed by")));
  const auto repo = plan_repo(parts->view, repo_key("model/gpt2"));
  ASSERT_TRUE(repo);
  EXPECT_THAT(removal_text(*repo, {}), HasSubstr("model/gpt2: the repo with all its revisions\n  goes   " + cache.path() + "/models--gpt2\n"));
}

}  // namespace
}  // namespace hubfs
