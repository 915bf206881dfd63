// SPDX-License-Identifier: Apache-2.0
#include <unordered_set>

#include "core/hub/answer.h"
#include "core/hub/chain_call.h"
#include "core/hub/link_header.h"
#include "core/hub/listing_json.h"

namespace hubfs {

namespace {

constexpr std::size_t kMaxPages = 10'000;
// One page is parsed at a time, from memory. The Hub's are far below a megabyte.
constexpr std::size_t kMaxPageBytes = std::size_t{32} << 20U;

class ListingCall final : public ChainCall {
 public:
  using Done = std::function<void(HubResult<Listing>)>;
  ListingCall(HubState& state, HubState::CallId id, std::string what, std::string url, std::chrono::milliseconds limit,
              Done done)
      : ChainCall(state, id, std::move(what), limit),
        url_(std::move(url)),
        done_(std::move(done)),
        builder_(state.options.max_listing_files) {}

 private:
  void first_request() override { ask(url_); }
  void deliver_failure(const HubError& error) override { done_(std::unexpected(error)); }

  void ask(const std::string& url) {
    if (!asked_.insert(url).second) return fail(bad_answer(what(), "the pages of the listing lead in a circle"));
    if (asked_.size() > kMaxPages) return fail(bad_answer(what(), "the listing has too many pages"));
    page_.clear();
    next_.reset();
    chain().start(url, {"Accept: application/json"}, what());
  }

  bool on_answer(const HttpHead& head) override {
    next_ = next_link(head.header("link"));
    return true;
  }

  bool on_answer_body(std::span<const std::byte> bytes) override {
    read_ += bytes.size();
    if (read_ > state().options.max_listing_bytes || page_.size() + bytes.size() > kMaxPageBytes) {
      fail(bad_answer(what(), "the listing is too long"));
      return false;
    }
    page_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return true;
  }

  void on_chain_end(const HubResult<void>& result) override {
    if (!result) return fail(result.error());
    const Status added = builder_.add_page(page_);
    page_ = std::string();
    if (!added) return fail(bad_answer(what(), added.error().message));
    if (next_) return next_page();
    auto listing = builder_.finish();
    if (!listing) return fail(bad_answer(what(), listing.error().message));
    if (end()) done_(*std::move(listing));
  }

  void next_page() {
    const auto url = resolve_url(chain().url(), *next_);
    if (!url || origin_of(*url) != state().access.origin) {
      return fail(bad_answer(what(), "the next page of the listing is not on the Hub"));
    }
    ask(*url);
  }

  std::string url_;
  Done done_;
  ListingBuilder builder_;
  std::string page_;
  std::optional<std::string> next_;
  std::unordered_set<std::string> asked_;
  std::size_t read_ = 0;
};

}  // namespace

std::shared_ptr<Call> make_listing_call(HubState& state, HubState::CallId id, const RepoKey& key,
                                        const CommitHash& commit, std::chrono::milliseconds limit,
                                        std::function<void(HubResult<Listing>)> done) {
  std::string url = api_url(state.options, key) + "/tree/" + commit.text() + "?recursive=true&expand=false";
  return std::make_shared<ListingCall>(state, id, key.text() + "@" + commit.short_text(), std::move(url), limit,
                                       std::move(done));
}

}  // namespace hubfs
