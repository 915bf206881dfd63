# SPDX-License-Identifier: Apache-2.0
"""Removal: how long it takes, and when the space is back."""

from bench import *

FILES = 1000


def model(cache, name):
    put_many(cache, f"org/{name}", {"config.json": CONFIG.encode(), **{f"part-{n // 100}/{n:04}.txt": f"{name} {n} ".encode() * 1500
                                                                      for n in range(FILES - 1)}})


def bytes_below(*folders):
    """Disk use, as du counts it."""
    total = 0
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                with contextlib.suppress(OSError):
                    total += os.lstat(os.path.join(place, name)).st_blocks * 512
    return total


@benchmark("removal")
def removal(stage):
    """Removing a model of 1,000 cached files (16 KiB each) on disk: the time of `rmdir`, from its begin until the cache and the
    private state hold no byte of it any more, and the time of `rm -r`. Absolute; the folders are in memory."""
    cache = Cache(stage.disk / "cache")
    count = rounds(4)
    for number in range(count + 1):
        model(cache, f"by-rmdir-{number}")
        model(cache, f"by-rm-{number}")
    os.sync()
    kept = bytes_below(cache.root)
    with stage.mounted(stage.disk, cache.root) as mount:
        models = mount / "models/llama"
        rmdir_times, space_times, rm_times = [], [], []
        for number in range(count + 1):
            for name in (f"by-rmdir-{number}", f"by-rm-{number}"):
                found = sum(len(names) for _, _, names in os.walk(models / name))
                if found != FILES:
                    raise RuntimeError(f"{name} shows {found} files")
            size = bytes_below(cache.repo(f"org/by-rmdir-{number}"))
            begin = time.perf_counter()
            os.rmdir(models / f"by-rmdir-{number}")
            rmdir_times.append((time.perf_counter() - begin) * 1000)
            everything = (cache.root, stage.disk / ".hubfs")
            if not wait_until(lambda: bytes_below(*everything) <= kept - size + 64 * KIB, 30, 0.002):
                raise RuntimeError("the space did not come back")
            space_times.append(time.perf_counter() - begin)
            kept = bytes_below(*everything)
            rm_times.append(timed(command, "rm", "-r", models / f"by-rm-{number}"))
            if cache.repo(f"org/by-rm-{number}").exists():
                raise RuntimeError("rm -r left something")
            time.sleep(0.2)  # for what is left of it in the trash
            kept = bytes_below(*everything)
        # The first is the warm-up.
        stage.row("`rmdir`", rmdir_times[1:], ("≤", 50), "ms")
        stage.row("space back", space_times[1:], ("≤", 1), "s")
        stage.row("`rm -r`", rm_times[1:], ("≤", 1), "s")
