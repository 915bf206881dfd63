// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/memory.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/base/file_io.h"
#include "core/cache/state_paths.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::commit_of;
using test::repo_key;
using test::TempCache;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

RememberedRepo named(const std::string& name) {
  RememberedRepo repo;
  repo.family = "llama";
  repo.type = "llm";
  repo.name = name;
  return repo;
}

TEST(MemoryText, ComesBackAsItWas) {
  RememberedRepo full = named("x~org");
  full.evidence_commit = commit_of('a').text();
  full.pinned = true;
  full.first_seen_ns = {{commit_of('a').text(), -5}, {commit_of('b').text(), 1'700'000'000'123'456'789}};
  full.hidden = {{commit_of('a').text(), {"a.bin", "sub/ü \n\"\\.bin"}}, {commit_of('b').text(), {"b"}}};
  const RememberedRepos repos{{"model/org/x", full}, {"dataset/y", named("y")}};
  const auto back = parse_memory(format_memory(repos));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, repos);
}

TEST(MemoryText, NamesThatNoFolderCanHaveAreRefused) {
  for (const std::string name : {"..", ".", "a/b", "/etc", "../up"}) {
    EXPECT_FALSE(parse_memory(format_memory({{"model/org/x", named(name)}}))) << name;
    RememberedRepo repo = named("x");
    repo.family = name;
    EXPECT_FALSE(parse_memory(format_memory({{"model/org/x", repo}}))) << name;
  }
}

TEST(MemoryText, NumbersThatAreNoneAreRefused) {
  const std::string begin = R"({"version":1,"repos":{"model/x":{"family":"f","type":"t","name":"x",)";
  EXPECT_TRUE(parse_memory(begin + R"("first_seen_ns":{"a":-5},"hidden":{"a":[[97]]}}}})"));
  EXPECT_FALSE(parse_memory(begin + R"("first_seen_ns":{"a":1e300}}}})"));
  EXPECT_FALSE(parse_memory(begin + R"("hidden":{"a":[[-1e300]]}}}})"));
  EXPECT_FALSE(parse_memory(begin + R"("hidden":{"a":[["x"]]}}}})"));
}

TEST(MemoryText, KeepsPathsThatAreNotUtf8Apart) {
  RememberedRepo repo = named("x");
  repo.hidden = {
      {commit_of('a').text(), {"\xff\xfe", "\xff", "\xc3\x28", std::string("nul\0byte", 8), "\xef\xbf\xbd"}}};
  const auto back = parse_memory(format_memory({{"model/x", repo}}));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->at("model/x"), repo);
}

TEST(MemoryText, RefusesWhatHubfsDoesNotWrite) {
  const std::string good = format_memory({{"model/x", named("x")}});
  ASSERT_TRUE(parse_memory(good));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  for (const std::string& text : {std::string(), std::string("{}"), std::string("[]"), good.substr(0, good.size() - 2),
                                  with("\"version\": 1", "\"version\": 2"), with("\"name\": \"x\"", "\"name\": 7"),
                                  with("\"name\"", "\"nam\"")}) {
    const auto parsed = parse_memory(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(parsed.error().message, HasSubstr("names.json"));
  }
}

class MemoryOnDisk : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(root->has_state()); }
  [[nodiscard]] std::string file(const std::string& suffix = "") const {
    return root->state_path() + "/" + state::kNamesFile + suffix;
  }
  [[nodiscard]] std::string text(const std::string& suffix = "") const {
    std::ifstream in(file(suffix));
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  void put(const std::string& content) const { std::ofstream(file(), std::ios::trunc) << content; }
  void remember(Memory& memory, const std::string& name) const {
    EXPECT_TRUE(memory.change([&](RememberedRepos& all) { all[key.text()] = named(name); }));
  }
  TempCache cache;
  const CacheRootPtr root = *CacheRoot::open(cache.path(), false);
  const RepoKey key = repo_key("model/org/x");
  const RepoKey other = repo_key("model/org/y");
  const CommitHash a = commit_of('a');
};

TEST_F(MemoryOnDisk, LastsLongerThanTheObject) {
  {
    Memory memory(root);
    EXPECT_EQ(memory.repo(key), RememberedRepo{});
    remember(memory, "x~org");
    EXPECT_EQ(memory.repo(key).name, "x~org");
  }
  EXPECT_EQ(Memory(root).repo(key), named("x~org"));
}

TEST_F(MemoryOnDisk, ChangeThatChangesNothingWritesNothing) {
  Memory memory(root);
  EXPECT_TRUE(memory.change([](RememberedRepos&) {}));
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(MemoryOnDisk, IsReadableByWhoMayReadTheState) {
  for (const unsigned mode : {0700U, 0750U, 0755U}) {
    std::filesystem::permissions(root->state_path(), std::filesystem::perms{mode});
    Memory memory(root);
    remember(memory, "x" + std::to_string(mode));
    EXPECT_EQ(std::filesystem::status(file()).permissions(), std::filesystem::perms{mode & 0666U});
  }
}

TEST_F(MemoryOnDisk, TwoMountsMergeTheirChanges) {
  Memory one(root);
  Memory two(root);
  remember(one, "x");
  EXPECT_TRUE(two.change([&](RememberedRepos& all) {
    EXPECT_EQ(all[key.text()].name, "x");
    all[other.text()] = named("y");
  }));
  EXPECT_TRUE(one.change([&](RememberedRepos& all) { all[key.text()].pinned = true; }));
  EXPECT_EQ(one.repo(other).name, "y");
  const Memory three(root);
  EXPECT_TRUE(three.is_pinned(key));
  EXPECT_EQ(three.repo(other).name, "y");
}

TEST_F(MemoryOnDisk, ReloadTellsWhatOthersHidAndPinned) {
  Memory one(root);
  Memory two(root);
  remember(one, "x");
  EXPECT_THAT(two.reload(), IsEmpty()) << "a name is no matter of removals";
  one.hide(key, a, "f");
  EXPECT_TRUE(one.flush());
  EXPECT_THAT(one.reload(), IsEmpty());
  EXPECT_THAT(two.reload(), ElementsAre(key.text()));
  EXPECT_TRUE(two.is_hidden(key, a, "f"));
  EXPECT_THAT(two.reload(), IsEmpty());
  // Also when it came along with a change of its own.
  EXPECT_TRUE(one.change([&](RememberedRepos& all) { all[key.text()].pinned = true; }));
  remember(two, "z");
  two.hide(other, a, "g");
  EXPECT_THAT(two.reload(), ElementsAre(key.text()));
  EXPECT_TRUE(two.is_hidden(other, a, "g"));
  one.hide(key, a, "h");
  EXPECT_TRUE(one.flush());
  EXPECT_THAT(two.reload(), ElementsAre(key.text()));
  one.forget(key);
  EXPECT_TRUE(one.flush());
  EXPECT_THAT(two.reload(), ElementsAre(key.text()));
  EXPECT_TRUE(two.is_hidden(other, a, "g")) << "what is not saved yet stays";
}

TEST_F(MemoryOnDisk, PinOfAnotherMountCountsAtOnce) {
  Memory one(root);
  Memory two(root);
  EXPECT_FALSE(two.is_pinned_now(key));
  EXPECT_TRUE(one.change([&](RememberedRepos& all) { all[key.text()].pinned = true; }));
  EXPECT_FALSE(two.is_pinned(key));
  EXPECT_TRUE(two.is_pinned_now(key));
  EXPECT_THAT(two.reload(), ElementsAre(key.text()));
}

TEST_F(MemoryOnDisk, HiddenHereAndNamedThereAreBothKept) {
  Memory one(root);
  Memory two(root);
  remember(one, "x");
  one.hide(key, a, "f.bin");
  EXPECT_TRUE(two.change([&](RememberedRepos& all) { all[key.text()].pinned = true; }));
  EXPECT_TRUE(one.is_hidden(key, a, "f.bin"));
  EXPECT_TRUE(one.flush());
  EXPECT_TRUE(one.is_pinned(key));
  const Memory three(root);
  EXPECT_TRUE(three.is_hidden(key, a, "f.bin"));
  EXPECT_TRUE(three.is_pinned(key));
}

TEST_F(MemoryOnDisk, BrokenFileIsSetAsideAndNeverOverwritten) {
  const std::string broken = "{ \"version\": 1, \"repos\": ";
  put(broken);
  Memory memory(root);
  EXPECT_EQ(memory.repo(key), RememberedRepo{});
  EXPECT_EQ(text(".broken"), broken);
  EXPECT_FALSE(std::filesystem::exists(file()));
  remember(memory, "x");
  EXPECT_EQ(text(".broken"), broken);
  EXPECT_EQ(Memory(root).repo(key).name, "x");
}

TEST_F(MemoryOnDisk, FileThatBreaksWhileMountedIsSetAsideAndWhatIsKnownStays) {
  Memory memory(root);
  remember(memory, "x");
  put("somebody else's text");
  EXPECT_TRUE(memory.change([&](RememberedRepos& all) { all[other.text()] = named("y"); }));
  EXPECT_EQ(text(".broken"), "somebody else's text");
  const Memory again(root);
  EXPECT_EQ(again.repo(key).name, "x");
  EXPECT_EQ(again.repo(other).name, "y");
}

TEST_F(MemoryOnDisk, FileThatCannotBeReadNowIsNotWrittenOverAndMayPinAnything) {
  {
    Memory memory(root);
    remember(memory, "x");
    EXPECT_TRUE(memory.change([&](RememberedRepos& all) { all[key.text()].pinned = true; }));
  }
  const std::string kept = text();
  // A link to itself: it is there, and opening it fails, as with too many open files.
  std::filesystem::rename(file(), file(".away"));
  std::filesystem::create_symlink(state::kNamesFile, file());
  Memory memory(root);
  EXPECT_TRUE(memory.is_pinned_now(key));
  EXPECT_TRUE(memory.is_pinned_now(other));
  EXPECT_FALSE(memory.change([&](RememberedRepos& all) { all[other.text()] = named("y"); }));
  memory.hide(other, a, "path");
  EXPECT_FALSE(memory.flush());
  EXPECT_TRUE(std::filesystem::is_symlink(file()));
  // It can be read again: nothing of it is lost, and what was noted meanwhile is saved too.
  std::filesystem::remove(file());
  std::filesystem::rename(file(".away"), file());
  EXPECT_TRUE(memory.is_pinned_now(key));
  EXPECT_FALSE(memory.is_pinned_now(other));
  EXPECT_TRUE(memory.flush());
  EXPECT_NE(text(), kept);
  const Memory again(root);
  EXPECT_TRUE(again.is_pinned(key));
  EXPECT_TRUE(again.is_hidden(other, a, "path"));
}

TEST_F(MemoryOnDisk, WhatIsForgottenWhileTheCacheIsAwayIsThereAgainWithIt) {
  Memory memory(root);
  remember(memory, "x");
  EXPECT_TRUE(memory.change([&](RememberedRepos& all) { all[key.text()].pinned = true; }));
  const std::string kept = text();
  std::filesystem::rename(cache.path(), cache.dir() + "/away");
  EXPECT_EQ(root->follow(), CacheRoot::Change::kGone);
  // As for every repo that is not there.
  EXPECT_TRUE(memory.change([&](RememberedRepos& all) { all.erase(key.text()); }));
  memory.reload();
  std::filesystem::rename(cache.dir() + "/away", cache.path());
  EXPECT_EQ(root->follow(), CacheRoot::Change::kReplaced);
  EXPECT_EQ(text(), kept);
  EXPECT_TRUE(memory.is_pinned_now(key));
  EXPECT_TRUE(memory.change([&](RememberedRepos& all) { all[other.text()] = named("y"); }));
  EXPECT_TRUE(Memory(root).is_pinned(key));
}

TEST_F(MemoryOnDisk, HidesAtOnceAndSavesWithTheFlush) {
  Memory memory(root);
  memory.hide(key, a, "f.bin");
  memory.hide(key, a, "g.bin");
  EXPECT_TRUE(memory.is_hidden(key, a, "f.bin"));
  EXPECT_FALSE(memory.is_hidden(key, a, "f"));
  EXPECT_FALSE(memory.is_hidden(key, commit_of('b'), "f.bin"));
  EXPECT_FALSE(memory.is_hidden(other, a, "f.bin"));
  EXPECT_FALSE(Memory(root).is_hidden(key, a, "f.bin"));
  EXPECT_TRUE(memory.flush());
  EXPECT_TRUE(Memory(root).is_hidden(key, a, "f.bin"));
  EXPECT_TRUE(Memory(root).is_hidden(key, a, "g.bin"));
}

TEST_F(MemoryOnDisk, UnhiddenIsShownAgain) {
  Memory memory(root);
  memory.hide(key, a, "f.bin");
  memory.hide(key, a, "g.bin");
  EXPECT_TRUE(memory.flush());
  memory.unhide(key, a, "f.bin");
  memory.unhide(key, a, "never hidden");
  memory.unhide(other, a, "f.bin");
  EXPECT_FALSE(memory.is_hidden(key, a, "f.bin"));
  EXPECT_TRUE(memory.flush());
  const Memory again(root);
  EXPECT_FALSE(again.is_hidden(key, a, "f.bin"));
  EXPECT_TRUE(again.is_hidden(key, a, "g.bin"));
}

TEST_F(MemoryOnDisk, ForgottenIsForgottenWithEverything) {
  Memory memory(root);
  remember(memory, "x");
  memory.hide(key, a, "f.bin");
  EXPECT_TRUE(memory.change([&](RememberedRepos& all) { all[key.text()].pinned = true; }));
  memory.forget(key);
  EXPECT_EQ(memory.repo(key), RememberedRepo{});
  EXPECT_TRUE(Memory(root).is_pinned(key));
  EXPECT_TRUE(memory.flush());
  EXPECT_EQ(Memory(root).repo(key), RememberedRepo{});
}

TEST_F(MemoryOnDisk, WhatIsHiddenAfterForgettingStaysHidden) {
  Memory memory(root);
  remember(memory, "x");
  memory.forget(key);
  memory.hide(key, a, "f.bin");
  EXPECT_TRUE(memory.flush());
  EXPECT_TRUE(Memory(root).is_hidden(key, a, "f.bin"));
  EXPECT_EQ(Memory(root).repo(key).name, "");
}

// Of two programs that change at the same time none loses its change: the second waits for the first.
// Whoever shares the cache can hold it.
TEST_F(MemoryOnDisk, ALockThatIsNeverGivenUpHoldsNobodyForEver) {
  Memory memory(root);
  const UniqueFd holder(::open(file(".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::flock(holder.get(), LOCK_EX), 0);
  remember(memory, "x");
  EXPECT_EQ(Memory(root).repo(key).name, "x");
}

TEST_F(MemoryOnDisk, ProcessesWaitForEachOther) {
  constexpr int kEach = 40;
  const auto count_up = [&](const std::string& repo) {
    Memory memory(root);
    for (int i = 0; i < kEach; ++i) {
      if (!memory.change([&](RememberedRepos& all) { ++all[repo].first_seen_ns[a.text()]; })) return false;
      if (!memory.change([&](RememberedRepos& all) { ++all["model/both"].first_seen_ns[a.text()]; })) return false;
    }
    return true;
  };
  EXPECT_TRUE(test::in_child([&] {
    const pid_t second = ::fork();
    if (second == 0) ::_exit(count_up("model/one") ? 0 : 1);
    const bool fine = count_up("model/two");
    int status = 0;
    return ::waitpid(second, &status, 0) == second && status == 0 && fine;
  }));
  const Memory memory(root);
  EXPECT_EQ(memory.repo(repo_key("model/one")).first_seen_ns.at(a.text()), kEach);
  EXPECT_EQ(memory.repo(repo_key("model/two")).first_seen_ns.at(a.text()), kEach);
  EXPECT_EQ(memory.repo(repo_key("model/both")).first_seen_ns.at(a.text()), 2 * kEach);
}

// A root that cannot be written has no state: what is changed is remembered for this mount and nothing is written.
TEST(MemoryWithoutState, RemembersForThisMountOnly) {
  TempCache cache;
  cache.chmod("", 0555);
  EXPECT_TRUE(test::as_ordinary_user([&] {
    const auto root = CacheRoot::open(cache.path(), false);
    if (!root || (*root)->has_state()) return false;
    const RepoKey key = repo_key("model/org/x");
    const CommitHash a = commit_of('a');
    Memory memory(*root);
    if (!memory.change([&](RememberedRepos& all) { all[key.text()] = named("x"); })) return false;
    memory.hide(key, a, "f.bin");
    if (!memory.flush() || !memory.is_hidden(key, a, "f.bin") || memory.repo(key).name != "x") return false;
    memory.unhide(key, a, "f.bin");
    memory.forget(key);
    return memory.flush() && memory.repo(key) == RememberedRepo{} && Memory(*root).repo(key) == RememberedRepo{};
  }));
}

}  // namespace
}  // namespace hubfs
