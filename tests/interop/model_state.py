# SPDX-License-Identifier: Apache-2.0
"""The model: what the Hub has, and what each operation makes of the facts (model_disk.py) of a repo.

Each function takes the facts before and answers those after; none looks at the disk. Where an operation may end in
several ways (killed in the middle, two at once) the caller builds a lower and an upper bound out of them.
"""

import dataclasses

from hubfs_mount import etag_of, noise

CONFIG = '{"model_type": "%s", "version": %d}'


@dataclasses.dataclass
class Repo:
    """A repo of the Hub, and what hubfs has been told to hide of it."""

    repo: str
    type: str
    family: str
    xet: bool = False
    branches: dict = dataclasses.field(default_factory=dict)  # name: commit
    ever: dict = dataclasses.field(default_factory=dict)  # name: all commits the branch has pointed to
    commits: dict = dataclasses.field(default_factory=dict)  # commit: {path: bytes}
    hidden: dict = dataclasses.field(default_factory=dict)  # (commit, path): True, or False for "perhaps"

    @property
    def folder(self):
        return f"{self.type}s--{self.repo.replace('/', '--')}"

    @property
    def name(self):
        return self.repo.rsplit("/", 1)[-1]

    @property
    def hub_parent(self):
        """The folder of the view that lists its commits."""
        kind = "" if self.type == "model" else f"{self.type}s/"
        return f"hub/{kind}{self.repo.split('/')[0] if '/' in self.repo else '_'}"

    @property
    def shelf(self):
        return f"models/{self.family}/{self.name}" if self.type == "model" else f"{self.type}s/{self.name}"

    @property
    def target(self):
        """As `hf cache rm` and `hubfs rm` take it."""
        return f"{self.type}/{self.repo}"

    def pushed(self, branch, commit, files):
        self.branches[branch] = commit
        self.ever.setdefault(branch, set()).add(commit)
        self.commits[commit] = files

    def etag(self, commit, path):
        return etag_of(path, self.commits[commit][path])

    def seen(self, facts, in_part):
        """After the view was seen to agree: what is in a snapshot is not hidden, and nothing is where the commit went."""
        snaps, entries = snaps_of(facts), {(fact[1], fact[2]) for fact in facts if fact[0] == "entry"}
        self.hidden = {key: sure and key[0] in snaps for key, sure in self.hidden.items() if key[0] in snaps | in_part and key not in entries}


def content(repo, path, version):
    """The bytes of a file: weights are the same in every repo, so that they may share a payload."""
    if path == "config.json":
        return (CONFIG % (repo.family, version)).encode()
    if path == "README.md":
        return f"{repo.repo} {version}".encode()
    size = {"model.safetensors": 60_000, "big.bin": 700_000, "sub/tokenizer.json": 9_000}.get(path, 20_000)
    return noise(size + version, f"{path} {version}")


PATHS = ("README.md", "big.bin", "config.json", "model.safetensors", "sub/deep/same.bin", "sub/tokenizer.json")


def snaps_of(facts):
    return {fact[1] for fact in facts if fact[0] == "snap"}


def refs_of(facts):
    return {fact[1]: fact[2] for fact in facts if fact[0] == "ref"}


def entries_of(facts, commit=None):
    return {fact[1:] for fact in facts if fact[0] == "entry" and commit in (None, fact[1])}


def downloaded(repo, facts, commit, paths, ref=None):
    """A client has fetched `paths`; `ref` is the branch it asked for, which then names the commit."""
    after = {fact for fact in facts if not (ref and fact[:2] == ("ref", ref))} | {("dir",), ("snap", commit)}
    if ref:
        after.add(("ref", ref, commit))
    for path in paths:
        after |= {("entry", commit, path, repo.etag(commit, path)), ("blob", repo.etag(commit, path))}
    return after


def probed(facts, branch, commit):
    """Python asked for a file that the commit does not have: the ref moves, nothing is cached."""
    return {fact for fact in facts if fact[:2] != ("ref", branch)} | {("dir",), ("ref", branch, commit)}


def without_blobs(before, after):
    """`after` without the blobs that an entry needed before and none needs now."""
    loose = {entry[2] for entry in entries_of(before)} - {entry[2] for entry in entries_of(after)}
    return {fact for fact in after if fact[0] not in ("blob", "shared") or fact[1] not in loose}


def commit_removed(facts, *commits):
    """Also by the Python client. With the last commit everything goes."""
    if not snaps_of(facts) - set(commits):
        return set()
    gone = {("snap", commit) for commit in commits}
    kept = {fact for fact in facts if fact not in gone and not (fact[0] == "entry" and fact[1] in commits)
            and not (fact[0] == "ref" and fact[2] in commits)}
    return without_blobs(facts, kept)


def file_removed(facts, entries):
    """`entries` are (commit, path)."""
    return without_blobs(facts, {fact for fact in facts if fact[0] != "entry" or fact[1:3] not in entries})


def payloads_after(facts_by_repo, payloads):
    """Those of the store that a blob still leads to."""
    used = {fact[2] for name, facts in facts_by_repo.items() if name != "blobs" for fact in facts if fact[0] == "shared"}
    return {fact for fact in payloads if fact[1] in used}
