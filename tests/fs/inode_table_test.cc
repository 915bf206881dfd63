// SPDX-License-Identifier: Apache-2.0
#include "fs/inode_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

DirSpec family(const std::string& name) {
  DirSpec dir;
  dir.kind = DirSpec::Kind::kFamily;
  dir.text = name;
  return dir;
}

class Inodes : public testing::Test {
 protected:
  NodePtr dir(NodeId parent, const std::string& name) { return table.look_up_dir({parent, name}, family(name)); }
  NodePtr file(NodeId parent, const std::string& name, const std::string& key) {
    return table.look_up_file({parent, name}, key);
  }
  InodeTable table{DirSpec{}};
};

TEST_F(Inodes, RootIsThereAndStays) {
  ASSERT_NE(table.find(kRootNode), nullptr);
  EXPECT_EQ(table.find(kRootNode)->dir, DirSpec{});
  table.forget(kRootNode, 1'000);
  EXPECT_NE(table.find(kRootNode), nullptr);
  EXPECT_EQ(table.path_of(kRootNode), "");
  EXPECT_THAT(table.names_of(kRootNode), IsEmpty());
}

TEST_F(Inodes, DirectoryKeepsItsNumberUntilTheLastForget) {
  const NodePtr first = dir(kRootNode, "llama");
  EXPECT_EQ(dir(kRootNode, "llama"), first);
  EXPECT_EQ(first->dir, family("llama"));
  table.forget(first->id, 1);
  EXPECT_EQ(table.find(first->id), first);
  table.forget(first->id, 1);
  EXPECT_EQ(table.find(first->id), nullptr);
  EXPECT_EQ(table.known({kRootNode, "llama"}), nullptr);
  EXPECT_EQ(table.size(), 1U);
}

TEST_F(Inodes, ForgettingSeveralAtOnceAndTooManyIsFine) {
  const NodePtr node = dir(kRootNode, "llama");
  for (int i = 0; i < 4; ++i) dir(kRootNode, "llama");
  table.forget(node->id, 4);
  EXPECT_NE(table.find(node->id), nullptr);
  table.forget(node->id, 9);
  EXPECT_EQ(table.find(node->id), nullptr);
  table.forget(node->id, 1);
  table.forget(12'345, 1);
}

TEST_F(Inodes, NumbersAreNeverUsedAgain) {
  std::set<NodeId> seen{kRootNode};
  for (int i = 0; i < 10; ++i) {
    const NodeId a = dir(kRootNode, "d")->id;
    const NodeId b = file(kRootNode, "f", "key")->id;
    EXPECT_TRUE(seen.insert(a).second);
    EXPECT_TRUE(seen.insert(b).second);
    table.forget(a, 1);
    table.forget(b, 1);
  }
}

TEST_F(Inodes, FileOfTwoNamesIsOneNode) {
  const NodePtr node = file(kRootNode, "a.bin", "blob");
  EXPECT_EQ(file(kRootNode, "b.bin", "blob"), node);
  EXPECT_EQ(node->file_key, "blob");
  EXPECT_FALSE(node->dir);
  EXPECT_THAT(table.names_of(node->id), UnorderedElementsAre(Dentry{kRootNode, "a.bin"}, Dentry{kRootNode, "b.bin"}));
  table.forget(node->id, 1);
  EXPECT_EQ(table.known({kRootNode, "a.bin"}), node);
  table.forget(node->id, 1);
  EXPECT_EQ(table.known({kRootNode, "a.bin"}), nullptr);
  EXPECT_EQ(table.known({kRootNode, "b.bin"}), nullptr);
  EXPECT_NE(file(kRootNode, "a.bin", "blob"), node);
}

TEST_F(Inodes, SameNameLookedUpTwiceIsOneName) {
  const NodePtr node = file(kRootNode, "a.bin", "blob");
  file(kRootNode, "a.bin", "blob");
  EXPECT_THAT(table.names_of(node->id), ElementsAre(Dentry{kRootNode, "a.bin"}));
}

TEST_F(Inodes, FileInAnotherPhaseIsAnotherNode) {
  const NodePtr partial = file(kRootNode, "a.bin", "blob+partial");
  const NodePtr complete = file(kRootNode, "a.bin", "blob");
  EXPECT_NE(partial->id, complete->id);
  EXPECT_EQ(table.known({kRootNode, "a.bin"}), complete);
  EXPECT_EQ(table.find(partial->id), partial);
  EXPECT_THAT(table.names_of(partial->id), IsEmpty());
  table.forget(partial->id, 1);
  EXPECT_EQ(table.known({kRootNode, "a.bin"}), complete);
}

TEST_F(Inodes, DirectoryNameThatMeansSomethingElseGetsANewNumber) {
  const NodePtr before = table.look_up_dir({kRootNode, "x"}, family("llama"));
  const NodePtr after = table.look_up_dir({kRootNode, "x"}, family("gemma"));
  EXPECT_NE(before->id, after->id);
  EXPECT_EQ(table.known({kRootNode, "x"}), after);
  EXPECT_EQ(table.find(before->id), before);
  EXPECT_THAT(table.names_of(before->id), IsEmpty());
  table.forget(before->id, 1);
  EXPECT_EQ(table.known({kRootNode, "x"}), after);
}

TEST_F(Inodes, EveryFieldOfASpecMakesAnotherDirectory) {
  DirSpec spec;
  spec.kind = DirSpec::Kind::kRevision;
  spec.key = test::repo_key("model/org/x");
  std::set<NodeId> ids{table.look_up_dir({kRootNode, "x"}, spec)->id};
  const auto another = [&] { return ids.insert(table.look_up_dir({kRootNode, "x"}, spec)->id).second; };
  EXPECT_FALSE(another());
  spec.key = test::repo_key("model/org/y");
  EXPECT_TRUE(another());
  spec.select = DirSpec::Select::kRef;
  EXPECT_TRUE(another());
  spec.revision = "main";
  EXPECT_TRUE(another());
  spec.path = "sub";
  EXPECT_TRUE(another());
}

TEST_F(Inodes, NameCanTurnFromAFileIntoADirectoryAndBack) {
  const NodePtr first = file(kRootNode, "x", "blob");
  const NodePtr second = dir(kRootNode, "x");
  EXPECT_NE(first->id, second->id);
  EXPECT_EQ(table.known({kRootNode, "x"}), second);
  EXPECT_EQ(file(kRootNode, "x", "blob"), first);
  EXPECT_EQ(table.known({kRootNode, "x"}), first);
  EXPECT_THAT(table.names_of(second->id), IsEmpty());
}

TEST_F(Inodes, DroppedNameIsUnknownAndTheNodeStays) {
  const NodePtr node = file(kRootNode, "a.bin", "blob");
  file(kRootNode, "b.bin", "blob");
  table.drop_name({kRootNode, "a.bin"});
  table.drop_name({kRootNode, "never known"});
  EXPECT_EQ(table.known({kRootNode, "a.bin"}), nullptr);
  EXPECT_THAT(table.names_of(node->id), ElementsAre(Dentry{kRootNode, "b.bin"}));
  EXPECT_EQ(table.find(node->id), node);
}

TEST_F(Inodes, ChildrenAreThoseOfTheDirectory) {
  const NodePtr models = dir(kRootNode, "models");
  const NodePtr llama = dir(models->id, "llama");
  const NodePtr blob = file(models->id, "f", "blob");
  dir(kRootNode, "hub");
  EXPECT_THAT(table.known_children(models->id),
              UnorderedElementsAre(std::pair(std::string("llama"), llama), std::pair(std::string("f"), blob)));
  EXPECT_THAT(table.known_children(llama->id), IsEmpty());
  table.drop_name({models->id, "llama"});
  EXPECT_THAT(table.known_children(models->id), UnorderedElementsAre(std::pair(std::string("f"), blob)));
  table.forget(blob->id, 1);
  EXPECT_THAT(table.known_children(models->id), IsEmpty());
}

TEST_F(Inodes, KnowWhetherTheBytesOfAFileAreOthersByNow) {
  const NodeId id = file(kRootNode, "a", "blob")->id;
  EXPECT_TRUE(table.same_content(id, 7)) << "the kernel has nothing of it yet";
  EXPECT_TRUE(table.same_content(id, 7));
  EXPECT_FALSE(table.same_content(id, 8));
  EXPECT_TRUE(table.same_content(id, 8));
  EXPECT_FALSE(table.same_content(9999, 8));
}

TEST_F(Inodes, FindAFileByItsKey) {
  const NodeId id = file(kRootNode, "a", "blob#partial")->id;
  EXPECT_EQ(table.find_file("blob#partial"), id);
  EXPECT_FALSE(table.find_file("blob"));
  table.forget(id, 1);
  EXPECT_FALSE(table.find_file("blob#partial"));
}

TEST_F(Inodes, DirectoriesAreListedWithoutFiles) {
  const NodePtr models = dir(kRootNode, "models");
  file(kRootNode, "f", "blob");
  EXPECT_THAT(table.directories(), UnorderedElementsAre(table.find(kRootNode), models));
}

TEST_F(Inodes, PathGoesUpToTheRoot) {
  const NodePtr models = dir(kRootNode, "models");
  const NodePtr llama = dir(models->id, "llama");
  const NodePtr config = file(llama->id, "config.json", "blob");
  EXPECT_EQ(table.path_of(models->id), "models");
  EXPECT_EQ(table.path_of(config->id), "models/llama/config.json");
  table.drop_name({models->id, "llama"});
  EXPECT_EQ(table.path_of(config->id), "?/config.json");
  EXPECT_EQ(table.path_of(98'765), "?/");
}

}  // namespace
}  // namespace hubfs
