# SPDX-License-Identifier: Apache-2.0
"""hubfs gc and hubfs undo, with the real Python client as the judge: it finds nothing wrong, and nothing that it needs is gone.

Runs in a Python that has huggingface_hub.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mount"))

from hubfs_mount import HUBFS, MountTest, git_sha1, main, noise, prepare_client, run, sha256, wait_until  # noqa: E402

prepare_client()

import huggingface_hub as hf  # noqa: E402  (reads the environment when it is imported)

HF = Path(sys.executable).parent / "hf"
FILES = {"config.json": json.dumps({"model_type": "llama"}), "model.safetensors": noise(400_000, 1), "sub/same.bin": noise(50_000, 7)}
NOW = ("--min-age", "0s")


class GcWithTheClient(MountTest):
    def setUp(self):
        super().setUp()
        self.server = self.hub()
        self.api = hf.HfApi(endpoint=self.server.url, token=False)
        self.server.add("meta/tiny", {"main": FILES, "v1": {**FILES, "old.bin": noise(60_000, 2)}}, revisions=True)
        for revision in ("main", "v1"):
            self.download("meta/tiny", revision=revision)

    def client_env(self):
        return {**os.environ, "HF_ENDPOINT": self.server.url, "HF_HUB_CACHE": str(self.cache.root), "HF_HOME": str(self.folder / "home")}

    def hf(self, *args):
        return subprocess.run([HF, *args], env=self.client_env(), capture_output=True, text=True, timeout=60)

    def download(self, repo, **kwargs):
        return Path(self.api.snapshot_download(repo, cache_dir=self.cache.root, max_workers=2, **kwargs))

    def command(self, *args, code=0):
        done = run(HUBFS, *args, "--cache", self.cache.root, timeout=60)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def gc(self, *args):
        [cache] = json.loads(self.command("gc", "--json", *args))["caches"]
        return sorted(item["kind"] for item in cache["items"])

    def assertHealthyForTheCommand(self):
        """What `hf cache` says; each call of it takes a second, so once for each kind of thing that hubfs did."""
        listed = self.hf("cache", "ls")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertIn("meta/tiny", listed.stdout)
        self.assertNotIn("arning", listed.stdout + listed.stderr)
        verified = self.hf("cache", "verify", "meta/tiny")
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def assertHealthy(self):
        """The client finds nothing wrong, and has all it needs without a network."""
        self.assertEqual([str(w) for w in hf.scan_cache_dir(self.cache.root).warnings], [])
        asked = len(self.server.log())
        found = self.download("meta/tiny", local_files_only=True)
        self.assertEqual(len(self.server.log()), asked)
        for path, data in FILES.items():
            self.assertEqual((found / path).read_bytes(), data.encode() if isinstance(data, str) else data)
        for blob in self.cache.repo("meta/tiny").joinpath("blobs").iterdir():
            data = blob.read_bytes()
            self.assertEqual(blob.name, sha256(data) if len(blob.name) == 64 else git_sha1(data), str(blob))

    def test_what_the_client_leaves_is_no_garbage(self):
        self.assertEqual(self.gc(*NOW), [])
        hf.hf_hub_download("meta/tiny", "old.bin", revision="v1", cache_dir=self.cache.root, endpoint=self.server.url, token=False)
        self.assertEqual(self.gc(*NOW), [])
        self.assertHealthy()

    def test_a_download_that_was_killed(self):
        self.server.add("meta/big", {"config.json": "{}", "big.bin": {"size": 8 << 20, "seed": 3}})
        fault = self.server.fault(origin="cdn", path="*", hang_after=1 << 20)
        child = self.start(HF, "download", "meta/big", env=self.client_env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        blobs = self.cache.repo("meta/big") / "blobs"
        big = "?" * 64 + ".*.incomplete"  # its sha256; empty for long, since the client writes in pieces of 10 MB
        self.assertTrue(wait_until(lambda: list(blobs.glob(big)), 30))
        # Its lock is held as long as it lives, whatever the age.
        self.assertNotIn("incomplete", self.gc(*NOW))
        self.assertEqual(len(list(blobs.glob(big))), 1)
        child.send_signal(signal.SIGKILL)
        child.wait()
        self.assertEqual(self.gc(), [])
        self.assertIn("incomplete", self.gc(*NOW))
        self.assertEqual(list(blobs.glob("*.incomplete")), [])
        self.assertTrue(fault)
        self.assertHealthy()

    def test_orphans_and_dangling_links(self):
        repo = self.cache.repo("meta/tiny")
        old = next(p for p in repo.glob("snapshots/*/old.bin"))
        orphan = Path(os.path.normpath(old.parent / os.readlink(old)))
        old.unlink()
        link = old.with_name("gone.bin")
        link.symlink_to(f"../../blobs/{'0' * 64}")
        self.assertEqual(self.gc(*NOW), ["dangling-entry", "orphan-blob"])
        self.assertFalse(orphan.exists() or os.path.lexists(link))
        self.assertHealthy()
        self.assertHealthyForTheCommand()

    def test_what_a_removal_by_the_client_leaves(self):
        info = hf.scan_cache_dir(self.cache.root)
        [old] = [r.commit_hash for repo in info.repos for r in repo.revisions if "v1" in r.refs]
        info.delete_revisions(old).execute()
        self.gc(*NOW)
        self.assertHealthy()

    def test_undo_of_a_model_and_of_a_commit(self):
        for target in ("model/meta/tiny", hf.scan_cache_dir(self.cache.root)):
            if not isinstance(target, str):
                [target] = [r.commit_hash for repo in target.repos for r in repo.revisions if "v1" in r.refs]
            self.command("rm", "-y", "--trash", "1h", target)
            self.assertEqual(self.gc(*NOW), [])
            self.command("undo")
            self.assertHealthy()
            self.assertEqual({ref for r in hf.scan_cache_dir(self.cache.root).repos for ref in r.refs}, {"main", "v1"})
            self.download("meta/tiny", revision="v1", local_files_only=True)
        self.assertHealthyForTheCommand()

    def test_undo_after_rm_r_in_a_mount(self):
        model = self.mount(hub=self.server, options="trash=1h") / "models/llama/tiny"
        self.assertTrue(wait_until(lambda: (model / "model.safetensors").exists(), 20))
        self.assertEqual(run("rm", "-r", model).stderr, "")
        self.assertFalse(self.cache.repo("meta/tiny").exists())
        self.assertEqual([str(w) for w in hf.scan_cache_dir(self.cache.root).warnings], [])
        self.command("undo")
        self.assertHealthy()

    def test_undo_beside_a_download_of_the_same(self):
        self.command("rm", "-y", "--trash", "1h", "model/meta/tiny")
        self.download("meta/tiny", allow_patterns="*.json")
        self.command("undo")
        self.assertHealthy()
        self.assertEqual(self.gc(*NOW), [])


if __name__ == "__main__":
    main()
