# SPDX-License-Identifier: Apache-2.0
"""Mixed load on one mount for as long as one likes: readers, downloads, removals, `ls -R`, and a Hub that comes and goes.

Fails on wrong bytes, on a daemon that dies or that a sanitizer complains of, and when its memory or its open files grow
from the end of the warm-up (a fifth of the time, at most two minutes) to the end. The load is random; the seed is printed.

    HUBFS_BIN=… HUBFS_HUB_BIN=… soak.py [--seconds N] [--seed N]

The programs may be those of any preset; under ThreadSanitizer run it with `setarch -R`.
"""

import argparse
import collections
import contextlib
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mount"))

from hubfs_mount import BAD_WORDS, SLOW, Cache, LocalHub, Mounted, noise  # noqa: E402

# What may come on top of the state after the warm-up. Allocators keep what they had; a leak of one small object for each
# operation passes this within minutes.
# AddressSanitizer keeps up to 256 MiB of what was freed.
MEMORY_ALLOWED, FILES_ALLOWED = (400 if SLOW else 96) << 20, 60
REPOS = {f"meta/llama-{number}": {"config.json": b'{"model_type": "llama"}', "README.md": noise(3000, number),
                                  "model.safetensors": noise(6_000_000 + number, number), "sub/tokenizer.json": noise(200_000, number),
                                  "sub/deep/same.bin": noise(900_000, 7)} for number in range(6)}


class Soak:
    def __init__(self, folder, seconds, seed):
        self.seed, self.end = seed, time.monotonic() + seconds
        self.hub, self.cache = LocalHub(folder / "data"), Cache(folder / "cache")
        for repo, files in REPOS.items():
            self.hub.add(repo, files)
        self.mount = Mounted(folder, self.cache, endpoint=self.hub.url)
        self.done, self.refused, self.wrong = collections.Counter(), collections.Counter(), []

    def a_file(self, rng):
        repo = rng.choice(list(REPOS))
        path = rng.choice(list(REPOS[repo]))
        return self.mount / "hub" / repo / path, REPOS[repo][path]

    def read_whole(self, rng):
        path, data = self.a_file(rng)
        if path.read_bytes() != data:
            self.wrong.append(str(path))

    def read_pieces(self, rng):
        path, data = self.a_file(rng)
        with open(path, "rb", buffering=0) as file:
            for _ in range(20):
                at, length = rng.randrange(len(data)), rng.randrange(1, 300_000)
                got = os.pread(file.fileno(), length, at)
                # Fewer bytes than asked for are what came before the first page that failed.
                if not got or got != data[at:at + len(got)]:
                    self.wrong.append(f"{path} at {at}: {len(got)} of {length}")

    def walk(self, _):
        for folder, _folders, names in os.walk(self.mount.point):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    os.lstat(os.path.join(folder, name))

    def attributes(self, rng):
        path, _ = self.a_file(rng)
        for name in os.listxattr(path):
            os.getxattr(path, name)

    def remove_file(self, rng):
        self.a_file(rng)[0].unlink()
        time.sleep(0.05)

    def remove_repo(self, rng):
        os.rmdir(self.mount / "hub" / rng.choice(list(REPOS)))

    def remove_by_hand(self, rng):
        shutil.rmtree(self.cache.repo(rng.choice(list(REPOS))), ignore_errors=True)
        time.sleep(0.3)

    def flap(self, rng):
        """Refuses, stalls or cuts what is asked, for a moment."""
        self.hub.fault(path=rng.choice(["*", "*safetensors*", "/api/*"]),
                       **rng.choice([{"status": 503}, {"reset": True}, {"cut_after": 100_000}, {"delay_ms": 300}, {"rate": 2_000_000}]))
        time.sleep(rng.random() * 2)
        self.hub.control("clear-faults", {})
        time.sleep(rng.random() * 6)

    def work(self, number, actions):
        rng = random.Random(f"{self.seed}/{number}")
        while time.monotonic() < self.end and self.mount.process.poll() is None:
            action = rng.choice(actions)
            try:
                action(rng)
                self.done[action.__name__] += 1
            except OSError as error:  # the others remove under our feet, the Hub is not always there
                self.refused[f"{action.__name__}: {error.strerror}"] += 1
                time.sleep(0.01)

    def size(self):
        """Resident bytes and open files of the daemon."""
        status = Path(f"/proc/{self.mount.pid}/status").read_text(encoding="ascii")
        resident = next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS"))
        return resident, len(os.listdir(f"/proc/{self.mount.pid}/fd"))

    def run(self, warm_up):
        crews = [[self.read_whole], [self.read_whole, self.read_pieces, self.attributes], [self.read_pieces], [self.walk],
                 [self.remove_file, self.remove_file, self.remove_repo, self.remove_by_hand, self.attributes, self.walk], [self.flap]]
        threads = [threading.Thread(target=self.work, args=item, daemon=True) for item in enumerate(crews)]
        for thread in threads:
            thread.start()
        time.sleep(warm_up)
        before = self.size()
        for thread in threads:
            thread.join(max(0.0, self.end - time.monotonic()) + 150)
        problems = [f"wrong bytes: {self.wrong[:5]}"] if self.wrong else []
        if any(thread.is_alive() for thread in threads):
            problems.append("an operation hangs")
        if self.mount.process.poll() is None:
            after = self.size()
            print(f"memory {before[0] >> 20} MiB -> {after[0] >> 20} MiB, open files {before[1]} -> {after[1]}")
            if after[0] > before[0] + MEMORY_ALLOWED or after[1] > before[1] + FILES_ALLOWED:
                problems.append(f"grows: {before} -> {after}")
        print(f"done {dict(self.done)}\nrefused {dict(self.refused)}")
        if self.done["read_whole"] < 5 or self.done["remove_file"] < 1:
            problems.append("hardly anything could be done")
        return problems

    def stop(self):
        words = "" if self.mount.ended else self.mount.unmount()
        log = self.mount.log()
        self.mount.kill()
        self.hub.stop()
        return [words] if words else [f"the log has {word}" for word in BAD_WORDS if word in log]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="hubfs-soak-"))
    try:
        soak = Soak(folder, args.seconds, args.seed)
        try:
            problems = soak.run(min(120.0, args.seconds / 5))
        finally:
            ended = soak.stop()
        print(*problems, *ended, sep="\n")
        return 1 if problems or ended else 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
