# SPDX-License-Identifier: Apache-2.0
"""The operations of the model test. Each chooses what it does from `rng`, does it with a real client, and answers what may
be on disk afterwards: {repo folder: (at least, at most)}. What is not in the answer must not have changed.
"""

import errno
import fcntl
import os
import time

import model_state as model
from hubfs_mount import HUBFS, errno_of, run


class Skip(Exception):
    """There is nothing to do this to; another operation is chosen."""


def choose(rng, options, what="nothing to choose from"):
    options = sorted(options)
    if not options:
        raise Skip(what)
    return rng.choice(options)


def in_a_name(revision):
    """As the view writes it."""
    return revision.replace("%", "%25").replace("/", "%2F")


def exactly(repo, facts):
    return {repo.folder: (facts, facts)}


class Actions:
    """Mixed into the driver, which has: world (repos by folder), facts, hub, clients, mount, root, note()."""

    def of(self, repo):
        return self.facts.get(repo.folder, set())

    def a_repo(self, rng, cached=False):
        return self.world[choose(rng, [name for name in self.world if not cached or model.snaps_of(self.facts.get(name, ()))], "nothing cached")]

    def a_revision(self, rng, repo):
        """(what to ask for, commit, the branch or None)."""
        if rng.random() < 0.7:
            branch = choose(rng, repo.branches)
            return branch, repo.branches[branch], branch
        commit = choose(rng, repo.commits)
        return commit, commit, None

    # --- downloads by clients

    def client_file(self, rng, client="python"):
        repo = self.a_repo(rng)
        revision, commit, branch = self.a_revision(rng, repo)
        path = choose(rng, repo.commits[commit])
        self.note(f"{client} downloads {repo.folder} {revision} {path}")
        getattr(self.clients, client).must("download", repo=repo.repo, type=repo.type, revision=revision, path=path)
        return exactly(repo, model.downloaded(repo, self.of(repo), commit, [path], branch))

    def client_snapshot(self, rng, client="python"):
        repo = self.a_repo(rng)
        revision, commit, branch = self.a_revision(rng, repo)
        self.note(f"{client} downloads all of {repo.folder} {revision}")
        getattr(self.clients, client).must("snapshot", repo=repo.repo, type=repo.type, revision=revision)
        return exactly(repo, model.downloaded(repo, self.of(repo), commit, repo.commits[commit], branch))

    def old_file(self, rng):
        return self.client_file(rng, "old")

    def old_snapshot(self, rng):
        return self.client_snapshot(rng, "old")

    def js_snapshot(self, rng):
        repo = self.a_repo(rng)
        if repo.xet:
            raise Skip("the JS client would transfer over Xet")
        revision, commit, branch = self.a_revision(rng, repo)
        self.note(f"js downloads all of {repo.folder} {revision}")
        self.clients.js.must("snapshot", repo=repo.repo, type=repo.type, revision=revision)
        return exactly(repo, model.downloaded(repo, self.of(repo), commit, repo.commits[commit], branch))

    def js_file(self, rng):
        """Of a branch: into the snapshot of the commit that last changed the file, and without a ref."""
        repo = self.a_repo(rng)
        if repo.xet:
            raise Skip("the JS client would transfer over Xet")
        revision, commit, _ = self.a_revision(rng, repo)
        path = choose(rng, repo.commits[commit])
        self.note(f"js downloads {repo.folder} {revision} {path}")
        at = self.clients.js.must("download", repo=repo.repo, type=repo.type, revision=revision, path=path)
        commit = os.path.relpath(at, self.root / repo.folder / "snapshots").split("/")[0]
        return exactly(repo, model.downloaded(repo, self.of(repo), commit, [path]))

    def python_probe(self, rng):
        """For a file that the commit does not have, as transformers does."""
        repo = self.a_repo(rng)
        branch = choose(rng, repo.branches)
        self.note(f"python probes {repo.folder} {branch}")
        _, error = self.clients.python.call("download", repo=repo.repo, type=repo.type, revision=branch, path="adapter_config.json")
        if "EntryNotFound" not in (error or ""):
            raise AssertionError(f"a file that is not there: {error}")
        return exactly(repo, model.probed(self.of(repo), branch, repo.branches[branch]))

    # --- reading through a mount, which downloads

    def a_place(self, rng, repo):
        """A folder of the view that shows a commit of the repo, or would when it is looked up."""
        places = [f"{repo.hub_parent}/{repo.name}@{in_a_name(revision)}" for revision in (*repo.branches, *repo.commits)]
        if model.snaps_of(self.of(repo)):
            places += [repo.shelf] * 3
        return self.mount / rng.choice(places)

    def commit_at(self, repo, place):
        commit = os.getxattr(place, "user.hubfs.commit").decode()
        revision = place.name.partition("@")[2].replace("%2F", "/").replace("%25", "%")
        if commit not in repo.commits or (revision in repo.ever and commit not in repo.ever[revision]):
            raise AssertionError(f"{place} shows {commit}, which it never was")
        local = model.refs_of(self.of(repo)).get(revision)
        if local in model.snaps_of(self.of(repo)) and commit != local:
            raise AssertionError(f"{place} shows {commit}, not {local} as the ref on disk says")
        return commit

    def mount_read(self, rng):
        repo = self.a_repo(rng)
        place = self.a_place(rng, repo)
        commit = self.commit_at(repo, place)
        path = choose(rng, repo.commits[commit])
        self.note(f"read {place.relative_to(self.mount.point)}/{path}")
        hidden = repo.hidden.get((commit, path))
        if hidden or (hidden is False and not (place / path).exists()):
            if errno_of(open, place / path, "rb") != errno.ENOENT:
                raise AssertionError(f"{place / path} could be read although it was removed")
            return {}
        self.read_right(place / path, repo.commits[commit][path])
        self.settle()
        return {repo.folder: self.after_read(repo, commit, {path})}

    def after_read(self, repo, commit, paths):
        """At least the blobs; with fill=auto perhaps the companions. A ref may come, none may move.

        An open names an inode, that is a blob, and no path: of several commits that have it, any that the kernel has seen
        may get the entry, and its companions come along.
        """
        before = self.of(repo)
        etags = {repo.etag(commit, path) for path in paths}
        # A blob that is here already is read as it is, also one that no entry needs.
        self.needs = {(repo.folder, etag) for etag in etags if ("blob", etag) not in before}
        at_most = set(before)
        for each, files in repo.commits.items():
            here = {path for path in files if repo.hidden.get((each, path)) is not True}
            some = {path for path in here if repo.etag(each, path) in etags}
            if some and self.fill == "auto":
                some = here
            if some:
                at_most |= model.downloaded(repo, set(), each, some)
                at_most |= {("ref", name, each) for name, commits in repo.ever.items() if each in commits and name not in model.refs_of(before)}
        stored = {fact[1] for fact in self.facts.get("blobs", ())} if repo.xet else ()
        at_most |= {("shared", fact[1], hash_) for fact in at_most if fact[0] == "blob" and (hash_ := self.xet_hash(fact[1])) in stored}
        return before | {("dir",)} | {("blob", etag) for etag in etags}, at_most

    # --- removals by hubfs

    def hub_place(self, repo, commit, rng):
        """A place that stands for this one commit, as the view names it."""
        refs = [name for name, of in model.refs_of(self.of(repo)).items() if of == commit and "." not in name]
        return f"{repo.hub_parent}/{repo.name}@{in_a_name(rng.choice([commit, commit[:12], *refs]))}"

    def remove_repo(self, rng):
        repo = self.a_repo(rng, cached=True)
        how = rng.choice(["shelf", "hub", "command"])
        self.note(f"hubfs removes {repo.folder} ({how})")
        if how == "command":
            self.hubfs_rm(repo.target)
        else:
            os.rmdir(self.mount / (repo.shelf if how == "shelf" else f"{repo.hub_parent}/{repo.name}"))
        return exactly(repo, set())

    def remove_commit(self, rng):
        repo = self.a_repo(rng, cached=True)
        commit = choose(rng, model.snaps_of(self.of(repo)))
        place = self.hub_place(repo, commit, rng)
        how = rng.choice(["rmdir", "command"])
        self.note(f"hubfs removes {place} ({how})")
        if how == "command":
            self.hubfs_rm(commit if rng.random() < 0.5 else place)
        else:
            os.rmdir(self.mount / place)
        return exactly(repo, model.commit_removed(self.of(repo), commit))

    def remove_file(self, rng):
        """By unlink or by command; from one commit, or from all that have the same blob at the same path."""
        repo = self.a_repo(rng, cached=True)
        facts = self.of(repo)
        commit, path, etag = choose(rng, model.entries_of(facts), "no file")
        everywhere = rng.random() < 0.5
        place = f"{repo.hub_parent}/{repo.name}" if everywhere else self.hub_place(repo, commit, rng)
        if everywhere:
            commit = self.commit_at(repo, self.mount / place)
            if path not in repo.commits[commit] or (commit, path) in repo.hidden:
                raise Skip("not in the default revision")
            etag = repo.etag(commit, path)
        # Without a mount nothing is known of files that are not here, and the default revision is the one that has a ref.
        by_command = model.refs_of(facts).get("main") == commit and (commit, path, etag) in model.entries_of(facts)
        how = rng.choice(["unlink", "command"] if by_command or not everywhere else ["unlink"])
        self.note(f"hubfs removes {place}/{path} ({how}), commit {commit[:12]}")
        whatever = False
        if how == "command":
            # As in the Python client that form means the path in every commit, whatever is there.
            whatever = everywhere and "/" in repo.repo and rng.random() < 0.5
            self.hubfs_rm(f"hf://{repo.type}s/{repo.repo}/{path}" if whatever else f"{place}/{path}")
        else:
            os.unlink(self.mount / place / path)
        commits = model.snaps_of(facts) if everywhere else {commit}
        gone = {(each, path) for each in commits if path in repo.commits[each] and (whatever or repo.etag(each, path) == etag)}
        if everywhere:
            in_part = {(each, path) for each in self.commits_in_part(repo) - set(commits) if path in repo.commits[each]}
            repo.hidden.update(dict.fromkeys(in_part, False))
        for key in gone:
            repo.hidden[key] = key in {entry[:2] for entry in model.entries_of(facts)} or key[0] == commit
        self.hid_at = time.monotonic()
        return exactly(repo, model.file_removed(facts, gone))

    def remove_pinned(self, rng):
        """A pinned model refuses every removal of hubfs."""
        repo = self.a_repo(rng, cached=True)
        commit = choose(rng, model.snaps_of(self.of(repo)))
        self.note(f"pin {repo.folder} and try to remove it")
        shelf = self.mount / repo.shelf
        os.setxattr(shelf, "user.hubfs.pinned", b"1")
        for place in (shelf, self.mount / repo.hub_parent / f"{repo.name}@{commit}"):
            if (error := errno_of(os.rmdir, place)) != errno.EPERM:
                raise AssertionError(f"rmdir {place} of a pinned model: errno {error}")
        done = run(HUBFS, "rm", "-y", "--cache", self.root, repo.target)
        if done.returncode == 0:
            raise AssertionError(f"hubfs rm removed a pinned model: {done.stdout}")
        os.setxattr(shelf, "user.hubfs.pinned", b"0")
        return {}

    def hubfs_rm(self, target):
        done = run(HUBFS, "rm", "-y", "--cache", self.root, target, timeout=60)
        if done.returncode:
            raise AssertionError(f"hubfs rm {target}: {done.stdout}{done.stderr}")

    # --- removals by the Python client

    def hf_rm(self, *args):
        done = self.clients.python.must("cli", args=["cache", *args, "-y"])
        if done["status"]:
            raise AssertionError(f"hf cache {args}: {done}")

    def hf_rm_repo(self, rng):
        repo = self.a_repo(rng, cached=True)
        self.note(f"hf cache rm {repo.target}")
        self.hf_rm("rm", repo.target)
        return exactly(repo, set()) if repo.folder in self.visible else {}

    def hf_rm_commit(self, rng):
        repo = self.a_repo(rng, cached=True)
        commit = choose(rng, model.snaps_of(self.of(repo)))
        self.note(f"hf cache rm {repo.folder} {commit}")
        self.hf_rm("rm", commit)
        return exactly(repo, model.commit_removed(self.of(repo), commit)) if repo.folder in self.visible else {}

    def hf_rm_file(self, rng):
        repo = self.a_repo(rng, cached=True)
        path = choose(rng, {entry[1] for entry in model.entries_of(self.of(repo))}, "no file")
        if "/" not in repo.repo:
            raise Skip("hf:// takes no id without an org")
        self.note(f"hf cache rm {repo.folder} {path}")
        self.hf_rm("rm", f"hf://{repo.type}s/{repo.repo}/{path}")
        if repo.folder not in self.visible:
            return {}
        return exactly(repo, model.file_removed(self.of(repo), {entry[:2] for entry in model.entries_of(self.of(repo)) if entry[1] == path}))

    def hf_prune(self, rng):
        self.note("hf cache prune")
        self.hf_rm("prune")
        after = {}
        for name in self.visible:
            facts = self.facts[name]
            detached = model.snaps_of(facts) - set(model.refs_of(facts).values())
            if detached:
                after[name] = (removed := model.commit_removed(facts, *detached), removed)
        return after

    # --- the Hub

    def push(self, rng):
        repo = self.a_repo(rng)
        branch = rng.choice([*repo.branches, "v1/x"])
        if branch == "v1/x" and branch not in repo.branches and rng.random() < 0.5:
            raise Skip("not every repo has it")
        self.note(f"the Hub gets a commit on {repo.folder} {branch}")
        self.push_to(rng, repo, branch)
        return {}

    # --- the shared store

    def share(self, rng):
        """The Python client's way of moving a blob of two repos into the store: lock, link, manifest, two renames."""
        holders = {}
        for name, repo in self.world.items():
            facts = self.facts.get(name, set())
            shared = {fact[1] for fact in facts if fact[0] == "shared"}
            for fact in facts:
                if fact[0] == "blob" and len(fact[1]) == 64 and fact[1] not in shared and fact[1] not in self.dangling.get(name, ()):
                    holders.setdefault(fact[1], []).append(repo)
        etag = choose(rng, holders, "no weights")
        hash_ = self.xet_hash(etag)
        self.note(f"{[repo.folder for repo in holders[etag]]} share {etag[:12]}")
        for repo in holders[etag]:
            self.put_in_store(repo, etag, hash_)
        return {"blobs": (payloads := self.facts.get("blobs", set()) | {("payload", hash_)}, payloads),
                **{repo.folder: (facts := self.of(repo) | {("shared", etag, hash_)}, facts) for repo in holders[etag]}}

    def put_in_store(self, repo, etag, hash_):
        store = self.root / "blobs"
        payload = store / hash_[:2] / hash_
        blob = self.root / repo.folder / "blobs" / etag
        payload.parent.mkdir(parents=True, exist_ok=True)
        marker = store / ".huggingface-shared-blobs"
        if not marker.exists():
            marker.write_text("1\n")
            marker.chmod(0o444)
        with open(f"{payload}.lock", "a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            staged = blob.with_name(f".{etag}.0123abcd.shared")
            staged.symlink_to(f"../../blobs/{hash_[:2]}/{hash_}")
            with open(f"{payload}.refs", "a", encoding="ascii") as manifest:
                manifest.write(f"{repo.folder}/blobs/{etag}\n")
                manifest.flush()
                os.fsync(manifest.fileno())
            if payload.exists():
                blob.unlink()
            else:
                blob.chmod(0o444)
                blob.rename(payload)
            staged.rename(blob)

    # --- mounts

    def remount(self, rng):
        self.note("remount")
        self.end_mount()
        self.start_mount(rng)
        return {}
