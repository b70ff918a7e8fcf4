#!/usr/bin/env python3
"""Test the exporter over HTTP: test_http.py PROGRAM"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from exporter_process import DEADLINE, Exporter

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

# Field, and whether it gives OpenMetrics.
ACCEPTED = [
    ("application/openmetrics-text", True),
    ("application/openmetrics-text; version=1.0.0", True),
    ("application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
     "text/plain;version=0.0.4;q=0.3,*/*;q=0.2", True),
    ("text/plain;q=0.5, Application/OpenMetrics-Text ; q=0.5", True),
    (" ,, application/openmetrics-text;q=0.001", True),
    ("application/openmetrics-text;version=0.0.1", False),
    ("application/openmetrics-text;q=0", False),
    ("application/openmetrics-text;q=0.000, */*", False),
    ("application/openmetrics-text;q=much", False),
    ("application/openmetrics-text;q=1.5", False),
    ("application/openmetrics-text;q=0.4, text/plain;q=0.5", False),
    ("application/openmetrics-text-not", False),
    ("text/html, */*", False),
    ("*/*", False),
    ("", False),
    (";;=,q=;,", False),
]


class Http(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.exporter = Exporter()

    @classmethod
    def tearDownClass(cls):
        if cls.exporter.stop() != 0:
            raise AssertionError("the program did not end well")

    def test_metrics_come_as_text(self):
        status, headers, body = self.exporter.get()
        self.assertEqual((status, headers["Content-Type"], headers["Vary"]), (200, TEXT, "Accept"))
        self.assertIn('\nlido_manager_info{manager="tested"} 1\n', body)
        self.assertIn('\nlido_pool_limit_objects{pool="conns"} 1000\n', body)
        self.assertIn('{pool="a \\"strange\\"\\nname\\\\ \ufffdff"} 8\n', body)
        self.assertEqual(int(headers["Content-Length"]), len(body.encode()))

    def test_the_accept_field_chooses_the_format(self):
        for field, openmetrics in ACCEPTED:
            with self.subTest(field):
                status, headers, body = self.exporter.get(Accept=field)
                self.assertEqual((status, headers["Content-Type"]), (200, OPENMETRICS if openmetrics else TEXT))
                self.assertEqual(body.endswith("# EOF\n"), openmetrics)

    def test_each_answer_is_of_its_own_moment(self):
        before = int(self.exporter.tell("alloc 0").split()[1])
        self.assertIn(f'lido_pool_live_objects{{pool="conns"}} {before}\n', self.exporter.get()[2])
        self.assertEqual(self.exporter.tell("alloc 3"), f"live {before + 3}")
        self.assertIn(f'lido_pool_live_objects{{pool="conns"}} {before + 3}\n', self.exporter.get()[2])

    def test_head_is_get_without_a_body(self):
        status, headers, body = self.exporter.get(method="HEAD")
        self.assertEqual((status, headers["Content-Type"], body), (200, TEXT, ""))
        self.assertGreater(int(headers["Content-Length"]), 1000)

    def test_other_methods_get_405(self):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "STRANGE"):
            with self.subTest(method):
                status, headers, _ = self.exporter.get(method=method, body=b"x" * 100000 if method == "POST" else None)
                self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"))

    def test_other_paths_get_404(self):
        for path in ("/", "/metric", "/metrics/", "/metricsx", "//metrics", "/%00", "/metrics%00", "/metrics%00x",
                     "/%00metrics"):
            with self.subTest(path):
                self.assertEqual(self.exporter.get(path)[0], 404)
        for path in ("/metrics?x=1", "/metric%73", "/metrics?x=%00"):
            with self.subTest(path):
                self.assertEqual(self.exporter.get(path)[0], 200)

    def test_lack_of_memory_gets_503_and_the_next_request_an_answer(self):
        for where in ("snapshot", "text"):
            with self.subTest(where):
                self.assertEqual(self.exporter.tell(f"fail {where}"), "ok")
                self.assertEqual(self.exporter.get()[0], 503)
                self.assertEqual(self.exporter.get(method="HEAD")[0], 503)
                self.assertEqual(self.exporter.tell("fail nothing"), "ok")
                self.assertEqual(self.exporter.get()[0], 200)

    def test_a_connection_serves_many_requests(self):
        connection = self.exporter.connect()
        for _ in range(20):
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.read(6)), (200, b"# HELP"))
            answer.read()
        connection.close()

    def test_answers_that_nobody_reads_do_not_hold_up_others(self):
        slow = [socket.create_connection(("127.0.0.1", self.exporter.port)) for _ in range(4)]
        for connection in slow:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        self.assertEqual(self.exporter.get()[0], 200)
        for connection in slow:
            connection.close()
        self.assertEqual(self.exporter.get()[0], 200)

    def test_a_body_is_not_waited_for(self):
        for method, path, length, status in (("POST", "/metrics", "Transfer-Encoding: chunked", 405),
                                             ("POST", "/metrics", "Content-Length: 100", 405),
                                             ("PUT", "/", "Transfer-Encoding: chunked", 404),
                                             ("GET", "/metrics", "Transfer-Encoding: chunked", 200),
                                             ("HEAD", "/metrics", "Content-Length: 100", 200)):
            with self.subTest(f"{method} {path} {length}"):
                with socket.create_connection(("127.0.0.1", self.exporter.port), DEADLINE) as connection:
                    connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n".encode())
                    answer = b""
                    while piece := connection.recv(1 << 16):  # until the exporter closes it
                        answer += piece
                    self.assertEqual(answer.split()[1], str(status).encode())

    def test_what_is_no_http_is_survived(self):
        with socket.create_connection(("127.0.0.1", self.exporter.port)) as connection:
            connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
        self.assertEqual(self.exporter.get()[0], 200)

    def test_what_can_not_be_started_says_why(self):
        port = self.exporter.port
        for what, answer in (
                (f"127.0.0.1 {port} /metrics", "EADDRINUSE"),
                ("203.0.113.7 0 /metrics", "EADDRNOTAVAIL"),
                ("localhost 0 /metrics", "EINVAL"),
                ("127.0.0.1 0 metrics", "EINVAL"),
                ("127.0.0.1 0 /other", "started")):
            with self.subTest(what):
                self.assertEqual(self.exporter.tell(f"start {what}"), answer)
        self.assertEqual(self.exporter.get()[0], 200)


    def test_what_failed_to_start_leaves_nothing(self):
        self.assertEqual(self.exporter.tell("few descriptors"), "fine")
        self.assertEqual(self.exporter.get()[0], 200)


class Locale(unittest.TestCase):
    def test_the_locale_changes_no_letters(self):
        """In Turkish, i is not the small letter of I."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                made = subprocess.run(["localedef", "-i", "tr_TR", "-f", "UTF-8", f"{folder}/tr_TR.UTF-8"],
                                      stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
            except FileNotFoundError:
                self.skipTest("there is no localedef")
            if made.returncode != 0:
                self.skipTest("there is no source of tr_TR")
            with Exporter(environment={**os.environ, "LOCPATH": folder, "LC_ALL": "tr_TR.UTF-8"}) as exporter:
                for field in ("APPLICATION/OPENMETRICS-TEXT", "application/openmetrics-text;VERSION=1.0.0"):
                    self.assertEqual(exporter.get(Accept=field)[1]["Content-Type"], OPENMETRICS)


class Fork(unittest.TestCase):
    def test_a_child_that_outlives_its_parent_has_neither_its_port_nor_its_clients(self):
        with Exporter() as other:
            parent = Exporter()
            client = parent.connect()
            client.request("GET", "/metrics")
            client.getresponse().read()
            child = int(parent.tell("fork").removeprefix("child "))
            try:
                parent.process.kill()
                self.assertEqual(parent.stop(), -signal.SIGKILL)
                self.assertEqual(client.sock.recv(1), b"")
                with self.assertRaises(ConnectionRefusedError):
                    parent.get()
                self.assertEqual(other.tell(f"start 127.0.0.1 {parent.port} /metrics"), "started")
            finally:
                os.kill(child, signal.SIGKILL)
            client.close()

    def test_the_parent_goes_on(self):
        with Exporter() as exporter:
            connection = exporter.connect()
            for _ in range(5):
                os.kill(int(exporter.tell("fork").removeprefix("child ")), signal.SIGKILL)
                connection.request("GET", "/metrics")
                self.assertEqual(connection.getresponse().read(6), b"# HELP")
                connection.close()
                self.assertEqual(exporter.get()[0], 200)


class Addresses(unittest.TestCase):
    def test_another_path(self):
        with Exporter("127.0.0.1", "/other/path") as exporter:
            self.assertEqual(exporter.get("/other/path")[0], 200)
            self.assertEqual(exporter.get("/metrics")[0], 404)

    def test_one_address_has_so_many_connections_and_no_more(self):
        with Exporter("0.0.0.0", "/metrics", "2") as exporter:
            clients = [exporter.connect() for _ in range(2)]
            for client in clients:
                client.request("GET", "/metrics")
                self.assertEqual(client.getresponse().read(6), b"# HELP")
            with self.assertRaises((http.client.RemoteDisconnected, ConnectionError)):
                exporter.get()
            other = http.client.HTTPConnection("127.0.0.1", exporter.port, DEADLINE, source_address=("127.0.0.2", 0))
            other.request("GET", "/metrics")
            self.assertEqual(other.getresponse().status, 200)
            for client in [*clients, other]:
                client.close()

    def test_ip6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError as error:
            self.skipTest(f"no IPv6 here: {error}")
        with Exporter("::1", host="::1") as exporter:
            self.assertEqual(exporter.get()[0], 200)
        with Exporter("::", host="127.0.0.1") as exporter:
            self.assertEqual(exporter.get()[0], 200)


if __name__ == "__main__":
    Exporter.program = sys.argv.pop(1)
    unittest.main()
