# SPDX-License-Identifier: Apache-2.0
"""Cached: reading what is here, and walking the tree, against the same without a mount."""

import subprocess

from bench import *

WAYS = {"seq": "sequential read", "mmap": "mmap read", "random": "random 4 KiB preads"}


def arguments(way, count):
    return (count, 7) if way == "random" else ()


def compare(stage, blob, path, way, count, random_count, before=lambda: None):
    """Pairs of one way of reading, (mount, blob) in seconds."""

    def one(file):
        before()
        return read(way, file, *arguments(way, random_count))["seconds"]

    times = pairs(count, lambda: one(path), lambda: one(blob))
    stage.say(f"{way}: mount {statistics.median(t for t, _ in times):.3f} s, blob {statistics.median(t for _, t in times):.3f} s")
    return times


def verify(blob, path):
    """Once, and thereby all of it is in every page cache that there is."""
    same_bytes(read("seq", blob, "sum")["sum"], read("seq", path, "sum")["sum"], read("mmap", blob)["sum"], read("mmap", path)["sum"])


@benchmark("cached")
def cached(stage):
    """Throughput of a cached file of 1 GiB on disk through the mount, with default options, over that of its blob; the page
    cache holds it."""
    size = scaled(GIB)
    cache = Cache(stage.disk / "cache")
    blob = put_large(cache, "org/big", "w.bin", size)
    os.sync()
    with stage.mounted(stage.disk, cache.root) as mount:
        path = mount / "models/llama/big/w.bin"
        verify(blob, path)
        for way, words in WAYS.items():
            stage.row(words, throughput_ratios(compare(stage, blob, path, way, 15, 300_000)), ("≥", 0.97))
        status = mount.status()
        opens = status["passthrough_opens"] + status["cached_opens"]
        stage.note(f"{status['passthrough_opens']} of {opens} opens were in passthrough.")


@benchmark("cached-nopassthrough")
def cached_without_passthrough(stage):
    """The same with `-o nopassthrough`: warm, the file is in the page cache of the blob and in that of the mount; cold, it is
    in neither (drop_caches before each reading)."""
    size = scaled(GIB)
    cache = Cache(stage.disk / "cache")
    blob = put_large(cache, "org/big", "w.bin", size)
    os.sync()
    with stage.mounted(stage.disk, cache.root, options="nopassthrough") as mount:
        path = mount / "models/llama/big/w.bin"
        verify(blob, path)
        for way, words in WAYS.items():
            stage.row(f"{words}, warm", throughput_ratios(compare(stage, blob, path, way, 11, 300_000)), ("≥", 0.9))
        for way, words in WAYS.items():
            times = compare(stage, blob, path, way, 9, 3000, drop_page_cache)
            stage.row(f"{words}, cold", throughput_ratios(times), ("≥", 0.7))
            if way == "seq":
                stage.note(f"From the disk the blob comes at {size / 1e9 / min(t for _, t in times):.1f} GB/s.")


def tree_of_repos(cache, copy, repos):
    """Repos of 25 files each, and a plain tree of the same names and contents as the view shows."""
    names = [f"model-{number:05}.json" for number in range(12)] + [f"sub/part-{number:05}.txt" for number in range(12)]
    for number in range(repos):
        files = {"config.json": CONFIG.encode()}
        for place, name in enumerate(names):
            files[name] = f"{number} {name} ".encode() * (10 + place * 20)
        put_many(cache, f"org-{number % 20}/repo-{number}", files)
        for name, data in files.items():
            path = copy / "llama" / f"repo-{number}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return repos * 25


def walk_time(*args):
    return timed(command, *args, env=clean_environment())


@benchmark("walk")
def walk(stage):
    """Time of walking 200 cached repos of 25 files (models/, show=cached) over that of the same walk without a mount: `find -L`
    and `du -L` over the snapshots, `ls -lR` of a plain tree of the same files. Names, attributes and folders are in memory."""
    cache, copy = Cache(stage.disk / "cache"), stage.disk / "copy"
    count = tree_of_repos(cache, copy, scaled(200))
    snapshots = sorted(cache.root.glob("models--*/snapshots"))
    with stage.mounted(stage.disk, cache.root, options="show=cached") as mount:
        models = mount / "models"
        listings = [sorted(subprocess.run(["find", *where, "-type", "f", "-printf", "%s %P\n"], capture_output=True, text=True, check=True)
                           .stdout.splitlines()) for where in ([models], [copy])]
        if listings[0] != listings[1] or len(listings[0]) != count:
            raise RuntimeError(f"the trees differ: {len(listings[0])} files in the mount, {len(listings[1])} in the copy, {count} made")
        for words, first, second, bound in (
            ("`find -size +1k`", ["find", models, "-size", "+1k"], ["find", "-L", *snapshots, "-size", "+1k"], 1.0),
            ("`du -s`", ["du", "-s", models], ["du", "-s", "-L", *snapshots], 1.0),
            ("`ls -lR`", ["ls", "-lR", models], ["ls", "-lR", copy], 1.2),
        ):
            times = pairs(21, lambda: walk_time(*first), lambda: walk_time(*second))
            stage.row(words, time_ratios(times), ("≤", bound))
            stage.note(f"{words} of the mount takes {statistics.median(t for t, _ in times) * 1000:.0f} ms.")
