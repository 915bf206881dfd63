# SPDX-License-Identifier: Apache-2.0
"""What other programs do to the cache shows within a second, without a remount."""

import errno
import json
import os
import shutil

from hubfs_mount import HUBFS, SLOW, MountTest, main, noise, run, wait_until

CONFIG = json.dumps({"model_type": "llama"})


class FollowTest(MountTest):
    def soon(self, condition, what=None):
        self.assertTrue(wait_until(condition, 20 if SLOW else 5), what)

    def setUp(self):
        super().setUp()
        self.first = self.cache.add("meta/old", {"config.json": CONFIG, "v": "1"})
        self.mounted = self.mount()
        self.llama = self.mounted / "models/llama"
        self.assertEqual(self.names(self.llama), ["old"])

    def test_a_new_repo_even_where_it_was_missed_before(self):
        self.assertFalse((self.llama / "new").exists())
        self.assertFalse((self.mounted / "datasets").exists())
        self.cache.add("meta/new", {"config.json": CONFIG, "w.bin": "w"})
        self.soon(lambda: "new" in os.listdir(self.llama))
        self.soon(lambda: (self.llama / "new/w.bin").read_text() == "w")
        self.cache.add("org/data", {"a": "b"}, repo_type="dataset")
        self.soon(lambda: (self.mounted / "datasets/data/a").read_text() == "b")

    def test_a_new_file_in_a_listed_commit(self):
        self.assertFalse((self.llama / "old/late/w.bin").exists())
        self.names(self.llama / "old")
        self.cache.put("meta/old", self.first, "late/w.bin", b"late")
        self.soon(lambda: (self.llama / "old/late/w.bin").read_bytes() == b"late")
        self.soon(lambda: "late" in os.listdir(self.llama / "old"))

    def test_a_moved_ref(self):
        self.assertEqual((self.llama / "old/v").read_text(), "1")
        second = self.cache.add("meta/old", {"config.json": CONFIG, "v": "2", "more": "x"}, refs=(), commit="b" * 40)
        self.cache.ref("meta/old", "main", second)
        self.soon(lambda: (self.llama / "old/v").read_text() == "2")
        self.soon(lambda: "more" in os.listdir(self.llama / "old"))
        self.soon(lambda: (self.mounted / "hub/meta/old@main/v").read_text() == "2")
        self.soon(lambda: sorted(os.listdir(self.mounted / "hub/meta")) == sorted(["old@main", f"old@{self.first[:12]}"]))

    def test_removed_by_hand(self):
        self.cache.add("meta/gone", {"config.json": CONFIG, "w": "x"})
        self.soon(lambda: (self.llama / "gone/w").exists())
        shutil.rmtree(self.cache.repo("meta/gone"))
        self.soon(lambda: not (self.llama / "gone").exists())
        self.assertEqual(self.names(self.llama), ["old"])
        shutil.rmtree(self.cache.repo("meta/old"))
        self.soon(lambda: os.listdir(self.mounted / "models") == [])

    def test_a_removed_file(self):
        self.assertEqual((self.llama / "old/v").read_text(), "1")
        (self.cache.snapshot("meta/old", self.first) / "v").unlink()
        self.cache.blob("meta/old", "v", b"1").unlink()
        self.soon(lambda: not (self.llama / "old/v").exists())
        self.soon(lambda: os.listdir(self.llama / "old") == ["config.json"])

    def test_never_a_half_file(self):
        data = noise(3_000_000, 4)
        temp = self.cache.repo("meta/old") / "blobs/aa.01234567.incomplete"
        temp.write_bytes(data[:1_000_000])
        link = self.cache.snapshot("meta/old", self.first) / "w.bin"
        link.symlink_to("../../blobs/" + self.cache.blob("meta/old", "w.bin", data).name)
        self.assertFalse((self.llama / "old/w.bin").exists(), "a dangling link is not a file")
        temp.write_bytes(data)
        temp.rename(self.cache.blob("meta/old", "w.bin", data))
        self.soon(lambda: (self.llama / "old/w.bin").read_bytes() == data)

    def test_many_at_once(self):
        for number in range(100):
            self.cache.add(f"meta/many-{number}", {"config.json": CONFIG})
        self.soon(lambda: len(os.listdir(self.llama)) == 101, f"{len(os.listdir(self.llama))} of 101")

    def test_a_folder_opened_before_and_read_after_a_change(self):
        """What such a reader gets may be old, but the kernel must not keep it for those who come after."""
        folder = self.llama / "old"
        self.assertEqual(self.names(folder), ["config.json", "v"])
        self.cache.put("meta/old", self.first, "b.bin", b"b")
        self.soon(lambda: "b.bin" in os.listdir(folder))
        with os.scandir(folder) as opened:
            (self.cache.snapshot("meta/old", self.first) / "b.bin").unlink()
            self.cache.blob("meta/old", "b.bin", b"b").unlink()
            self.cache.put("meta/old", self.first, "c.bin", b"c")
            self.soon(lambda: (folder / "c.bin").exists() and not (folder / "b.bin").exists())
            self.assertIn("config.json", [entry.name for entry in opened])
        self.soon(lambda: self.names(folder) == ["c.bin", "config.json", "v"], self.names(folder))
        self.assertFalse((folder / "b.bin").exists())

    def test_a_repo_that_comes_back_while_a_part_of_it_was_here(self):
        """Of a removed repo a partial download may be left, which keeps it in the view; what a client fetches then shows."""
        hub = self.hub()
        files = {"config.json": CONFIG, "w.bin": noise(3 << 20, 5)}
        hub.add("meta/part", files)
        hub.fault(path="*", hang_after=1 << 20)
        mount = self.mount(hub=hub, options="fill=never")
        with open(mount / "hub/meta/part/w.bin", "rb", buffering=0) as file:
            self.assertEqual(len(file.read(4096)), 4096)
            self.soon(lambda: "part@main" in os.listdir(mount / "hub/meta"))
        self.cache.add("meta/part", {"v": "1"}, refs=(), commit="b" * 40)
        self.soon(lambda: f"part@{'b' * 12}" in os.listdir(mount / "hub/meta"))
        shutil.rmtree(self.cache.repo("meta/part"))
        self.soon(lambda: [name for name in os.listdir(mount / "hub/meta") if name.startswith("part")] == ["part@main"])
        self.cache.add("meta/part", {"config.json": CONFIG}, refs=("dev",), commit="c" * 40)
        self.soon(lambda: "part@dev" in os.listdir(mount / "hub/meta"), os.listdir(mount / "hub/meta"))

    def test_a_removed_repo_is_asked_for_anew(self):
        """Of what is not cached the mount knows only what the Hub said; a removal forgets that, and no name stays behind."""
        hub = self.hub()
        commit = hub.add("meta/far", {"config.json": CONFIG})["main"]
        mount = self.mount(hub=hub)
        places = [mount / f"hub/meta/far@{name}" for name in ("main", commit)]
        for place in places:
            self.assertEqual(self.names(place), ["config.json"])
        os.rmdir(mount / "hub/meta/far")
        for place in places:
            self.soon(lambda: self.names(place) == ["config.json"], place)

    def test_what_is_hidden_goes_from_every_place(self):
        commit = self.cache.add("meta/part", {"config.json": CONFIG}, remote={"sub/far.bin": b"f" * 5000})
        places = [self.mounted / place for place in ("models/llama/part", "hub/meta/part@main", f"hub/meta/part@{commit}")]
        for place in places:
            self.soon(lambda: (place / "sub/far.bin").exists())
            self.assertEqual(self.names(place / "sub"), ["far.bin"])
        os.unlink(places[0] / "sub/far.bin")
        for place in places:
            self.soon(lambda: os.listdir(place / "sub") == [] and not (place / "sub/far.bin").exists(), place)
        os.rmdir(places[1] / "sub")
        for place in places:
            self.soon(lambda: os.listdir(place) == ["config.json"] and not (place / "sub").exists(), place)

    def test_what_a_client_fetches_again_is_not_hidden_any_more(self):
        files = {"config.json": CONFIG, "w.bin": b"w" * 5000}
        commit = self.cache.add("meta/part", files, remote={})
        folder = self.llama / "part"
        self.soon(lambda: (folder / "w.bin").exists())
        os.unlink(folder / "w.bin")
        self.soon(lambda: "w.bin" not in json.dumps(os.listdir(folder)))
        self.soon(lambda: self.hidden("meta/part") == {commit: ["w.bin"]})
        self.cache.put("meta/part", commit, "w.bin", files["w.bin"])
        self.soon(lambda: (folder / "w.bin").read_bytes() == files["w.bin"])
        self.soon(lambda: self.hidden("meta/part") == {})
        (self.cache.snapshot("meta/part", commit) / "w.bin").unlink()
        self.cache.blob("meta/part", "w.bin", files["w.bin"]).unlink()
        self.soon(lambda: os.getxattr(folder / "w.bin", "user.hubfs.state") == b"remote")
        # The same while there is no mount.
        os.unlink(folder / "w.bin")
        self.soon(lambda: self.hidden("meta/part") == {commit: ["w.bin"]})
        self.end(self.mounted)
        self.cache.put("meta/part", commit, "w.bin", files["w.bin"])
        self.mounted = self.mount()
        self.soon(lambda: self.hidden("meta/part") == {})

    def hidden(self, repo):
        """What the private state says is hidden of a model."""
        state = self.mounted.status()["cache_roots"][0]["state"]
        with open(f"{state}/names.json", encoding="utf-8") as file:
            known = json.load(file)["repos"][f"model/{repo}"]
        return {commit: sorted(bytes(path).decode() for path in paths) for commit, paths in known.get("hidden", {}).items()}

    def test_what_another_mount_hides(self):
        self.cache.add("meta/part", {"config.json": CONFIG, "a.bin": "a", "b.bin": "b"}, remote={"far.bin": b"f" * 5000})
        self.soon(lambda: "far.bin" in os.listdir(self.llama / "part"))
        other = self.mount()
        theirs = other / "models/llama/part"
        self.assertEqual(self.names(theirs), ["a.bin", "b.bin", "config.json", "far.bin"])
        os.unlink(self.llama / "part/far.bin")
        self.soon(lambda: "far.bin" not in os.listdir(theirs))
        self.assertFalse((theirs / "far.bin").exists())
        os.unlink(theirs / "a.bin")
        self.soon(lambda: os.listdir(self.llama / "part") == os.listdir(theirs) == ["b.bin", "config.json"])
        done = run(HUBFS, "rm", "-y", "--cache", self.cache.root, "models/llama/part/b.bin")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.soon(lambda: os.listdir(self.llama / "part") == os.listdir(theirs) == ["config.json"])

    def test_what_another_mount_pins(self):
        other = self.mount()
        os.setxattr(self.llama / "old", "user.hubfs.pinned", b"1")
        self.assertErrno(errno.EPERM, os.rmdir, other / "models/llama/old")
        self.assertErrno(errno.EPERM, os.unlink, other / "models/llama/old/v")
        self.soon(lambda: os.getxattr(other / "models/llama/old", "user.hubfs.pinned") == b"1")
        os.setxattr(other / "models/llama/old", "user.hubfs.pinned", b"0")
        os.rmdir(self.llama / "old")
        self.assertFalse(self.cache.repo("meta/old").exists())

    def test_the_root_appears_later(self):
        late = self.folder / "late"
        late.mkdir()
        mount = self.mount(late)
        self.assertEqual(self.names(mount / "models"), [])
        type(self.cache)(late).add("meta/x", {"config.json": CONFIG})
        self.soon(lambda: (mount / "models/llama/x/config.json").exists())


if __name__ == "__main__":
    main()
