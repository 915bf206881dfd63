# SPDX-License-Identifier: Apache-2.0
"""The real Python client as the judge: it writes and hubfs shows, hubfs downloads and it agrees, both remove, both at once.

Runs in a Python that has huggingface_hub. HUBFS_SOAK_SECONDS (60) is the length of the random part.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mount"))

from hubfs_mount import MountTest, etag_of, git_sha1, main, noise, prepare_client, sha256, wait_until  # noqa: E402

prepare_client()

import huggingface_hub as hf  # noqa: E402  (reads the environment when it is imported)

CONFIG = json.dumps({"model_type": "llama"})
HF = Path(sys.executable).parent / "hf"


def repo_files(seed):
    return {"config.json": CONFIG, "README.md": f"repo {seed}", "model.safetensors": noise(400_000 + seed, seed),
            "sub/tokenizer.json": noise(30_000, seed + 1000), "sub/deep/same.bin": noise(50_000, 77)}


class ClientTest(MountTest):
    def setUp(self):
        super().setUp()
        self.server = self.hub()
        self.api = hf.HfApi(endpoint=self.server.url, token=False)

    def hf(self, *args, **kwargs):
        env = {**os.environ, "HF_ENDPOINT": self.server.url, "HF_HUB_CACHE": str(self.cache.root), "HF_HOME": str(self.folder / "home")}
        return subprocess.run([HF, *args], env=env, capture_output=True, text=True, timeout=60, **kwargs)

    def download(self, repo, **kwargs):
        return Path(self.api.snapshot_download(repo, cache_dir=self.cache.root, max_workers=2, **kwargs))

    def scan(self):
        """What the client finds in the cache; it must find nothing wrong."""
        info = hf.scan_cache_dir(self.cache.root)
        self.assertEqual([str(w) for w in info.warnings], [])
        return {repo.repo_id: repo for repo in info.repos}

    def assertConsistent(self):
        """Every link resolves, every blob is what its name says, nothing is left over that hides a repo."""
        self.scan()
        for repo in self.cache.root.glob("models--*"):
            for path in (repo / "snapshots").rglob("*"):
                if not path.is_dir():
                    self.assertTrue(path.exists(), f"{path} dangles")
            for blob in (repo / "blobs").glob("*"):
                self.assertNotIn(".incomplete", blob.name)
                data = blob.read_bytes()
                self.assertEqual(blob.name, sha256(data) if len(blob.name) == 64 else git_sha1(data), str(blob))

    def test_the_client_writes_hubfs_shows(self):
        files = repo_files(1)
        self.server.add("meta/tiny", files)
        self.server.add("org/data", {"a.txt": "data"}, repo_type="dataset")
        mount = self.mount(hub=self.server)
        self.assertEqual(self.names(mount / "models"), [])
        self.download("meta/tiny")
        hf.hf_hub_download("org/data", "a.txt", repo_type="dataset", cache_dir=self.cache.root, endpoint=self.server.url, token=False)
        model = mount / "models/llama/tiny"
        self.assertTrue(wait_until(lambda: len(self.files(model)) == len(files), 2), self.names(mount / "models"))
        for path, data in files.items():
            data = data.encode() if isinstance(data, str) else data
            self.assertEqual((model / path).read_bytes(), data)
            self.assertEqual(os.getxattr(model / path, "user.hubfs.state"), b"cached")
        self.assertTrue(wait_until(lambda: (mount / "datasets/data/a.txt").read_text() == "data", 2))

    def test_hubfs_downloads_the_client_agrees(self):
        files = repo_files(2)
        self.server.add("meta/tiny", files)
        folder = self.mount(hub=self.server) / "hub/meta/tiny"
        for path, data in files.items():
            self.assertEqual((folder / path).read_bytes(), data.encode() if isinstance(data, str) else data)
        snapshots = self.cache.repo("meta/tiny") / "snapshots"
        self.assertTrue(wait_until(lambda: len([p for p in snapshots.rglob("*") if p.is_file()]) == len(files)))
        self.assertTrue(wait_until(lambda: list((self.cache.repo("meta/tiny") / "trees").iterdir())))
        asked = len(self.server.log())
        found = self.download("meta/tiny", local_files_only=True)
        self.assertEqual(self.files(found), sorted(files))
        self.assertEqual(len(self.server.log()), asked)
        self.assertEqual(self.scan()["meta/tiny"].nb_files, len(files))
        done = self.hf("cache", "verify", "meta/tiny")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        done = self.hf("cache", "ls")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("meta/tiny", done.stdout)
        self.assertNotIn("arning", done.stdout + done.stderr)
        self.assertConsistent()

    def test_what_is_half_downloaded_does_not_disturb_the_client(self):
        self.server.add("meta/tiny", {**repo_files(3), "big.safetensors": {"size": 40 << 20, "seed": 3}})
        fault = self.server.fault(origin="cdn", path="*", hang_after=1 << 20)
        folder = self.mount(hub=self.server) / "hub/meta/tiny"
        self.assertEqual((folder / "config.json").read_text(), CONFIG)
        with open(folder / "big.safetensors", "rb", buffering=0) as file:
            self.assertEqual(len(file.read(1000)), 1000)
            self.assertTrue(wait_until(lambda: "meta/tiny" in self.scan()))
        self.assertTrue(fault)

    def test_hubfs_removes_the_client_finds_nothing_wrong(self):
        for number in range(3):
            self.server.add(f"meta/tiny-{number}", repo_files(number))
            self.download(f"meta/tiny-{number}")
        mount = self.mount(hub=self.server)
        os.unlink(mount / "models/llama/tiny-0/model.safetensors")
        shutil.rmtree(mount / "models/llama/tiny-1")
        os.rmdir(mount / "models/llama/tiny-2")
        self.assertEqual(set(self.scan()), {"meta/tiny-0"})
        self.assertConsistent()
        # A full download brings the file back, and the name is shown again.
        self.download("meta/tiny-0")
        self.assertTrue(wait_until(lambda: (mount / "models/llama/tiny-0/model.safetensors").stat().st_blocks > 1, 2))

    def test_the_client_removes_hubfs_shows_it(self):
        self.server.add("meta/tiny", repo_files(5))
        self.download("meta/tiny")
        mount = self.mount(hub=self.server)
        self.assertTrue((mount / "models/llama/tiny/config.json").exists())
        done = self.hf("cache", "rm", "model/meta/tiny", "-y")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertTrue(wait_until(lambda: not (mount / "models/llama/tiny").exists(), 2))

    def test_the_client_waits_for_hubfs(self):
        files = repo_files(6)
        self.server.add("meta/tiny", files)
        folder = self.mount(hub=self.server) / "hub/meta/tiny"
        threads = [threading.Thread(target=lambda: [(folder / p).read_bytes() for p in files]),
                   threading.Thread(target=lambda: self.download("meta/tiny"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            self.assertFalse(thread.is_alive(), "one waits for the other for ever")
        self.assertConsistent()
        self.assertEqual(self.files(folder), sorted(files))

    def test_both_at_once(self):
        repos = {f"meta/r{n}": repo_files(n) for n in range(4)}
        for repo, files in repos.items():
            self.server.add(repo, files)
        mount = self.mount(hub=self.server)
        end = time.monotonic() + float(os.environ.get("HUBFS_SOAK_SECONDS", "60"))
        wrong, done = [], {}

        def expected(repo, path):
            data = repos[repo][path]
            return data.encode() if isinstance(data, str) else data

        def client_downloads(rng):
            self.download(rng.choice(list(repos)))

        def client_removes(rng):
            info = hf.scan_cache_dir(self.cache.root)
            commits = [revision.commit_hash for repo in info.repos for revision in repo.revisions]
            if commits:
                info.delete_revisions(rng.choice(commits)).execute()

        def reads(rng):
            repo = rng.choice(list(repos))
            path = rng.choice(list(repos[repo]))
            data = (mount / "hub" / repo / path).read_bytes()
            if data != expected(repo, path):
                wrong.append(f"{repo}/{path}: {len(data)} bytes, etag of the right ones {etag_of(path, expected(repo, path))}")

        def removes(rng):
            if rng.random() < 0.5:
                os.rmdir(mount / "hub" / rng.choice(list(repos)))
            else:
                repo = rng.choice(list(repos))
                os.unlink(mount / "hub" / repo / rng.choice(list(repos[repo])))

        def looks(_):
            for _base, _folders, _names in os.walk(mount.point):
                pass

        def work(seed, actions):
            rng = random.Random(seed)
            while time.monotonic() < end:
                action = rng.choice(actions)
                try:
                    action(rng)
                    done[action.__name__] = done.get(action.__name__, 0) + 1
                except Exception as error:  # noqa: BLE001 - the other side removes under our feet
                    name = f"{action.__name__}: {type(error).__name__} {getattr(error, 'errno', '')}"
                    done[name] = done.get(name, 0) + 1

        crews = [[client_downloads], [client_downloads, client_removes], [reads], [reads, reads, removes], [looks, reads]]
        threads = [threading.Thread(target=work, args=(seed, crew)) for seed, crew in enumerate(crews)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
            self.assertFalse(thread.is_alive(), f"hangs; so far {done}")
        print(done)
        self.assertEqual(wrong, [])
        self.assertGreater(done.get("reads", 0), 10)
        # What both left in the middle is finished by a download of everything.
        for repo in repos:
            self.download(repo)
        self.assertTrue(wait_until(lambda: len(self.scan()) == len(repos), 5))
        self.assertConsistent()
        for repo, files in repos.items():
            for path in files:
                # What was hidden by a removal shows once the mount has looked at what the client just wrote.
                self.assertTrue(wait_until((mount / "hub" / repo / path).exists, 5), f"{repo}/{path}")
                self.assertEqual((mount / "hub" / repo / path).read_bytes(), expected(repo, path))
        self.assertEqual(mount.unmount(), "")
        self.assertConsistent()


if __name__ == "__main__":
    main()
