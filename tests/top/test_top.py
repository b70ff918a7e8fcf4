"""`lido top` and the snapshot socket, from outside: a real program, real clients, a real terminal.

Nothing here sleeps and hopes: every wait has a condition and a deadline.
"""

import argparse
import sys
import unittest

import suite_once
import suite_screen
import suite_socket
from subject import Settings

SUITES = {"socket": suite_socket, "once": suite_once, "screen": suite_screen}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", choices=sorted(SUITES), required=True)
    parser.add_argument("--lido", required=True)
    parser.add_argument("--subject", required=True)
    parser.add_argument("--tmux", default="")
    args = parser.parse_args()
    Settings.lido, Settings.subject, Settings.tmux = args.lido, args.subject, args.tmux
    tests = unittest.defaultTestLoader.loadTestsFromModule(SUITES[args.suite])
    result = unittest.TextTestRunner(verbosity=2).run(tests)
    return 0 if result.wasSuccessful() and result.testsRun else 1


if __name__ == "__main__":
    sys.exit(main())
