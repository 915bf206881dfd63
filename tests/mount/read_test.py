# SPDX-License-Identifier: Apache-2.0
"""Reading what is cached, in every way a program can; and files held while they become complete."""

import errno
import json
import mmap
import os
import shutil

from hubfs_mount import MountTest, main, noise, run, wait_until

SIZE = 3_000_001  # not a multiple of a page
DATA = noise(SIZE, 7)
CONFIG = json.dumps({"model_type": "llama"})


class CachedReads:
    """The same tests with and without passthrough."""

    options = ""

    def setUp(self):
        super().setUp()
        self.cache.add("meta/tiny", {"config.json": CONFIG, "model.safetensors": DATA})
        self.mounted = self.mount(options=self.options)
        self.path = self.mounted / "models/llama/tiny/model.safetensors"

    def test_cat(self):
        self.assertEqual(self.path.read_bytes(), DATA)
        with open(self.path, "rb", buffering=0) as file:
            self.assertEqual(os.pread(file.fileno(), 100, SIZE - 50), DATA[-50:])
            self.assertEqual(os.pread(file.fileno(), 100, SIZE + 50), b"")

    def test_mmap_shared_and_private(self):
        with open(self.path, "rb") as file:
            shared = mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ)
            private = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
        with shared, private:
            self.assertEqual(shared[:], DATA)
            self.assertEqual(private[1000:2000], DATA[1000:2000])
            private[0:4] = b"mine"
            self.assertEqual(shared[0:4], DATA[0:4])
        self.assertEqual(self.path.read_bytes(), DATA)

    def test_sendfile(self):
        with open(self.path, "rb") as source, open(self.folder / "out", "wb") as target:
            sent = 0
            while more := os.sendfile(target.fileno(), source.fileno(), sent, SIZE):
                sent += more
        self.assertEqual((self.folder / "out").read_bytes(), DATA)

    def test_splice(self):
        reader, writer = os.pipe()
        got = bytearray()
        with open(self.path, "rb", buffering=0) as file, open(reader, "rb", buffering=0) as pipe:
            while more := os.splice(file.fileno(), writer, 65536):
                while more > 0:
                    part = pipe.read(more)
                    more -= len(part)
                    got += part
            os.close(writer)
        self.assertEqual(bytes(got), DATA)

    def test_cp_and_copy_file_range(self):
        target = self.folder / "copy"
        self.assertEqual(run("cp", self.path, target).returncode, 0)
        self.assertEqual(target.read_bytes(), DATA)
        with open(self.path, "rb") as source, open(self.folder / "range", "wb") as out:
            self.assertErrno(errno.EXDEV, os.copy_file_range, source.fileno(), out.fileno(), 4096)
        shutil.copyfile(self.path, self.folder / "third")
        self.assertEqual((self.folder / "third").read_bytes(), DATA)

    def test_o_direct(self):
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECT)
        buffer = mmap.mmap(-1, 1 << 20)
        try:
            self.assertEqual(os.preadv(fd, [buffer], 1 << 20), 1 << 20)
            self.assertEqual(buffer[:], DATA[1 << 20 : 2 << 20])
        finally:
            os.close(fd)
            buffer.close()

    def test_seek_data_and_hole(self):
        with open(self.path, "rb") as file:
            self.assertEqual(os.lseek(file.fileno(), 10, os.SEEK_DATA), 10)
            self.assertEqual(os.lseek(file.fileno(), 0, os.SEEK_HOLE), SIZE)

    def test_many_descriptors_of_one_file(self):
        files = [open(self.path, "rb", buffering=0) for _ in range(50)]
        try:
            for number, file in enumerate(files):
                self.assertEqual(os.pread(file.fileno(), 8, number * 1000), DATA[number * 1000 : number * 1000 + 8])
        finally:
            for file in files:
                file.close()
        self.assertEqual(self.path.read_bytes(), DATA)


def kernel_can():
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2]) >= (6, 9)


def passthrough_expected():
    return os.environ.get("HUBFS_PASSTHROUGH") == "1" and kernel_can()


class PassthroughTest(CachedReads, MountTest):
    def test_it_is_used(self):
        expected = passthrough_expected()
        self.assertEqual(self.path.read_bytes(), DATA)
        self.assertEqual(self.path.read_bytes(), DATA)
        status = self.mounted.status()
        self.assertEqual((status["passthrough"], status["passthrough_opens"]), (expected, 2 if expected else 0))
        self.assertEqual("passthrough is not available" in self.mounted.log(), not expected)
        self.assertEqual(self.mounted.log().count("passthrough is not available"), 0 if expected else 1)


class NoPassthroughTest(CachedReads, MountTest):
    options = "nopassthrough"


class HeldOpenTest(MountTest):
    """Descriptors and maps of a file that was remote when they were made and is complete later."""

    def setUp(self):
        super().setUp()
        self.server = self.hub()
        self.cache.hub_add(self.server, "meta/tiny", {"config.json": CONFIG, "model.safetensors": DATA}, cached=["config.json"])
        self.blob = self.cache.blob("meta/tiny", "model.safetensors", DATA)
        self.mounted = self.mount(hub=self.server)
        self.path = self.mounted / "models/llama/tiny/model.safetensors"

    def complete(self):
        self.assertTrue(wait_until(lambda: self.blob.exists()), "not published")

    def test_descriptor_map_and_reopening(self):
        before = os.stat(self.path)
        with open(self.path, "rb", buffering=0) as old:
            self.assertEqual(os.pread(old.fileno(), 1000, 0), DATA[:1000])
            with mmap.mmap(old.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ) as view:
                self.assertEqual(view[SIZE - 10 :], DATA[-10:])
                self.assertEqual(self.path.read_bytes(), DATA)
                self.complete()
                with open(f"/proc/self/fd/{old.fileno()}", "rb") as again:
                    self.assertEqual(again.read(), DATA)
                with open(self.path, "rb") as fresh:
                    self.assertEqual(fresh.read(), DATA)
                    with mmap.mmap(fresh.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ) as other:
                        self.assertEqual(other[:], DATA)
                self.assertEqual(view[:], DATA)
            self.assertEqual(os.pread(old.fileno(), 5000, 1_234_567), DATA[1_234_567 : 1_239_567])
        after = os.stat(self.path)
        self.assertEqual((after.st_ino, after.st_size, after.st_mtime), (before.st_ino, before.st_size, before.st_mtime))
        blocks = os.stat(self.blob).st_blocks
        self.assertTrue(wait_until(lambda: os.stat(self.path).st_blocks == blocks, 1), f"{os.stat(self.path).st_blocks} blocks, not {blocks}")

    def test_read_again_at_once_it_is_in_passthrough(self):
        # Whether it is published yet or not, and whether the kernel has been told or not.
        names = [f"part{number}.bin" for number in range(8)]
        server = self.hub()
        self.cache.hub_add(server, "meta/parts", {"config.json": CONFIG, **{name: DATA for name in names}}, cached=["config.json"])
        mounted = self.mount(hub=server)
        for name in names:
            for _ in range(2):
                self.assertEqual((mounted / "models/llama/parts" / name).read_bytes(), DATA)
        # One whose release overtakes the open may miss it.
        self.assertGreaterEqual(mounted.status()["passthrough_opens"], 6 if passthrough_expected() else 0)

    def test_private_map_made_before(self):
        with open(self.path, "rb") as file:
            with mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as private:
                private[0:4] = b"mine"
                self.assertEqual(private[4:], DATA[4:])
                self.complete()
                self.assertEqual(private[0:8], b"mine" + DATA[4:8])

    def test_a_completed_file_is_the_blob_and_asks_nobody(self):
        self.assertEqual(self.path.read_bytes(), DATA)
        self.complete()
        self.server.control("reset", {})
        self.assertEqual(self.path.read_bytes(), DATA)
        self.assertEqual(self.server.log(), [])

    def test_madvise_and_fadvise(self):
        with open(self.path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
            with mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ) as view:
                view.madvise(mmap.MADV_WILLNEED)
                self.assertEqual(view[:], DATA)


if __name__ == "__main__":
    main()
