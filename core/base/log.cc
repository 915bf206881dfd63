// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>

namespace hubfs::log {

namespace {

spdlog::level::level_enum native(Level level) {
  switch (level) {
    case Level::kDebug: return spdlog::level::debug;
    case Level::kInfo: return spdlog::level::info;
    case Level::kWarn: return spdlog::level::warn;
    case Level::kError: return spdlog::level::err;
  }
  return spdlog::level::info;
}

void install(std::shared_ptr<spdlog::sinks::sink> sink, Level least, const char* pattern) {
  auto logger = std::make_shared<spdlog::logger>("hubfs", std::move(sink));
  logger->set_pattern(pattern);
  logger->set_level(native(least));
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
}

constexpr const char* kPattern = "%Y-%m-%dT%H:%M:%S.%e %l hubfs: %v";

}  // namespace

void to_stderr(Level least) { install(std::make_shared<spdlog::sinks::stderr_sink_mt>(), least, kPattern); }

void to_syslog(Level least) {
  install(std::make_shared<spdlog::sinks::syslog_sink_mt>("hubfs", 0, 3 << 3, false), least, "%v");
}

void to_file(const std::string& path, Level least) {
  // Created here so that the mode is ours and not the umask's.
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd >= 0) ::close(fd);
  try {
    install(std::make_shared<spdlog::sinks::basic_file_sink_mt>(path), least, kPattern);
  } catch (const std::exception& e) {
    to_stderr(least);
    warn(std::string("cannot log to ") + path + ": " + e.what());
  }
}

void write(Level level, std::string_view text) {
  std::string line(text);
  // Names of others are in it: one that holds a line end must not look like a line of ours.
  std::replace_if(line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  spdlog::default_logger_raw()->log(native(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace hubfs::log
