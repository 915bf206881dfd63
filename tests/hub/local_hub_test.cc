// SPDX-License-Identifier: Apache-2.0
//
// What the local Hub answers when nothing goes wrong. Whether real clients believe it is for tests/interop/hub_*.
#include "tests/hub/local_hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <fstream>

#include "tests/hub/digest.h"
#include "tests/hub/url.h"

namespace hubfs::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::uint64_t kWeightSize = 3'000'000;

HubOptions options() {
  HubOptions out;
  out.tokens = {{"good", "alice", true}, {"weak", "bob", false}};
  return out;
}

class LocalHubTest : public ::testing::Test {
 protected:
  LocalHubTest() : hub_(options()) {
    RepoSpec spec;
    spec.id = "org/model";
    spec.revisions["main"] = {{"README.md", Content::bytes("# hello\n")},
                              {"config.json", Content::bytes("{}")},
                              {"empty.txt", Content::bytes("")},
                              {"sub/deep/a b%.txt", Content::bytes("spaced")},
                              {"model.safetensors", weight_}};
    spec.revisions["v1/x"] = {{"config.json", Content::bytes("{\"old\":1}")}};
    spec.revisions["refs/pr/1"] = spec.revisions["v1/x"];
    spec.tags["v1.0"] = "v1/x";
    hub_.add_repo(std::move(spec));
    hub_.start();
  }

  httplib::Result get(const std::string& path, httplib::Headers headers = {}) const {
    return httplib::Client(hub_.url()).Get(path, headers);
  }
  httplib::Result head(const std::string& path, httplib::Headers headers = {}) const {
    return httplib::Client(hub_.url()).Head(path, headers);
  }
  nlohmann::json json(const std::string& path) const { return nlohmann::json::parse(get(path)->body); }
  // From an absolute address, as a client that follows a redirect.
  static httplib::Result follow(const std::string& url, httplib::Headers headers = {}) {
    const std::size_t slash = url.find('/', std::string_view("http://").size());
    return httplib::Client(url.substr(0, slash)).Get(url.substr(slash), headers);
  }
  std::string signed_weight() const {
    return head("/org/model/resolve/main/model.safetensors")->get_header_value("Location");
  }

  ContentPtr weight_ = Content::synthetic(kWeightSize, 1);
  LocalHub hub_;
};

TEST_F(LocalHubTest, InfoTellsTheCommit) {
  const auto info = json("/api/models/org/model");
  EXPECT_EQ(info.at("sha"), hub_.commit(RepoType::kModel, "org/model"));
  EXPECT_EQ(info.at("id"), "org/model");
  EXPECT_EQ(info.at("siblings").size(), 5U);
  EXPECT_EQ(json("/api/models/org/model/revision/v1%2Fx").at("sha"),
            hub_.commit(RepoType::kModel, "org/model", "v1/x"));
  EXPECT_EQ(json("/api/models/org/model/revision/HEAD?expand=sha").size(), 3U);
}

TEST_F(LocalHubTest, OidsAreGitsAndTheEtagOfLfsIsTheSha256) {
  const auto tree = json("/api/models/org/model/tree/main");
  for (const auto& item : tree) {
    if (item.at("path") == "config.json") {
      // printf '{}' | git hash-object --stdin
      EXPECT_EQ(item.at("oid"), "9e26dfeeb6e641a33dae4961196235bdb965b21b");
    }
    if (item.at("path") == "model.safetensors") {
      EXPECT_EQ(item.at("lfs").at("oid"), weight_->sha256());
      EXPECT_NE(item.at("oid"), weight_->git_sha1());
    }
  }
  const auto answer = head("/org/model/resolve/main/model.safetensors");
  EXPECT_EQ(answer->get_header_value("X-Linked-ETag"), "\"" + weight_->sha256() + "\"");
  EXPECT_EQ(answer->get_header_value("X-Linked-Size"), std::to_string(kWeightSize));
}

TEST_F(LocalHubTest, ListingsComeInPages) {
  hub_.set_page_size(2);
  std::vector<std::string> paths;
  std::string path = "/api/models/org/model/tree/main?recursive=true&expand=false";
  int pages = 0;
  while (!path.empty()) {
    const auto answer = get(path);
    for (const auto& item : nlohmann::json::parse(answer->body)) paths.push_back(item.at("path"));
    ++pages;
    const std::string link = answer->get_header_value("Link");
    const std::string prefix = "<" + hub_.url();
    path = link.empty() ? "" : link.substr(prefix.size(), link.find('>') - prefix.size());
    if (!link.empty()) {
      ASSERT_THAT(link, AllOf(StartsWith(prefix), EndsWith("rel=\"next\"")));
    }
  }
  EXPECT_EQ(pages, 4);
  EXPECT_THAT(paths, ElementsAre("sub", "README.md", "config.json", "empty.txt", "model.safetensors", "sub/deep",
                                 "sub/deep/a b%.txt"));
  EXPECT_EQ(get("/api/models/org/model/tree/main?cursor=junk")->status, 400);
}

TEST_F(LocalHubTest, ListingOfAFolderAndOfNone) {
  EXPECT_EQ(json("/api/models/org/model/tree/main/sub%2Fdeep").at(0).at("path"), "sub/deep/a b%.txt");
  EXPECT_EQ(json("/api/models/org/model/tree/refs/pr/1").size(), 1U);
  const auto answer = get("/api/models/org/model/tree/main/nothing");
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->get_header_value("X-Error-Code"), "EntryNotFound");
}

TEST_F(LocalHubTest, PathsInfoTakesFormAndJson) {
  httplib::Client client(hub_.url());
  const std::string path = "/api/models/org/model/paths-info/main";
  const auto form = client.Post(path, "paths=config.json&paths=sub&paths=no", "application/x-www-form-urlencoded");
  EXPECT_EQ(nlohmann::json::parse(form->body).size(), 2U);
  const auto body = client.Post(path, R"({"paths":["model.safetensors"],"expand":true})", "application/json");
  EXPECT_EQ(nlohmann::json::parse(body->body).at(0).at("lastCommit").at("id"),
            hub_.commit(RepoType::kModel, "org/model"));
  // More than the HTTP library takes in a form by itself.
  std::string many = "paths=config.json";
  for (int i = 0; i < 2000; ++i) many += "&paths=missing" + std::to_string(i);
  EXPECT_EQ(client.Post(path, many, "application/x-www-form-urlencoded")->status, 200);
}

TEST_F(LocalHubTest, Refs) {
  const auto refs = json("/api/models/org/model/refs?include_prs=1");
  EXPECT_EQ(refs.at("branches").size(), 2U);
  EXPECT_EQ(refs.at("tags").at(0).at("ref"), "refs/tags/v1.0");
  EXPECT_EQ(refs.at("pullRequests").at(0).at("ref"), "refs/pr/1");
  EXPECT_FALSE(json("/api/models/org/model/refs").contains("pullRequests"));
}

TEST_F(LocalHubTest, RegularFilesComeFromTheHub) {
  const auto answer = get("/org/model/resolve/main/sub/deep/a%20b%25.txt");
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "spaced");
  EXPECT_EQ(answer->get_header_value("X-Repo-Commit"), hub_.commit(RepoType::kModel, "org/model"));
  EXPECT_THAT(answer->get_header_value("Content-Disposition"), HasSubstr("a b%.txt"));  // httplib decodes headers
  EXPECT_EQ(get("/org/model/resolve/v1%2Fx/config.json")->body, "{\"old\":1}");
  EXPECT_EQ(get("/org/model/resolve/main/empty.txt")->body, "");
  const std::string etag = answer->get_header_value("ETag");
  EXPECT_EQ(get("/org/model/resolve/main/sub/deep/a%20b%25.txt", {{"If-None-Match", etag}})->status, 304);
}

TEST_F(LocalHubTest, HeadHasTheLengthAndNoBody) {
  httplib::Client client(hub_.url());
  client.set_keep_alive(true);
  EXPECT_EQ(client.Head("/org/model/resolve/main/README.md")->get_header_value("Content-Length"), "8");
  EXPECT_EQ(client.Get("/org/model/resolve/main/README.md")->body, "# hello\n");  // on the same connection
  EXPECT_EQ(hub_.stats().connections, 1U);
}

TEST_F(LocalHubTest, ResolveCacheIsARelativeRedirect) {
  hub_.set_resolve_cache(true);
  const auto answer = get("/org/model/resolve/main/README.md");
  EXPECT_EQ(answer->status, 307);
  EXPECT_THAT(answer->get_header_value("Location"), StartsWith("/api/resolve-cache/models/org/model/"));
  EXPECT_EQ(get(answer->get_header_value("Location"))->body, "# hello\n");
}

TEST_F(LocalHubTest, RangesFromTheCdn) {
  const std::string url = signed_weight();
  ASSERT_THAT(url, StartsWith(hub_.cdn_url()));
  EXPECT_EQ(follow(url)->body, weight_->slice(0, kWeightSize));
  struct Case {
    const char* range;
    std::uint64_t offset, length;
  };
  for (const Case& one :
       {Case{"bytes=0-0", 0, 1}, Case{"bytes=1048570-1048590", 1048570, 21}, Case{"bytes=2999990-", 2999990, 10},
        Case{"bytes=-7", kWeightSize - 7, 7}, Case{"bytes=5-99999999", 5, kWeightSize - 5}}) {
    const auto answer = follow(url, {{"Range", one.range}});
    EXPECT_EQ(answer->status, 206) << one.range;
    EXPECT_EQ(answer->body, weight_->slice(one.offset, one.length)) << one.range;
    EXPECT_EQ(answer->get_header_value("Content-Range"),
              "bytes " + std::to_string(one.offset) + "-" + std::to_string(one.offset + one.length - 1) + "/3000000");
  }
  const auto beyond = follow(url, {{"Range", "bytes=3000000-"}});
  EXPECT_EQ(beyond->status, 416);
  EXPECT_EQ(beyond->get_header_value("Content-Range"), "bytes */3000000");
  EXPECT_EQ(follow(url, {{"Range", "bytes=0-1,5-6"}})->status, 200);  // several: everything, as object stores do
  EXPECT_EQ(follow(url, {{"Range", "bytes=0-1"}, {"If-Range", "\"other\""}})->status, 200);
}

TEST_F(LocalHubTest, TheCdnRefusesTokensAndCountsThem) {
  const auto answer = follow(signed_weight(), {{"Authorization", "Bearer good"}});
  EXPECT_EQ(answer->status, 400);
  EXPECT_EQ(hub_.stats().token_leaks, 1U);
  EXPECT_EQ(hub_.stats().file_bytes, 0U);
}

TEST_F(LocalHubTest, TheCdnRefusesAddressesThatRanOutOrWereChanged) {
  EXPECT_EQ(follow(signed_weight() + "0&Signature=0")->status, 200);  // the first counts
  std::string url = signed_weight();
  url.replace(url.find("Expires=") + 8, 1, "9");
  EXPECT_EQ(follow(url)->status, 403);
  hub_.set_signed_url_life(std::chrono::seconds(-5));
  EXPECT_EQ(follow(signed_weight())->status, 403);
}

TEST_F(LocalHubTest, RefusalsNameTheirReason) {
  const auto expect = [&](const std::string& path, const httplib::Headers& headers, int status,
                          const std::string& code) {
    const auto answer = get(path, headers);
    EXPECT_EQ(answer->status, status) << path;
    EXPECT_EQ(answer->get_header_value("X-Error-Code"), code) << path;
  };
  const httplib::Headers good = {{"Authorization", "Bearer good"}};
  const httplib::Headers weak = {{"Authorization", "Bearer weak"}};
  expect("/api/models/org/none", {}, 401, "RepoNotFound");
  expect("/api/models/org/none", good, 404, "RepoNotFound");
  expect("/api/models/org/model", {{"Authorization", "Bearer wrong"}}, 401, "");
  expect("/org/model/resolve/none/config.json", {}, 404, "RevisionNotFound");
  expect("/org/model/resolve/main/none", {}, 404, "EntryNotFound");
  EXPECT_NE(get("/org/model/resolve/main/none")->get_header_value("X-Repo-Commit"), "");
  hub_.set_access(RepoType::kModel, "org/model", false, true);
  expect("/api/models/org/model", {}, 200, "");
  expect("/org/model/resolve/main/config.json", {}, 401, "GatedRepo");
  expect("/org/model/resolve/main/config.json", weak, 403, "GatedRepo");
  expect("/org/model/resolve/main/config.json", good, 200, "");
  hub_.set_access(RepoType::kModel, "org/model", true, false);
  expect("/api/models/org/model", {}, 401, "RepoNotFound");
  expect("/api/models/org/model", weak, 404, "RepoNotFound");
  expect("/api/models/org/model", good, 200, "");
  hub_.set_access(RepoType::kModel, "org/model", false, false, true);
  EXPECT_EQ(get("/api/models/org/model")->get_header_value("X-Error-Message"), "Access to this resource is disabled.");
}

TEST_F(LocalHubTest, RenamedReposRedirect) {
  hub_.add_alias(RepoType::kModel, "old", "org/model");
  const auto file = get("/old/resolve/v1%2Fx/config.json?a=b");
  EXPECT_EQ(file->status, 307);
  // httplib decodes what it reads; that the escape survives is checked in tests/interop/hub_python.py.
  EXPECT_EQ(file->get_header_value("Location"), "/org/model/resolve/v1/x/config.json?a=b");
  EXPECT_EQ(get("/api/models/old/tree/main")->get_header_value("Location"),
            hub_.url() + "/api/models/org/model/tree/main");
}

TEST_F(LocalHubTest, ABranchMovesAndTheOldCommitStays) {
  const std::string before = hub_.commit(RepoType::kModel, "org/model");
  const std::string after = hub_.set_branch(RepoType::kModel, "org/model", "main",
                                            {{"config.json", Content::bytes("{}")}, {"new", Content::bytes("n")}});
  EXPECT_NE(before, after);
  EXPECT_EQ(json("/api/models/org/model").at("sha"), after);
  EXPECT_EQ(get("/org/model/resolve/" + before + "/README.md")->body, "# hello\n");
  const auto tree = json("/api/models/org/model/tree/main?expand=true");
  EXPECT_EQ(tree.at(0).at("lastCommit").at("id"), before);  // config.json did not change
  EXPECT_EQ(tree.at(1).at("lastCommit").at("id"), after);
  EXPECT_EQ(json("/api/models/org/model/commits/main").size(), 2U);
}

TEST_F(LocalHubTest, XetHeadersOnlyWhereXetIsOn) {
  EXPECT_FALSE(head("/org/model/resolve/main/model.safetensors")->has_header("X-Xet-Hash"));
  RepoSpec spec;
  spec.type = RepoType::kDataset;
  spec.id = "data";
  spec.xet = true;
  spec.revisions["main"] = {{"a.parquet", weight_}, {"b.txt", Content::bytes("b")}};
  hub_.add_repo(spec);
  const auto answer = head("/datasets/data/resolve/main/a.parquet");
  EXPECT_EQ(answer->status, 302);
  EXPECT_EQ(answer->get_header_value("X-Xet-Hash").size(), 64U);
  EXPECT_THAT(answer->get_header_value("Link"), HasSubstr("rel=\"xet-auth\""));
  EXPECT_FALSE(head("/datasets/data/resolve/main/b.txt")->has_header("X-Xet-Hash"));
  EXPECT_EQ(json("/api/datasets/data/tree/main").at(0).at("xetHash"), answer->get_header_value("X-Xet-Hash"));
  EXPECT_EQ(get("/api/datasets/data/xet-read-token/main")->status, 501);
}

TEST_F(LocalHubTest, TheLogTellsWhatWasAsked) {
  get("/org/model/resolve/main/README.md", {{"Range", "bytes=2-3"}, {"User-Agent", "me"}});
  follow(signed_weight(), {{"Range", "bytes=0-99"}});
  const auto log = hub_.log();
  ASSERT_EQ(log.size(), 3U);
  EXPECT_EQ(log[0].kind, "resolve");
  EXPECT_EQ(log[0].status, 206);
  EXPECT_EQ(log[0].range, "bytes=2-3");
  EXPECT_EQ(log[0].user_agent, "me");
  EXPECT_EQ(log[0].body_bytes, 2U);
  EXPECT_EQ(log[2].origin, OriginKind::kCdn);
  EXPECT_EQ(log[2].file, "models/org/model/model.safetensors");
  EXPECT_EQ(log[2].query, "");
  EXPECT_EQ(hub_.stats().bytes_by_file.at("models/org/model/model.safetensors"), 100U);
  EXPECT_EQ(hub_.stats().by_method.at("HEAD resolve"), 1U);
  hub_.reset();
  EXPECT_EQ(hub_.stats().requests, 0U);
}

TEST_F(LocalHubTest, ControlFromOutside) {
  httplib::Client client(hub_.url());
  const auto post = [&](const std::string& path, const nlohmann::json& body) {
    return client.Post(path, body.dump(), "application/json");
  };
  const auto made = post("/__hub/repos", {{"type", "space"},
                                          {"id", "me/app"},
                                          {"files", {{"app.py", "print()"}, {"w.bin", {{"size", 99}, {"seed", 3}}}}}});
  EXPECT_EQ(nlohmann::json::parse(made->body).at("revisions").at("main"), hub_.commit(RepoType::kSpace, "me/app"));
  EXPECT_EQ(get("/spaces/me/app/resolve/main/app.py")->body, "print()");
  EXPECT_EQ(post("/__hub/branch", {{"type", "space"}, {"id", "me/app"}, {"files", {{"x", "y"}}}})->status, 200);
  EXPECT_EQ(get("/spaces/me/app/resolve/main/x")->body, "y");
  const auto ids = nlohmann::json::parse(post("/__hub/faults", {{"path", "*/x"}, {"status", 503}})->body).at("ids");
  EXPECT_EQ(get("/spaces/me/app/resolve/main/x")->status, 503);
  EXPECT_EQ(json("/__hub/faults/" + ids.at(0).dump()).at("hits"), 1);
  EXPECT_EQ(post("/__hub/faults", {{"pahts", "*"}})->status, 400);
  EXPECT_EQ(json("/__hub/stats").at("requests"), 3);
  EXPECT_EQ(json("/__hub/log").size(), 3U);
}

TEST_F(LocalHubTest, StopsAndStartsOnTheSamePort) {
  const std::string url = hub_.url();
  hub_.stop();
  EXPECT_FALSE(get("/api/models/org/model"));
  hub_.start();
  EXPECT_EQ(hub_.url(), url);
  EXPECT_EQ(get("/api/models/org/model")->status, 200);
}

TEST(DataFolder, IsServed) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / "hubfs-hub-data";
  std::filesystem::remove_all(folder);
  const auto write = [&](const std::string& path, const std::string& text) {
    std::filesystem::create_directories((folder / path).parent_path());
    std::ofstream(folder / path) << text;
  };
  write("models/_/gpt2/config.json", "{}");
  write("datasets/org/d/revisions/main/a.txt", "a");
  write("datasets/org/d/revisions/v1%2Fx/a.txt", "old");
  write("datasets/org/d/hub.json", R"({"private": true, "refs": {"tags": {"t": "main"}}})");
  LocalHub hub(options());
  hub.add_data_folder(folder);
  hub.start();
  httplib::Client client(hub.url());
  EXPECT_EQ(client.Get("/gpt2/resolve/main/config.json")->body, "{}");
  EXPECT_EQ(client.Get("/api/datasets/org/d")->status, 401);
  client.set_bearer_token_auth("good");
  EXPECT_EQ(client.Get("/datasets/org/d/resolve/v1%2Fx/a.txt")->body, "old");
  EXPECT_EQ(client.Get("/datasets/org/d/resolve/t/a.txt")->body, "a");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace hubfs::testing
