#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Only core/cache/layout.{h,cc} spells the names of the cache's folders and files.

A string literal of another file that is such a name (with or without slashes around it), or a path with such a part, is a
finding. What merely looks alike, the key of a JSON object say, is marked on its line: // cache-word: <why it is none>
"""

import re
import sys

from source_tree import PRODUCT, report, root_from_arguments, sources

HOME = {"core/cache/layout.h", "core/cache/layout.cc"}
WORDS = {"blobs", "snapshots", "refs", ".locks", "trees", ".no_exist", ".incomplete"}
# "refs" is also the first part of a pull request's ref name (refs/pr/1), so as a part of a path it says nothing; and the
# Hub's URLs have parts of these names.
NOT_AS_PART = {"refs"}
NOT_IN_HUB = {"refs", "trees", "blobs"}

# In this order: comments and characters are skipped, so that a quote in them opens nothing.
TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|'(?:\\.|[^'\\\n])+'
    |R"(?P<tag>[^()\\\s]{0,16})\((?P<raw>.*?)\)(?P=tag)"
    |"(?P<text>(?:\\.|[^"\\\n])*)\"""",
    re.DOTALL | re.VERBOSE,
)
INCLUDE = re.compile(r"[ \t]*#[ \t]*include")
EXCEPTION = re.compile(r"//.*\bcache-word: *\S")


def words_in(literal: str, path: str):
    hub = path.startswith("core/hub/")
    parts = literal.split("/")
    for word in sorted(WORDS):
        if hub and word in NOT_IN_HUB:
            continue
        alone = literal.strip("/") == word
        as_part = word not in NOT_AS_PART and word in parts
        as_suffix = word == ".incomplete" and literal.endswith(word)
        if alone or as_part or as_suffix:
            yield word


def check(path: str, text: str):
    lines = text.split("\n")
    for match in TOKEN.finditer(text):
        literal = match["raw"] if match["raw"] is not None else match["text"]
        if literal is None:
            continue
        line = text.count("\n", 0, match.start()) + 1
        if INCLUDE.match(lines[line - 1]) or EXCEPTION.search(lines[line - 1]):
            continue
        for word in words_in(literal, path):
            yield f'{path}:{line}: "{literal}": "{word}" is spelled in core/cache/layout.h only'


def main() -> int:
    root = root_from_arguments()
    findings = []
    for path, text in sources(root, PRODUCT):
        if path not in HOME:
            findings.extend(check(path, text))
    return report(findings)


if __name__ == "__main__":
    sys.exit(main())
