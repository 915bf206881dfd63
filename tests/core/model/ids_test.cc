// SPDX-License-Identifier: Apache-2.0
#include "core/model/ids.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hubfs {
namespace {

using std::string_literals::operator""s;

TEST(RepoType, NamesGoBothWays) {
  for (const RepoType type : kRepoTypes) {
    EXPECT_EQ(repo_type_from_singular(singular(type)), type);
    EXPECT_EQ(repo_type_from_plural(plural(type)), type);
    EXPECT_FALSE(repo_type_from_plural(singular(type)));
  }
  EXPECT_FALSE(repo_type_from_singular("bucket"));
}

TEST(RepoId, AcceptsWhatTheHubAccepts) {
  for (const std::string& text :
       std::vector<std::string>{"gpt2", "org/name", "black-forest-labs/FLUX.1-dev", "a_b/c.d_e-f", "1/2"}) {
    const auto id = RepoId::parse(text);
    ASSERT_TRUE(id) << text;
    EXPECT_EQ(id->text(), text);
  }
  EXPECT_TRUE(RepoId::parse(std::string(96, 'a') + "/" + std::string(96, 'b')));
}

TEST(RepoId, RefusesTheRest) {
  for (const std::string& text :
       std::vector<std::string>{""s,        "/"s,  "a/"s,   "/a"s, "a/b/c"s,     "a--b"s, "a..b"s,
                                "-a"s,      "a-"s, ".a"s,   "a."s, "org/.name"s, "a b"s,  "a\n"s,
                                "a/b.git"s, "ä"s,  "a\0b"s, ".."s, "../a"s,      "a\\b"s, std::string(97, 'a')}) {
    EXPECT_FALSE(RepoId::parse(text)) << text;
  }
}

TEST(RepoId, KnowsOrgAndName) {
  EXPECT_EQ(RepoId::parse("org/name")->org(), "org");
  EXPECT_EQ(RepoId::parse("org/name")->name(), "name");
  EXPECT_EQ(RepoId::parse("gpt2")->org(), "");
  EXPECT_EQ(RepoId::parse("gpt2")->name(), "gpt2");
  EXPECT_EQ((RepoKey{RepoType::kDataset, *RepoId::parse("org/name")}.text()), "dataset/org/name");
}

TEST(CommitHash, IsFortyLowerCaseHexDigits) {
  const std::string good = "0123456789abcdef0123456789abcdef01234567";
  ASSERT_TRUE(CommitHash::parse(good));
  EXPECT_EQ(CommitHash::parse(good)->short_text(), "0123456789ab");
  EXPECT_FALSE(CommitHash::parse(good + "8"));
  EXPECT_FALSE(CommitHash::parse(good.substr(1)));
  EXPECT_FALSE(CommitHash::parse("0123456789ABCDEF0123456789abcdef01234567"));
  EXPECT_FALSE(CommitHash::parse(good.substr(0, 39) + "\n"));
  EXPECT_FALSE(CommitHash::parse(""));
}

TEST(RefName, IsAPlainRelativePath) {
  for (const std::string& text :
       std::vector<std::string>{"main", "v1/x", "refs/pr/1", "a b", "100%", "ünïcode", ".hidden"}) {
    EXPECT_TRUE(RefName::parse(text)) << text;
  }
  for (const std::string& text :
       std::vector<std::string>{""s, "/"s, "a//b"s, "a/"s, "/a"s, "."s, ".."s, "a/../b"s, "a\nb"s, "a\0"s, "\x7f"s,
                                std::string(40, 'a'), std::string(256, 'x')}) {
    EXPECT_FALSE(RefName::parse(text)) << text;
  }
}

TEST(RefName, FolderFormGoesBothWays) {
  for (const std::string& text : std::vector<std::string>{"main", "refs/pr/1", "100%", "%2F", "a%b/c"}) {
    const auto name = RefName::parse(text);
    ASSERT_TRUE(name);
    EXPECT_EQ(name->folder().find('/'), std::string::npos);
    EXPECT_EQ(RefName::from_folder(name->folder()), name) << text;
  }
  for (const std::string& text : std::vector<std::string>{"v1/x", "%", "%2", "%2f", "%20", "a%2F", "%2F..", "%2Fa"}) {
    EXPECT_FALSE(RefName::from_folder(text)) << text;
  }
}

TEST(BlobId, KnowsWhatItsHashIs) {
  EXPECT_TRUE(BlobId::parse(std::string(64, 'a'))->is_sha256());
  EXPECT_TRUE(BlobId::parse(std::string(40, '0'))->is_git_sha1());
  const auto other = BlobId::parse("Abc_-9");
  ASSERT_TRUE(other);
  EXPECT_FALSE(other->is_sha256());
  EXPECT_FALSE(other->is_git_sha1());
  // The same length without being hex.
  EXPECT_FALSE(BlobId::parse(std::string(40, 'Z'))->is_git_sha1());
}

TEST(BlobId, RefusesWhatIsUnsafeAsAName) {
  for (const std::string& text :
       std::vector<std::string>{""s, "a/b"s, "../../x"s, "."s, ".."s, ".x"s, "a.incomplete"s, "a.lock"s, "\"a\""s,
                                "W/\"a\""s, "a b"s, "a\0"s, std::string(201, 'a')}) {
    EXPECT_FALSE(BlobId::parse(text)) << text;
  }
}

TEST(XetHash, Is64LowerCaseHexDigits) {
  EXPECT_TRUE(XetHash::parse(std::string(64, 'f')));
  EXPECT_FALSE(XetHash::parse(std::string(64, 'F')));
  EXPECT_FALSE(XetHash::parse(std::string(40, 'f')));
}

TEST(RelPath, AcceptsAnyBytesButTricks) {
  for (const std::string& text :
       std::vector<std::string>{"a"s, "a/b/c"s, "new\nline"s, "\xff\xfe"s, "back\\slash"s, "..."s, "a..b"s, " "s}) {
    EXPECT_TRUE(RelPath::parse(text)) << text;
  }
  for (const std::string& text : std::vector<std::string>{""s, "/a"s, "a/"s, "a//b"s, "."s, "a/.."s, "../a"s, "a\0b"s,
                                                          "a\\..\\b"s, "..\\x"s, std::string(256, 'x')}) {
    EXPECT_FALSE(RelPath::parse(text)) << text;
  }
}

}  // namespace
}  // namespace hubfs
