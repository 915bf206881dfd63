# SPDX-License-Identifier: Apache-2.0
"""Reading what is not cached: what resolves, which errors come, and that waiting never holds anybody else."""

import contextlib
import errno
import json
import os
import signal
import sys
import time

from hubfs_mount import MountTest, errno_of, in_thread, main, name_of, noise, sha256, wait_until

CONFIG = json.dumps({"model_type": "llama"})
DATA = noise(1_500_000, 11)
READERS = {
    "read": "f=open(p,'rb',buffering=0); print('up',flush=True); f.seek(o); f.read(4096)",
    "mmap": "import mmap; f=open(p,'rb'); m=mmap.mmap(f.fileno(),0,prot=mmap.PROT_READ); print('up',flush=True); m[o]",
    "O_DIRECT": "import os,mmap; fd=os.open(p,os.O_RDONLY|os.O_DIRECT); b=mmap.mmap(-1,65536); print('up',flush=True); os.preadv(fd,[b],o)",
    "random": "import os; fd=os.open(p,os.O_RDONLY); os.posix_fadvise(fd,0,0,os.POSIX_FADV_RANDOM); print('up',flush=True); os.pread(fd,100,o)",
}


class ResolveTest(MountTest):
    def test_an_uncached_repo_resolves_and_reads(self):
        hub = self.hub()
        hub.add("org/thing", {"config.json": CONFIG, "sub/w.safetensors": DATA})
        mount = self.mount(hub=hub)
        folder = mount / "hub/org/thing"
        self.assertEqual(self.files(folder), ["config.json", "sub/w.safetensors"])
        self.assertEqual(os.stat(folder / "sub/w.safetensors").st_size, len(DATA))
        self.assertEqual(hub.file_bytes(), 0, "looking downloads nothing")
        self.assertFalse(self.cache.repo("org/thing").exists(), "looking leaves no trace")
        self.assertEqual((folder / "sub/w.safetensors").read_bytes(), DATA)
        self.assertTrue(wait_until(lambda: self.cache.blob("org/thing", "x.bin", DATA).exists()))
        self.assertTrue(wait_until(lambda: list(mount.point.glob("models/*/thing"))))

    def test_other_types_revisions_and_orgless(self):
        hub = self.hub()
        hub.add("org/data", {"a.txt": "dataset"}, repo_type="dataset")
        hub.add("gpt2", {"a.txt": "orgless"})
        hub.add("org/thing", {"main": {"a.txt": "main"}, "v1/x": {"a.txt": "branch"}}, revisions=True)
        mount = self.mount(hub=hub)
        for path, text in {"hub/datasets/org/data": "dataset", "hub/_/gpt2": "orgless", "hub/org/thing@v1%2Fx": "branch",
                           "hub/org/thing@main": "main"}.items():
            self.assertEqual((mount / path / "a.txt").read_text(), text)

    def test_what_does_not_exist(self):
        hub = self.hub()
        hub.add("org/thing", {"a.txt": "x"})
        mount = self.mount(hub=hub)
        for path in ("hub/org/none", "hub/org/thing@none", "hub/org/thing/none.txt"):
            self.assertErrno(errno.ENOENT, os.stat, mount / path)
        asked = len(hub.log())
        for path in ("hub/org/none", "hub/org/thing@none", "hub/org/.git", "hub/org/a--b", "hub/.hidden/x"):
            self.assertErrno(errno.ENOENT, os.stat, mount / path)
        self.assertEqual(len(hub.log()), asked, "remembered, or never asked")

    def test_gated(self):
        hub = self.hub()
        hub.add("org/gated", {"w.safetensors": DATA}, gated=True)
        mount = self.mount(hub=hub)
        code = errno_of(lambda: (mount / "hub/org/gated/w.safetensors").read_bytes())
        self.assertEqual(name_of(code), "EACCES")

    def test_private_with_token(self):
        hub = self.hub("--token", "secret-token")
        hub.add("org/private", {"w.safetensors": DATA}, private=True)
        self.assertErrno(errno.ENOENT, os.stat, self.mount(hub=hub) / "hub/org/private")
        mount = self.mount(hub=hub, env={"HF_TOKEN": "secret-token"})
        self.assertEqual((mount / "hub/org/private/w.safetensors").read_bytes(), DATA)
        self.assertEqual(hub.control("stats")["token_leaks"], 0)
        self.assertNotIn("secret-token", mount.log() + (mount / ".hubfs/status.json").read_text())

    def test_offline_and_unreachable(self):
        self.cache.add("meta/tiny", {"config.json": CONFIG}, remote={"w.bin": DATA})
        for options in ("offline", ""):
            mount = self.mount(options=options)
            for action in (lambda: os.stat(mount / "hub/org/none"), lambda: open(mount / "models/llama/tiny/w.bin", "rb").close()):
                started = time.monotonic()
                self.assertErrno(errno.ENETUNREACH, action)
                self.assertLess(time.monotonic() - started, 1, "at once")
            self.assertEqual((mount / "models/llama/tiny/config.json").read_text(), CONFIG)

    def test_a_listing_that_is_not_known_is_asked_for_and_kept(self):
        hub = self.hub()
        commit = self.cache.hub_add(hub, "meta/tiny", {"config.json": CONFIG, "w.bin": DATA}, cached=["config.json"])
        model = self.mount(hub=hub) / "models/llama/tiny"
        self.assertEqual(self.names(model), ["config.json", "w.bin"])
        self.assertEqual(hub.file_bytes(), 0)
        self.assertEqual((model / "w.bin").read_bytes(), DATA)
        tree = self.cache.repo("meta/tiny") / f"trees/{commit}.json"
        self.assertTrue(wait_until(tree.exists))
        self.assertEqual(set(json.loads(tree.read_text())["files"]), {"config.json", "w.bin"})

    def test_pages(self):
        hub = self.hub(page_size=7)
        hub.add("org/many", {f"d{i % 3}/{i:03}.txt": str(i) for i in range(50)})
        self.assertEqual(len(self.files(self.mount(hub=hub) / "hub/org/many")), 50)


class FetchCase(MountTest):
    files = {"config.json": CONFIG, "w.safetensors": DATA}

    def prepare(self, files=None, **settings):
        self.server = self.hub(**settings)
        self.commit = self.cache.hub_add(self.server, "meta/tiny", files or self.files, cached=["config.json"])
        self.mounted = self.mount(hub=self.server)
        self.model = self.mounted / "models/llama/tiny"
        self.names(self.model)  # the listing is known from here on
        return self.model / "w.safetensors"


class FetchTest(FetchCase):
    def test_published_as_the_client_would_have(self):
        path = self.prepare()
        self.assertEqual(path.read_bytes(), DATA)
        blob = self.cache.blob("meta/tiny", "w.safetensors", DATA)
        link = self.cache.snapshot("meta/tiny", self.commit) / "w.safetensors"
        self.assertTrue(wait_until(lambda: os.path.lexists(link)))
        self.assertEqual(blob.read_bytes(), DATA)
        self.assertEqual(os.readlink(link), f"../../blobs/{sha256(DATA)}")
        self.assertEqual((self.cache.repo("meta/tiny") / "refs/main").read_text(), self.commit)
        self.assertEqual(sorted(p.name for p in blob.parent.iterdir() if p.name != sha256(DATA)),
                         [self.cache.blob("meta/tiny", "config.json", CONFIG.encode()).name], "nothing else in blobs/")

    def test_bytes_arrive_before_the_file_is_complete(self):
        size = 40_000_000
        path = self.prepare({"config.json": CONFIG, "w.safetensors": {"size": size, "seed": 3}}, rate=2_000_000)
        started = time.monotonic()
        with open(path, "rb", buffering=0) as file:
            self.assertEqual(len(file.read(4096)), 4096)
        self.assertLess(time.monotonic() - started, 1.5)
        self.assertLess(self.server.file_bytes(), size)

    def test_two_readers_one_download(self):
        path = self.prepare(rate=3_000_000)
        readers = [in_thread(path.read_bytes) for _ in range(4)]
        for join in readers:
            self.assertEqual(join(10), DATA)
        self.assertLessEqual(self.server.file_bytes("models/meta/tiny/w.safetensors"), 1.01 * len(DATA))

    def test_random_reads_cost_at_most_the_file(self):
        path = self.prepare()
        with open(path, "rb", buffering=0) as file:
            for offset in (1_400_000, 3, 700_001, 1_499_999, 0):
                self.assertEqual(os.pread(file.fileno(), 1000, offset), DATA[offset : offset + 1000])
        self.assertEqual(path.read_bytes(), DATA)
        self.assertLessEqual(self.server.file_bytes("models/meta/tiny/w.safetensors"), 1.01 * len(DATA))

    def test_an_empty_and_a_small_file(self):
        self.prepare({"config.json": CONFIG, "w.safetensors": b"", "empty.txt": "", "one.txt": "1"})
        self.assertEqual((self.model / "w.safetensors").read_bytes(), b"")
        self.assertEqual((self.model / "empty.txt").read_bytes(), b"")
        self.assertEqual((self.model / "one.txt").read_bytes(), b"1")

    def test_a_wrong_hash_is_an_error_and_nothing_is_published(self):
        path = self.prepare()
        self.server.fault(origin="cdn", flip=[1_000_000])
        # The first reader may be served before the end is known; whoever comes after it is not.
        self.assertTrue(wait_until(lambda: errno_of(path.read_bytes) == errno.EIO))
        self.assertFalse(self.cache.blob("meta/tiny", "w.safetensors", DATA).exists())
        self.assertFalse(os.path.lexists(self.cache.snapshot("meta/tiny", self.commit) / "w.safetensors"))
        self.server.control("clear-faults", {})
        self.assertEqual(wait_until(lambda: path.read_bytes() == DATA), True, "and it can be had later")

    def test_a_file_that_is_gone_from_the_hub(self):
        path = self.prepare()
        self.server.fault(path="*/resolve/*", status=404, headers={"X-Error-Code": "EntryNotFound"})
        self.assertErrno(errno.ENOENT, open, path, "rb")
        self.server.control("clear-faults", {})
        self.assertEqual(path.read_bytes(), DATA)

    def test_another_client_holds_the_lock(self):
        path = self.prepare()
        lock = self.cache.root / ".locks/models--meta--tiny" / f"{sha256(DATA)}.lock"
        lock.parent.mkdir(parents=True)
        holder = self.start("flock", "--no-fork", "-x", lock, "sleep", "30")
        self.assertTrue(wait_until(lambda: self.start("flock", "-n", lock, "true").wait() != 0))
        self.assertEqual(path.read_bytes(), DATA, "a reader is served all the same")
        # The other publishes: its blob is the one.
        self.cache.put("meta/tiny", self.commit, "w.safetensors", DATA)
        holder.kill()
        holder.wait()
        self.assertEqual(path.read_bytes(), DATA)
        self.assertLessEqual(self.server.file_bytes("models/meta/tiny/w.safetensors"), 1.01 * len(DATA))


class WaitingTest(FetchCase):
    """While the Hub says nothing more."""

    size = 64 << 20

    def hanging(self):
        path = self.prepare({"config.json": CONFIG, "w.safetensors": {"size": self.size, "seed": 8}, "other.safetensors": DATA})
        self.server.fault(origin="cdn", hang_after=1)
        return path

    def reader(self, path, kind="read", offset=None):
        code = f"p={str(path)!r}; o={offset if offset is not None else self.size // 2}; {READERS[kind]}"
        process = self.start(sys.executable, "-c", code, stdout=-1)
        return process

    def test_sigkill_frees_a_waiting_reader(self):
        path = self.hanging()
        for kind in READERS:
            with self.subTest(kind):
                process = self.reader(path, kind)
                self.assertEqual(process.stdout.readline(), b"up\n")
                time.sleep(0.2)
                self.assertIsNone(process.poll(), "waits")
                started = time.monotonic()
                process.kill()
                process.wait(5)
                self.assertLess(time.monotonic() - started, 1)
        self.assertTrue(wait_until(lambda: self.mounted.status()["parked_requests"] == 0, 1), self.mounted.status())

    def test_an_open_does_not_wait_for_the_reads_of_others(self):
        # An open that has the kernel drop the file's pages waits for those that a read has locked, and no signal ends it.
        path = self.hanging()
        self.server.control("settings", {"latency_ms": 700})
        slow = self.start(sys.executable, "-c", "import os,sys,time; os.sched_setscheduler(0,os.SCHED_IDLE,os.sched_param(0)); "
                          "fd=os.open(sys.argv[1],os.O_RDONLY); os.write(1,b'up'); time.sleep(60)", path, stdout=-1)
        self.assertTrue(wait_until(lambda: self.mounted.status()["parked_requests"] == 1))
        quick = self.reader(path)
        self.assertTrue(wait_until(lambda: self.mounted.status()["parked_requests"] == 2))
        # Both opens are answered together; what the first one does next waits for a processor.
        others = [self.start(sys.executable, "-c", "while True: pass") for _ in range(os.cpu_count())]
        self.assertEqual(quick.stdout.readline(), b"up\n")
        time.sleep(0.3)
        for other in others:
            other.kill()
        self.assertEqual(in_thread(lambda: slow.stdout.read(2))(5), b"up")
        self.assertIsNone(quick.poll(), "waits for its bytes")
        for process in (slow, quick):
            process.kill()
            process.wait(5)

    def test_many_waiting_readers_hold_nobody(self):
        path = self.hanging()
        self.cache.add("meta/here", {"config.json": CONFIG, "model.safetensors": DATA})
        code = (f"import os,threading; fd=os.open({str(path)!r},os.O_RDONLY); "
                f"[threading.Thread(target=os.pread,args=(fd,4096,(i+1)*900000)).start() for i in range(64)]; print('up',flush=True)")
        process = self.start(sys.executable, "-c", code, stdout=-1)
        process.stdout.readline()
        wait_until(lambda: self.mounted.status()["parked_requests"] >= 30, 2)
        other = self.mounted / "hub/meta/here@main/model.safetensors"
        self.assertEqual(in_thread(lambda: wait_until(lambda: other.read_bytes()))(3), DATA)
        self.assertIn("config.json", in_thread(lambda: os.listdir(self.model))(2))
        started = time.monotonic()
        process.kill()
        process.wait(5)
        self.assertLess(time.monotonic() - started, 1)

    def test_sigterm_of_the_daemon_with_waiting_readers(self):
        path = self.hanging()
        readers = [self.reader(path, kind) for kind in ("read", "random", "O_DIRECT")]
        for process in readers:
            process.stdout.readline()
        time.sleep(0.2)
        started = time.monotonic()
        self.assertEqual(self.mounted.end(4), 0)
        self.assertLess(time.monotonic() - started, 2)
        for process in readers:
            process.wait(2)

    def test_a_signal_with_a_handler_does_not_end_a_read(self):
        # As in Go, whose runtime sends SIGURG, and whose files do not take EINTR for an answer.
        path = self.prepare({"config.json": CONFIG, "w.safetensors": {"size": self.size, "seed": 8}})
        self.server.fault(origin="cdn", hang_after=1)
        code = (f"import os,signal,ctypes; signal.signal(signal.SIGCHLD,lambda *a:None); signal.siginterrupt(signal.SIGCHLD,False); "
                f"libc=ctypes.CDLL(None,use_errno=True); fd=os.open({str(path)!r},os.O_RDONLY); b=ctypes.create_string_buffer(4096); "
                f"print('up',flush=True); n=libc.pread(fd,b,ctypes.c_size_t(4096),ctypes.c_long({self.size // 2})); "
                f"print(n,ctypes.get_errno(),flush=True)")
        process = self.start(sys.executable, "-c", code, stdout=-1)
        process.stdout.readline()
        time.sleep(0.3)
        for _ in range(5):
            process.send_signal(signal.SIGCHLD)
            time.sleep(0.02)
        time.sleep(0.1)
        self.assertIsNone(process.poll(), "still waits")
        self.assertFalse(in_thread(process.stdout.readline).is_done())

    def test_closing_a_descriptor_does_not_wait(self):
        path = self.hanging()
        started = time.monotonic()
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDONLY)
            os.close(fd)
        self.assertLess(time.monotonic() - started, 2)


if __name__ == "__main__":
    main()
