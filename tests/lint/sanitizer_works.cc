// SPDX-License-Identifier: Apache-2.0
//
// Does on purpose what a sanitizer must stop: a clean run of the tests means nothing when the instrumentation is not there.
// usage: sanitizer_works heap-overflow|undefined|leak|data-race; the test looks for the report.
#include <climits>
#include <cstdio>
#include <string_view>
#include <thread>

namespace {

// volatile and noinline: the compiler must neither see the mistake nor optimise it away.
[[gnu::noinline]] int heap_overflow() {
  volatile int length = 8;
  int* values = new int[static_cast<unsigned>(length)]{};
  const int past_the_end = values[length];
  delete[] values;
  return past_the_end;
}

[[gnu::noinline]] int undefined() {
  volatile int largest = INT_MAX;
  return largest + 1;
}

[[gnu::noinline]] int leak() {
  volatile int* lost = new int[100]{};
  lost = nullptr;
  return lost == nullptr ? 0 : 1;
}

[[gnu::noinline]] int data_race() {
  int shared = 0;
  std::thread other([&shared] {
    for (int i = 0; i < 10'000; ++i) {
      ++shared;
    }
  });
  for (int i = 0; i < 10'000; ++i) {
    ++shared;
  }
  other.join();
  return shared;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  int value = 0;
  if (what == "heap-overflow") {
    value = heap_overflow();
  } else if (what == "undefined") {
    value = undefined();
  } else if (what == "leak") {
    value = leak();
  } else if (what == "data-race") {
    value = data_race();
  } else {
    std::fprintf(stderr, "unknown mistake '%s'\n", argc > 1 ? argv[1] : "");
    return 2;
  }
  std::printf("nobody noticed: %d\n", value);
  return 0;
}
