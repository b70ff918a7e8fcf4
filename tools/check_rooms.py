#!/usr/bin/env python3
"""Check the order of the rooms by their includes, and the rules that go with it.

Rooms (tools/rooms.txt)
  R1  every source file of the library lies in a room's folder
  R2  a room includes only rooms of a lower rank, itself, and public headers; +public: only public headers
  R3  public headers include only public headers
Includes
  R4  a quoted include names a file from the root ("lib/base/bits.h") or a public header ("lido/pool.h")
  R5  a source file's first include is its own header, if it has one
Names
  R6  no two files of the tree have the same name (but README.md and the like)
  R7  no forbidden words (tools/forbidden_words.txt)
The library only
  R8  atomic operations go by the names of lib/base/atomic.h
  R9  pthreads only in lib/os/, lib/base/lock.*, and the fork hooks of a part, which sees neither
  R10 the environment is not read, but by the part whose purpose it is

Calls are checked by tools/check_room_links.py, which needs compiled objects.
"""

import argparse
import os
import re
import sys
from collections import defaultdict
from pathlib import Path

from c_source import Problems, c_files, without_comments, without_comments_and_strings
from room_order import read_rooms, room_of

SAME_NAME_ALLOWED = {"README.md", "CMakeLists.txt", "__init__.py", ".gitignore", ".clang-tidy", ".clang-format"}
SKIPPED_FOLDERS = {".git", "build", "__pycache__", ".cache"}
WORDS_FILE = "tools/forbidden_words.txt"

ATOMIC = re.compile(r"\b(atomic_\w+\s*\(|__atomic_\w+|__sync_\w+|_Atomic\b)|<stdatomic\.h>")
ATOMIC_FILES = {"lib/base/atomic.h", "include/lido/inline/atomic_inline.h",
                "include/lido/inline/pool_checked_inline.h"}
PTHREAD = re.compile(r"\bpthread_\w+|<pthread\.h>")
PTHREAD_FILES = re.compile(r"lib/os/|lib/base/lock[^/]*$|lib/adapters/exporter/exporters_fork\.c$")
ENVIRONMENT_FOLDER = "lib/adapters/config/"
ENVIRONMENT = re.compile(r"\b(secure_)?getenv\b|\benviron\b")


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def includes(code):
    """(line, name, quoted) of each include."""
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">\n]+)[">]', code, re.MULTILINE):
        yield line_of(code, match.start()), match[2], match[1] == '"'


class Checker:
    def __init__(self, root):
        self.root = root
        self.rooms = read_rooms(root / "tools/rooms.txt")
        self.problems = Problems(root)

    def name(self, path):
        return str(path.relative_to(self.root))

    def resolve(self, include):
        """The file that an include names, from the root, or None."""
        path = f"include/{include}" if include.startswith("lido/") else include
        return path if (self.root / path).is_file() else None

    def check_library_file(self, path):
        name = self.name(path)
        text = path.read_text()
        code = without_comments(text)
        public = name.startswith("include/")
        room = room_of(self.rooms, name)
        if not public and room is None:
            self.problems.add(path, 1, "R1: this folder belongs to no room of tools/rooms.txt")
        found = list(includes(code))
        for line, include, quoted in found:
            self.check_include(path, line, include, quoted, public, room)
        if path.suffix == ".c":
            self.check_first_include(path, found)
        self.check_words(path, name, code, without_comments_and_strings(text))

    def check_include(self, path, line, include, quoted, public, room):
        if not quoted:
            if include.startswith(("lido/", "lib/", "pools/", "arenas/")):
                self.problems.add(path, line, f'R4: Lido\'s own headers are quoted: "{include}"')
            return
        target = self.resolve(include)
        if target is None:
            self.problems.add(path, line, f'R4: "{include}" is not a path from the root')
            return
        if target.startswith("include/"):
            return
        if public:
            self.problems.add(path, line, f'R3: a public header includes "{include}"')
            return
        other = room_of(self.rooms, target)
        if room is None or other is room:
            return
        if other is None:
            self.problems.add(path, line, f'R1: "{include}" belongs to no room')
        elif room.public_only:
            self.problems.add(path, line, f'R2: {room.name} sees public headers only, not "{include}"')
        elif other.rank >= room.rank:
            self.problems.add(path, line, f'R2: {room.name} (rank {room.rank}) includes "{include}" of '
                                          f'{other.name} (rank {other.rank})')

    def check_first_include(self, path, found):
        own = path.with_suffix(".h")
        if own.is_file():
            wanted = self.name(own)
            if not found or found[0][1] != wanted:
                self.problems.add(path, found[0][0] if found else 1, f'R5: the first include must be "{wanted}"')

    def check_words(self, path, name, code, bare):
        # Names are sought in code without strings; an include's <name> counts as code.
        rules = [("R8: atomic operations go by the names of lib/base/atomic.h", ATOMIC, name in ATOMIC_FILES),
                 ("R9: pthreads belong in lib/os/", PTHREAD, bool(PTHREAD_FILES.match(name))),
                 ("R10: the library does not read the environment", ENVIRONMENT, name.startswith(ENVIRONMENT_FOLDER))]
        for text, pattern, allowed in rules:
            for match in () if allowed else pattern.finditer(bare):
                self.problems.add(path, line_of(bare, match.start()), f"{text}: {match[0].strip('( ')}")

    def tree(self):
        for folder, folders, files in os.walk(self.root):
            folders[:] = sorted(set(folders) - SKIPPED_FOLDERS)
            yield from (Path(folder) / file for file in sorted(files))

    def check_names(self):
        by_name = defaultdict(list)
        for path in self.tree():
            by_name[path.name].append(path)
        for name, paths in by_name.items():
            if len(paths) > 1 and name not in SAME_NAME_ALLOWED:
                others = ", ".join(self.name(path) for path in paths[:-1])
                self.problems.add(paths[-1], 1, f"R6: a file of this name exists already: {others}")

    def check_forbidden(self):
        lists = [self.root / WORDS_FILE]
        if os.environ.get("LIDO_FORBIDDEN_WORDS"):
            lists.append(Path(os.environ["LIDO_FORBIDDEN_WORDS"]))
        lines = [line for file in lists if file.is_file() for line in file.read_text().splitlines()]
        words = [line for line in lines if line.strip() and not line.startswith("#")]
        if not words:
            return
        pattern = re.compile("|".join(f"(?:{word})" for word in words))
        for path in self.tree():
            if self.name(path) == WORDS_FILE:
                continue
            try:
                text = path.read_text()
            except UnicodeDecodeError:
                continue
            for match in pattern.finditer(text):
                self.problems.add(path, line_of(text, match.start()), f"R7: forbidden: {match[0]}")

    def run(self):
        files = c_files(self.root)
        for path in files:
            self.check_library_file(path)
        self.check_names()
        self.check_forbidden()
        return self.problems.finish("rooms", f"{len(files)} files in {len(self.rooms)} rooms and the public face")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    return Checker(parser.parse_args().root.resolve()).run()


if __name__ == "__main__":
    sys.exit(main())
