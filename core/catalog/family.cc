// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/family.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace hubfs {

namespace {

enum class By { kClass, kType, kWord };

// kClass: prefix of model_index.json's _class_name. kType: prefix of config.json's model_type. kWord: a word of the repo
// id (org and name, lower case), on word boundaries; a version may stick to its end ("phi3", "sam2").
struct Row {
  By by;
  std::string_view text;
  std::string_view family;
  std::string_view type;
};

// Lines that people look for by name come before the architecture they borrow (an embedding model with model_type bert);
// trustworthy model_types before name words; words from longest to shortest where one contains the other.
constexpr std::array kTable{
    // embedding and reranker lines keep their own name whatever backbone is inside
    Row{By::kWord, "minilm", "minilm", "embedding"},
    Row{By::kWord, "mpnet", "mpnet", "embedding"},
    Row{By::kWord, "bge", "bge", "embedding"},
    Row{By::kWord, "e5", "e5", "embedding"},
    Row{By::kWord, "gte", "gte", "embedding"},
    Row{By::kWord, "jina", "jina", "embedding"},
    Row{By::kWord, "nomic", "nomic", "embedding"},
    Row{By::kWord, "mxbai", "mxbai", "embedding"},
    Row{By::kWord, "arctic-embed", "arctic-embed", "embedding"},
    // vision-language lines likewise
    Row{By::kWord, "llava", "llava", "vlm"},
    Row{By::kWord, "internvl", "internvl", "vlm"},
    Row{By::kWord, "minicpm", "minicpm", "vlm"},
    Row{By::kWord, "florence", "florence", "vlm"},
    Row{By::kWord, "moondream", "moondream", "vlm"},
    Row{By::kWord, "smolvlm", "smolvlm", "vlm"},
    // diffusion pipelines by class
    Row{By::kClass, "StableDiffusionXL", "sdxl", "checkpoint"},
    Row{By::kClass, "StableDiffusion3", "sd3", "checkpoint"},
    Row{By::kClass, "Flux", "flux", "checkpoint"},
    Row{By::kClass, "Chroma", "chroma", "checkpoint"},
    Row{By::kClass, "QwenImage", "qwen-image", "checkpoint"},
    Row{By::kClass, "ZImage", "z-image", "checkpoint"},
    Row{By::kClass, "Wan", "wan", "checkpoint"},
    Row{By::kClass, "LTX", "ltx", "checkpoint"},
    Row{By::kClass, "Hunyuan", "hunyuan", "checkpoint"},
    Row{By::kClass, "CogVideo", "cogvideo", "checkpoint"},
    Row{By::kClass, "PixArt", "pixart", "checkpoint"},
    Row{By::kClass, "Sana", "sana", "checkpoint"},
    Row{By::kClass, "Kolors", "kolors", "checkpoint"},
    Row{By::kClass, "Kandinsky", "kandinsky", "checkpoint"},
    Row{By::kClass, "AuraFlow", "auraflow", "checkpoint"},
    Row{By::kClass, "StableCascade", "stable-cascade", "checkpoint"},
    Row{By::kClass, "StableVideoDiffusion", "svd", "checkpoint"},
    Row{By::kClass, "I2VGenXL", "i2vgen", "checkpoint"},
    // diffusion names, also of the many repos without a pipeline file
    Row{By::kWord, "qwen-image", "qwen-image", "checkpoint"},
    Row{By::kWord, "z-image", "z-image", "checkpoint"},
    Row{By::kWord, "stable-diffusion-xl", "sdxl", "checkpoint"},
    Row{By::kWord, "sdxl", "sdxl", "checkpoint"},
    Row{By::kWord, "stable-diffusion-3", "sd3", "checkpoint"},
    Row{By::kWord, "sd3", "sd3", "checkpoint"},
    Row{By::kWord, "stable-diffusion-2", "sd2", "checkpoint"},
    Row{By::kWord, "stable-diffusion", "sd1", "checkpoint"},
    Row{By::kClass, "StableDiffusion", "sd1", "checkpoint"},
    Row{By::kWord, "flux", "flux", "checkpoint"},
    Row{By::kWord, "chroma", "chroma", "checkpoint"},
    Row{By::kWord, "wan", "wan", "checkpoint"},
    Row{By::kWord, "ltx", "ltx", "checkpoint"},
    // model_types that say what the weights are
    Row{By::kType, "gpt_oss", "gpt-oss", "llm"},
    Row{By::kType, "gemma", "gemma", "llm"},
    Row{By::kType, "paligemma", "gemma", "vlm"},
    Row{By::kType, "phi", "phi", "llm"},
    Row{By::kType, "mixtral", "mistral", "llm"},
    Row{By::kType, "ministral", "mistral", "llm"},
    Row{By::kType, "pixtral", "mistral", "vlm"},
    Row{By::kType, "glm", "glm", "llm"},
    Row{By::kType, "chatglm", "glm", "llm"},
    Row{By::kType, "cohere", "cohere", "llm"},
    Row{By::kType, "falcon", "falcon", "llm"},
    Row{By::kType, "granite", "granite", "llm"},
    Row{By::kType, "olmo", "olmo", "llm"},
    Row{By::kType, "bloom", "bloom", "llm"},
    Row{By::kType, "starcoder", "starcoder", "llm"},
    Row{By::kType, "mamba", "mamba", "llm"},
    Row{By::kType, "whisper", "whisper", "asr"},
    Row{By::kType, "wav2vec2", "wav2vec2", "asr"},
    Row{By::kType, "siglip", "siglip", "vision-encoder"},
    Row{By::kType, "mllama", "llama", "vlm"},
    Row{By::kType, "llama4", "llama", "vlm"},
    Row{By::kType, "qwen3", "qwen", "llm"},
    Row{By::kType, "qwen2_", "qwen", "llm"},
    Row{By::kType, "deberta", "deberta", "encoder"},
    Row{By::kType, "modernbert", "modernbert", "encoder"},
    // words, before the architectures that everyone borrows
    Row{By::kWord, "gpt-oss", "gpt-oss", "llm"},
    Row{By::kWord, "tinyllama", "llama", "llm"},
    Row{By::kWord, "codellama", "llama", "llm"},
    Row{By::kWord, "distill-qwen", "qwen", "llm"},
    Row{By::kWord, "distill-llama", "llama", "llm"},
    Row{By::kWord, "deepseek", "deepseek", "llm"},
    Row{By::kWord, "smollm", "smollm", "llm"},
    Row{By::kWord, "mistral", "mistral", "llm"},
    Row{By::kWord, "mixtral", "mistral", "llm"},
    Row{By::kWord, "codestral", "mistral", "llm"},
    Row{By::kWord, "qwen", "qwen", "llm"},
    Row{By::kWord, "qwq", "qwen", "llm"},
    Row{By::kWord, "gemma", "gemma", "llm"},
    Row{By::kWord, "kimi", "kimi", "llm"},
    Row{By::kWord, "glm", "glm", "llm"},
    Row{By::kWord, "phi", "phi", "llm"},
    Row{By::kWord, "yi", "yi", "llm"},
    Row{By::kWord, "llama", "llama", "llm"},
    Row{By::kWord, "vicuna", "llama", "llm"},
    Row{By::kWord, "whisper", "whisper", "asr"},
    Row{By::kWord, "silero-vad", "silero", "audio-classifier"},
    Row{By::kWord, "clip", "clip", "vision-encoder"},
    Row{By::kWord, "dinov2", "dinov2", "vision-encoder"},
    Row{By::kWord, "sam", "sam", "segmentation"},
    Row{By::kWord, "gpt2", "gpt2", "llm"},
    Row{By::kWord, "t5", "t5", "text2text"},
    // borrowed architectures, last
    Row{By::kType, "llama", "llama", "llm"},
    Row{By::kType, "mistral", "mistral", "llm"},
    Row{By::kType, "qwen2", "qwen", "llm"},
    Row{By::kType, "deepseek", "deepseek", "llm"},
    Row{By::kType, "gpt2", "gpt2", "llm"},
    Row{By::kType, "gpt_neo", "gpt-neo", "llm"},
    Row{By::kType, "opt", "opt", "llm"},
    Row{By::kType, "t5", "t5", "text2text"},
    Row{By::kType, "bart", "bart", "text2text"},
    Row{By::kType, "xlm-roberta", "roberta", "encoder"},
    Row{By::kType, "roberta", "roberta", "encoder"},
    Row{By::kType, "distilbert", "bert", "encoder"},
    Row{By::kType, "bert", "bert", "encoder"},
    Row{By::kType, "clip", "clip", "vision-encoder"},
    Row{By::kType, "vit", "vit", "image-classifier"},
    Row{By::kWord, "roberta", "roberta", "encoder"},
    Row{By::kWord, "bert", "bert", "encoder"},
};

bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// Whether `word` stands in `text` as a word: the characters on both sides are not letters, and no digit is glued in
// front of it. A digit after it is a version.
bool has_word(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const bool starts = at == 0 || (!is_letter(text[at - 1]) && !is_digit(text[at - 1]));
    const std::size_t end = at + word.size();
    const bool ends = end == text.size() || !is_letter(text[end]);
    if (starts && ends) return true;
  }
  return false;
}

}  // namespace

Classification classify(const RepoKey& key, const Evidence& evidence) {
  if (key.type != RepoType::kModel) {
    return {std::string(plural(key.type)), std::string(singular(key.type)), "repo type"};
  }
  // The name says more than the org, which may host anything: look at the name first, at the org only as a hint.
  const std::string name = lower(key.id.name());
  const std::string type = lower(evidence.model_type);
  for (const Row& row : kTable) {
    bool hit = false;
    switch (row.by) {
      case By::kClass: hit = evidence.class_name.starts_with(row.text); break;
      case By::kType: hit = !type.empty() && type.starts_with(row.text); break;
      case By::kWord: hit = has_word(name, row.text); break;
    }
    if (!hit) continue;
    const char* source = row.by == By::kClass ? "_class_name " : row.by == By::kType ? "model_type " : "name ";
    return {std::string(row.family), std::string(row.type), source + std::string(row.text)};
  }
  const std::string org = lower(key.id.org());
  for (const Row& row : kTable) {
    if (row.by == By::kWord && has_word(org, row.text)) {
      return {std::string(row.family), std::string(row.type), "org " + std::string(row.text)};
    }
  }
  return {"other", "other", "nothing matched"};
}

}  // namespace hubfs
