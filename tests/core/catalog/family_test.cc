// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/family.h"

#include <gtest/gtest.h>

#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::repo_key;

struct Case {
  std::string repo;
  std::string model_type;
  std::string class_name;
  std::string family;
  std::string type;
  std::string rule;
};

void expect_all(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    const Classification is = classify(repo_key(c.repo), {.model_type = c.model_type, .class_name = c.class_name});
    EXPECT_EQ(is.family, c.family) << c.repo;
    EXPECT_EQ(is.type, c.type) << c.repo;
    EXPECT_EQ(is.rule, c.rule) << c.repo;
  }
}

std::string family_of(const std::string& name) { return classify(repo_key("model/org/" + name), {}).family; }

TEST(Family, EachKindOfRuleDecides) {
  expect_all({
      {"model/a/mine", "", "FluxPipeline", "flux", "checkpoint", "_class_name Flux"},
      {"model/a/mine", "gemma3_text", "", "gemma", "llm", "model_type gemma"},
      {"model/a/Mistral-7B-v0.1", "", "", "mistral", "llm", "name mistral"},
      {"model/meta-llama/mine", "", "", "llama", "llm", "org llama"},
      {"model/a/mine", "", "", "other", "other", "nothing matched"},
      {"model/mine", "", "", "other", "other", "nothing matched"},
  });
}

TEST(Family, OtherTypesAreFiledByTypeWhateverTheyAreCalled) {
  expect_all({
      {"dataset/a/llama-talks", "", "", "datasets", "dataset", "repo type"},
      {"space/a/flux", "", "", "spaces", "space", "repo type"},
      {"kernel/a/phi", "", "", "kernels", "kernel", "repo type"},
  });
}

TEST(Family, LineNamesWinOverTheArchitectureTheyBorrow) {
  expect_all({
      {"model/sentence-transformers/all-MiniLM-L6-v2", "bert", "", "minilm", "embedding", "name minilm"},
      {"model/BAAI/bge-m3", "xlm-roberta", "", "bge", "embedding", "name bge"},
      {"model/llava-hf/llava-1.5-7b-hf", "llava", "", "llava", "vlm", "name llava"},
      {"model/a/deepseek-llm-7b", "llama", "", "deepseek", "llm", "name deepseek"},
      {"model/deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "qwen2", "", "qwen", "llm", "name distill-qwen"},
  });
}

TEST(Family, TrustworthyModelTypesWinOverWords) {
  expect_all({
      {"model/a/llama-that-is-gemma", "gemma2", "", "gemma", "llm", "model_type gemma"},
      {"model/a/llama-like", "mistral", "", "llama", "llm", "name llama"},
  });
}

TEST(Family, BorrowedArchitecturesDecideWhenNothingElseDoes) {
  expect_all({
      {"model/a/mine", "llama", "", "llama", "llm", "model_type llama"},
      {"model/a/mine", "mllama", "", "llama", "vlm", "model_type mllama"},
      {"model/a/mine", "bert", "", "bert", "encoder", "model_type bert"},
      {"model/a/mine", "distilbert", "", "bert", "encoder", "model_type distilbert"},
      {"model/a/my-bert", "", "", "bert", "encoder", "name bert"},
      {"model/a/my-bert", "vit", "", "vit", "image-classifier", "model_type vit"},
  });
}

TEST(Family, PipelineClassesWinOverWordsAndGoFromLongestToShortest) {
  expect_all({
      {"model/a/sdxl-turbo", "", "StableDiffusion3Pipeline", "sd3", "checkpoint", "_class_name StableDiffusion3"},
      {"model/a/mine", "", "StableDiffusionXLPipeline", "sdxl", "checkpoint", "_class_name StableDiffusionXL"},
      {"model/a/mine", "", "StableDiffusionPipeline", "sd1", "checkpoint", "_class_name StableDiffusion"},
      {"model/a/stable-diffusion-2-1", "", "StableDiffusionPipeline", "sd2", "checkpoint", "name stable-diffusion-2"},
      {"model/a/stable-diffusion-xl-base-1.0", "", "", "sdxl", "checkpoint", "name stable-diffusion-xl"},
      {"model/a/stable-diffusion-v1-5", "", "", "sd1", "checkpoint", "name stable-diffusion"},
  });
}

TEST(Family, ClassNamesKeepTheirCaseAndMatchFromTheStart) {
  EXPECT_EQ(classify(repo_key("model/a/mine"), {.model_type = "", .class_name = "fluxPipeline"}).family, "other");
  EXPECT_EQ(classify(repo_key("model/a/mine"), {.model_type = "", .class_name = "MyFluxPipeline"}).family, "other");
  EXPECT_EQ(classify(repo_key("model/a/mine"), {.model_type = "GEMMA2", .class_name = ""}).family, "gemma");
  EXPECT_EQ(classify(repo_key("model/a/mine"), {.model_type = "my_gemma", .class_name = ""}).family, "other");
}

TEST(Family, WordsEndAtLettersAndBeginAtLettersAndDigits) {
  EXPECT_EQ(family_of("phi"), "phi");
  EXPECT_EQ(family_of("Phi3-mini"), "phi");
  EXPECT_EQ(family_of("my_phi.2"), "phi");
  EXPECT_EQ(family_of("phil"), "other");
  EXPECT_EQ(family_of("philosophy-phi"), "phi");
  EXPECT_EQ(family_of("delphi"), "other");
  EXPECT_EQ(family_of("3phi"), "other");
  EXPECT_EQ(family_of("sam2-hiera"), "sam");
  EXPECT_EQ(family_of("samba"), "other");
  EXPECT_EQ(family_of("e5-large"), "e5");
  EXPECT_EQ(family_of("mae5"), "other");
}

TEST(Family, OrgIsOnlyTheLastHint) {
  expect_all({
      {"model/meta-llama/Mistral-copy", "", "", "mistral", "llm", "name mistral"},
      {"model/meta-llama/mine", "bert", "", "bert", "encoder", "model_type bert"},
      {"model/openllamas/mine", "", "", "other", "other", "nothing matched"},
      {"model/Qwen/mine", "", "", "qwen", "llm", "org qwen"},
  });
}

}  // namespace
}  // namespace hubfs
