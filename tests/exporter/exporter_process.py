"""exporter_program as a process: start it, tell it what to do, ask it over HTTP, end it.

Nothing here sleeps and hopes: every wait has a condition and a deadline.
"""

import http.client
import select
import subprocess
import time

DEADLINE = 20  # seconds, for what should take milliseconds


def wait_until(condition, what, pause=0.02):
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {DEADLINE} s in vain until {what}")
        time.sleep(pause)


class Exporter:
    program = None  # set by the command line

    def __init__(self, *arguments, host="127.0.0.1", environment=None):
        self.host = host
        self.process = subprocess.Popen([self.program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1, env=environment)
        self.first_line = self._read()
        self.port = int(self.first_line.removeprefix("port ")) if self.first_line.startswith("port ") else None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        status = self.stop()
        if kind is None and status != 0:
            raise AssertionError(f"the program ended with {status}")

    def _read(self):
        ready, _, _ = select.select([self.process.stdout], [], [], DEADLINE)
        return self.process.stdout.readline().strip() if ready else ""

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        return self._read()

    def connect(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=DEADLINE)

    def get(self, path="/metrics", method="GET", body=None, **headers):
        """Status, header fields and body of an answer on a connection of its own."""
        connection = self.connect()
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def stop(self):
        self.process.stdin.close()
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self.process.stdout.close()
