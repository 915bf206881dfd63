// SPDX-License-Identifier: Apache-2.0
//
// Reads a file in one of a few ways and says how long that took, from the open to the close, without the start of the
// program. Both sides of a comparison are read by this program. It is no Python, since an interpreter takes longer for
// a read of 4 KiB than the kernel does.
//
//   bench_reader seq PATH [sum]            reads of 128 KiB, as cat makes them
//   bench_reader mmap PATH                 maps the file and reads all of it
//   bench_reader random PATH COUNT SEED    preads of 4 KiB at random offsets that are multiples of it
//   bench_reader fault PATH THREADS SEED   maps the file; the threads read its pages in random order, each page once
//
// Prints {"seconds": …, "bytes": …, "sum": …, "open_seconds": …}. The sum is that of the file's 64-bit words (of
// random: of each read's first word), so that two files can be compared; seq adds up only when told to, for it is the
// copying that is measured there.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPage = 4096;
constexpr std::size_t kBuffer = 128UL << 10U;

[[noreturn]] void give_up(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

struct Figures {
  std::uint64_t bytes = 0;
  std::uint64_t sum = 0;
};

std::uint64_t sum_of(const char* data, std::size_t size) {
  std::uint64_t sum = 0;
  for (std::size_t at = 0; at + sizeof sum <= size; at += sizeof sum) {
    std::uint64_t word = 0;
    std::memcpy(&word, data + at, sizeof word);
    sum += word;
  }
  return sum;
}

std::size_t size_of(int fd) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) give_up("fstat");
  return static_cast<std::size_t>(info.st_size);
}

class Map {
 public:
  explicit Map(int fd) : size_(size_of(fd)), data_(::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd, 0)) {
    if (data_ == MAP_FAILED) give_up("mmap");
  }
  Map(const Map&) = delete;
  Map& operator=(const Map&) = delete;
  ~Map() { ::munmap(data_, size_); }

  const char* data() const { return static_cast<const char*>(data_); }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_;
  void* data_;
};

// Reads until the buffer is full or the file ends, so that the words of the sum are aligned to the file.
std::size_t read_full(int fd, std::vector<char>& buffer) {
  std::size_t have = 0;
  while (have < buffer.size()) {
    const ssize_t got = ::read(fd, buffer.data() + have, buffer.size() - have);
    if (got < 0) give_up("read");
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  return have;
}

Figures read_sequentially(int fd, bool with_sum) {
  Figures figures;
  std::vector<char> buffer(kBuffer);
  while (const std::size_t got = read_full(fd, buffer)) {
    figures.bytes += got;
    if (with_sum) figures.sum += sum_of(buffer.data(), got);
  }
  return figures;
}

Figures read_mapped(int fd) {
  const Map map(fd);
  return {map.size(), sum_of(map.data(), map.size())};
}

Figures read_at_random(int fd, std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<std::size_t> page(0, (size_of(fd) / kPage) - 1);
  std::vector<char> buffer(kPage);
  Figures figures;
  for (std::size_t i = 0; i < count; ++i) {
    const ssize_t got = ::pread(fd, buffer.data(), kPage, static_cast<off_t>(page(random) * kPage));
    if (got != static_cast<ssize_t>(kPage)) give_up("pread");
    figures.bytes += kPage;
    figures.sum += sum_of(buffer.data(), sizeof(std::uint64_t));
  }
  return figures;
}

Figures fault_in(int fd, std::size_t threads, std::uint64_t seed) {
  const Map map(fd);
  std::vector<std::size_t> pages((map.size() + kPage - 1) / kPage);
  std::iota(pages.begin(), pages.end(), 0U);
  std::shuffle(pages.begin(), pages.end(), std::mt19937_64(seed));
  std::vector<std::uint64_t> sums(threads);
  std::vector<std::thread> running;
  for (std::size_t number = 0; number < threads; ++number) {
    running.emplace_back([&, number] {
      std::uint64_t sum = 0;
      for (std::size_t i = number; i < pages.size(); i += threads) {
        const std::size_t offset = pages[i] * kPage;
        sum += sum_of(map.data() + offset, std::min(kPage, map.size() - offset));
      }
      sums[number] = sum;
    });
  }
  for (std::thread& thread : running) thread.join();
  return {map.size(), std::accumulate(sums.begin(), sums.end(), std::uint64_t{0})};
}

Figures read_as_told(int fd, const std::vector<std::string>& words) {
  const auto number = [&](std::size_t index) { return std::stoull(words.at(index)); };
  const std::string& way = words.at(0);
  if (way == "seq") return read_sequentially(fd, words.size() > 2 && words[2] == "sum");
  if (way == "mmap") return read_mapped(fd);
  if (way == "random") return read_at_random(fd, number(2), number(3));
  if (way == "fault") return fault_in(fd, number(2), number(3));
  throw std::invalid_argument("unknown way of reading: " + way);
}

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

int run(const std::vector<std::string>& words) {
  const auto start = Clock::now();
  const int fd = ::open(words.at(1).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) give_up(words[1]);
  const double opened = seconds_since(start);
  const Figures figures = read_as_told(fd, words);
  ::close(fd);
  std::printf("{\"seconds\": %.9f, \"bytes\": %llu, \"sum\": %llu, \"open_seconds\": %.9f}\n", seconds_since(start),
              static_cast<unsigned long long>(figures.bytes), static_cast<unsigned long long>(figures.sum), opened);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_reader: %s\n", error.what());
    return 1;
  }
}
