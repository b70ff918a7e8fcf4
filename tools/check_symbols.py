#!/usr/bin/env python3
"""Check that libraries define no global symbol that a program might have, too.

Every one begins with lido_, also those that other libraries do not see: a static library is linked with the program as one.
"""

import argparse
import subprocess
import sys


def symbols(nm, library):
    lines = subprocess.run([nm, "--extern-only", "--defined-only", "--portability", library], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.splitlines()
    return [words[0] for words in map(str.split, lines) if len(words) >= 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nm", default="nm")
    parser.add_argument("libraries", nargs="+")
    args = parser.parse_args()
    count, strangers = 0, []
    for library in args.libraries:
        found = symbols(args.nm, library)
        count += len(found)
        strangers += [f"{library}: {name}" for name in sorted(set(found)) if not name.startswith("lido_")]
    if strangers or count == 0:
        sys.exit("\n".join(["symbols: these do not begin with lido_", *strangers] if strangers else ["symbols: none found"]))
    print(f"symbols: ok, {count} in {len(args.libraries)} libraries")


if __name__ == "__main__":
    main()
