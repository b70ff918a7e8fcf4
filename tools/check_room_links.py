#!/usr/bin/env python3
"""Check the order of the rooms by their calls.

Each room is linked with the rooms of lower rank, and without its siblings, into a shared object in which nothing
may be undefined. So an upward call fails even if a hand-written declaration hides it from check_rooms.py.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from room_order import read_rooms


def read_objects(path):
    """Object files by room, from lines `room<TAB>file`."""
    objects = defaultdict(list)
    for line in Path(path).read_text().splitlines():
        if line.strip():
            room, file = line.split("\t")
            objects[room].append(file)
    return objects


def link(compiler, flags, files):
    """What the linker says, or "" if all is well."""
    with tempfile.TemporaryDirectory() as folder:
        command = [compiler, "-shared", "-Wl,-z,defs", "-o", f"{folder}/room.so", *files, *flags]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return result.stdout if result.returncode else ""


def missing(message):
    """(caller, symbol) of each undefined reference."""
    pairs = re.findall(r"in function [`']([^']+)'.*\n?.*undefined reference to [`']([^']+)'", message)
    return pairs or [("?", symbol) for symbol in re.findall(r"undefined (?:reference to|symbol:?) [`']?(\w+)", message)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", type=Path, default=Path(__file__).resolve().parent / "rooms.txt")
    parser.add_argument("--objects", type=Path, required=True, help="lines of room, tab, object file")
    parser.add_argument("--cc", default="cc")
    parser.add_argument("flags", nargs="*", help="what every room may link")
    args = parser.parse_args()

    rooms = read_rooms(args.rooms)
    objects = read_objects(args.objects)
    status = 0
    for room in rooms:
        if room.name not in objects:
            continue
        below = [other for other in rooms if other.rank < room.rank]
        files = [file for other in [room, *below] for file in objects[other.name]]
        message = link(args.cc, args.flags, files)
        if message:
            status = 1
            pairs = sorted(set(missing(message)))
            for caller, symbol in pairs:
                print(f"{room.name} (rank {room.rank}): {caller}() needs {symbol}, which no lower room has")
            if not pairs:
                print(message)
        else:
            with_rooms = ", ".join(other.name for other in below if other.name in objects)
            print(f"{room.name} (rank {room.rank}): ok with {with_rooms or 'nothing'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
