"""The server under test as a process: start it, ask how it feels, end it.

Nothing here sleeps and hopes: every wait has a condition and a deadline.
"""

import os
import re
import select
import signal
import subprocess
import tempfile
import time
import unittest

from http_client import Client

DEADLINE = 30  # seconds, for what should take milliseconds


class Settings:
    """What the command line of test_server.py says; filled in before the first test."""

    server = None
    unicode_data = None
    database = None
    lido = None  # the program with `lido top`; None: it was not built


def wait_until(condition, what, deadline=DEADLINE):
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline} s in vain until {what}")
        time.sleep(0.005)


def environment():
    """AddressSanitizer keeps freed memory for a while, which would look like growth; let it be little."""
    return os.environ | {"ASAN_OPTIONS": "quarantine_size_mb=4:" + os.environ.get("ASAN_OPTIONS", "")}


class Server:
    def __init__(self, *options, database=True):
        command = [Settings.server, "--unicode-data", Settings.unicode_data, *options]
        if database:
            command += ["--database", Settings.database]
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors,
                                        env=environment())
        self.port = self._read_port()

    def _read_port(self):
        ready, _, _ = select.select([self.process.stdout], [], [], DEADLINE)
        line = self.process.stdout.readline() if ready else b""
        found = re.fullmatch(rb"listening on (?:127\.0\.0\.1|\[::1\]):(\d+)\n", line)
        if not found:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server said {line!r} and {self.error_text()!r}")
        return int(found[1])

    def error_text(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="backslashreplace")

    def connect(self, **options):
        return Client(self.port, **options)

    def get(self, target, **options):
        """The answer to one request on a connection of its own."""
        with self.connect() as client:
            return client.get(target, **options)

    def metrics(self):
        text = self.get("/metrics").body.decode()
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name: int(value) if value.isdigit() else float(value) for name, value in lines}

    def resident_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1])

    def wait_quiet(self):
        """Until the connection that asks is the only one, and its request the only one that has memory."""

        def quiet():
            metrics = self.metrics()
            return all(metrics[name] == 1 for name in (
                "http_connections_open", "http_memory_connections_live", "http_memory_requests_live"))

        wait_until(quiet, "only the connection that asks is left")

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self):
        return self.process.wait(DEADLINE)

    def stop(self):
        """End it and give its exit status and what it said on standard error."""
        if self.process.poll() is None:
            self.signal()
        try:
            status = self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process.stdout.close()
        text = self.error_text()
        self.errors.close()
        return status, text


class ServerCase(unittest.TestCase):
    """Tests that share one server, which must end well after them."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.options)

    @classmethod
    def tearDownClass(cls):
        check_end(cls.server)

    def check_alive(self):
        self.assertEqual(self.server.get("/healthz").json(), {"status": "ok"})


def check_end(server):
    status, text = server.stop()
    if status != 0 or text != "":
        raise AssertionError(f"the server ended with status {status} and said:\n{text}")


def run_to_end(*options):
    """The exit status and standard error of a server that should not even start."""
    result = subprocess.run([Settings.server, *options], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            timeout=DEADLINE, check=False, env=environment())
    return result.returncode, result.stderr
