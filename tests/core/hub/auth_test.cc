// SPDX-License-Identifier: Apache-2.0
#include "core/hub/auth.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>

namespace hubfs {
namespace {

class AuthTest : public ::testing::Test {
 protected:
  AuthTest() {
    std::string name = (std::filesystem::temp_directory_path() / "hubfs-auth-XXXXXX").string();
    home_ = ::mkdtemp(name.data());
  }
  ~AuthTest() override { std::filesystem::remove_all(home_); }
  void write(const std::string& name, const std::string& text) { std::ofstream(home_ + "/" + name) << text; }
  std::optional<std::string> find() {
    problem_.clear();
    return find_token(
        [this](const char* name) -> std::optional<std::string> {
          const auto found = env_.find(name);
          if (found == env_.end()) return std::nullopt;
          return found->second;
        },
        home_, &problem_);
  }
  std::string home_;
  std::map<std::string, std::string> env_;
  std::string problem_;
};

TEST_F(AuthTest, GoesThroughTheSourcesInOrder) {
  EXPECT_EQ(find(), std::nullopt);
  EXPECT_EQ(problem_, "");
  write("token", "hf_file\n");
  EXPECT_EQ(find(), "hf_file");
  write("other", "\r\n hf_other ");
  env_["HF_TOKEN_PATH"] = home_ + "/other";
  EXPECT_EQ(find(), "hf_other");
  env_["HUGGING_FACE_HUB_TOKEN"] = "hf_legacy";
  EXPECT_EQ(find(), "hf_legacy");
  env_["HF_TOKEN"] = " \n";
  EXPECT_EQ(find(), "hf_legacy");
  env_["HF_TOKEN"] = " hf_first\n";
  EXPECT_EQ(find(), "hf_first");
  env_["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "Yes";
  EXPECT_EQ(find(), std::nullopt);
  env_["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "0";
  EXPECT_EQ(find(), "hf_first");
}

TEST_F(AuthTest, RefusesWhatWouldSplitAHeaderAndSaysWhereItIs) {
  for (const char* bad : {"hf_a\r\nX: y", "hf a", "hf_\x01", "hf_\xc3\xa9"}) {
    env_["HF_TOKEN"] = bad;
    EXPECT_EQ(find(), std::nullopt);
    EXPECT_NE(problem_.find("HF_TOKEN"), std::string::npos);
    EXPECT_EQ(problem_.find("hf_"), std::string::npos) << "the token itself is a secret";
  }
  env_.clear();
  write("token", "one\ntwo\n");
  EXPECT_EQ(find(), std::nullopt);
  EXPECT_NE(problem_.find("token"), std::string::npos);
  EXPECT_EQ(problem_.find("two"), std::string::npos);
}

TEST_F(AuthTest, ExpandsThePathAndNeverWaitsForAFifo) {
  write("t", "hf_x");
  env_["HOME"] = home_;
  env_["DIR"] = home_;
  for (const char* path : {"~/t", "$DIR/t", "${DIR}/t", "${HOME}/t"}) {
    env_["HF_TOKEN_PATH"] = path;
    EXPECT_EQ(find(), "hf_x") << path;
  }
  for (const char* path : {"$NO/t", "${DIR/t", "$", "${}", ""}) {
    env_["HF_TOKEN_PATH"] = path;
    EXPECT_EQ(find(), std::nullopt) << path;
  }
  std::filesystem::create_symlink(home_ + "/t", home_ + "/link");
  env_["HF_TOKEN_PATH"] = "~/link";
  EXPECT_EQ(find(), "hf_x");
  ASSERT_EQ(::mkfifo((home_ + "/fifo").c_str(), 0600), 0);
  env_["HF_TOKEN_PATH"] = "~/fifo";
  EXPECT_EQ(find(), std::nullopt);
  EXPECT_NE(problem_, "");
}

}  // namespace
}  // namespace hubfs
