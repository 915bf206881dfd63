# SPDX-License-Identifier: Apache-2.0
"""Where removals are taken, and room that is made by removing what was not used for longest."""

import errno
import json
import os

from hubfs_mount import MountTest, main, noise, run

CONFIG = json.dumps({"model_type": "llama"})


class RemoveOptionTest(MountTest):
    def setUp(self):
        super().setUp()
        for name in ("one", "two"):
            self.cache.add(f"meta/{name}", {"config.json": CONFIG, "model.safetensors": noise(20_000, 1), "who.txt": name})
        self.cache.add("org/data", {"a.txt": "a", "b.txt": "b"}, repo_type="dataset")

    def test_removals_are_taken_in_models_and_datasets_only(self):
        mounted = self.mount(options="remove=models")
        hub = mounted / "hub/meta/one@main"
        self.assertErrno(errno.EROFS, os.unlink, hub / "who.txt")
        self.assertErrno(errno.EROFS, os.rmdir, hub)
        self.assertErrno(errno.EROFS, os.rmdir, mounted / "hub/meta/one")
        self.assertErrno(errno.EROFS, os.rmdir, mounted / "hub/meta")
        self.assertErrno(errno.EROFS, os.unlink, mounted / "hub/datasets/org/data@main/a.txt")
        self.assertTrue((self.cache.snapshot("meta/one", self.cache_commit("meta/one")) / "who.txt").exists())
        os.unlink(mounted / "models/llama/one/who.txt")
        os.rmdir(mounted / "models/llama/one")
        self.assertFalse(self.cache.repo("meta/one").exists())
        os.rmdir(mounted / "models/meta--two@main")
        self.assertFalse(self.cache.repo("meta/two").exists())
        os.unlink(mounted / "datasets/data/a.txt")
        self.assertEqual(self.names(mounted / "datasets/data"), ["b.txt"])

    def test_a_subtree_counts_from_the_root_of_the_whole_view(self):
        hub = self.mount(options="remove=models,subtree=hub")
        self.assertErrno(errno.EROFS, os.rmdir, hub / "meta/one@main")
        models = self.mount(options="remove=models,subtree=models")
        os.rmdir(models / "llama/one")
        self.assertFalse(self.cache.repo("meta/one").exists())

    def cache_commit(self, repo_id):
        return (self.cache.repo(repo_id) / "refs/main").read_text()

    def test_options_that_contradict_or_mean_nothing_are_refused(self):
        for options in ("remove=hub", "quota=much", "min_free=-1", "ro,quota=1G", "min_free=1G,ro"):
            done = run(os.environ.get("HUBFS_BIN", "hubfs"), "mount", "--cache", self.cache.root, "-o", options, self.folder / "none")
            self.assertEqual(done.returncode, 1, options)
            self.assertIn("option", done.stderr, options)


if __name__ == "__main__":
    main()
