// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/use_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/base/file_io.h"
#include "core/cache/state_paths.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::repo_key;
using test::TempCache;
using testing::HasSubstr;

TEST(UseLogText, ComesBackAsItWas) {
  const UseTimes times{{"model/org/x", 1'700'000'000'123'456'789}, {"dataset/y", -1}};
  const auto back = parse_use_times(format_use_times(times));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, times);
}

TEST(UseLogText, RefusesWhatHubfsDoesNotWrite) {
  for (const char* text :
       {"", "{}", "[]", "{\"version\": 2, \"used_ns\": {}}", "{\"version\": 1, \"used_ns\": {\"a\": \"b\"}}",
        "{\"version\": 1, \"used_ns\": [1]}", "{\"version\": 1}"}) {
    const auto parsed = parse_use_times(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(parsed.error().message, HasSubstr("used.json"));
  }
}

class UseLogOnDisk : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(root->has_state()); }
  [[nodiscard]] std::string file() const { return root->state_path() + "/" + state::kUsedFile; }

  TempCache cache;
  const CacheRootPtr root = CacheRoot::open(cache.path(), false).value();
  const RepoKey a = repo_key("model/org/a");
  const RepoKey b = repo_key("model/org/b");
};

TEST_F(UseLogOnDisk, SurvivesARestart) {
  {
    UseLog log(root);
    EXPECT_EQ(log.last_used_ns(a), 0);
    log.note(a);
    log.note(b);
    EXPECT_GE(log.last_used_ns(b), log.last_used_ns(a));
    ASSERT_TRUE(log.save());
  }
  UseLog log(root);
  EXPECT_GT(log.last_used_ns(a), 1'600'000'000'000'000'000);
  EXPECT_GE(log.last_used_ns(b), log.last_used_ns(a));
}

TEST_F(UseLogOnDisk, TheLaterTimeOfTwoMountsWins) {
  UseLog first(root);
  UseLog second(root);
  first.note_at(a, 5);
  first.note_at(b, 9);
  second.note_at(a, 7);
  second.note_at(b, 8);
  ASSERT_TRUE(first.save());
  ASSERT_TRUE(second.save());
  first.reload();
  for (const UseLog* log : {&first, &second}) {
    EXPECT_EQ(log->last_used_ns(a), 7);
    EXPECT_EQ(log->last_used_ns(b), 9);
  }
  EXPECT_EQ(UseLog(root).last_used_ns(b), 9);
}

TEST_F(UseLogOnDisk, NothingNotedIsNothingWrittenAndASaveIsNotRepeatedWithinTheMinute) {
  UseLog log(root);
  ASSERT_TRUE(log.save());
  EXPECT_FALSE(std::filesystem::exists(file()));
  log.note(a);
  ASSERT_TRUE(log.save_now_and_then());
  EXPECT_FALSE(std::filesystem::exists(file()));
  ASSERT_TRUE(log.save());
  EXPECT_TRUE(std::filesystem::exists(file()));
}

TEST_F(UseLogOnDisk, ABrokenFileIsSetAside) {
  std::ofstream(file()) << "{ not json";
  UseLog log(root);
  EXPECT_EQ(log.last_used_ns(a), 0);
  EXPECT_TRUE(std::filesystem::exists(file() + ".broken"));
  log.note_at(a, 5);
  ASSERT_TRUE(log.save());
  EXPECT_EQ(UseLog(root).last_used_ns(a), 5);
}

TEST_F(UseLogOnDisk, TheLongestUnusedGoWhenThereAreTooMany) {
  UseLog log(root);
  for (int i = 1; i <= 20'050; ++i) log.note_at(repo_key("model/org/m" + std::to_string(i)), i);
  ASSERT_TRUE(log.save());
  const UseLog back(root);
  EXPECT_EQ(back.last_used_ns(repo_key("model/org/m50")), 0);
  EXPECT_EQ(back.last_used_ns(repo_key("model/org/m51")), 51);
  EXPECT_EQ(back.last_used_ns(repo_key("model/org/m20050")), 20'050);
}

}  // namespace
}  // namespace hubfs
