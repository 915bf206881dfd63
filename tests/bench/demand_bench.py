# SPDX-License-Identifier: Apache-2.0
"""Cold reads of parts: how long who waits for a little waits, in answers of the Hub."""

from bench import *

REPO, FILE = "org/parts", "model.safetensors"
KEY = f"models/{REPO}/{FILE}"


def serve(stage, size, latency_ms):
    hub = stage.hub()
    hub.add(REPO, {"config.json": CONFIG, FILE: {"size": size, "seed": 5, "safetensors": True}})
    url = f"{hub.url}/{REPO}/resolve/main/{FILE}"
    # Hashes the content, which the Hub does when it is first asked; the latency comes after that.
    command("curl", "-sfL", "-r", "0-0", url)
    hub.control("settings", {"latency_ms": latency_ms})
    return hub, url


def bytes_at(hub_url, offset, length):
    return subprocess.run(["curl", "-sfL", "-r", f"{offset}-{offset + length - 1}", hub_url], capture_output=True, check=True).stdout


@benchmark("header")
def header(stage):
    """Reading the header of a 2 GiB safetensors file of which nothing is here (8 bytes, then as many as they say), with 50 ms before
    each answer and the listing known: the time from the open to the last byte in answers, and the bytes that the Hub sent until
    2 s after the close. Absolute."""
    latency = 0.050
    hub, url = serve(stage, scaled(2 * GIB), 50)
    answers, sent = [], []
    for number in range(rounds(5) + 1):
        with stage.fresh_mount(stage.memory, hub) as mount:
            path = mount / f"hub/{REPO}/{FILE}"
            os.listdir(path.parent)
            hub.control("reset", {})
            start = time.perf_counter()
            with open(path, "rb", buffering=0) as file:
                length = file.read(8)
                text = file.read(int.from_bytes(length, "little"))
                seconds = time.perf_counter() - start
            time.sleep(2)
            if number:  # the first is the warm-up
                answers.append(seconds / latency)
                sent.append(hub.file_bytes(KEY) / MIB)
            elif length + text != bytes_at(url, 0, 8 + len(text)):
                raise RuntimeError("that is not the header")
    stage.row("time", answers, ("≤", 3), "answers")
    stage.row("bytes from the Hub", sent, ("≤", 4), "MiB")


@benchmark("random")
def random_reads(stage):
    """100 preads of 4 KiB at random places, one after the other by one descriptor, of a 2 GiB file of which nothing is here, with
    20 ms before each answer: their mean in answers, the open not counted. Absolute; the cache is on tmpfs. At full speed much of
    the file arrives in the background meanwhile, and many reads find their bytes; so, for information, also with 10 MB/s for
    each connection."""
    hub, url = serve(stage, scaled(2 * GIB), 20)
    means, opens = means_of_random_reads(stage, hub, url)
    stage.row("mean of 100 reads of 4 KiB", means, ("≤", 1.5), "answers")
    stage.note(f"The open took {statistics.median(opens):.1f} answers.")
    hub.control("settings", {"rate": 10_000_000})
    stage.row("the same at 10 MB/s for each connection", means_of_random_reads(stage, hub, url)[0], None, "answers")


def means_of_random_reads(stage, hub, url, latency=0.020, count=100):
    means, opens = [], []
    for number in range(rounds(5) + 1):
        with stage.fresh_mount(stage.memory, hub) as mount:
            path = mount / f"hub/{REPO}/{FILE}"
            os.listdir(path.parent)
            found = read("random", path, count, number + 1)
            if number:
                means.append((found["seconds"] - found["open_seconds"]) / count / latency)
                opens.append(found["open_seconds"] / latency)
            else:
                with open(path, "rb", buffering=0) as file:
                    same_bytes(os.pread(file.fileno(), 4096, 77 * MIB), bytes_at(url, 77 * MIB, 4096))
    return means, opens


def small_files():
    return {"config.json": CONFIG, **{f"part-{number:02}.json": json.dumps({"number": number, "text": "x" * (number * 700)})
                                      for number in range(19)}}


CLIENT_LOOP = """
import sys, time
from huggingface_hub import hf_hub_download
start = time.perf_counter()
total = 0
for name in sys.argv[2:]:
    with open(hf_hub_download(sys.argv[1], name), "rb") as file:
        total += len(file.read())
print(time.perf_counter() - start, total)
"""

MOUNT_LOOP = """
import os, sys, time
start = time.perf_counter()
total = 0
os.listdir(sys.argv[1])
for name in sys.argv[2:]:
    with open(os.path.join(sys.argv[1], name), "rb") as file:
        total += len(file.read())
print(time.perf_counter() - start, total)
"""


def run_loop(text, *args, env):
    done = subprocess.run([sys.executable, "-c", text, *map(str, args)], env=env, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-1000:])
    seconds, total = done.stdout.split()
    return float(seconds), int(total)


@benchmark("small-files")
def opening_small_files(stage):
    """Opening and reading a repo of 20 small files one after the other with 50 ms before each answer, of which neither side knows
    anything (the mount lists the folder first), over `hf_hub_download` and a read of each in a loop, imports not counted."""
    if not HF.exists():
        raise Skipped("the Python client is not installed here (scripts/test-env)")
    files = small_files()
    hub = stage.hub(latency_ms=50)
    hub.add("org/small", files)
    size = sum(len(text) for text in files.values())

    def through_mount():
        with stage.fresh_mount(stage.memory, hub) as mount:
            seconds, total = run_loop(MOUNT_LOOP, mount / "hub/org/small", *files, env=clean_environment())
            same_bytes(total, size)
            return seconds

    def with_client():
        with stage.run_folder(stage.memory) as folder:
            env = clean_environment(**CLIENT_SETTINGS, HF_ENDPOINT=hub.url, HF_HUB_CACHE=str(folder / "cache"), HF_HOME=str(folder / "home"))
            seconds, total = run_loop(CLIENT_LOOP, "org/small", *files, env=env)
            same_bytes(total, size)
            return seconds

    with stage.fresh_mount(stage.memory, hub) as mount:
        for name, text in files.items():
            same_bytes((mount / "hub/org/small" / name).read_text(), text)
    times = pairs(5, through_mount, with_client)
    stage.row("time over `hf_hub_download` in a loop", time_ratios(times), ("≤", 0.2))
    stage.note(f"For each file: mount {statistics.median(t for t, _ in times) / 20 * 1000:.0f} ms, "
               f"client {statistics.median(t for _, t in times) / 20 * 1000:.0f} ms.")


@benchmark("faults")
def faults(stage):
    """64 threads that read the pages of a mapped file of 256 MiB in random order, each page once, over a sequential read of it;
    both from a fresh cache on tmpfs."""
    hub, _ = serve(stage, scaled(256 * MIB), 0)

    def one(*way):
        with stage.fresh_mount(stage.memory, hub) as mount:
            path = mount / f"hub/{REPO}/{FILE}"
            os.listdir(path.parent)
            found = read(way[0], path, *way[1:])
        return found["seconds"], found["sum"]

    same_bytes(one("fault", 64, 1)[1], one("seq", "sum")[1])
    times = pairs(7, lambda: one("fault", 64, 1)[0], lambda: one("seq")[0])
    stage.row("64 threads faulting over a sequential read", time_ratios(times), ("≤", 1.3))
    stage.note(f"The sequential read takes {statistics.median(t for _, t in times):.2f} s.")
