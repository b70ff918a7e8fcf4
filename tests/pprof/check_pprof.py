#!/usr/bin/env python3
"""Does Go's pprof read the heap profile of pprof_program as it is meant?

Q1  pprof says nothing on standard error, and knows the program's build id
Q2  the function that holds most bytes is at the top of inuse_space, the one that allocated most at the top of alloc_space
Q3  names are those of static functions, so from the program's file; none of Lido's own is a leaf, but functions of the
    program that Lido calls are, and who called Lido is above them
Q4  the sums by pool and arena are, number for number, those of the sites
Q5  tags: owners are listed, and one can be picked
Q6  without the program's file exported functions still have their names, and no others
"""

import argparse
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path


class Checker:
    def __init__(self, go, program, work):
        self.go, self.program, self.work = go, program, work
        self.profile = work / "heap.pb.gz"
        self.problems = []

    def check(self, condition, text):
        if not condition:
            self.problems.append(text)

    def run_program(self):
        """{(kind, name): [alloc_objects, alloc_bytes, live_objects, live_bytes]}"""
        lines = subprocess.run([self.program, self.profile], check=True, capture_output=True, text=True).stdout
        words = [line.split() for line in lines.splitlines()]
        return {(kind, name): [int(number) for number in numbers] for kind, name, *numbers in words}

    def pprof(self, *arguments, program=True):
        command = [self.go, "tool", "pprof", *arguments, *([self.program] if program else []), self.profile]
        # Nothing is written to a home. Go's pprof can't read build ids, and says so of files that it finds in its search path.
        environment = dict(os.environ, HOME=str(self.work), PPROF_TMPDIR=str(self.work), PPROF_BINARY_PATH=str(self.work / "none"))
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
        self.check(done.returncode == 0, f"Q1 {' '.join(arguments)}: status {done.returncode}: {done.stderr}")
        self.check(not done.stderr, f"Q1 {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def top(self, *arguments, **options):
        """Functions with bytes of their own, most first, and the whole text."""
        text = self.pprof("-top", "-unit=B", *arguments, **options)
        rows = re.findall(r"^ *(\S+)B +\S+% +\S+% +\S+B +\S+%  (.+)$", text, re.MULTILINE)
        return [name for flat, name in rows if float(flat) > 0], text

    def check_tops(self):
        late = ["keeps_on_reset", "keeps_on_visit"]
        names, text = self.top("-sample_index=inuse_space")
        self.check(names == ["keeps_conns", *late, "fills_arena"], f"Q2 inuse_space: {names}\n{text}")
        self.check(re.search(r"^Build ID: [0-9a-f]{16,}$", text, re.MULTILINE), f"Q1 no build id:\n{text}")
        self.check("Type: inuse_space" in self.top()[1], "Q2 inuse_space is not what is shown first")
        names, text = self.top("-sample_index=alloc_space")
        self.check(names == ["churns_buffers", "keeps_conns", *late, "fills_arena"], f"Q2 alloc_space: {names}\n{text}")
        own = re.findall(r"lido_\w*alloc\w*", text)
        self.check(not own, f"Q3 Lido's own frames are not cut off: {own}\n{text}")
        for caller in ("ends_request", "main"):
            self.check(re.search(rf" {caller}$", text, re.MULTILINE), f"Q3 {caller} is cut off:\n{text}")

    def check_sums(self, owners):
        text = self.pprof("-raw")
        sums = defaultdict(lambda: [0, 0, 0, 0])
        sample = re.compile(r"^((?: +\d+){4}): [^\n]*\n +(\w+):\[([^\]]*)\]", re.MULTILINE)
        for match in sample.finditer(text):
            for i, number in enumerate(match[1].split()):
                sums[(match[2], match[3])][i] += int(number)
        self.check(dict(sums) == owners, f"Q4 {dict(sums)} are not {owners}\n{text[:2000]}")
        for line in ("PeriodType: space bytes", "Period: 4096", "Duration: 1.5s", "inuse_space/bytes[dflt]"):
            self.check(line in text, f"Q4 no \"{line}\"")

    def check_tags(self, owners):
        text = self.pprof("-tags", "-sample_index=alloc_space")
        for kind, name in owners:
            self.check(re.search(rf"^ *{kind}: Total", text, re.MULTILINE) and f": {name}\n" in text,
                       f"Q5 no {kind} {name}:\n{text}")
        names, text = self.top("-sample_index=alloc_space", "-tagfocus=pool=conns")
        self.check(names == ["keeps_conns"], f"Q5 -tagfocus: {names}\n{text}")

    def check_without_program(self):
        text = self.pprof("-raw", "-symbolize=none", program=False)
        for name in ("fills_arena", "main"):
            self.check(f" {name} :0 " in text, f"Q6 {name} has no name:\n{text}")
        self.check("keeps_conns" not in text, f"Q6 who told the name of a static function?\n{text}")

    def run(self):
        owners = self.run_program()
        self.check({("pool", "conns"), ("pool", "buffers"), ("pool", "late"), ("arena", "requests")} == set(owners), f"owners: {owners}")
        self.check_tops()
        self.check_sums(owners)
        self.check_tags(owners)
        self.check_without_program()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--go", required=True)
    parser.add_argument("--program", required=True, type=Path)
    parser.add_argument("--work", required=True, type=Path)
    arguments = parser.parse_args()
    checker = Checker(arguments.go, arguments.program, arguments.work)
    checker.run()
    for problem in checker.problems:
        print(problem, file=sys.stderr)
    return 1 if checker.problems else 0


if __name__ == "__main__":
    sys.exit(main())
