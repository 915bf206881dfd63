# SPDX-License-Identifier: Apache-2.0
"""What the lint scripts share: which files are the project's, and how a finding is reported."""

import pathlib
import sys

PRODUCT = ("core", "fs", "mount-helpers")
SOURCE_SUFFIXES = {".h", ".cc"}


def root_from_arguments() -> pathlib.Path:
    """The tree to check: the first argument, otherwise the one this script lies in."""
    if len(sys.argv) > 1:
        return pathlib.Path(sys.argv[1]).resolve()
    return pathlib.Path(__file__).resolve().parents[2]


def sources(root: pathlib.Path, folders, suffixes=SOURCE_SUFFIXES):
    """Yields (path relative to the root, with slashes; text) of each source file below the folders, in order."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8", errors="replace")


def report(findings) -> int:
    """Prints the findings; the exit status."""
    for finding in findings:
        print(finding)
    if findings:
        print(f"{len(findings)} finding(s)")
    return 1 if findings else 0
