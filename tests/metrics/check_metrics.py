#!/usr/bin/env python3
"""Check the metrics of a real manager, which a program prints.

    check_metrics.py docs         docs/metrics.md has exactly these families (--write: make it so), and the alerts use no others
    check_metrics.py openmetrics  prometheus_client's strict parser takes the OpenMetrics text (left out without it: Debian's
                                  python3-prometheus-client)
    check_metrics.py promtool     promtool finds nothing to say of the text, nor of the alerts
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

BEGIN, END = "<!-- families: begin -->\n", "<!-- families: end -->\n"
SKIPPED = 77


def metrics(program, form):
    return subprocess.run([program, form], check=True, capture_output=True, text=True).stdout


class Family:
    def __init__(self, name, text):
        self.name, self.text, self.kind, self.labels, self.samples = name, text, None, [], 0

    def row(self):
        labels = ", ".join(f"`{label}`" for label in self.labels)
        return f"| `{self.name}` | {self.kind} | {labels} | {self.text} |\n"


def families(text):
    """In the order of the text."""
    found = {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, words = line.split(" ", 3)
            family = found[name] = Family(name, words)
        elif line.startswith("# TYPE "):
            family.kind = line.split(" ")[3]
        else:
            family.samples += 1
            for label in re.findall(r'[{,](\w+)="', line):
                if label not in family.labels:
                    family.labels.append(label)
    return found


def check_docs(args):
    path = args.source / "docs/metrics.md"
    found = families(metrics(args.program, "prometheus"))
    empty = [name for name, family in found.items() if family.samples == 0]
    if empty:
        sys.exit(f"FAILED: the program shows no sample of {', '.join(empty)}")
    table = "| name | type | labels | what |\n| --- | --- | --- | --- |\n"
    table += "".join(family.row() for family in found.values())
    before, rest = path.read_text().split(BEGIN)
    written, after = rest.split(END)
    if args.write:
        path.write_text(before + BEGIN + table + END + after)
    elif written != table:
        ours, theirs = set(table.splitlines()), set(written.splitlines())
        print("\n".join(f"missing: {line}" for line in sorted(ours - theirs)))
        print("\n".join(f"too much: {line}" for line in sorted(theirs - ours)))
        sys.exit("FAILED: docs/metrics.md is not as the code says: check_metrics.py docs --write")
    names = set(found) | {name + end for name in found for end in ("_bucket", "_sum", "_count")}
    used = set(re.findall(r"\blido_[a-z_]+\b", (args.source / "examples/prometheus_alerts.yml").read_text()))
    if not used or used - names:
        sys.exit(f"FAILED: the alerts use {used - names or 'nothing'}")


def check_openmetrics(args):
    try:
        from prometheus_client.openmetrics import parser
    except ImportError:
        print("prometheus_client is not here")
        sys.exit(SKIPPED)
    parsed = list(parser.text_string_to_metric_families(metrics(args.program, "openmetrics")))
    ours = families(metrics(args.program, "prometheus"))
    if len(parsed) != len(ours):
        sys.exit(f"FAILED: {len(parsed)} families, and {len(ours)} in the other format")
    for family in parsed:
        if family.type == "unknown" or not family.documentation or not family.samples:
            sys.exit(f"FAILED: {family}")


def quiet(command, **options):
    """It succeeds and says nothing."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if result.returncode != 0 or result.stdout:
        sys.exit(f"FAILED: {' '.join(command)}: status {result.returncode}\n{result.stdout}")


def check_promtool(args):
    quiet([args.promtool, "check", "metrics"], input=metrics(args.program, "prometheus"))
    rules = subprocess.run([args.promtool, "check", "rules", str(args.source / "examples/prometheus_alerts.yml")],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if rules.returncode != 0 or not re.search(r"SUCCESS: \d+ rules found", rules.stdout):
        sys.exit(f"FAILED: {rules.stdout}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["docs", "openmetrics", "promtool"])
    parser.add_argument("--program", required=True)
    parser.add_argument("--source", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--promtool", default="promtool")
    parser.add_argument("--write", action="store_true", help="write the table of docs/metrics.md")
    args = parser.parse_args()
    {"docs": check_docs, "openmetrics": check_openmetrics, "promtool": check_promtool}[args.what](args)
    print("ok:", args.what)


if __name__ == "__main__":
    main()
