// SPDX-License-Identifier: Apache-2.0
#include "fs/open_files.h"

#include <gtest/gtest.h>

#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

OpenFilePtr fresh_file(std::uint64_t size = 0) {
  auto file = std::make_shared<OpenFile>();
  file->size = size;
  return file;
}

OpenFilePtr fetched_file() {
  OpenFilePtr file = fresh_file();
  file->fetch = std::make_shared<FetchFile>(FetchTarget{.key = test::repo_key("model/org/x"),
                                                        .commit = test::commit_of('a'),
                                                        .path = test::rel_path("f"),
                                                        .etag = test::blob_id("e"),
                                                        .size = 1,
                                                        .xet_hash = {},
                                                        .ref = {},
                                                        .listing = {}});
  return file;
}

TEST(OpenFilesOfNodes, NodeThatNobodyOpenedCannotBeJoined) {
  OpenFiles files;
  EXPECT_EQ(files.join(5), nullptr);
  EXPECT_EQ(files.size(), 0U);
  EXPECT_EQ(files.leave(5), nullptr);
}

TEST(OpenFilesOfNodes, AllOpensShareTheFirstFile) {
  OpenFiles files;
  const OpenFilePtr first = fresh_file();
  EXPECT_EQ(files.add(5, first), first);
  EXPECT_EQ(files.join(5), first);
  EXPECT_EQ(files.add(5, fresh_file()), first);
  EXPECT_EQ(files.size(), 1U);
}

TEST(OpenFilesOfNodes, OnlyTheLastUserGetsTheFileBack) {
  OpenFiles files;
  const OpenFilePtr file = fresh_file();
  files.add(5, file);
  files.join(5);
  files.add(5, fresh_file());
  EXPECT_EQ(files.leave(5), nullptr);
  EXPECT_EQ(files.leave(5), nullptr);
  EXPECT_EQ(files.leave(5), file);
  EXPECT_EQ(files.size(), 0U);
  EXPECT_EQ(files.join(5), nullptr);
}

TEST(OpenFilesOfNodes, NodesDoNotMix) {
  OpenFiles files;
  const OpenFilePtr five = fresh_file(5);
  const OpenFilePtr six = fresh_file(6);
  files.add(5, five);
  files.add(6, six);
  EXPECT_EQ(files.join(6), six);
  EXPECT_EQ(files.leave(5), five);
  EXPECT_EQ(files.leave(6), nullptr);
  EXPECT_EQ(files.size(), 1U);
}

TEST(OpenFilesOfNodes, OpenedAgainAfterTheLastReleaseIsANewFile) {
  OpenFiles files;
  files.add(5, fresh_file(1));
  files.leave(5);
  const OpenFilePtr again = fresh_file(2);
  EXPECT_EQ(files.add(5, again), again);
}

TEST(OpenFilesOfNodes, FileThatTurnedOutWrongIsNotSharedWithLaterOpens) {
  OpenFiles files;
  const OpenFilePtr wrong = fetched_file();
  files.add(5, wrong);
  EXPECT_EQ(files.add(5, fetched_file()), wrong);
  wrong->fetch->set_tainted();
  const OpenFilePtr anew = fetched_file();
  EXPECT_EQ(files.add(5, anew), anew);
  EXPECT_EQ(files.join(5), anew);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(files.leave(5), nullptr);
  EXPECT_EQ(files.leave(5), anew);
}

}  // namespace
}  // namespace hubfs
