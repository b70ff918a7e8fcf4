#!/usr/bin/env python3
"""Test an http_server over real sockets.

    test_server.py --server PROGRAM [--unicode-data FOLDER] [--lido PROGRAM] [--seed N] [-k pipelin]
"""

import argparse
import sys
import tempfile
import unittest

import suite_fuzz
from server_process import Server, Settings, check_end

SUITES = ("suite_routes", "suite_protocol", "suite_clients", "suite_life", "suite_memory", "suite_limits",
          "suite_fuzz")


def fill_database():
    """So that the many servers to come start at once."""
    check_end(Server())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--unicode-data", default="/usr/share/unicode")
    parser.add_argument("--lido", help="the program with `lido top`; without it, what needs it is left out")
    parser.add_argument("--seed", type=int, help="of the fuzz; it prints the one it used")
    parser.add_argument("-k", dest="patterns", action="append", default=[], help="only tests with this in their name")
    args = parser.parse_args()
    Settings.server, Settings.unicode_data = args.server, args.unicode_data
    Settings.lido = args.lido
    suite_fuzz.Fuzz.seed = args.seed
    with tempfile.TemporaryDirectory() as folder:
        Settings.database = f"{folder}/characters.db"
        fill_database()
        patterns = [word for pattern in args.patterns for word in ("-k", pattern)]
        result = unittest.main(module=None, argv=["test_server.py", *patterns, *SUITES], exit=False).result
    return 0 if result.wasSuccessful() and result.testsRun > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
