// SPDX-License-Identifier: Apache-2.0
#include "core/cache/layout.h"

#include <gtest/gtest.h>

#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using layout::BlobDirEntry;
using test::blob_id;
using test::commit_of;
using test::ref_name;
using test::rel_path;
using test::repo_key;

const std::string kHash(64, 'd');

TEST(Layout, RepoFoldersGoBothWays) {
  for (const auto& [text, folder] :
       {std::pair("model/gpt2", "models--gpt2"), std::pair("model/org/name", "models--org--name"),
        std::pair("dataset/a/b.c", "datasets--a--b.c"), std::pair("space/x/y", "spaces--x--y"),
        std::pair("kernel/k-k/z_", "kernels--k-k--z_")}) {
    EXPECT_EQ(layout::repo_folder(repo_key(text)), folder);
    EXPECT_EQ(layout::parse_repo_folder(folder), repo_key(text));
  }
}

TEST(Layout, StrangeFoldersAreNoRepos) {
  for (const char* folder : {"", "models", "models--", "models-a", "model--a", "buckets--a--b", "models--a--b--c",
                             "models--a---b", "models--a--", "models--..", "models--a--..", "models--a/b",
                             "models--a b", "MODELS--a", "blobs", ".locks", "models--a--b.git", "models-- a"}) {
    EXPECT_FALSE(layout::parse_repo_folder(folder)) << folder;
  }
}

TEST(Layout, PathsAreHuggingFaces) {
  const RepoKey key = repo_key("model/org/name");
  const CommitHash commit = commit_of('a');
  const std::string c(40, 'a');
  const auto hash = *XetHash::parse(kHash);
  EXPECT_EQ(layout::blob(key, blob_id("e")), "models--org--name/blobs/e");
  EXPECT_EQ(layout::ref(key, ref_name("refs/pr/1")), "models--org--name/refs/refs/pr/1");
  EXPECT_EQ(layout::snapshot_entry(key, commit, rel_path("x/y")), "models--org--name/snapshots/" + c + "/x/y");
  EXPECT_EQ(layout::listing(key, commit), "models--org--name/trees/" + c + ".json");
  EXPECT_EQ(layout::no_exist_dir(key, commit), "models--org--name/.no_exist/" + c);
  EXPECT_EQ(layout::blob_lock(key, blob_id("e")), ".locks/models--org--name/e.lock");
  EXPECT_EQ(layout::payload(hash), "blobs/dd/" + kHash);
  EXPECT_EQ(layout::payload_manifest(hash), "blobs/dd/" + kHash + ".refs");
  EXPECT_EQ(layout::payload_lock(hash), "blobs/dd/" + kHash + ".lock");
}

TEST(Layout, LinksLeadWhereTheySay) {
  const RepoKey key = repo_key("model/org/name");
  for (const char* path : {"a", "a/b", "a/b/c/d"}) {
    const std::string link = layout::snapshot_entry(key, commit_of('a'), rel_path(path));
    EXPECT_EQ(layout::resolve_link(link, layout::link_to_blob(rel_path(path), blob_id("e")), "/r"),
              layout::blob(key, blob_id("e")));
  }
  EXPECT_EQ(layout::link_to_blob(rel_path("a"), blob_id("e")), "../../blobs/e");
  EXPECT_EQ(layout::link_to_blob(rel_path("a/b"), blob_id("e")), "../../../blobs/e");
  const auto hash = *XetHash::parse(kHash);
  EXPECT_EQ(layout::resolve_link(layout::blob(key, blob_id("e")), layout::link_to_payload(hash), "/r"),
            layout::payload(hash));
}

TEST(Layout, ResolvesTextuallyAndStaysInside) {
  const std::string at = "models--x/snapshots/c/f";
  EXPECT_EQ(layout::resolve_link(at, "/root/hub/models--x/blobs/e", "/root/hub"), "models--x/blobs/e");
  EXPECT_EQ(layout::resolve_link(at, "/root//hub/./models--x/../models--y/blobs/e", "/root/hub"), "models--y/blobs/e");
  // Out and in again, by name.
  EXPECT_EQ(layout::resolve_link(at, "../../../../hub/models--x/blobs/e", "/root/hub"), "models--x/blobs/e");
  EXPECT_EQ(layout::resolve_link(at, ".//../../blobs/./e", "/root/hub"), "models--x/blobs/e");
  for (const char* target : {"", "/etc/passwd", "/root/hubb/x", "/root", "/root/hub", "../../../../x",
                             "../../../../../../../x", "../../../", "/root/hub/../other"}) {
    EXPECT_FALSE(layout::resolve_link(at, target, "/root/hub")) << target;
  }
}

TEST(Layout, ClassifiesNamesInBlobs) {
  const std::string etag(64, 'a');
  EXPECT_EQ(layout::classify_blob_name(etag), BlobDirEntry::kBlob);
  EXPECT_EQ(layout::classify_blob_name(etag + ".0123abcd.incomplete"), BlobDirEntry::kIncomplete);
  EXPECT_EQ(layout::classify_blob_name(etag + ".incomplete"), BlobDirEntry::kIncomplete);
  EXPECT_EQ(layout::classify_blob_name("tmp_01234567-89ab-cdef-0123-456789abcdef"), BlobDirEntry::kTransient);
  for (const char* suffix : {"shared", "new", "old"}) {
    EXPECT_EQ(layout::classify_blob_name("." + etag + ".0123abcd." + suffix), BlobDirEntry::kTransient);
  }
  for (const char* name : {"", ".x", "a b", "x.lock", "...shared", ".a.12.shared"}) {
    EXPECT_EQ(layout::classify_blob_name(name), BlobDirEntry::kUnknown) << name;
  }
}

TEST(Layout, KnowsWhatAnIncompleteIsOf) {
  EXPECT_EQ(layout::etag_of_incomplete("abc.0123abcd.incomplete"), blob_id("abc"));
  EXPECT_EQ(layout::etag_of_incomplete("abc.incomplete"), blob_id("abc"));
  EXPECT_FALSE(layout::etag_of_incomplete("abc"));
  EXPECT_FALSE(layout::etag_of_incomplete(".incomplete"));
}

TEST(Layout, TemporaryNamesAreKnownAndOthersNotTakenForThem) {
  for (const char* name :
       {"main.0123abcd.tmp", "x.incomplete", ".x.0123abcd.shared", "tmp_01234567-89ab-cdef-0123-456789abcdef"}) {
    EXPECT_TRUE(layout::is_temporary_name(name)) << name;
  }
  for (const char* name : {"main", "weights.tmp", "tmp_model.bin", "model.safetensors", "x.shared", "x.0123ABCD.tmp"}) {
    EXPECT_FALSE(layout::is_temporary_name(name)) << name;
  }
}

TEST(Layout, ParsesBlobAndPayloadPaths) {
  const auto blob = layout::parse_blob_path("models--org--name/blobs/abc");
  ASSERT_TRUE(blob);
  EXPECT_EQ(blob->repo_folder, "models--org--name");
  EXPECT_EQ(blob->etag, blob_id("abc"));
  for (const char* path : {"models--a/blobs", "models--a/blobs/", "models--a/blobs/x/y", "models--a/refs/x",
                           "x/blobs/y", "blobs/x", "models--a/blobs/.x", "models--a/blobs/x.incomplete", ""}) {
    EXPECT_FALSE(layout::parse_blob_path(path)) << path;
  }
  EXPECT_TRUE(layout::parse_payload_path("blobs/dd/" + kHash));
  for (const std::string& path : {"blobs/de/" + kHash, "blobs/" + kHash, "x/dd/" + kHash, "blobs/dd/" + kHash + ".refs",
                                  "blobs/dd/x/" + kHash, kHash}) {
    EXPECT_FALSE(layout::parse_payload_path(path)) << path;
  }
}

}  // namespace
}  // namespace hubfs
