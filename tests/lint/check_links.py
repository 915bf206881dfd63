#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The documentation points at things that exist.

In README.md and docs/**/*.md: each relative link, its #section when the target is a page, and each file of the project that
is named in `code` by a path from the root (docs/…, scripts/…, core/…, fs/…, mount-helpers/…, tests/…).
"""

import re
import sys

from source_tree import report, root_from_arguments

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
NAMED = re.compile(r"`((?:docs|scripts|core|fs|mount-helpers|tests)/[\w./-]+)`")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#{1,6} +(.*?) *#*$", re.MULTILINE)


def without_code_blocks(text: str) -> str:
    """Blanks the fenced blocks out, keeping the line numbers."""
    return FENCE.sub(lambda block: "\n" * block[0].count("\n"), text)


def anchors(text: str):
    """The section names of a page, as GitHub derives them."""
    names = set()
    for heading in HEADING.findall(without_code_blocks(text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = 0
        while (name if number == 0 else f"{name}-{number}") in names:
            number += 1
        names.add(name if number == 0 else f"{name}-{number}")
    return names


def check_page(root, page):
    text = without_code_blocks(page.read_text(encoding="utf-8"))
    where = page.relative_to(root).as_posix()

    def at(match):
        return f"{where}:{text.count(chr(10), 0, match.start()) + 1}"

    for match in LINK.finditer(text):
        target = match[1]
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        file_part, _, section = target.partition("#")
        file = (page.parent / file_part).resolve() if file_part else page
        if not file.exists():
            yield f"{at(match)}: there is no {target}"
        elif root not in file.parents:
            yield f"{at(match)}: {target} leaves the project"
        elif section and file.suffix == ".md" and section not in anchors(file.read_text(encoding="utf-8")):
            yield f"{at(match)}: {file_part or where} has no section #{section}"
    for match in NAMED.finditer(text):
        if not (root / match[1].rstrip("/")).exists():
            yield f"{at(match)}: there is no {match[1]}"


def main() -> int:
    root = root_from_arguments()
    pages = [page for page in [root / "README.md"] if page.exists()] + sorted((root / "docs").rglob("*.md"))
    findings = []
    for page in pages:
        findings.extend(check_page(root, page))
    return report(findings)


if __name__ == "__main__":
    sys.exit(main())
