"""The program that is looked at (top_subject.c), as a process, and clients of its socket."""

import json
import os
import select
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

DEADLINE = 20  # seconds, for what should take milliseconds


class Settings:
    """What the command line of test_top.py says."""

    lido = None
    subject = None
    tmux = None


def wait_until(condition, what):
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {DEADLINE} s in vain until {what() if callable(what) else what}")
        time.sleep(0.01)


class Subject:
    def __init__(self, path="", pools=0, umask=-1):
        self.process = subprocess.Popen([Settings.subject, path, str(pools)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, umask=umask)
        self.path = self._read_line()
        if not self.path:
            self.error = self.process.stderr.read()
            self.end()

    def _read_line(self):
        ready, _, _ = select.select([self.process.stdout], [], [], DEADLINE)
        return self.process.stdout.readline().rstrip("\n") if ready else ""

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self._read_line()
        if answer != "done":
            raise AssertionError(f"{line!r}: the subject says {answer!r}")

    def connect(self):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(DEADLINE)
        client.connect(self.path)
        return client

    def ask(self, request):
        """The answer to one line, read to the end of its line."""
        with self.connect() as client:
            client.sendall(request if isinstance(request, bytes) else request.encode() + b"\n")
            with client.makefile("rb") as answer:
                return json.loads(answer.readline())

    def kill(self):
        self.process.kill()
        return self.end()

    def end(self):
        """-> exit status."""
        self.process.stdin.close()
        status = self.process.wait(DEADLINE)
        self.process.stdout.close()
        self.process.stderr.close()
        return status


class SubjectTest(unittest.TestCase):
    """Each test has a folder, and a subject whose socket is in it."""

    pools = 0

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "socket")
        self.subject = self.start()

    def start(self, **options):
        subject = Subject(self.path, self.pools, **options)
        self.addCleanup(self.end, subject)
        return subject

    def end(self, subject):
        if subject.process.returncode is None and not subject.process.stdin.closed:
            self.assertEqual(subject.end(), 0)
