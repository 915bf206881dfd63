// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "tests/hub/delivery.h"

namespace hubfs::testing {
namespace {

std::uint32_t crc32(std::string_view bytes) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> out{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value & 1U) != 0 ? 0xedb88320U ^ (value >> 1U) : value >> 1U;
      out[i] = value;
    }
    return out;
  }();
  std::uint32_t crc = 0xffffffffU;
  for (const char c : bytes) crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xffU] ^ (crc >> 8U);
  return ~crc;
}

std::string little_endian(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>((value >> (8U * static_cast<unsigned>(i))) & 0xffU);
  return out;
}

// Valid gzip in stored blocks: what counts here is that the client must decode it, not that it is small.
std::string gzip(std::string_view bytes) {
  std::string out("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
  std::string_view left = bytes;
  do {
    const std::string_view block = left.substr(0, 65535);
    left.remove_prefix(block.size());
    out += left.empty() ? '\1' : '\0';
    out += little_endian(block.size(), 2) + little_endian(~block.size() & 0xffffU, 2);
    out += block;
  } while (!left.empty());
  return out + little_endian(crc32(bytes), 4) + little_endian(bytes.size(), 4);
}

void make_redirect(const Fault& fault, const HubRequest& request, const std::string& base, Answer& answer) {
  const std::string location = fault.redirect == "self" ? base + request.target : fault.redirect;
  Answer redirect = redirect_answer(302, location);
  for (auto& header : answer.headers) {
    if (lower_case(header.first).starts_with("x-")) redirect.headers.push_back(header);
  }
  redirect.kind = answer.kind;
  answer = std::move(redirect);
}

void reframe(const Fault& fault, Answer& answer) {
  if (fault.gzip) {
    if (answer.content) answer.body = answer.content->slice(answer.offset, answer.length);
    answer.content = nullptr;
    answer.body = gzip(answer.body);
    answer.set("Content-Encoding", "gzip");
  }
  if (answer.content) {
    answer.length -= std::min(answer.length, fault.short_by);
  } else {
    answer.body.resize(answer.body.size() - std::min<std::uint64_t>(answer.body.size(), fault.short_by));
  }
  answer.padding += fault.long_by;
}

template <typename T>
void take(const T& from, T& into, const T& unset = T{}) {
  if (from != unset) into = from;
}

}  // namespace

Fault combine(const std::vector<Fault>& faults) {
  Fault all;
  for (const Fault& one : faults) {
    take(one.status, all.status);
    take(one.body, all.body);
    take(one.redirect, all.redirect);
    take(one.hang, all.hang);
    take(one.reset, all.reset);
    if (one.replacement) all.replacement = one.replacement;
    all.delay += one.delay;
    for (const auto& [name, value] : one.headers) all.headers[name] = value;
    all.drop_headers.insert(all.drop_headers.end(), one.drop_headers.begin(), one.drop_headers.end());
    take(one.etag, all.etag);
    take(one.content_range, all.content_range);
    take(one.ignore_range, all.ignore_range);
    take(one.link_next, all.link_next);
    take(one.expired, all.expired);
    take(one.rate, all.rate);
    take(one.cut_after, all.cut_after);
    take(one.hang_after, all.hang_after);
    take(one.short_by, all.short_by);
    take(one.long_by, all.long_by);
    take(one.surplus, all.surplus);
    all.flip.insert(all.flip.end(), one.flip.begin(), one.flip.end());
    if (one.trickle_bytes != 0) {
      all.trickle_bytes = one.trickle_bytes;
      all.trickle_interval = one.trickle_interval;
    }
    take(one.gzip, all.gzip);
  }
  return all;
}

void apply_fault(const Fault& fault, const HubRequest& request, const std::string& base, Answer& answer) {
  if (fault.status) {
    Answer other;
    other.status = *fault.status;
    other.kind = answer.kind;
    other.body = fault.body;
    other.set("Content-Type", "text/plain; charset=utf-8");
    answer = std::move(other);
  } else if (!fault.redirect.empty()) {
    make_redirect(fault, request, base, answer);
  } else if (fault.replacement && answer.status == 200 && !answer.content) {
    answer.body = json_answer(*fault.replacement).body;
  }
  if (!fault.etag.empty()) {
    answer.set("ETag", fault.etag);
    if (answer.find("X-Linked-ETag") != nullptr) answer.set("X-Linked-ETag", fault.etag);
  }
  if (!fault.content_range.empty()) answer.set("Content-Range", fault.content_range);
  if (!fault.link_next.empty()) {
    const std::string next = fault.link_next == "self" ? base + request.target : fault.link_next;
    answer.set("Link", "<" + next + ">; rel=\"next\"");
  }
  reframe(fault, answer);
  for (const auto& [name, value] : fault.headers) answer.set(name, value);
  for (const std::string& name : fault.drop_headers) answer.drop(name);
}

}  // namespace hubfs::testing
