# SPDX-License-Identifier: Apache-2.0
"""What is downloaded because of what is read: small files together, large ones by habit, by option and by attribute."""

import errno
import json
import os
import struct
import sys
import threading
import time

from hubfs_mount import Cache, MountTest, errno_of, in_thread, is_mounted, main, noise, run, wait_until

CONFIG = json.dumps({"model_type": "llama"})
BIG = 96 << 20
FETCH = "user.hubfs.fetch"


class FillTest(MountTest):
    def prepare(self, files, **kwargs):
        self.server = self.hub()
        self.server.add("meta/tiny", files)
        self.mounted = self.mount(hub=self.server, **kwargs)
        self.model = self.mounted / "hub/meta/tiny"
        self.names(self.model)
        return self.model

    def asked(self, path="big.bin"):
        return self.server.file_bytes(f"models/meta/tiny/{path}")

    def state(self, path):
        return os.getxattr(self.model / path, "user.hubfs.state").decode()

    def cached(self, path):
        return wait_until(lambda: self.state(path) == "cached", 15)

    def test_small_files_come_together(self):
        files = {f"part{i}.json": noise(2000, i) for i in range(20)}
        model = self.prepare({**files, "big.bin": {"size": BIG, "seed": 1}})
        self.assertEqual((model / "part7.json").read_bytes(), files["part7.json"])
        for path in files:
            self.assertTrue(self.cached(path), path)
        self.assertEqual(self.asked(), 0, "not the large one")

    def test_a_removed_small_file_does_not_come_back_with_the_others(self):
        model = self.prepare({"a.json": "a", "b.json": "b", "c.json": "c"})
        os.unlink(model / "b.json")
        self.assertEqual((model / "a.json").read_text(), "a")
        self.assertTrue(self.cached("c.json"))
        self.assertNotIn("b.json", self.names(model))

    def test_a_header_is_not_a_reason_to_download(self):
        model = self.prepare({"model.safetensors": {"size": BIG, "seed": 2, "safetensors": True}})
        with open(model / "model.safetensors", "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            json.loads(file.read(length))
            time.sleep(0.5)
        self.assertLessEqual(self.asked("model.safetensors"), 4 << 20)
        self.assertEqual(self.state("model.safetensors"), "partial")
        self.assertEqual(self.locked(), [])

    def locked(self):
        """The HF locks that somebody holds."""
        held = []
        for lock in (self.cache.root / ".locks").glob("models--*/*.lock"):
            if self.start("flock", "-n", lock, "true").wait() != 0:
                held.append(lock.name)
        return held

    def test_reading_in_sequence_brings_the_rest(self):
        model = self.prepare({"big.bin": {"size": BIG, "seed": 3}})
        with open(model / "big.bin", "rb", buffering=0) as file:
            for _ in range(12):
                file.read(1 << 20)
        self.assertTrue(self.cached("big.bin"))
        self.assertLessEqual(self.asked(), 1.01 * BIG)

    def test_a_few_pages_here_and_there_do_not(self):
        model = self.prepare({"big.bin": {"size": BIG, "seed": 4}})
        with open(model / "big.bin", "rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
            for i in range(40):
                os.pread(file.fileno(), 4096, (i * 37 % 90) << 20)
        time.sleep(0.3)
        self.assertEqual(self.state("big.bin"), "partial")
        self.assertLessEqual(self.asked(), 20 << 20)

    def test_what_is_partly_here_takes_what_has_arrived(self):
        model = self.prepare({"big.bin": {"size": BIG, "seed": 4}}, options="fill=never")
        with open(model / "big.bin", "rb", buffering=0) as file:
            for i in range(20):
                os.pread(file.fileno(), 4096, (i * 37 % 90) << 20)
        arrived = 0
        while arrived != (arrived := int(os.getxattr(model / "big.bin", "user.hubfs.cached_bytes"))):
            time.sleep(0.2)  # what was on its way arrives
        state = next(self.cache.root.parent.glob(".hubfs/*/partial/*"))
        taken = sum(f.stat().st_blocks * 512 for f in state.iterdir())
        self.assertGreater(arrived, 1 << 20)
        self.assertLessEqual(taken, 1.01 * arrived + 65536)

    def test_never_and_always(self):
        files = {"big.bin": {"size": 32 << 20, "seed": 5}, "a.json": "a", "b.json": "b"}
        model = self.prepare(files, options="fill=always")
        with open(model / "big.bin", "rb") as file:
            file.read(1)
        self.assertTrue(self.cached("big.bin"))
        self.assertEqual(self.mounted.unmount(), "")
        os.system(f"rm -rf {self.cache.root}/models--*")
        self.server.control("reset", {})
        self.mounted = self.mount(hub=self.server, options="fill=never")
        self.model = self.mounted / "hub/meta/tiny"
        self.assertEqual((self.model / "a.json").read_text(), "a")
        with open(self.model / "big.bin", "rb", buffering=0) as file:
            for _ in range(10):
                file.read(1 << 20)
        time.sleep(0.5)
        self.assertEqual((self.state("big.bin"), self.state("b.json")), ("partial", "remote"))

    def test_a_closed_file_reads_no_further(self):
        model = self.prepare({"big.bin": {"size": BIG, "seed": 6}}, options="fill=never")
        self.server.control("settings", {"rate": 4 << 20})
        with open(model / "big.bin", "rb", buffering=0) as file:
            for _ in range(6):
                file.read(1 << 20)
        time.sleep(0.3)
        after = self.asked()
        time.sleep(0.7)
        self.assertEqual(self.asked(), after)
        self.assertTrue(wait_until(lambda: self.mounted.status()["open_files"] == 0))

    def test_asked_for_and_stopped_by_attribute(self):
        model = self.prepare({"big.bin": {"size": BIG, "seed": 7}})
        self.server.control("settings", {"rate": 2 << 20})
        os.setxattr(model / "big.bin", FETCH, b"1")
        self.assertTrue(wait_until(lambda: os.getxattr(model / "big.bin", FETCH) == b"fetching"))
        self.assertTrue(wait_until(self.locked))
        os.setxattr(model / "big.bin", FETCH, b"0")
        self.assertTrue(wait_until(lambda: not self.locked()))
        after = self.asked()
        time.sleep(0.7)
        self.assertLessEqual(self.asked(), after + (1 << 20))
        self.server.control("settings", {"rate": 0})
        os.setxattr(model, FETCH, b"1")
        self.assertTrue(self.cached("big.bin"), "asked for on the folder")
        self.assertErrno(errno.EINVAL, os.setxattr, model / "big.bin", FETCH, b"yes")

    def test_a_floor_that_is_reached(self):
        # A volume of its own: on that of the tests others come and go.
        volume = self.folder / "volume"
        volume.mkdir()
        done = run("mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", volume)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.addCleanup(run, "umount", "-l", volume)
        self.cache = Cache(volume / "cache")
        free = os.statvfs(volume)
        floor = free.f_bavail * free.f_frsize - (64 << 20)
        model = self.prepare({"big.bin": {"size": BIG, "seed": 8}, "small.json": "x"}, options=f"floor={floor}")
        with open(model / "big.bin", "rb", buffering=0) as file:
            self.assertEqual(len(file.read(4096)), 4096, "its beginning can be read")
            for _ in range(16):
                file.read(1 << 20)
        self.assertIn("room", os.getxattr(model / "big.bin", "user.hubfs.error").decode())
        self.assertEqual(self.locked(), [])
        self.assertLess(self.asked(), BIG)
        other = self.mount(hub=self.server, options=f"floor={floor * 2}")
        self.assertErrno(errno.ENOSPC, open, other / "hub/meta/tiny/small.json", "rb")

    def test_resumed_after_kill_9(self):
        model = self.prepare({"big.bin": {"size": BIG, "seed": 9}})
        self.server.control("settings", {"rate": 8 << 20})
        os.setxattr(model / "big.bin", FETCH, b"1")
        self.assertTrue(wait_until(lambda: int(os.getxattr(model / "big.bin", "user.hubfs.cached_bytes")) > 24 << 20, 20))
        self.mounted.kill()
        self.server.control("settings", {"rate": 0})
        self.server.control("reset", {})
        self.mounted = self.mount(hub=self.server)
        self.model = self.mounted / "hub/meta/tiny"
        self.assertGreater(int(os.getxattr(self.model / "big.bin", "user.hubfs.cached_bytes")), 16 << 20)
        os.setxattr(self.model / "big.bin", FETCH, b"1")
        self.assertTrue(self.cached("big.bin"))
        self.assertLess(self.asked(), BIG - (16 << 20))

    def test_two_mounts_of_one_cache(self):
        self.prepare({"big.bin": {"size": BIG, "seed": 10}})
        self.server.control("settings", {"rate": 16 << 20})
        other = self.mount(hub=self.server) / "hub/meta/tiny/big.bin"
        mine = in_thread((self.model / "big.bin").read_bytes)
        with open(other, "rb", buffering=0) as file:
            middle = os.pread(file.fileno(), 4096, BIG // 2)
            data = mine(40)
            self.assertEqual(middle, data[BIG // 2 : BIG // 2 + 4096])
            self.assertTrue(wait_until(lambda: os.stat(other).st_blocks * 512 >= BIG, 5))
            self.assertEqual(other.read_bytes(), data)
        self.assertLessEqual(self.asked(), 1.01 * BIG + (4 << 20))


class LoadTest(MountTest):
    def test_many_faulting_threads_and_many_files(self):
        server = self.hub()
        server.add("meta/wide", {**{f"f{i}.bin": {"size": 12 << 20, "seed": i} for i in range(32)}, "small.json": "s",
                                 "mapped.bin": {"size": 256 << 20, "seed": 99}})
        server.control("settings", {"latency_ms": 10})
        mounted = self.mount(hub=server)
        folder = mounted / "hub/meta/wide"
        self.names(folder)
        code = ("import mmap,random,sys,threading\n"
                "f=open(sys.argv[1],'rb'); m=mmap.mmap(f.fileno(),0,prot=mmap.PROT_READ); size=len(m)\n"
                "def fault(seed):\n r=random.Random(seed)\n for _ in range(100): m[r.randrange(size)]\n"
                "ts=[threading.Thread(target=fault,args=(i,)) for i in range(64)]\n"
                "[t.start() for t in ts]; [t.join() for t in ts]\n")
        mapped = self.start(sys.executable, "-c", code, folder / "mapped.bin")
        readers = [self.start("sha256sum", folder / f"f{i}.bin", stdout=-1) for i in range(32)]
        started = time.monotonic()
        self.assertEqual((folder / "small.json").read_text(), "s")
        waited = time.monotonic() - started
        for process in readers:
            self.assertEqual(process.wait(60), 0)
        self.assertEqual(mapped.wait(60), 0)
        self.assertLess(waited, 10, "a small file is not behind them all")
        status = open(f"/proc/{mounted.pid}/status").read()
        peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
        if not os.environ.get("HUBFS_SANITIZE"):
            self.assertLess(peak, 256 << 20)


if __name__ == "__main__":
    main()
