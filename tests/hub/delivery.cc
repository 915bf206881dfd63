// SPDX-License-Identifier: Apache-2.0
#include "tests/hub/delivery.h"

#include <algorithm>
#include <array>
#include <ctime>

namespace hubfs::testing {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kChunk = std::uint64_t{1} << 20;

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 64> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), length};
}

bool names(const std::vector<std::string>& list, std::string_view name) {
  return std::ranges::any_of(list, [&](const std::string& one) { return lower_case(one) == lower_case(name); });
}

std::string head(const Answer& answer, const Fault& fault, bool keep_alive) {
  std::string text =
      "HTTP/1.1 " + std::to_string(answer.status) + " " + std::string(reason_phrase(answer.status)) + "\r\n";
  text += "Date: " + http_date() + "\r\n";
  for (const auto& [name, value] : answer.headers) text += name + ": " + value + "\r\n";
  if (answer.find("Content-Length") == nullptr && !names(fault.drop_headers, "Content-Length") &&
      answer.status != 304) {
    text += "Content-Length: " + std::to_string(answer.body_size()) + "\r\n";
  }
  text += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return text;
}

// The body of an answer going out, piece by piece, as fast and as far as the fault lets it.
class BodyWriter {
 public:
  BodyWriter(Connection& connection, const Answer& answer, const Fault& fault, RequestLog& log,
             const RequestLog::Ticket& ticket)
      : connection_(connection), answer_(answer), fault_(fault), log_(log), ticket_(ticket) {}

  // False when the connection is of no more use.
  bool write() {
    const std::uint64_t real = answer_.body_size() - answer_.padding;
    const std::uint64_t total = answer_.body_size() + fault_.surplus;
    while (sent_ < total) {
      if (fault_.cut_after && sent_ >= *fault_.cut_after) return false;
      if (fault_.hang_after && sent_ >= *fault_.hang_after) {
        connection_.wait_until_gone();
        return false;
      }
      const std::uint64_t most = piece_size(total - sent_);
      std::string_view piece = sent_ < real ? next(std::min(most, real - sent_)) : zeros(most);
      // What is too much goes out with the end of what was announced: a client that has all it wants closes at once.
      if (fault_.surplus > 0 && sent_ + piece.size() == answer_.body_size()) {
        last_ = std::string(piece) + std::string(fault_.surplus, '\0');
        piece = last_;
      }
      if (!send(piece)) return false;
    }
    return fault_.surplus == 0;
  }

 private:
  std::uint64_t piece_size(std::uint64_t left) const {
    std::uint64_t most = std::min(left, kChunk);
    if (fault_.trickle_bytes != 0) most = std::min(most, fault_.trickle_bytes);
    // A fiftieth of a second's worth, so that a slow connection flows and does not pulse.
    if (fault_.rate) most = std::min(most, std::max<std::uint64_t>(*fault_.rate / 50, 1));
    for (const auto& limit : {fault_.cut_after, fault_.hang_after}) {
      if (limit && *limit > sent_) most = std::min(most, *limit - sent_);
    }
    return most;
  }

  std::string_view next(std::uint64_t most) {
    std::uint64_t position = sent_;
    std::string_view piece;
    if (answer_.content) {
      position += answer_.offset;
      piece = answer_.content->view(position, most, scratch_);
    } else {
      piece = std::string_view(answer_.body).substr(sent_, most);
    }
    for (const std::uint64_t flip : fault_.flip) {
      if (flip < position || flip >= position + piece.size()) continue;
      if (piece.data() != flipped_.data()) flipped_ = piece;
      flipped_[flip - position] = static_cast<char>(~flipped_[flip - position]);
      piece = flipped_;
    }
    return piece;
  }

  std::string_view zeros(std::uint64_t most) {
    scratch_.assign(most, '\0');
    return scratch_;
  }

  bool send(std::string_view piece) {
    const auto size = static_cast<std::int64_t>(piece.size());
    log_.add_body_bytes(ticket_, size);
    if (!connection_.send(piece)) {
      log_.add_body_bytes(ticket_, -size);
      return false;
    }
    sent_ += piece.size();
    if (fault_.trickle_bytes != 0 && !connection_.sleep(fault_.trickle_interval)) return false;
    if (fault_.rate) {
      const auto due = std::chrono::duration<double>(static_cast<double>(sent_) / static_cast<double>(*fault_.rate));
      const auto wait = std::chrono::duration_cast<std::chrono::nanoseconds>(due - (Clock::now() - start_));
      if (wait.count() > 0 && !connection_.sleep(wait)) return false;
    }
    return true;
  }

  Connection& connection_;
  const Answer& answer_;
  const Fault& fault_;
  RequestLog& log_;
  const RequestLog::Ticket& ticket_;
  Clock::time_point start_ = Clock::now();
  std::uint64_t sent_ = 0;
  std::string scratch_;
  std::string flipped_;
  std::string last_;
};

}  // namespace

bool deliver(Connection& connection, const HubRequest& request, const Answer& answer, const Fault& fault,
             RequestLog& log, const RequestLog::Ticket& ticket) {
  const bool has_length = !names(fault.drop_headers, "Content-Length");
  const bool keep_alive = has_length && lower_case(request.header("connection")) != "close";
  const bool has_body = request.method != "HEAD" && answer.status != 304;
  if (!connection.send(head(answer, fault, keep_alive), has_body && answer.body_size() > 0)) return false;
  if (!has_body) return keep_alive;
  return BodyWriter(connection, answer, fault, log, ticket).write() && keep_alive;
}

}  // namespace hubfs::testing
