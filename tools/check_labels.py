#!/usr/bin/env python3
"""Check that memory orders are explained.

  L1  every acquire has a comment `ACQUIRE name:`, every release `RELEASE name:`, on its line or in the four lines
      above; an acq_rel has one of the two
  L2  every name has both an ACQUIRE and a RELEASE
  L3  every relaxed operation has a comment with RELAXED in its function or in the six lines above; a comment
      `RELAXED throughout` speaks for the rest of its file

The operations are those that lib/base/atomic.h and lido/inline/atomic_inline.h define.
With --list, print every name with the places where it stands.
"""

import argparse
import re
import sys
from collections import defaultdict
from pathlib import Path

from c_source import Problems, c_files, functions, only_comments, without_comments_and_strings

DEFINITIONS = ["lib/base/atomic.h", "include/lido/inline/atomic_inline.h"]
LABEL = re.compile(r"\b(ACQUIRE|RELEASE)\s+(?:\*\s*)?([a-z][\w.]*(?:,\s*[a-z][\w.]*)*):")
ABOVE_LABEL, ABOVE_RELAXED = 4, 6


def operations(root):
    """The names of the atomic operations by order: acquire, release, acq_rel, relaxed."""
    by_order = defaultdict(set)
    for name in DEFINITIONS:
        path = root / name
        text = path.read_text() if path.is_file() else ""
        pattern = r"^(?:#define |[\w ]*\b)(lido_\w+_(acquire|release|acq_rel|relaxed))\("
        for match in re.finditer(pattern, text, re.MULTILINE):
            by_order[match[2]].add(match[1])
    return by_order


class File:
    def __init__(self, path):
        self.path = path
        text = path.read_text()
        self.code = without_comments_and_strings(text).split("\n")
        self.comments = only_comments(text).split("\n")
        self.functions = functions(text)

    def labels(self):
        """(line, kind, name) of each label; a label may go on in the next line."""
        joined = "\n".join(self.comments)
        for match in LABEL.finditer(joined):
            for name in re.split(r",\s*", match[2]):
                yield joined.count("\n", 0, match.start()) + 1, match[1], name

    def calls(self, names):
        pattern = re.compile(r"\b(" + "|".join(sorted(names)) + r")\s*\(") if names else None
        for number, line in enumerate(self.code, 1):
            for match in pattern.finditer(line) if pattern else ():
                yield number, match[1]

    def relaxed_is_explained(self, number):
        first = number - ABOVE_RELAXED
        for function in self.functions:
            if function.first <= number <= function.last:
                first = min(first, function.first)
                last = function.last
                break
        else:
            last = number
        near = self.comments[max(first, 1) - 1:last]
        return any("RELAXED" in line for line in near) or \
            any("RELAXED throughout" in line for line in self.comments[:number])


def check(root, show):
    problems = Problems(root)
    by_order = operations(root)
    places = {"ACQUIRE": defaultdict(list), "RELEASE": defaultdict(list)}
    files = [File(path) for path in c_files(root) if str(path.relative_to(root)) not in DEFINITIONS]
    for file in files:
        lines = {"ACQUIRE": set(), "RELEASE": set()}
        for number, kind, name in file.labels():
            lines[kind].add(number)
            places[kind][name].append((file.path, number))
        for order, kinds in (("acquire", ["ACQUIRE"]), ("release", ["RELEASE"]), ("acq_rel", ["ACQUIRE", "RELEASE"])):
            for number, name in file.calls(by_order[order]):
                near = set(range(number - ABOVE_LABEL, number + 1))
                if not any(lines[kind] & near for kind in kinds):
                    problems.add(file.path, number, f"L1: {name} without a label {' or '.join(kinds)} name:")
        for number, name in file.calls(by_order["relaxed"]):
            if not file.relaxed_is_explained(number):
                problems.add(file.path, number, f"L3: {name} without a comment RELAXED that says why")
    names = sorted(set(places["ACQUIRE"]) | set(places["RELEASE"]))
    for name in names:
        for kind, partner in (("ACQUIRE", "RELEASE"), ("RELEASE", "ACQUIRE")):
            if places[kind][name] and not places[partner][name]:
                problems.add(*places[kind][name][0], f"L2: {kind} {name} has no {partner}")
        if show:
            for kind in ("RELEASE", "ACQUIRE"):
                where = ", ".join(f"{path.relative_to(root)}:{line}" for path, line in places[kind][name])
                print(f"{name:24} {kind}  {where}")
    return problems.finish("labels", f"{len(names)} pairs in {len(files)} files")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    return check(args.root.resolve(), args.list)


if __name__ == "__main__":
    sys.exit(main())
