# SPDX-License-Identifier: Apache-2.0
"""The operations of the model test that end in the middle (kill -9), and those of two programs at the same time. As in
model_actions.py each answers {repo folder: (at least, at most)}.
"""

import contextlib
import os
import subprocess
import time

import model_state as model
from hubfs_mount import HUBFS, in_thread, wait_until
from model_actions import Skip, choose

PATIENCE = 60.0


class Kills:
    """Mixed into the driver, beside Actions."""

    def uncertain(self, repo, dangles=False):
        """What was hidden may be forgotten; `dangles`: a client without our care may leave a link without its blob."""
        self.fuzzy = True
        repo.hidden = dict.fromkeys(repo.hidden, False)
        if dangles:
            self.may_dangle.add(repo.folder)

    @contextlib.contextmanager
    def stuck_after(self, count):
        """Bodies longer than that stop there."""
        self.hub.fault(path="*", hang_after=count)
        try:
            yield
        finally:
            self.hub.control("clear-faults", {})

    def large_file(self, rng):
        repo = self.a_repo(rng)
        commit = choose(rng, [commit for commit, files in repo.commits.items() if "big.bin" in files
                              and ("entry", commit, "big.bin", repo.etag(commit, "big.bin")) not in self.of(repo)], "all is here")
        return repo, commit

    # --- kill -9

    def kill_daemon_reading(self, rng):
        repo, commit = self.large_file(rng)
        cut = rng.randrange(700_000)
        self.note(f"kill the daemon while {repo.folder} {commit[:12]} big.bin arrives, after {cut} bytes")
        before = self.hub.file_bytes()
        with self.stuck_after(cut):
            path = self.mount / repo.hub_parent / f"{repo.name}@{commit}" / "big.bin"
            reader = subprocess.Popen(["cat", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_until(lambda: self.hub.file_bytes() > before or reader.poll() is not None, PATIENCE)
            time.sleep(rng.random() * 0.02)
            self.mount.kill()
            reader.kill()
            reader.wait()
        self.uncertain(repo)
        self.forget_late_tombstones()
        at_most = self.after_read(repo, commit, {"big.bin"})[1]
        self.start_mount(rng)
        self.needs = set()
        return {repo.folder: (self.of(repo), at_most)}

    def kill_daemon_removing(self, rng):
        repo = self.a_repo(rng, cached=True)
        commit = choose(rng, [*model.snaps_of(self.of(repo)), "all"])
        place = f"{repo.hub_parent}/{repo.name}" + ("" if commit == "all" else f"@{commit}")
        delay = rng.random() * 0.01
        self.note(f"kill the daemon {delay * 1000:.1f} ms into the removal of {place}")
        joined = in_thread(lambda: os.rmdir(self.mount / place))
        time.sleep(delay)
        self.mount.kill()
        with contextlib.suppress(OSError):
            joined(PATIENCE)
        self.uncertain(repo)
        self.forget_late_tombstones()
        self.start_mount(rng)
        return self.between(repo, commit)

    def kill_command(self, rng):
        repo = self.a_repo(rng, cached=True)
        commit = choose(rng, [*model.snaps_of(self.of(repo)), "all"])
        delay = rng.random() * 0.04
        self.note(f"kill hubfs rm {delay * 1000:.1f} ms into the removal of {repo.folder} {commit}")
        target = repo.target if commit == "all" else commit
        command = subprocess.Popen([HUBFS, "rm", "-y", "--cache", self.root, target], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        command.kill()
        command.wait()
        self.uncertain(repo)
        return self.between(repo, commit)

    def kill_hf_rm(self, rng):
        """The Python client removes entries, then blobs: what it leaves may dangle, or hide the repo from a scan."""
        repo = self.a_repo(rng, cached=True)
        commit = choose(rng, [*model.snaps_of(self.of(repo)), "all"])
        delay = rng.random() * 0.02
        self.note(f"kill hf cache rm {delay * 1000:.1f} ms into {repo.folder} {commit}")
        target = repo.target if commit == "all" else commit
        child = self.clients.python.must("doomed", command={"do": "cli", "args": ["cache", "rm", target, "-y"]})
        time.sleep(delay)
        self.clients.python.must("reap", pid=child)
        self.uncertain(repo, dangles=True)
        return self.between(repo, commit)

    def between(self, repo, commit):
        """Anything from nothing removed to all of it."""
        before = self.of(repo)
        return {repo.folder: (set() if commit == "all" else model.commit_removed(before, commit), before)}

    def forget_late_tombstones(self):
        """What was hidden in the last seconds may not have been saved."""
        if time.monotonic() - self.hid_at < 5:
            for repo in self.world.values():
                repo.hidden = dict.fromkeys(repo.hidden, False)

    def kill_python(self, rng, client="python"):
        repo, commit = self.large_file(rng)
        branch = next((name for name, of in repo.branches.items() if of == commit), None)
        cut = rng.randrange(700_000)
        self.note(f"kill {client} while it downloads {repo.folder} {branch or commit[:12]} big.bin, after {cut} bytes")
        blobs = self.root / repo.folder / "blobs"
        worker = getattr(self.clients, client)
        command = {"do": "download", "repo": repo.repo, "type": repo.type, "revision": branch or commit, "path": "big.bin"}
        before = set(self.disk.left.get(repo.folder, ()))
        with self.stuck_after(cut):
            if client == "js":
                worker.send(**command)
            else:
                child = worker.must("doomed", command=command)
            wait_until(lambda: any(f"{repo.folder}/blobs/{each}" not in before for each in os.listdir(blobs) if "incomplete" in each), 1.0)
            time.sleep(rng.random() * 0.02)
            if client == "js":
                worker.kill()
                worker.start()
            else:
                worker.must("reap", pid=child)
        self.fuzzy = True
        self.may_leave.add(repo.folder)
        return {repo.folder: self.download_bounds(repo, commit, {"big.bin"}, None if client == "js" else branch)}

    def kill_old(self, rng):
        return self.kill_python(rng, "old")

    def kill_js(self, rng):
        repo = self.a_repo(rng)
        if repo.xet or rng.random() < 0.5:
            raise Skip("the JS client would transfer over Xet")
        return self.kill_python(rng, "js")

    def download_bounds(self, repo, commit, paths, branch):
        """A client's download that may have got anywhere: the ref may have moved before anything else is there."""
        before = self.of(repo)
        after = model.downloaded(repo, before, commit, paths, branch)
        anywhere = {("entry", each, path, repo.etag(each, path)) for each in repo.commits for path in paths if path in repo.commits[each]
                    and repo.etag(each, path) == repo.etag(commit, path)} if branch is None else set()
        anywhere |= {("snap", fact[1]) for fact in anywhere}
        return before & after, before | after | anywhere

    # --- two at once

    def both_download(self, rng):
        """A client and a mount fetch the same commit: each waits for the other where it must, and both end."""
        client = rng.choice(["python", "old", "js"])
        repo = self.a_repo(rng)
        if client == "js" and repo.xet:
            raise Skip("the JS client would transfer over Xet")
        branch = choose(rng, repo.branches)
        commit = repo.branches[branch]
        self.note(f"{client} and the mount download {repo.folder} {branch}")
        worker = getattr(self.clients, client)
        worker.send("snapshot", repo=repo.repo, type=repo.type, revision=branch)
        place = self.mount / repo.hub_parent / f"{repo.name}@{commit}"
        for path, data in repo.commits[commit].items():
            if (commit, path) not in repo.hidden:
                self.read_right(place / path, data)
        _, error = worker.receive()
        if error:
            raise AssertionError(f"{client} beside a mount: {error}")
        self.settle()
        at_most = self.after_read(repo, commit, set(repo.commits[commit]))[1]
        facts = model.downloaded(repo, self.of(repo), commit, repo.commits[commit], branch)
        return {repo.folder: (facts, facts | {fact for fact in at_most if fact[:2] != ("ref", branch)})}

    def download_and_remove(self, rng):
        """A client downloads what the mount, the command, or another client removes. Either may be refused."""
        client = rng.choice(["python", "old", "js"])
        repo = self.a_repo(rng, cached=True)
        if client == "js" and repo.xet:
            raise Skip("the JS client would transfer over Xet")
        branch = choose(rng, repo.branches)
        commit = repo.branches[branch]
        remover = rng.choice(["mount", "command", "hf"] if client != "python" else ["mount", "command"])
        self.note(f"{client} downloads {repo.folder} {branch} while {remover} removes it")
        worker = getattr(self.clients, client)
        worker.send("snapshot", repo=repo.repo, type=repo.type, revision=branch)
        time.sleep(rng.random() * 0.03)
        if remover == "mount":
            with contextlib.suppress(OSError):
                os.rmdir(self.mount / repo.hub_parent / repo.name)
        elif remover == "command":
            subprocess.run([HUBFS, "rm", "-y", "--cache", self.root, repo.target], capture_output=True, timeout=PATIENCE, check=False)
        else:
            self.clients.python.call("cli", args=["cache", "rm", repo.target, "-y"])
        worker.receive()
        self.uncertain(repo, dangles=True)
        self.may_leave.add(repo.folder)
        return {repo.folder: (set(), self.download_bounds(repo, commit, repo.commits[commit], branch)[1])}

    def read_and_remove(self, rng):
        """A reader of a mount while the Python client removes the repo: right bytes, or an error."""
        repo = self.a_repo(rng, cached=True)
        commit = choose(rng, repo.commits)
        place = self.mount / repo.hub_parent / f"{repo.name}@{commit}"
        self.note(f"hf cache rm {repo.target} while {place} is read")

        def read_all():
            for path, data in repo.commits[commit].items():
                with contextlib.suppress(OSError):
                    if (place / path).read_bytes() != data:
                        raise AssertionError(f"{place / path}: wrong bytes")

        joined = in_thread(read_all)
        time.sleep(rng.random() * 0.02)
        self.clients.python.call("cli", args=["cache", "rm", repo.target, "-y"])
        joined(PATIENCE)
        self.settle()
        self.uncertain(repo, dangles=True)
        at_most = self.after_read(repo, commit, set(repo.commits[commit]))[1]
        self.needs = set()
        return {repo.folder: (set(), at_most)}
