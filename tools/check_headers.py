#!/usr/bin/env python3
"""Check that each public header compiles alone, and all of them in any order, as C11 and as C++17.

With every compiler that is here (gcc, clang, g++, clang++) and at every level of checking. Of the orders, each
header is tried first and last, and twice.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

COMPILERS = [("gcc", "c", "c11"), ("clang", "c", "c11"), ("g++", "c++", "c++17"), ("clang++", "c++", "c++17")]
FLAGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wundef", "-Wshadow", "-Werror", "-fsyntax-only"]
LEVELS = [0, 1, 2]


def compile_text(root, compiler, text, *flags):
    name, language, standard = compiler
    command = [name, "-x", language, f"-std={standard}", *FLAGS, *flags, f"-I{root}/include", "-"]
    return subprocess.run(command, input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    root = parser.parse_args().root.resolve()

    headers = sorted(str(path.relative_to(root / "include")) for path in (root / "include/lido").glob("*.h"))
    compilers = [compiler for compiler in COMPILERS if shutil.which(compiler[0])]
    if not headers or not compilers:
        sys.exit("headers: no headers or no compilers")
    failures = 0

    def attempt(what, compiler, included, *flags):
        nonlocal failures
        result = compile_text(root, compiler, "".join(f'#include "{header}"\n' for header in included), *flags)
        if result.returncode:
            failures += 1
            print(f"{what}, {compiler[0]} {compiler[2]} {' '.join(flags)}:\n{result.stdout}")

    for compiler in compilers:
        for level in LEVELS:
            for header in headers:
                attempt(f"{header} alone", compiler, [header], f"-DLIDO_CHECKS={level}")
        for first in headers:
            others = [header for header in headers if header != first]
            attempt(f"{first} first", compiler, [first, *others])
            attempt(f"{first} last", compiler, [*reversed(others), first, *headers])
    names = ", ".join(compiler[0] for compiler in compilers)
    print(f"headers: {failures} failures" if failures else f"headers: ok, {len(headers)} headers with {names}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
