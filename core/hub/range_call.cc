// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/hub/answer.h"
#include "core/hub/chain_call.h"
#include "core/hub/range_answer.h"
#include "core/hub/text.h"

namespace hubfs {

namespace {

bool is_expired_address(int status) { return status == 401 || status == 403 || status == 404 || status == 410; }

std::string resolve_address(const HubOptions& options, const RangeRequest& r) {
  const std::string folder = r.key.type == RepoType::kModel ? "" : std::string(plural(r.key.type)) + "/";
  return options.endpoint + "/" + folder + url_encode(r.key.id.text(), true) + "/resolve/" + r.commit.text() + "/" +
         url_encode(r.path.text(), true);
}

class RangeCall final : public ChainCall {
 public:
  RangeCall(HubState& state, HubState::CallId id, const RangeRequest& request, std::unique_ptr<RangeHandler> handler)
      : ChainCall(state, id, request.key.text() + " " + escaped_name(request.path.text()),
                  std::chrono::milliseconds(0)),
        request_(request),
        handler_(std::move(handler)),
        file_(request.key.text() + "@" + request.commit.text() + "/" + request.path.text()) {}

 private:
  void first_request() override {
    if (request_.first > request_.last || request_.last >= request_.file_size) {
      return fail({Error{ErrorKind::kInvalid, what() + ": a range outside of the file", 0}, 0, false, std::nullopt});
    }
    ask(true);
  }
  void deliver_failure(const HubError& error) override { handler_->on_end(std::unexpected(error)); }

  // From the remembered address if `from_memory` and there is one, else from the Hub.
  void ask(bool from_memory) {
    const auto* known = from_memory ? state().addresses.find(file_, AddressBook::Clock::now()) : nullptr;
    remembered_ = known != nullptr ? known->url : "";
    head_ = known != nullptr ? known->head : FileHead();
    has_head_ = known != nullptr;
    problem_.reset();
    chain().start(known != nullptr ? known->url : resolve_address(state().options, request_),
                  {"Range: bytes=" + std::to_string(request_.first) + "-" + std::to_string(request_.last)}, what());
  }

  void on_hub_redirect(const HttpHead& head) override { take_head(head); }

  // The Hub's own first word about the file counts; what a CDN calls an etag is something else.
  void take_head(const HttpHead& head) {
    if (has_head_ || !describes_file(head)) return;
    has_head_ = true;
    head_ = file_head(head);
    const std::string& commit = head.header("x-repo-commit");
    if (!commit.empty() && commit != request_.commit.text()) problem_ = "the Hub answered for another commit";
    if (head_.size && *head_.size != request_.file_size) problem_ = "the Hub's size differs from the listing's";
  }

  bool on_answer(const HttpHead& head) override {
    if (chain().at_hub()) take_head(head);
    if (!problem_) {
      auto plan = check_range_answer(head, request_);
      if (plan) {
        plan_ = *plan;
      } else {
        problem_ = plan.error();
      }
    }
    if (problem_) return false;
    remember();
    return handler_->on_head(head_) ? !over() : interrupt();
  }

  // The handler wants no more.
  bool interrupt() {
    interrupted_ = true;
    return false;
  }

  void remember() {
    if (chain().url() == resolve_address(state().options, request_) || chain().url() == remembered_) return;
    state().addresses.remember(file_, {chain().url(), head_}, AddressBook::Clock::now());
  }

  bool on_answer_body(std::span<const std::byte> bytes) override {
    const std::uint64_t left = plan_.deliver - delivered_;
    const auto good = bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left)));
    delivered_ += good.size();
    if (!good.empty() && !handler_->on_bytes(good)) return interrupt();
    if (over()) return false;
    if (good.size() == bytes.size()) return true;
    if (!plan_.may_run_on) problem_ = "more bytes than were asked for";
    return false;
  }

  void on_chain_end(const HubResult<void>& result) override {
    const bool complete = plan_.deliver > 0 && delivered_ == plan_.deliver;
    if (interrupted_) return fail({Error{ErrorKind::kInterrupted, what() + ": not wanted any more", 0}, 0, false, {}});
    if (problem_) return refuse(bad_answer(what(), *problem_));
    // Everything came; how the connection ended after that does not matter.
    if (complete && plan_.covers_all) return succeed();
    if (!result) return refuse(result.error());
    HubError cut = bad_answer(what(), "the answer ended after " + std::to_string(delivered_) + " bytes");
    cut.retryable = true;
    refuse(cut);
  }

  void succeed() {
    if (end()) handler_->on_end({});
  }

  void refuse(const HubError& error) {
    if (remembered_.empty() || delivered_ > 0) return fail(error);
    state().addresses.forget(file_, remembered_);
    if (!is_expired_address(error.http_status)) return fail(error);
    // Of many ranges that are refused together, the first to come back renews the address for the others.
    ask(!std::exchange(asked_again_, true));
  }

  RangeRequest request_;
  std::unique_ptr<RangeHandler> handler_;
  std::string file_;
  std::string remembered_;  // the address asked at, when it came from memory
  FileHead head_;
  bool has_head_ = false;
  bool asked_again_ = false;
  bool interrupted_ = false;
  RangePlan plan_;
  std::uint64_t delivered_ = 0;
  std::optional<std::string> problem_;
};

}  // namespace

std::shared_ptr<Call> make_range_call(HubState& state, HubState::CallId id, const RangeRequest& request,
                                      std::unique_ptr<RangeHandler> handler) {
  return std::make_shared<RangeCall>(state, id, request, std::move(handler));
}

}  // namespace hubfs
