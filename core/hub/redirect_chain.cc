// SPDX-License-Identifier: Apache-2.0
#include "core/hub/redirect_chain.h"

#include "core/hub/answer.h"

namespace hubfs {

namespace {

constexpr int kMaxRedirects = 10;
// Bodies of redirects and refusals are read to their end so that the connection can serve again, but only so far.
constexpr std::size_t kMaxDrain = 64U * 1024U;

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

// Passes the loop's callbacks on; owned by the loop.
class RedirectChain::Hop final : public HttpHandler {
 public:
  explicit Hop(RedirectChain& chain) : chain_(chain) {}
  bool on_head(const HttpHead& head) override { return chain_.on_head(head); }
  bool on_body(std::span<const std::byte> bytes) override { return chain_.on_body(bytes); }
  void on_end(const Status& status) override { chain_.on_end(status); }

 private:
  RedirectChain& chain_;  // cancels the request when it goes, so it outlives every callback
};

RedirectChain::~RedirectChain() { cancel(); }

void RedirectChain::cancel() {
  if (request_) access_.loop.cancel(*std::exchange(request_, std::nullopt));
}

void RedirectChain::start(std::string url, std::vector<std::string> headers, std::string what) {
  cancel();
  url_ = std::move(url);
  headers_ = std::move(headers);
  what_ = std::move(what);
  hops_ = 0;
  left_hub_ = false;
  send();
}

void RedirectChain::send() {
  refusal_.reset();
  location_.reset();
  drained_ = 0;
  at_hub_ = access_.origin && origin_of(url_) == access_.origin;
  left_hub_ = left_hub_ || !at_hub_;
  sent_token_ = access_.options.token && !left_hub_;
  HttpRequest request;
  request.url = url_;
  request.headers = headers_;
  if (sent_token_) request.headers.push_back("Authorization: Bearer " + *access_.options.token);
  request.connect_timeout = access_.options.connect_timeout;
  request.idle_timeout = access_.options.idle_timeout;
  request_ = access_.loop.start(request, std::make_unique<Hop>(*this));
}

bool RedirectChain::on_head(const HttpHead& head) {
  if (head.status >= 200 && head.status <= 299) return sink_.on_answer(head);
  if (!is_redirect(head.status)) {
    refusal_ = classify_answer(head, sent_token_, what_);
    return true;
  }
  const std::string& location = head.header("location");
  location_ = resolve_url(url_, location);
  if (location.empty() || !location_) {
    location_.reset();
    refusal_ = bad_answer(what_, "redirected to nowhere that hubfs goes (only http and https)", head.status);
  } else if (!location_->starts_with("https:") && origin_of(url_)->scheme == "https" &&
             (!access_.origin || access_.origin->scheme != "http")) {
    location_.reset();
    refusal_ = bad_answer(what_, "redirected from https to http", head.status);
  } else if (++hops_ > kMaxRedirects) {
    location_.reset();
    refusal_ = bad_answer(what_, "redirected too often", head.status);
  } else if (at_hub_) {
    sink_.on_hub_redirect(head);
  }
  return true;
}

bool RedirectChain::on_body(std::span<const std::byte> bytes) {
  if (!refusal_ && !location_) return sink_.on_answer_body(bytes);
  drained_ += bytes.size();
  return drained_ <= kMaxDrain;
}

void RedirectChain::on_end(const Status& status) {
  request_.reset();
  // How the body of a redirect or a refusal ended does not matter: the head said it all.
  if (location_) {
    url_ = *std::move(location_);
    send();
  } else if (refusal_) {
    sink_.on_chain_end(std::unexpected(*std::exchange(refusal_, std::nullopt)));
  } else if (!status) {
    sink_.on_chain_end(std::unexpected(transport_error(status.error(), what_)));
  } else {
    sink_.on_chain_end({});
  }
}

}  // namespace hubfs
