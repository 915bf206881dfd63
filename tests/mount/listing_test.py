# SPDX-License-Identifier: Apache-2.0
"""Names: what is listed where, what resolves without being listed, and what stays the same."""

import errno
import json
import os
import shutil

from hubfs_mount import Cache, MountTest, commit_of, main

LLAMA = {"config.json": json.dumps({"model_type": "llama"}), "model.safetensors": b"w" * 100}


class ListingTest(MountTest):
    def test_top_folders(self):
        self.cache.add("meta/tiny", LLAMA)
        mount = self.mount()
        self.assertLessEqual({"models", "hub"}, set(self.names(mount.point)))
        self.assertNotIn("datasets", self.names(mount.point))
        self.assertNotIn(".hubfs", self.names(mount.point), "not listed")
        self.assertTrue((mount / ".hubfs/status.json").exists(), "but there")

    def test_other_repo_types(self):
        for kind in ("dataset", "space", "kernel"):
            self.cache.add("org/thing", {"a.txt": kind}, repo_type=kind)
        mount = self.mount()
        for kind in ("dataset", "space", "kernel"):
            self.assertEqual((mount / f"{kind}s/thing/a.txt").read_text(), kind)
            self.assertEqual((mount / f"hub/{kind}s/org/thing@main/a.txt").read_text(), kind)

    def test_families(self):
        self.cache.add("meta/tiny", LLAMA)
        self.cache.add("bfl/picture", {"model_index.json": '{"_class_name": "FluxPipeline"}'})
        self.cache.add("org/unheard-of", {"x": "y"})
        mount = self.mount()
        self.assertEqual(self.names(mount / "models"), ["flux", "llama", "other"])
        self.assertEqual(self.names(mount / "models/llama"), ["tiny"])
        self.assertEqual(self.names(mount / "models/other"), ["unheard-of"])

    def test_tree_of_a_revision(self):
        self.cache.add("meta/tiny", {**LLAMA, "a/b/c.txt": "deep", "a/d.txt": "x", "empty": ""})
        mount = self.mount()
        self.assertEqual(self.files(mount / "models/llama/tiny"),
                         ["a/b/c.txt", "a/d.txt", "config.json", "empty", "model.safetensors"])
        self.assertErrno(errno.ENOENT, os.stat, mount / "models/llama/tiny/a/none")
        self.assertErrno(errno.ENOTDIR, os.stat, mount / "models/llama/tiny/empty/x")

    def test_same_name_of_two_orgs(self):
        self.cache.add("zed/tiny", LLAMA)
        self.cache.add("abc/tiny", LLAMA)
        self.cache.add("tiny", LLAMA)
        mount = self.mount()
        names = self.names(mount / "models/llama")
        # `_`, the place of org-less ids, sorts behind capitals and before small letters; an absent org before both.
        self.assertIn(names, (["tiny", "tiny~abc", "tiny~zed"], ["tiny", "tiny~_", "tiny~zed"]))

    def test_a_name_stays_over_restarts_and_newcomers(self):
        self.cache.add("zed/tiny", {**LLAMA, "who": "zed"})
        first = self.mount()
        self.names(first / "models/llama")
        self.assertEqual(first.unmount(), "")
        self.cache.add("abc/tiny", {**LLAMA, "who": "abc"})
        second = self.mount()
        self.assertEqual(self.names(second / "models/llama"), ["tiny", "tiny~abc"])
        self.assertEqual((second / "models/llama/tiny/who").read_text(), "zed")
        self.assertEqual((second / "models/llama/tiny~abc/who").read_text(), "abc")

    def test_unlisted_aliases(self):
        old = self.cache.add("meta/tiny", {**LLAMA, "v": "1"}, refs=("v1",))
        new = self.cache.add("meta/tiny", {**LLAMA, "v": "2"}, refs=("main",))
        mount = self.mount()
        for path, expected in {"models/meta--tiny": "2", "models/meta--tiny@v1": "1", "models/llama/tiny@v1": "1",
                               "models/llama/tiny@main": "2", f"models/llama/tiny@{old}": "1",
                               f"models/meta--tiny@{new}": "2", "hub/meta/tiny": "2", f"hub/meta/tiny@{old}": "1",
                               f"hub/meta/tiny@{old[:12]}": "1"}.items():
            with self.subTest(path):
                self.assertEqual((mount / path / "v").read_text(), expected)
        self.assertEqual(self.names(mount / "models"), ["llama"])
        self.assertEqual(self.names(mount / "models/llama"), ["tiny"])
        self.assertErrno(errno.ENOENT, os.stat, mount / "models/llama/tiny@nothing")
        self.assertErrno(errno.ENOENT, os.stat, mount / "models/meta--none")

    def test_hub_lists_each_commit_once(self):
        one = self.cache.add("meta/tiny", {"v": "1"}, refs=("zzz", "main", "aaa"))
        two = self.cache.add("meta/tiny", {"v": "2"}, refs=("v2", "v1"))
        three = self.cache.add("meta/tiny", {"v": "3"}, refs=())
        self.cache.add("gpt2", {"v": "0"})
        mount = self.mount()
        self.assertEqual(self.names(mount / "hub/meta"), sorted(["tiny@main", "tiny@v1", f"tiny@{three[:12]}"]))
        for name, text in {"tiny@zzz": "1", "tiny@aaa": "1", "tiny@v2": "2", f"tiny@{three}": "3", "tiny": "1"}.items():
            self.assertEqual((mount / "hub/meta" / name / "v").read_text(), text)
        self.assertEqual((mount / "hub/_/gpt2@main/v").read_text(), "0")
        self.assertIn("_", self.names(mount / "hub"))
        self.assertNotEqual(one, two)

    def test_refs_with_slashes_and_percents(self):
        self.cache.add("meta/tiny", {"v": "pr"}, refs=("refs/pr/1",))
        self.cache.add("meta/tiny", {"v": "odd"}, refs=("50%",))
        mount = self.mount()
        self.assertEqual(self.names(mount / "hub/meta"), ["tiny@50%25", "tiny@refs%2Fpr%2F1"])
        self.assertEqual((mount / "hub/meta/tiny@refs%2Fpr%2F1/v").read_text(), "pr")
        self.assertEqual((mount / "hub/meta/tiny@50%25/v").read_text(), "odd")

    def test_detached_commit_is_the_default_without_main(self):
        self.cache.add("meta/tiny", {**LLAMA, "v": "1"}, refs=())
        mount = self.mount()
        self.assertEqual((mount / "models/llama/tiny/v").read_text(), "1")

    def test_a_ref_without_snapshot_does_not_hide_the_rest(self):
        self.cache.add("meta/tiny", {**LLAMA, "v": "1"}, refs=("v1",))
        self.cache.ref("meta/tiny", "main", commit_of("elsewhere"))
        mount = self.mount()
        self.assertEqual((mount / "models/llama/tiny/v").read_text(), "1")

    def test_a_repo_without_a_cached_commit_is_not_a_model(self):
        self.cache.ref("meta/tiny", "main", commit_of("nothing"))
        self.assertEqual(self.names(self.mount() / "models"), [])

    def test_uncached_files_are_listed_unless_show_cached(self):
        self.cache.add("meta/tiny", LLAMA, remote={"far/away.bin": b"z" * 5000})
        mount = self.mount()
        self.assertIn("far/away.bin", self.files(mount / "models/llama/tiny"))
        only = self.mount(options="show=cached")
        self.assertEqual(self.files(only / "models/llama/tiny"), ["config.json", "model.safetensors"])

    def test_subtree(self):
        self.cache.add("meta/tiny", LLAMA)
        mount = self.mount(options="subtree=models")
        self.assertEqual(self.names(mount.point), ["llama"])
        deep = self.mount(options="subtree=models/llama/tiny")
        self.assertEqual(self.names(deep.point), ["config.json", "model.safetensors"])

    def test_several_roots_make_one_view(self):
        old = Cache(self.folder / "transformers")
        self.cache.add("meta/tiny", {**LLAMA, "where": "first"})
        commit = commit_of("other")
        old.add("meta/tiny", {**LLAMA, "where": "second"}, commit=commit, refs=("old",))
        old.add("bert", {"config.json": '{"model_type": "bert"}', "where": "second"})
        mount = self.mount(self.cache, old)
        self.assertEqual((mount / "models/llama/tiny/where").read_text(), "first")
        self.assertEqual(self.names(mount / "models/llama"), ["tiny"])
        self.assertEqual(self.names(mount / "hub/meta"), ["tiny@main", "tiny@old"])
        self.assertEqual((mount / "hub/meta/tiny@old/where").read_text(), "second")
        self.assertEqual((mount / "hub/_/bert@main/where").read_text(), "second")

    def test_nothing_but_removals_can_be_written(self):
        self.cache.add("meta/tiny", LLAMA)
        mount = self.mount()
        model = mount / "models/llama/tiny"
        self.assertErrno(errno.EROFS, open, model / "new", "w")
        self.assertErrno(errno.EROFS, open, model / "config.json", "r+")
        self.assertErrno(errno.EROFS, os.mkdir, model / "sub")
        self.assertErrno(errno.EROFS, os.symlink, "x", model / "link")
        self.assertErrno(errno.EROFS, os.link, model / "config.json", model / "hard")
        self.assertErrno(errno.EROFS, os.chmod, model / "config.json", 0o600)
        self.assertErrno(errno.EROFS, os.truncate, model / "config.json", 0)

    def test_a_snapshot_without_links(self):
        commit = self.cache.add("meta/tiny", {"config.json": '{"model_type": "llama"}'})
        shutil.copy(self.cache.snapshot("meta/tiny", commit) / "config.json", self.folder / "copy")
        (self.cache.snapshot("meta/tiny", commit) / "real.txt").write_text("a real file")
        mount = self.mount()
        self.assertEqual((mount / "models/llama/tiny/real.txt").read_text(), "a real file")


if __name__ == "__main__":
    main()
