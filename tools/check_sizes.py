#!/usr/bin/env python3
"""Check that functions and files of the library stay small, and lines of all C files short.

Fails if a function has more than 80 lines, a file more than 600, or a line more than 120 columns: clang-format breaks code
there, but leaves comments as they are. Prints the median, the 90th percentile and
the longest function; with --files, every file.
"""

import argparse
import statistics
import sys
from pathlib import Path

from c_source import LIBRARY_FOLDERS, Problems, c_files, functions

FUNCTION_MAX, FILE_MAX, COLUMNS_MAX = 80, 600, 120
C_FOLDERS = [*LIBRARY_FOLDERS, "tests", "benchmarks", "examples", "tools"]


def check_columns(root, problems):
    for path in c_files(root, C_FOLDERS):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if len(line) > COLUMNS_MAX:
                problems.add(path, number, f"{len(line)} columns, more than {COLUMNS_MAX}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--files", action="store_true", help="print each file")
    args = parser.parse_args()
    root = args.root.resolve()

    problems = Problems(root)
    found = []
    files = c_files(root)
    for path in files:
        text = path.read_text()
        lines = text.count("\n")
        here = functions(text)
        found += [(function.lines, function.name, path, function.first) for function in here]
        if lines > FILE_MAX:
            problems.add(path, lines, f"{lines} lines, more than {FILE_MAX}")
        for function in here:
            if function.lines > FUNCTION_MAX:
                problems.add(path, function.first,
                             f"{function.name}() has {function.lines} lines, more than {FUNCTION_MAX}")
        if args.files:
            longest = max((function.lines for function in here), default=0)
            print(f"{lines:5} lines  {len(here):3} functions, longest {longest:3}  {path.relative_to(root)}")
    check_columns(root, problems)
    found.sort()
    lengths = [entry[0] for entry in found] or [0]
    summary = (f"{len(files)} files, {len(found)} functions: median {statistics.median(lengths):g} lines, "
               f"p90 {lengths[int(0.9 * (len(lengths) - 1))]}, longest {lengths[-1]}")
    if found:
        summary += f" ({found[-1][1]}, {found[-1][2].relative_to(root)}:{found[-1][3]})"
    return problems.finish("sizes", summary)


if __name__ == "__main__":
    sys.exit(main())
