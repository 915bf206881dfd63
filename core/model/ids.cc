// SPDX-License-Identifier: Apache-2.0
#include "core/model/ids.h"

#include <algorithm>

namespace hubfs {

namespace {

constexpr std::size_t kMaxIdPart = 96;
constexpr std::size_t kMaxComponent = 255;
constexpr std::size_t kMaxPath = 4096;

bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool is_id_part(std::string_view part) {
  if (part.empty() || part.size() > kMaxIdPart) return false;
  if (part.front() == '-' || part.front() == '.' || part.back() == '-' || part.back() == '.') return false;
  if (part.find("--") != std::string_view::npos || part.find("..") != std::string_view::npos) return false;
  return std::all_of(part.begin(), part.end(), [](char c) { return is_word_char(c) || c == '.'; });
}

// Calls `each` for every part of a "/"-joined path until it answers false.
template <typename Each>
bool all_parts(std::string_view path, Each each) {
  while (true) {
    const std::size_t slash = path.find('/');
    if (!each(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

bool is_plain_part(std::string_view part) {
  return !part.empty() && part != "." && part != ".." && part.size() <= kMaxComponent &&
         part.find('\0') == std::string_view::npos;
}

// Python rejects ".." between either kind of slash; so do we, since such a name is an attack or unusable there.
bool has_backslash_dotdot(std::string_view part) {
  if (part.find('\\') == std::string_view::npos) return false;
  std::string slashed(part);
  std::replace(slashed.begin(), slashed.end(), '\\', '/');
  return !all_parts(slashed, [](std::string_view p) { return p != ".."; });
}

}  // namespace

bool is_lower_hex(std::string_view text, std::size_t length) {
  return text.size() == length && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string_view singular(RepoType type) {
  switch (type) {
    case RepoType::kModel: return "model";
    case RepoType::kDataset: return "dataset";
    case RepoType::kSpace: return "space";
    case RepoType::kKernel: return "kernel";
  }
  return "";
}

std::string_view plural(RepoType type) {
  switch (type) {
    case RepoType::kModel: return "models";
    case RepoType::kDataset: return "datasets";
    case RepoType::kSpace: return "spaces";
    case RepoType::kKernel: return "kernels";
  }
  return "";
}

std::optional<RepoType> repo_type_from_plural(std::string_view text) {
  for (const RepoType type : kRepoTypes) {
    if (plural(type) == text) return type;
  }
  return std::nullopt;
}

std::optional<RepoType> repo_type_from_singular(std::string_view text) {
  for (const RepoType type : kRepoTypes) {
    if (singular(type) == text) return type;
  }
  return std::nullopt;
}

std::optional<RepoId> RepoId::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (text.ends_with(".git")) return std::nullopt;
  if (slash == std::string_view::npos) {
    if (!is_id_part(text)) return std::nullopt;
  } else if (!is_id_part(text.substr(0, slash)) || !is_id_part(text.substr(slash + 1))) {
    return std::nullopt;
  }
  return RepoId(std::string(text));
}

std::string_view RepoId::org() const {
  const std::size_t slash = text_.find('/');
  return slash == std::string::npos ? std::string_view() : std::string_view(text_).substr(0, slash);
}

std::string_view RepoId::name() const {
  const std::size_t slash = text_.find('/');
  return slash == std::string::npos ? std::string_view(text_) : std::string_view(text_).substr(slash + 1);
}

std::string RepoKey::text() const { return std::string(singular(type)) + "/" + id.text(); }

std::optional<CommitHash> CommitHash::parse(std::string_view text) {
  if (!is_lower_hex(text, 40)) return std::nullopt;
  return CommitHash(std::string(text));
}

std::optional<RefName> RefName::parse(std::string_view text) {
  if (text.size() > kMaxPath || is_lower_hex(text, 40)) return std::nullopt;
  const bool safe = all_parts(text, [](std::string_view part) {
    return is_plain_part(part) &&
           std::none_of(part.begin(), part.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  });
  if (!safe) return std::nullopt;
  return RefName(std::string(text));
}

std::optional<RefName> RefName::from_folder(std::string_view text) {
  std::string name;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '/') return std::nullopt;  // one component names one ref
    if (text[i] != '%') {
      name.push_back(text[i]);
    } else if (text.substr(i, 3) == "%25") {
      name.push_back('%');
      i += 2;
    } else if (text.substr(i, 3) == "%2F") {
      name.push_back('/');
      i += 2;
    } else {
      return std::nullopt;
    }
  }
  return parse(name);
}

std::string RefName::folder() const {
  std::string out;
  for (const char c : text_) {
    if (c == '%') {
      out += "%25";
    } else if (c == '/') {
      out += "%2F";
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::optional<BlobId> BlobId::parse(std::string_view text) {
  if (is_lower_hex(text, 64) || is_lower_hex(text, 40)) return BlobId(std::string(text), true);
  if (text.empty() || text.size() > 200) return std::nullopt;
  if (!std::all_of(text.begin(), text.end(), is_word_char)) return std::nullopt;
  return BlobId(std::string(text), false);
}

std::optional<XetHash> XetHash::parse(std::string_view text) {
  if (!is_lower_hex(text, 64)) return std::nullopt;
  return XetHash(std::string(text));
}

std::optional<RelPath> RelPath::parse(std::string_view text) {
  if (text.size() > kMaxPath) return std::nullopt;
  const bool safe =
      all_parts(text, [](std::string_view part) { return is_plain_part(part) && !has_backslash_dotdot(part); });
  if (!safe) return std::nullopt;
  return RelPath(std::string(text));
}

}  // namespace hubfs
