# SPDX-License-Identifier: Apache-2.0
"""Random reading of every kind, checked against a plain copy: fsx for a file system that takes only removals.

pread, readv, mmap, O_DIRECT, sendfile, SEEK_DATA and SEEK_HOLE, through several descriptors at once, on a file that is cached,
one that is partly here, and one of which nothing is here; in the builds with passthrough and in that without (fuse314). HUBFS_FSX_SEED and HUBFS_FSX_STEPS
choose another sequence; what fails names its seed.
"""

import mmap
import os
import random

from hubfs_mount import MountTest, main, noise

SEED = int(os.environ.get("HUBFS_FSX_SEED", "1"))
STEPS = int(os.environ.get("HUBFS_FSX_STEPS", "250"))
SIZE = 9_000_001  # no multiple of a page, larger than what is taken whole
BLOCK = 4096


class FsxTest(MountTest):
    def pread(self, rng, file, at, length):
        return os.pread(file, length, at), length

    def readv(self, rng, file, at, length):
        parts = [bytearray(rng.randrange(1, length + 1)) for _ in range(3)]
        done = os.preadv(file, parts, at)
        return b"".join(parts)[:done], sum(map(len, parts))

    def mapped(self, rng, file, at, length):
        with mmap.mmap(file, 0, prot=mmap.PROT_READ, flags=rng.choice([mmap.MAP_PRIVATE, mmap.MAP_SHARED])) as memory:
            return memory[at:at + length], length

    def direct(self, rng, file, at, length):
        at -= at % BLOCK
        other = os.open(f"/proc/self/fd/{file}", os.O_RDONLY | os.O_DIRECT)
        try:
            with mmap.mmap(-1, (length // BLOCK + 1) * BLOCK) as buffer:  # aligned
                done = os.preadv(other, [buffer], at)
                return buffer[:done], len(buffer)
        finally:
            os.close(other)

    def sendfile(self, rng, file, at, length):
        into = os.memfd_create("fsx")
        try:
            done = 0
            while done < length and (step := os.sendfile(into, file, at + done, length - done)):
                done += step
            return os.pread(into, done, 0), length
        finally:
            os.close(into)

    def check(self, path, data, seed):
        """All kinds of reading through two descriptors, at random places, most of them small, some at the very end."""
        rng = random.Random(seed)
        files = [os.open(path, os.O_RDONLY) for _ in range(2)]
        try:
            for step in range(STEPS):
                kind = rng.choice([self.pread, self.pread, self.readv, self.mapped, self.direct, self.sendfile])
                at = rng.choice([rng.randrange(SIZE), SIZE - rng.randrange(1, 9000), rng.randrange(SIZE // BLOCK) * BLOCK])
                length = min(rng.choice([1, BLOCK, rng.randrange(1, 20_000), rng.randrange(1, 400_000)]), SIZE)
                got, asked = kind(rng, rng.choice(files), at, length)
                if kind == self.direct:
                    at -= at % BLOCK
                if got != data[at:at + asked]:
                    self.fail(f"{path.name}, seed {seed}, step {step}: {kind.__name__} of {asked} at {at}: {len(got)} bytes, not those")
            for file in files:
                self.assertEqual(os.lseek(file, 5, os.SEEK_DATA), 5)
                self.assertEqual(os.lseek(file, 5, os.SEEK_HOLE), SIZE)
                self.assertEqual(os.pread(file, 10, SIZE), b"")
                self.assertEqual(os.fstat(file).st_size, SIZE)
        finally:
            for file in files:
                os.close(file)

    def test_every_kind_of_reading_gives_the_bytes_of_a_plain_copy(self):
        files = {f"{name}.bin": noise(SIZE, number) for number, name in enumerate(("cached", "partly", "remote"))}
        hub = self.hub()
        self.cache.hub_add(hub, "org/fsx", files, cached=["cached.bin"])
        folder = self.mount(hub=hub, options="fill=never") / "hub/org/fsx@main"
        with open(folder / "partly.bin", "rb", buffering=0) as file:
            self.assertEqual(os.pread(file.fileno(), 100_000, 3_000_000), files["partly.bin"][3_000_000:3_100_000])
        for number, (name, data) in enumerate(files.items()):
            with self.subTest(name):
                self.check(folder / name, data, SEED * 100 + number)

    def test_the_same_while_it_is_filled(self):
        files = {f"{name}.bin": noise(SIZE, number + 5) for number, name in enumerate(("cached", "remote"))}
        hub = self.hub()
        self.cache.hub_add(hub, "org/fsx", files, cached=["cached.bin"])
        folder = self.mount(hub=hub, options="fill=always") / "hub/org/fsx@main"
        for number, (name, data) in enumerate(files.items()):
            with self.subTest(name):
                self.check(folder / name, data, SEED * 100 + 50 + number)


if __name__ == "__main__":
    main()
