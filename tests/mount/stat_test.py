# SPDX-License-Identifier: Apache-2.0
"""Sizes, blocks, link counts, inode numbers, times, and what du and df make of them."""

import json
import os
import stat
import time

from hubfs_mount import MountTest, main, noise, run

CONFIG = {"config.json": json.dumps({"model_type": "llama"})}


def disk_use(folder):
    """512-byte blocks below a folder, each inode once, folders not counted."""
    seen = {}
    for base, _, names in os.walk(folder):
        for name in names:
            info = os.lstat(os.path.join(base, name))
            if stat.S_ISREG(info.st_mode):
                seen[info.st_ino] = info.st_blocks
    return sum(seen.values())


class StatTest(MountTest):
    def test_sizes_and_blocks(self):
        data = noise(300_000, 1)
        self.cache.add("meta/tiny", {**CONFIG, "model.safetensors": data, "empty": ""}, remote={"far.bin": noise(77_777, 2)})
        model = self.mount() / "models/llama/tiny"
        here, far, empty = (os.stat(model / name) for name in ("model.safetensors", "far.bin", "empty"))
        blob = os.stat(self.cache.blob("meta/tiny", "model.safetensors", data))
        self.assertEqual((here.st_size, here.st_blocks), (blob.st_size, blob.st_blocks))
        self.assertEqual((far.st_size, far.st_blocks), (77_777, 1))
        self.assertEqual(empty.st_size, 0)
        self.assertTrue(stat.S_ISREG(far.st_mode))

    def test_link_count_and_owner_write(self):
        self.cache.add("meta/tiny", CONFIG, remote={"far.bin": b"x"})
        model = self.mount() / "models/llama/tiny"
        for name in ("config.json", "far.bin"):
            info = os.stat(model / name)
            self.assertEqual(info.st_nlink, 2, name)
            self.assertTrue(info.st_mode & stat.S_IWUSR, name)

    def test_one_inode_number_everywhere(self):
        commit = self.cache.add("meta/tiny", {**CONFIG, "a.txt": "same", "b/c.txt": "same", "d.txt": "other"},
                                remote={"far.bin": b"x"})
        places = ["models/llama/tiny", "models/meta--tiny", "hub/meta/tiny@main", "hub/meta/tiny", f"hub/meta/tiny@{commit}"]
        numbers = []
        for _ in range(2):
            mount = self.mount()
            for name in ("a.txt", "far.bin"):
                found = {os.stat(mount / place / name).st_ino for place in places}
                self.assertEqual(len(found), 1, name)
            same = {os.stat(mount / "models/llama/tiny" / name).st_ino for name in ("a.txt", "b/c.txt")}
            self.assertEqual(len(same), 1, "two paths of one blob")
            self.assertNotEqual(same, {os.stat(mount / "models/llama/tiny/d.txt").st_ino})
            numbers.append([os.stat(mount / "models/llama/tiny" / name).st_ino for name in ("a.txt", "d.txt", "far.bin")])
            self.assertEqual(mount.unmount(), "")
        self.assertEqual(numbers[0], numbers[1], "over a remount")

    def test_listing_and_stat_agree_on_the_inode(self):
        self.cache.add("meta/tiny", CONFIG, remote={"far.bin": b"x"})
        model = self.mount() / "models/llama/tiny"
        with os.scandir(model) as entries:
            for entry in entries:
                self.assertEqual(entry.inode(), os.stat(entry.path).st_ino, entry.name)

    def test_a_shared_payload_is_one_inode(self):
        data = noise(200_000, 3)
        self.cache.add("meta/tiny", {**CONFIG, "model.safetensors": data})
        self.cache.add("copy/tiny", {**CONFIG, "model.safetensors": data})
        etag = self.cache.blob("meta/tiny", "model.safetensors", data).name
        self.cache.share(data, ("meta/tiny", etag), ("copy/tiny", etag))
        mount = self.mount()
        stats = [os.stat(mount / f"hub/{org}/tiny@main/model.safetensors") for org in ("meta", "copy")]
        self.assertEqual(stats[0].st_ino, stats[1].st_ino)
        self.assertEqual((mount / "hub/copy/tiny@main/model.safetensors").read_bytes(), data)

    def test_du_agrees_with_the_disk(self):
        for number in range(4):
            self.cache.add(f"meta/tiny-{number}", {**CONFIG, "model.safetensors": noise(1_500_000, number), "x": str(number)},
                           remote={f"far-{i}.bin": b"z" * 50_000_000 for i in range(1)} if number == 0 else None)
        mount = self.mount()
        got = int(run("du", "-s", "-B512", mount.point).stdout.split()[0])
        expected = disk_use(self.cache.root / "")
        for extra in self.cache.root.rglob("trees/*.json"):
            expected -= os.stat(extra).st_blocks
        for extra in [self.cache.root / "CACHEDIR.TAG", *self.cache.root.rglob("refs/*")]:
            expected -= os.stat(extra).st_blocks
        self.assertAlmostEqual(got, expected + 1, delta=0.01 * expected)
        apparent = int(run("du", "-s", "-b", mount / "models").stdout.split()[0])
        self.assertGreaterEqual(apparent, 4 * 1_500_000 + 50_000_000)
        self.assertLess(apparent, 4 * 1_600_000 + 51_000_000)

    def test_df_is_the_volume(self):
        self.cache.add("meta/tiny", CONFIG)
        mount = self.mount()
        ours, disk = os.statvfs(mount.point), os.statvfs(self.cache.root)
        self.assertEqual(ours.f_blocks * ours.f_frsize, disk.f_blocks * disk.f_frsize)

    def test_mtime_is_that_of_the_arrival_and_the_past(self):
        self.cache.add("meta/tiny", CONFIG, remote={"far.bin": b"x"})
        model = self.mount() / "models/llama/tiny"
        for name in ("config.json", "far.bin"):
            self.assertLess(abs(os.stat(model / name).st_mtime - time.time()), 60)

    def test_a_partial_file_costs_what_has_arrived(self):
        hub = self.hub()
        size = 24 << 20
        files = {"config.json": b'{"model_type": "llama"}', "big.safetensors": {"size": size, "seed": 5}}
        self.cache.hub_add(hub, "meta/tiny", files, cached=["config.json"])
        hub.fault(origin="cdn", hang_after=1 << 20)
        mount = self.mount(hub=hub)
        path = mount / "models/llama/tiny/big.safetensors"
        before = os.stat(path)
        self.assertEqual((before.st_size, before.st_blocks), (size, 1))
        with open(path, "rb", buffering=0) as file:
            self.assertEqual(len(file.read(4096)), 4096)
            time.sleep(0.2)
            after = os.stat(path)
        self.assertEqual((after.st_size, after.st_ino), (size, before.st_ino))
        self.assertGreater(after.st_blocks, 1)
        self.assertLess(after.st_blocks * 512, size)


if __name__ == "__main__":
    main()
