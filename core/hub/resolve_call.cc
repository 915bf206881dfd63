// SPDX-License-Identifier: Apache-2.0
#include "core/hub/answer.h"
#include "core/hub/chain_call.h"
#include "core/hub/json_reader.h"
#include "core/hub/text.h"

namespace hubfs {

namespace {

constexpr std::size_t kMaxAnswer = 8U << 20U;  // the answer names all files of the repo

// Finds "sha" of the outermost object.
class ShaFinder final : public JsonSink {
 public:
  bool scalar(int depth, std::string_view key, const JsonScalar& value) override {
    if (depth == 1 && key == "sha" && value.kind == JsonScalar::Kind::kString) sha_ = CommitHash::parse(value.text);
    return depth > 0;
  }
  bool open(int depth, std::string_view, bool is_object) override { return depth > 0 || is_object; }
  bool close(int) override { return true; }
  [[nodiscard]] const std::optional<CommitHash>& sha() const { return sha_; }

 private:
  std::optional<CommitHash> sha_;
};

class ResolveCall final : public ChainCall {
 public:
  using Done = std::function<void(HubResult<CommitHash>)>;
  ResolveCall(HubState& state, HubState::CallId id, std::string what, std::string url, std::chrono::milliseconds limit,
              Done done)
      : ChainCall(state, id, std::move(what), limit), url_(std::move(url)), done_(std::move(done)) {}

 private:
  void first_request() override { chain().start(url_, {"Accept: application/json"}, what()); }
  void deliver_failure(const HubError& error) override { done_(std::unexpected(error)); }

  bool on_answer(const HttpHead&) override { return true; }

  bool on_answer_body(std::span<const std::byte> bytes) override {
    if (body_.size() + bytes.size() > kMaxAnswer) {
      fail(bad_answer(what(), "the answer about the revision is too long"));
      return false;
    }
    body_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return true;
  }

  void on_chain_end(const HubResult<void>& result) override {
    if (!result) return fail(result.error());
    ShaFinder finder;
    if (read_json(body_, finder) != JsonEnd::kComplete || !finder.sha()) {
      return fail(bad_answer(what(), "the answer about the revision names no commit"));
    }
    if (end()) done_(*finder.sha());
  }

  std::string url_;
  Done done_;
  std::string body_;
};

}  // namespace

std::shared_ptr<Call> make_resolve_call(HubState& state, HubState::CallId id, const RepoKey& key,
                                        const std::optional<std::string>& revision, std::chrono::milliseconds limit,
                                        std::function<void(HubResult<CommitHash>)> done) {
  std::string url = api_url(state.options, key);
  std::string what = key.text();
  if (revision) {
    url += "/revision/" + url_encode(*revision, false);
    what += "@" + escaped_name(*revision);
  }
  return std::make_shared<ResolveCall>(state, id, std::move(what), std::move(url), limit, std::move(done));
}

}  // namespace hubfs
