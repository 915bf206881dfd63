#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fio checks what it reads through the mount against the checksums that it wrote itself: cached files and those that arrive
while it reads, in every order and by every way of reading."""

import json
import shutil

from hubfs_mount import MountTest, main, run

SIZE = 8 << 20
CONFIG = json.dumps({"model_type": "llama"})
WAYS = {
    "in sequence": ("--rw=read",),
    "at random": ("--rw=randread", "--norandommap=0"),
    "mapped": ("--rw=randread", "--ioengine=mmap"),
    "direct": ("--rw=randread", "--direct=1"),
    "by several at once": ("--rw=read", "--numjobs=4", "--thread"),
}


class FioTest(MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if shutil.which("fio") is None:
            raise AssertionError("fio is not installed; scripts/setup installs it")

    def fio(self, path, *options):
        return run("fio", "--name=check", f"--filename={path}", f"--size={SIZE}", "--bs=16k", "--verify=crc32c",
                   "--verify_fatal=1", "--allow_file_create=0", "--randseed=1", *options, timeout=100)

    def laid_out(self):
        """What fio wrote, with a checksum in each block."""
        plain = self.folder / "plain"
        plain.write_bytes(bytes(SIZE))
        done = self.fio(plain, "--rw=write", "--do_verify=0", "--ioengine=psync")
        self.assertEqual(done.returncode, 0, done.stderr)
        return plain.read_bytes()

    def check(self, path, way):
        done = self.fio(path, "--readonly", *WAYS[way])
        self.assertEqual(done.returncode, 0, f"{way}: {done.stdout[-2000:]}{done.stderr[-2000:]}")

    def test_it_would_notice_a_wrong_byte(self):
        data = bytearray(self.laid_out())
        data[SIZE // 2 + 100] ^= 1
        self.cache.add("meta/wrong", {"config.json": CONFIG, "w.bin": bytes(data)})
        self.assertNotEqual(self.fio(self.mount() / "models/llama/wrong/w.bin", "--readonly", "--rw=read").returncode, 0)

    def test_cached(self):
        self.cache.add("meta/tiny", {"config.json": CONFIG, "w.bin": self.laid_out()})
        for options in ("", "nopassthrough"):
            path = self.mount(options=options) / "models/llama/tiny/w.bin"
            for way in WAYS:
                with self.subTest(way, options=options):
                    self.check(path, way)

    def test_while_it_arrives(self):
        data = self.laid_out()
        hub = self.hub()
        names = {way: f"w{number}.bin" for number, way in enumerate(WAYS)}
        # Each differs in its tail, which fio does not read, so that each has a blob of its own.
        hub.add("meta/tiny", {name: data + name.encode() for name in names.values()})
        mounted = self.mount(hub=hub, options="fill=never")
        for way, name in names.items():
            with self.subTest(way):
                self.check(mounted / "hub/meta/tiny@main" / name, way)
        for name in names.values():
            self.assertEqual((mounted / "hub/meta/tiny@main" / name).read_bytes(), data + name.encode())


if __name__ == "__main__":
    main()
