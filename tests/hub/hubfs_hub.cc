// SPDX-License-Identifier: Apache-2.0
//
// hubfs-hub: the local Hub as a program, until SIGTERM or SIGINT.
#include <pthread.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/hub/local_hub.h"

namespace {

using hubfs::testing::HubOptions;
using hubfs::testing::LocalHub;

// Written whole, then renamed: who waits for the file never reads half of it.
void write_port_file(const std::string& path, const std::string& line) {
  const std::string part = path + ".part";
  std::ofstream(part) << line << "\n";
  std::filesystem::rename(part, path);
}

int run(int argc, char** argv) {
  HubOptions options;
  std::vector<std::string> data;
  std::vector<std::string> tokens;
  std::vector<std::string> limited_tokens;
  std::int64_t latency_ms = 0;
  std::string port_file;
  CLI::App app("A Hugging Face Hub on this machine, for tests (control: /__hub/…)", "hubfs-hub");
  app.add_option("--data", data, "Folder with models/, datasets/, spaces/, kernels/; may be repeated");
  app.add_option("--port", options.port, "Port of the Hub; 0 is any");
  app.add_option("--cdn-port", options.cdn_port, "Port of the CDN; 0 is any");
  app.add_option("--token", tokens, "A token that may read private and gated repos");
  app.add_option("--limited-token", limited_tokens, "A token that is valid but may not");
  app.add_option("--latency", latency_ms, "Milliseconds before each answer");
  app.add_option("--rate", options.rate, "Bytes per second of each connection; 0 is no limit");
  app.add_option("--page-size", options.page_size, "Entries in a page of a listing");
  app.add_flag("--resolve-cache", options.resolve_cache, "Regular files behind a relative redirect");
  bool xet = false;
  app.add_flag("--xet", xet, "LFS files of all repos in the data folders carry Xet hashes");
  app.add_option("--port-file", port_file, "Write the ready line to this file too");
  CLI11_PARSE(app, argc, argv);
  for (const std::string& token : tokens) options.tokens.push_back({token, "tester", true});
  for (const std::string& token : limited_tokens) options.tokens.push_back({token, "guest", false});
  options.latency = std::chrono::milliseconds(latency_ms);

  // Before any thread is made, so that none of them takes the signal.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  LocalHub hub(options);
  for (const std::string& folder : data) hub.add_data_folder(folder, xet);
  hub.start();
  const std::string line = "hub " + hub.url() + " cdn " + hub.cdn_url();
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
  if (!port_file.empty()) write_port_file(port_file, line);
  int signal = 0;
  sigwait(&signals, &signal);
  hub.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "hubfs-hub: %s\n", error.what());
    return 1;
  }
}
