// SPDX-License-Identifier: Apache-2.0
//
// A view that can be removed from, as a mount puts it together, without the mount.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/fetch/fetch_engine.h"
#include "fs/remover.h"
#include "tests/fs/view_fixture.h"

namespace hubfs::test {

class RemoverFixture : public ViewFixture, public FetchEvents {
 protected:
  ~RemoverFixture() override { end(); }

  void start(const std::vector<TempCache*>& caches = {}) {
    end();
    ViewFixture::start({}, caches);
    engine_ = std::make_unique<FetchEngine>(roots().front(), loop, hub(), FetchOptions{}, *this);
    remover_ = std::make_unique<Remover>(view(), *engine_, [this](const RepoKey& changed) {
      changed_keys.push_back(changed);
      library().refresh(changed);
      trees().drop(changed);
    });
  }
  Remover& remover() { return *remover_; }

  Status unlink(const std::string& path, const Caller& caller = {0, {0}}) {
    return remover_->unlink(dir(parent_of_path(path)), name_of_path(path), caller);
  }
  Status rmdir(const std::string& path, const Caller& caller = {0, {0}}) {
    return remover_->rmdir(dir(parent_of_path(path)), parent_of_path(path), name_of_path(path), caller);
  }
  /// Why it was refused; nullopt when it was done.
  static std::optional<ErrorKind> kind_of(const Status& status) {
    return status ? std::nullopt : std::optional(status.error().kind);
  }
  void pin() {
    ASSERT_TRUE(memory().change([this](RememberedRepos& all) { all[key.text()].pinned = true; }));
  }

  std::vector<RepoKey> changed_keys;

 private:
  static std::string parent_of_path(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? std::string() : path.substr(0, slash);
  }
  static std::string name_of_path(const std::string& path) { return path.substr(path.rfind('/') + 1); }
  void end() {
    remover_.reset();
    engine_.reset();
  }
  void on_published(const FetchTarget&) override {}
  void on_changed(const FetchTarget&) override {}
  void on_tainted(const FetchTarget&) override {}
  void on_cleaned(const RepoKey&) override {}

  std::unique_ptr<FetchEngine> engine_;
  std::unique_ptr<Remover> remover_;
};

}  // namespace hubfs::test
