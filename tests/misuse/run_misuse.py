#!/usr/bin/env python3
"""Run a program that misuses a pool, and check how it ends.

The program prints one line on standard output: what it expects on standard error. It must die by SIGABRT with
exactly that line on standard error.
"""

import resource
import signal
import subprocess
import sys


def no_core_dump():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def problems_of(result):
    lines = result.stdout.count("\n")
    if lines != 1 or not result.stdout.startswith("lido: ") or not result.stdout.endswith("\n"):
        yield f"announced {lines} lines, not one"
    if result.stderr != result.stdout:
        yield "another message than announced"
    if result.returncode != -signal.SIGABRT:
        yield f"no death by SIGABRT: status {result.returncode}"


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: run_misuse.py PROGRAM")
    result = subprocess.run([sys.argv[1]], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            errors="backslashreplace", timeout=60, preexec_fn=no_core_dump, check=False)
    problems = list(problems_of(result))
    for problem in problems:
        print(f"run_misuse: {problem}")
    if problems:
        print(f"announced:\n{result.stdout}standard error:\n{result.stderr}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
