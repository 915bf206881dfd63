// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/evidence.h"

#include <gtest/gtest.h>

#include "core/cache/layout.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::commit_of;
using test::rel_path;
using test::repo_key;
using test::TempCache;

class EvidenceOfASnapshot : public testing::Test {
 protected:
  std::string model_type() { return read_evidence(cache.root(), key, a).model_type; }
  void config(std::string_view text) { cache.add_file(key, a, "config.json", text); }
  TempCache cache;
  const RepoKey key = repo_key("model/org/name");
  const CommitHash a = commit_of('a');
};

TEST_F(EvidenceOfASnapshot, ComesFromBothFiles) {
  config(R"({"model_type": "llama", "_class_name": "not this one"})");
  cache.add_file(key, a, "model_index.json", R"({"_class_name": "FluxPipeline", "model_type": "nor this one"})");
  const Evidence evidence = read_evidence(cache.root(), key, a);
  EXPECT_EQ(evidence.model_type, "llama");
  EXPECT_EQ(evidence.class_name, "FluxPipeline");
}

TEST_F(EvidenceOfASnapshot, IsOfTheCommitAskedFor) {
  config(R"({"model_type": "llama"})");
  cache.add_file(key, commit_of('b'), "config.json", R"({"model_type": "bert"})");
  EXPECT_EQ(read_evidence(cache.root(), key, commit_of('b')).model_type, "bert");
  EXPECT_EQ(read_evidence(cache.root(), key, commit_of('c')).model_type, "");
}

TEST_F(EvidenceOfASnapshot, IsEmptyWhereTheFileIsNoUse) {
  EXPECT_EQ(model_type(), "");
  for (const char* text : {"", "not json", "[]", R"("model_type")", R"({"model_type": 1})", R"({"other": "llama"})"}) {
    config(text);
    EXPECT_EQ(model_type(), "") << text;
  }
  config(R"({"model_type": "llama"})");
  EXPECT_EQ(model_type(), "llama");
}

TEST_F(EvidenceOfASnapshot, HugeFilesAreNotRead) {
  const std::string start = R"({"model_type": "llama", "x": ")";
  config(start + std::string(1000, 'x') + "\"}");
  EXPECT_EQ(model_type(), "llama");
  config(start + std::string(2U << 20U, 'x') + "\"}");
  EXPECT_EQ(model_type(), "");
}

TEST_F(EvidenceOfASnapshot, DeepNestingIsNoHarm) {
  config(std::string(1'000'000, '['));
  EXPECT_EQ(model_type(), "");
}

TEST_F(EvidenceOfASnapshot, DanglingEntryIsNoEvidence) {
  const BlobId etag = cache.add_file(key, a, "config.json", R"({"model_type": "llama"})");
  cache.remove(layout::blob(key, etag));
  EXPECT_EQ(model_type(), "");
}

TEST_F(EvidenceOfASnapshot, IsNotAskedOfOtherTypes) {
  const RepoKey dataset = repo_key("dataset/org/name");
  cache.add_file(dataset, a, "config.json", R"({"model_type": "llama"})");
  EXPECT_EQ(read_evidence(cache.root(), dataset, a).model_type, "");
}

}  // namespace
}  // namespace hubfs
