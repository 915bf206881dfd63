// SPDX-License-Identifier: Apache-2.0
#include "tests/support/temp_cache.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/base/hash.h"
#include "core/cache/layout.h"

namespace hubfs::test {

namespace {

namespace fs = std::filesystem;

constexpr unsigned kNobody = 65534;

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "the test's own cache: %s: %s\n", what.c_str(), std::strerror(errno));
  std::abort();
}

void must(bool fine, const std::string& what) {
  if (!fine) give_up(what);
}

template <typename T>
T must_parse(std::string_view text) {
  auto value = T::parse(text);
  must(value.has_value(), "cannot parse " + std::string(text));
  return *value;
}

}  // namespace

RepoKey repo_key(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto type = repo_type_from_singular(text.substr(0, slash));
  must(type.has_value() && slash != std::string_view::npos, std::string(text));
  return {*type, must_parse<RepoId>(text.substr(slash + 1))};
}

CommitHash commit_of(char digit) { return must_parse<CommitHash>(std::string(40, digit)); }
RelPath rel_path(std::string_view text) { return must_parse<RelPath>(text); }
RefName ref_name(std::string_view text) { return must_parse<RefName>(text); }
BlobId blob_id(std::string_view text) { return must_parse<BlobId>(text); }

std::string sha256_of(std::string_view content) { return sha256_hex(content); }

std::string git_sha1_of(std::string_view content) {
  Hasher hasher = Hasher::git_blob(content.size());
  hasher.update(content);
  return hasher.finish_hex();
}

XetHash xet_hash_of(std::string_view content) { return must_parse<XetHash>(sha256_hex("xet:" + std::string(content))); }

TempCache::TempCache() {
  const char* tmp = std::getenv("TMPDIR");
  std::string name = std::string(tmp != nullptr && *tmp == '/' ? tmp : "/tmp") + "/hubfs-test-XXXXXX";
  must(::mkdtemp(name.data()) != nullptr, name);
  dir_ = fs::canonical(name).string();
  must(::chmod(dir_.c_str(), 0755) == 0, dir_);
  make_dir("");
}

TempCache::~TempCache() {
  root_.reset();
  std::error_code ignored;
  fs::remove_all(dir_, ignored);
}

const CacheRoot& TempCache::root() {
  if (!root_) {
    auto opened = CacheRoot::open(path(), false);
    must(opened.has_value(), opened ? "" : opened.error().message);
    root_ = *opened;
  }
  return *root_;
}

std::string TempCache::full(const std::string& path) const {
  return path.empty() ? this->path() : this->path() + "/" + path;
}

void TempCache::make_parents(const std::string& path) {
  std::error_code error;
  fs::create_directories(fs::path(full(path)).parent_path(), error);
  must(!error, path);
}

BlobId TempCache::add_file(const RepoKey& key, const CommitHash& commit, std::string_view path,
                           std::string_view content, bool lfs) {
  const BlobId etag = blob_id(lfs ? sha256_of(content) : git_sha1_of(content));
  const RelPath file = rel_path(path);
  if (!exists(layout::blob(key, etag))) write(layout::blob(key, etag), content);
  link(layout::snapshot_entry(key, commit, file), layout::link_to_blob(file, etag));
  if (!exists("CACHEDIR.TAG")) write("CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n");
  write(layout::blob_lock(key, etag), "");
  return etag;
}

XetHash TempCache::add_shared_file(const RepoKey& key, const CommitHash& commit, std::string_view path,
                                   std::string_view content) {
  const BlobId etag = blob_id(sha256_of(content));
  const XetHash hash = xet_hash_of(content);
  const RelPath file = rel_path(path);
  if (!exists(std::string(layout::kSharedMarker))) {
    write(std::string(layout::kSharedMarker), layout::kSharedMarkerContent);
    chmod(std::string(layout::kSharedMarker), 0444);
  }
  if (!exists(layout::payload(hash))) {
    write(layout::payload(hash), content);
    chmod(layout::payload(hash), 0444);
    write(layout::payload_lock(hash), "");
    write(layout::payload_manifest(hash), "");
  }
  const std::string references = read(layout::payload_manifest(hash)) + layout::blob(key, etag) + "\n";
  write(layout::payload_manifest(hash), references);
  link(layout::blob(key, etag), layout::link_to_payload(hash));
  link(layout::snapshot_entry(key, commit, file), layout::link_to_blob(file, etag));
  write(layout::blob_lock(key, etag), "");
  return hash;
}

void TempCache::set_ref(const RepoKey& key, std::string_view name, const CommitHash& commit) {
  write(layout::refs_dir(key) + "/" + std::string(name), commit.text());
}

void TempCache::write(const std::string& path, std::string_view content) {
  make_parents(path);
  std::ofstream file(full(path), std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  must(!file.fail(), path);
}

void TempCache::link(const std::string& path, const std::string& target) {
  make_parents(path);
  ::unlink(full(path).c_str());
  must(::symlink(target.c_str(), full(path).c_str()) == 0, path);
}

void TempCache::make_dir(const std::string& path) {
  std::error_code error;
  fs::create_directories(full(path), error);
  must(!error, path);
}

void TempCache::make_fifo(const std::string& path) {
  make_parents(path);
  must(::mkfifo(full(path).c_str(), 0644) == 0, path);
}

void TempCache::make_socket(const std::string& path) {
  make_parents(path);
  // Through a short name: socket addresses hold 108 bytes.
  const std::string folder = fs::path(full(path)).parent_path().string();
  const int dir = ::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  const std::string name = "/proc/self/fd/" + std::to_string(dir) + "/" + fs::path(path).filename().string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  must(name.size() < sizeof address.sun_path, path);
  std::copy(name.begin(), name.end(), address.sun_path);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  must(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, path);
  ::close(fd);
  ::close(dir);
}

void TempCache::chmod(const std::string& path, unsigned mode) { must(::chmod(full(path).c_str(), mode) == 0, path); }

void TempCache::chown(const std::string& path, unsigned uid, unsigned gid) {
  must(::lchown(full(path).c_str(), uid, gid) == 0, path);
}

void TempCache::remove(const std::string& path) {
  std::error_code error;
  fs::remove_all(full(path), error);
  must(!error, path);
}

bool TempCache::exists(const std::string& path) const {
  struct stat st{};
  return ::lstat(full(path).c_str(), &st) == 0;
}

std::string TempCache::read(const std::string& path) const {
  std::ifstream file(full(path), std::ios::binary);
  must(file.is_open(), path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string TempCache::read_link(const std::string& path) const {
  std::error_code error;
  std::string target = fs::read_symlink(full(path), error).string();
  must(!error, path);
  return target;
}

unsigned TempCache::mode(const std::string& path) const {
  struct stat st{};
  must(::lstat(full(path).c_str(), &st) == 0, path);
  return st.st_mode & 07777U;
}

std::vector<std::string> TempCache::names() const {
  std::vector<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(path())) {
    std::string name = fs::path(entry.path()).lexically_relative(path()).string();
    if (entry.is_symlink()) {
      name += " -> " + fs::read_symlink(entry.path()).string();
    } else if (entry.is_directory()) {
      name += "/";
    }
    found.push_back(std::move(name));
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool in_child(const std::function<bool()>& body) {
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  must(pid >= 0, "fork");
  // _exit: the child must not run the test program's own ending.
  if (pid == 0) ::_exit(body() ? 0 : 1);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool as_ordinary_user(const std::function<bool()>& body) {
  if (::geteuid() != 0) return in_child(body);
  return in_child([&] {
    const bool changed = ::setgroups(0, nullptr) == 0 && ::setegid(kNobody) == 0 && ::seteuid(kNobody) == 0;
    return changed && body();
  });
}

}  // namespace hubfs::test
