#!/usr/bin/env python3
"""Print how much of each file of the library the tests of a --coverage build ran, and its lines that they did not."""

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("include/", "lib/", "pools/", "arenas/")


def runs_of_lines(build):
    """How often each line ran: {file: {line: count}}, summed over all objects."""
    counts = defaultdict(lambda: defaultdict(int))
    data = sorted(Path(build).resolve().rglob("*.gcda"))
    with tempfile.TemporaryDirectory() as folder:
        for file in data:
            subprocess.run(["gcov", "--json-format", file], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
            for report in Path(folder).glob("*.gcov.json.gz"):
                add_report(counts, json.loads(gzip.decompress(report.read_bytes())))
                report.unlink()
    return counts


def add_report(counts, report):
    for file in report["files"]:
        path = Path(report["current_working_directory"], file["file"]).resolve()
        if not path.is_relative_to(ROOT):
            continue
        name = str(path.relative_to(ROOT))
        if name.startswith(FOLDERS):
            for line in file["lines"]:
                counts[name][line["line_number"]] += line["count"]


def ranges(lines):
    """[1, 2, 3, 7] as "1-3 7"."""
    parts, start = [], None
    for line, following in zip(lines, lines[1:] + [None]):
        start = line if start is None else start
        if following != line + 1:
            parts.append(f"{start}-{line}" if start != line else str(line))
            start = None
    return " ".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path)
    counts = runs_of_lines(parser.parse_args().build)
    if not counts:
        sys.exit("coverage: no .gcda files of the library")
    total = reached = 0
    for name in sorted(counts):
        missed = sorted(line for line, count in counts[name].items() if count == 0)
        total += len(counts[name])
        reached += len(counts[name]) - len(missed)
        share = 100 * (1 - len(missed) / len(counts[name]))
        print(f"{share:5.1f} %  {name:44} {ranges(missed)}")
    print(f"{100 * reached / total:5.1f} %  of {total} lines")


if __name__ == "__main__":
    main()
