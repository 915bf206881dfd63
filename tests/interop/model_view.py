# SPDX-License-Identifier: Apache-2.0
"""What a mount must show of a repo when the cache holds certain facts; compared by names, sizes and states."""

import os

from model_actions import in_a_name
from model_state import entries_of, refs_of, snaps_of


def names_in_hub(repo, facts):
    """{name listed in hub/<org>: commit}."""
    by_commit = {}
    for name, commit in refs_of(facts).items():
        by_commit.setdefault(commit, []).append(name)
    names = {}
    for commit in snaps_of(facts):
        refs = sorted(by_commit.get(commit, ()), key=lambda name: (name != "main", name))
        label = in_a_name(refs[0]) if refs else commit[:12]
        names[f"{repo.name}@{label}"] = commit
    return names


def walk(top):
    found = {}
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, top)] = path
    return found


def compare_repo(point, repo, facts, perhaps):
    """The first difference in words, or "". `perhaps`: commits that a partial download may show as well."""
    expected = names_in_hub(repo, facts)
    parent = point / repo.hub_parent
    listed = {name for name in (os.listdir(parent) if parent.is_dir() else ()) if name.partition("@")[0] == repo.name}
    labels = {label for commit in perhaps for label in (commit[:12], *(in_a_name(name) for name, ever in repo.ever.items() if commit in ever))}
    surplus = {name for name in listed - set(expected) if name.partition("@")[2] not in labels}
    if set(expected) - listed or surplus:
        return f"{parent} lists {sorted(listed)}, not {sorted(expected)}"
    shelf = point / repo.shelf
    if bool(expected) != shelf.is_dir() and not perhaps:
        return f"{shelf} is {'there' if shelf.is_dir() else 'not there'}"
    for name, commit in expected.items():
        if words := compare_commit(parent / name, repo, commit, facts):
            return words
    return ""


def compare_commit(folder, repo, commit, facts):
    here = {path: etag for _, path, etag in entries_of(facts, commit)}
    blobs = {fact[1] for fact in facts if fact[0] == "blob"}
    whole = set(repo.commits[commit])
    surely = {path for path in whole if path in here or (commit, path) not in repo.hidden}
    perhaps = surely | {path for path in whole if repo.hidden.get((commit, path)) is False}
    found = walk(folder)
    if surely - set(found) or set(found) - perhaps:
        return f"{folder} has {sorted(found)}, not {sorted(surely)}; perhaps {sorted(perhaps - surely)}"
    for path, full in found.items():
        size = os.lstat(full).st_size
        if size != len(repo.commits[commit][path]):
            return f"{full} has {size} bytes, not {len(repo.commits[commit][path])}"
        if path in here and here[path] in blobs and (state := os.getxattr(full, "user.hubfs.state")) != b"cached":
            return f"{full} is {state.decode()}, not cached"
    return ""
