# SPDX-License-Identifier: Apache-2.0
"""A cache full of garbage: the mount works, healthy repos are shown, nothing outside is read, changed or removed."""

import contextlib
import json
import os
import shutil
import stat

from hubfs_mount import MountTest, main, run

CONFIG = json.dumps({"model_type": "llama"})
SECRET = b"this lies outside of the cache"


class HostileTest(MountTest):
    def setUp(self):
        super().setUp()
        self.secret = self.folder / "secret.txt"
        self.secret.write_bytes(SECRET)
        self.secrets = self.folder / "secrets"
        self.secrets.mkdir()
        (self.secrets / "inner.txt").write_bytes(SECRET)
        self.cache.add("good/repo", {"config.json": CONFIG, "w.bin": b"w"})

    def check(self):
        """Healthy repos are whole; nothing that can be read shows the secret. Answers the mount."""
        mount = self.mount()
        self.assertEqual(self.files(mount / "hub/good/repo@main"), ["config.json", "w.bin"])
        self.assertEqual((mount / "models/llama/repo/w.bin").read_bytes(), b"w")
        for base, folders, names in os.walk(mount.point):
            for name in names + folders:
                path = os.path.join(base, name)
                info = None
                with contextlib.suppress(OSError):
                    info = os.lstat(path)
                if info is None or stat.S_ISDIR(info.st_mode):
                    continue
                self.assertTrue(stat.S_ISREG(info.st_mode), f"{path!r} is no plain file")
                with contextlib.suppress(OSError):
                    with open(path, "rb") as file:
                        self.assertNotIn(SECRET, file.read(), path)
        return mount

    def test_strangers_in_the_root(self):
        root = self.cache.root
        os.mkfifo(root / "models--fifo--x")
        (root / "models--file--x").write_text("x")
        (root / "models--link--x").symlink_to(self.secrets)
        (root / "models--loop--x").symlink_to(root)
        for name in ("models--", "models--a--b--c--d", "models--..--..", "buckets--x--y", "nonsense", "datasets--", "models--.git--x",
                     "models--org--..", "models--org--.", "models--a b--c", "models--x--" + "n" * 240):
            (root / name / "snapshots" / ("a" * 40)).mkdir(parents=True)
        os.mkdir(os.fsencode(root) + b"/models--bad--\xff\xfe")
        os.mkdir(root / "models--bad--new\nline")
        self.check()

    def test_broken_repos(self):
        repo = self.cache.repo("bad/one")
        (repo / "snapshots").mkdir(parents=True)
        (repo / "snapshots/file").write_text("x")
        (repo / "snapshots/short").mkdir()
        (repo / "snapshots" / ("A" * 40)).mkdir()
        (repo / "refs").write_text("a file")
        (repo / "blobs").symlink_to(self.secrets)
        two = self.cache.repo("bad/two")
        two.mkdir()
        (two / "snapshots").symlink_to(self.secrets)
        (two / "trees").mkdir()
        os.mkfifo(two / "refs")
        self.cache.repo("bad/empty").mkdir()
        self.check()

    def test_refs_of_every_kind(self):
        commit = self.cache.add("bad/refs", {"config.json": CONFIG}, refs=())
        refs = self.cache.repo("bad/refs") / "refs"
        refs.mkdir(exist_ok=True)
        for name, data in {"newline": commit.encode() + b"\n", "binary": bytes(range(256)), "empty": b"", "short": b"abc",
                           "long": b"a" * 5000, "upper": commit.upper().encode(), "path": b"../../../secret.txt",
                           "zero": commit.encode() + b"\0", "main": b"not a commit"}.items():
            (refs / name).write_bytes(data)
        os.mkfifo(refs / "fifo")
        (refs / "link").symlink_to(self.secret)
        (refs / "self").symlink_to("self")
        mount = self.check()
        self.assertEqual((mount / f"hub/bad/refs@{commit}/config.json").read_text(), CONFIG)

    def test_snapshot_entries_of_every_kind(self):
        commit = self.cache.add("bad/snap", {"config.json": CONFIG})
        snapshot = self.cache.snapshot("bad/snap", commit)
        os.mkfifo(snapshot / "fifo")
        with contextlib.suppress(OSError):
            os.mknod(snapshot / "device", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        for name, target in {"absolute": self.secret, "relative": os.path.relpath(self.secret, snapshot), "folder": self.secrets,
                             "root": "/", "proc": "/proc/self/environ", "self": "self", "dangling": "../../blobs/none",
                             "dots": "../../blobs/../../../secret.txt"}.items():
            (snapshot / name).symlink_to(target)
        blobs = self.cache.repo("bad/snap") / "blobs"
        (blobs / "chain").symlink_to(self.secret)
        (snapshot / "chain").symlink_to("../../blobs/chain")
        os.mkfifo(blobs / "pipe")
        (snapshot / "pipe").symlink_to("../../blobs/pipe")
        mount = self.check()
        self.assertEqual((mount / "hub/bad/snap@main/config.json").read_text(), CONFIG)
        for name in ("absolute", "relative", "folder", "chain", "dots"):
            with contextlib.suppress(OSError):
                os.unlink(mount / "hub/bad/snap@main" / name)
        shutil.rmtree(mount / "hub/bad/snap@main", ignore_errors=True)
        self.assertEqual(self.secret.read_bytes(), SECRET)
        self.assertEqual((self.secrets / "inner.txt").read_bytes(), SECRET)

    def test_names_of_every_kind(self):
        commit = self.cache.add("bad/names", {"config.json": CONFIG})
        folder = os.fsencode(self.cache.snapshot("bad/names", commit))
        names = [b"new\nline", b"\x01\x02", b"\xff\xfe", b"n" * 255, b" ", b"-rf", b"*", b"a\\b", "ä€😀".encode(), b"..."]
        for name in names:
            os.symlink("../../blobs/" + self.cache.blob("bad/names", "config.json", CONFIG.encode()).name, folder + b"/" + name)
        mount = self.check()
        shown = set(os.listdir(os.fsencode(mount / "hub/bad/names@main")))
        self.assertLessEqual({b"config.json", b"n" * 255, "ä€😀".encode(), b"-rf", b"*"}, shown)
        self.assertEqual(run("ls", "-lR", mount.point).returncode, 0)
        self.assertEqual(run("rm", "-r", mount / "models/llama/names").returncode, 0)
        self.assertFalse(self.cache.repo("bad/names").exists())

    def test_listings_of_every_kind(self):
        good = {"size": 5, "blob_id": "a" * 40}
        whole = json.dumps({"format_version": 1, "files": {"far.txt": good}})
        texts = [whole[:cut] for cut in range(0, len(whole), 5)] + ["[]", "null", "\xff", "[" * 100_000, '{"format_version": 2, "files": {}}']
        for path in ("/etc/passwd", "../../up", "a/../../b", "", ".", "..", "a//b", "a/./b", "x\0y", "config.json/below", "n" * 300):
            texts.append(json.dumps({"format_version": 1, "files": {path: good, "far.txt": good}}))
        for entry in ({"size": -1, "blob_id": "a" * 40}, {"size": 1e300, "blob_id": "a" * 40}, {"size": "5", "blob_id": 7}, {},
                      {"size": 5, "blob_id": "../../../secret.txt"}, {"size": 5, "blob_id": "a" * 40, "lfs_sha256": "../x", "lfs_size": 5}):
            texts.append(json.dumps({"format_version": 1, "files": {"odd.txt": entry, "far.txt": good}}))
        for number, text in enumerate(texts):
            commit = self.cache.add(f"bad/tree-{number}", {"config.json": CONFIG})
            tree = self.cache.repo(f"bad/tree-{number}") / f"trees/{commit}.json"
            tree.parent.mkdir()
            tree.write_text(text, errors="surrogateescape")
        mount = self.mount(options="offline")
        for number in range(len(texts)):
            self.assertEqual((mount / f"hub/bad/tree-{number}@main/config.json").read_text(), CONFIG, texts[number][:100])
            for name in self.files(mount / f"hub/bad/tree-{number}@main"):
                self.assertNotIn("..", name.split("/"))

    def test_a_hostile_hub(self):
        hub = self.hub()
        hub.add("bad/hub", {"a.txt": "a"})
        entry = {"type": "file", "size": 5, "oid": "a" * 40}
        hub.fault(path="*/tree/*", json=[{**entry, "path": path} for path in
                                         ("../../up", "/etc/passwd", "ok.txt", "a/../../b", "", "x\ny", "ok.txt/below", "ok.txt")])
        mount = self.mount(hub=hub)
        with contextlib.suppress(OSError):
            for name in self.files(mount / "hub/bad/hub"):
                self.assertNotIn("..", name.split("/"))
        self.assertEqual((mount / "hub/good/repo@main/w.bin").read_bytes(), b"w")
        self.assertEqual(sorted(p.name for p in self.folder.iterdir() if p.name in ("up", "etc", "b")), [])

    def test_a_broken_shared_store(self):
        store = self.cache.root / "blobs"
        store.mkdir()
        (store / ".huggingface-shared-blobs").symlink_to(self.secret)
        (store / "ab").symlink_to(self.secrets)
        os.mkfifo(store / "cd")
        self.check()


if __name__ == "__main__":
    main()
