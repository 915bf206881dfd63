# SPDX-License-Identifier: Apache-2.0
"""The cache on disk as a set of facts, and what must hold of it whoever wrote it.

A fact is a tuple: ("dir",), ("ref", name, commit), ("snap", commit), ("entry", commit, path, etag), ("blob", etag),
("shared", etag, payload): a blob that is a link into the shared store. Facts are kept by repo folder; those of the store
itself, ("payload", hash), under "blobs".
"""

import json
import os
import re
from pathlib import Path

from hubfs_mount import git_sha1, sha256

HEX40, HEX64 = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{64}")
REPO = re.compile(r"(model|dataset|space|kernel)s--.+")
# What a client that was killed leaves: in blobs/, beside a ref, and the folders in which it tried whether links work.
LEFT_IN_BLOBS = re.compile(r"tmp_[0-9a-f-]{36}|.*\.incomplete|\.[0-9a-f]{40,64}\.[0-9a-f]{8}\.(shared|new|old)")
LEFT_REF = re.compile(r".*\.[0-9a-f]{8}\.tmp")
PROBE = re.compile(r"tmp[a-z0-9_]{8}")


class Disk:
    """One look at the cache. `facts`: by repo folder; `left`: leftovers by repo folder; `wrong`: what no client may leave."""

    verified = {}  # (device, inode, size, mtime) of blobs whose hash was checked

    def __init__(self, root):
        self.root, self.facts, self.left, self.wrong, self.trees = Path(root), {}, {}, [], {}
        self.dangling, self.visible = {}, set()
        for entry in sorted(os.scandir(root), key=lambda each: each.name):
            if REPO.fullmatch(entry.name):
                self.read_repo(entry.name)
            elif entry.name == "blobs":
                self.read_store()
            elif entry.name not in (".locks", "CACHEDIR.TAG") and not PROBE.fullmatch(entry.name):
                self.wrong.append(f"a stranger in the root: {entry.name}")
        for repo, facts in self.facts.items():
            for fact in facts:
                if fact[0] == "shared" and ("payload", fact[2]) not in self.facts.get("blobs", ()):
                    self.dangling.setdefault(repo, set()).add(fact[1])

    def read_repo(self, name):
        repo, facts, left = self.root / name, {("dir",)}, []
        self.facts[name], self.left[name] = facts, left
        for entry in os.scandir(repo):
            if entry.name not in ("blobs", "refs", "snapshots", "trees", ".no_exist"):
                (left if PROBE.fullmatch(entry.name) else self.wrong).append(f"{name}/{entry.name}")
        blobs = self.read_blobs(name, facts, left)
        self.read_refs(name, facts, left)
        links = self.read_snapshots(name, facts)
        for commit, path, etag in links:
            if etag not in blobs:
                self.dangling.setdefault(name, set()).add(etag)
        self.read_trees(name)
        commits = {fact[1] for fact in facts if fact[0] == "snap"}
        if (repo / "snapshots").is_dir() and all(fact[2] in commits for fact in facts if fact[0] == "ref") and not self.dangling.get(name):
            self.visible.add(name)

    def read_blobs(self, name, facts, left):
        found = set()
        for entry in listed(self.root / name / "blobs"):
            if LEFT_IN_BLOBS.fullmatch(entry.name):
                left.append(f"{name}/blobs/{entry.name}")
            elif not (HEX40.fullmatch(entry.name) or HEX64.fullmatch(entry.name)):
                self.wrong.append(f"{name}/blobs/{entry.name} is not named by a hash")
            elif entry.is_symlink():
                hash_ = os.path.basename(os.readlink(entry.path))
                if os.readlink(entry.path) != f"../../blobs/{hash_[:2]}/{hash_}":
                    self.wrong.append(f"{entry.path} leads to {os.readlink(entry.path)}")
                found.add(entry.name)
                facts |= {("blob", entry.name), ("shared", entry.name, hash_)}
                self.verify(entry.path, entry.name)
            else:
                found.add(entry.name)
                facts.add(("blob", entry.name))
                self.verify(entry.path, entry.name)
        return found

    def verify(self, path, etag):
        """The content is what the name says."""
        try:
            st = os.stat(path)
        except FileNotFoundError:
            return
        key = (st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, etag)
        if key not in self.verified:
            data = Path(path).read_bytes()
            self.verified[key] = etag == (sha256(data) if len(etag) == 64 else git_sha1(data))
        if not self.verified[key]:
            self.wrong.append(f"{path}: {st.st_size} bytes that are not what the name says")

    def read_refs(self, name, facts, left):
        top = self.root / name / "refs"
        for folder, _, names in os.walk(top):
            for each in names:
                path = Path(folder) / each
                if LEFT_REF.fullmatch(each):
                    left.append(str(path))
                    facts.add(("ref", str(path.relative_to(top)), path.read_text()))  # a scan takes it for a ref
                elif not HEX40.fullmatch(commit := path.read_text()):
                    self.wrong.append(f"{path} holds {commit!r}")
                else:
                    facts.add(("ref", str(path.relative_to(top)), commit))

    def read_snapshots(self, name, facts):
        links = []
        for snap in listed(self.root / name / "snapshots"):
            if not HEX40.fullmatch(snap.name) or not snap.is_dir(follow_symlinks=False):
                self.wrong.append(f"{snap.path} is no commit's folder")
                continue
            facts.add(("snap", snap.name))
            for folder, folders, names in os.walk(snap.path):
                for each in names + [one for one in folders if os.path.islink(os.path.join(folder, one))]:
                    full = os.path.join(folder, each)
                    path = os.path.relpath(full, snap.path)
                    target = os.readlink(full) if os.path.islink(full) else ""
                    etag = os.path.basename(target)
                    if target != "../" * (path.count("/") + 2) + f"blobs/{etag}":
                        self.wrong.append(f"{full} leads to {target or 'nothing, it is a file'}")
                    links.append((snap.name, path, etag))
                    facts.add(("entry", snap.name, path, etag))
        return links

    def read_trees(self, name):
        for entry in listed(self.root / name / "trees"):
            if entry.name.endswith(".json"):
                self.trees[name, entry.name[:-5]] = json.loads(Path(entry.path).read_text())["files"]

    def read_store(self):
        facts = self.facts["blobs"] = set()
        store = self.root / "blobs"
        if not (store / ".huggingface-shared-blobs").exists():
            self.wrong.append("blobs/ in the root without the marker of the shared store")
        for prefix in listed(store):
            for entry in listed(prefix.path) if prefix.is_dir() else ():
                if HEX64.fullmatch(entry.name):
                    facts.add(("payload", entry.name))
                    if not os.path.exists(entry.path + ".refs"):
                        self.wrong.append(f"{entry.path} has lost its manifest")


def listed(path):
    try:
        return list(os.scandir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []
