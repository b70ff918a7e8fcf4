"""How the server starts and how it ends."""

import signal
import socket
import tempfile
import time
import unittest

from http_client import request
from server_process import Server, Settings, check_end, run_to_end, wait_until

BIG = "/blocks/CJK%20Unified%20Ideographs"


def refuses_clients(server):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", server.port)) != 0


class Endings(unittest.TestCase):
    def setUp(self):
        self.server = Server()

    def tearDown(self):
        check_end(self.server)

    def check_gone(self):
        self.assertEqual(self.server.wait(), 0)

    def test_both_signals_end_it(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = Server()
            server.signal(number)
            self.assertEqual(server.wait(), 0)
            check_end(server)

    def test_idle_connections_are_closed(self):
        with self.server.connect() as fresh, self.server.connect() as used:
            self.assertEqual(used.get("/healthz").status, 200)
            self.server.signal()
            self.assertTrue(fresh.is_ended())
            self.assertTrue(used.is_ended())
            self.check_gone()

    def test_a_big_answer_is_finished(self):
        with self.server.connect() as client:
            expected = client.get(BIG).body
        with self.server.connect(receive_buffer=4096) as client:
            client.send(request(BIG) * 3)
            client.receive(1000)
            self.server.signal()
            wait_until(lambda: refuses_clients(self.server), "the server lets nobody in")
            self.assertIsNone(self.server.process.poll())
            answer = client.read_answer()
            self.assertEqual((answer.status, answer.body == expected), (200, True))
            while not answer.closes():  # those that it had begun by then
                answer = client.read_answer()
                self.assertEqual((answer.status, answer.body == expected), (200, True))
            self.assertTrue(client.is_ended())
        self.check_gone()

    def test_a_request_that_has_begun_is_answered(self):
        data = request("/characters/41")
        with self.server.connect() as client:
            client.send(data[:20])
            wait_until(lambda: self.server.metrics()["http_memory_requests_live"] == 2, "the request has begun")
            self.server.signal()
            wait_until(lambda: refuses_clients(self.server), "the server lets nobody in")
            client.send(data[20:])
            answer = client.read_answer()
            self.assertEqual((answer.status, answer.closes()), (200, True))
            self.assertTrue(client.is_ended())
        self.check_gone()

    def test_a_client_that_lingers_does_not_hold_it_up(self):
        with self.server.connect() as client:
            self.assertTrue(client.get("/healthz", headers=["Connection: close"]).closes())
            started = time.monotonic()
            self.server.signal()
            self.check_gone()
            self.assertLess(time.monotonic() - started, 10)

    def test_a_second_signal_ends_it_at_once(self):
        server = Server()
        with server.connect() as client:
            client.send(b"GET /half")
            wait_until(lambda: server.metrics()["http_memory_requests_live"] == 2, "the request has begun")
            server.signal()
            wait_until(lambda: refuses_clients(server), "the server lets nobody in")
            server.signal()
            self.assertEqual(server.wait(), -signal.SIGTERM)
        server.stop()


class Starts(unittest.TestCase):
    def test_bad_options(self):
        for options in (["--port"], ["--port", "x"], ["--port", "65536"], ["--port", "-1"], ["--port", "1 "],
                        ["--max-connections", "0"], ["--max-header", ""], ["--idle-timeout-ms", "0"], ["--nonsense"],
                        ["extra"], ["--max-body", "99999999999999999999999"]):
            status, text = run_to_end(*options)
            self.assertEqual(status, 2, options)
            self.assertIn("usage:", text)

    def test_help(self):
        self.assertEqual(run_to_end("--help"), (0, ""))

    def check_failure(self, *options):
        status, text = run_to_end("--database", Settings.database, *options)
        self.assertEqual(status, 1)
        self.assertTrue(text.startswith("http_server: "), text)

    def test_verbose(self):
        server = Server("--verbose")
        server.get("/healthz")
        server.get("/characters/zz?x", method="HEAD")
        with server.connect() as client:
            client.send(b"nonsense\r\n")
            self.assertEqual(client.read_answer().status, 400)
        status, text = server.stop()
        self.assertEqual(status, 0)
        lines = [line.split() for line in text.splitlines()]
        self.assertEqual([line[:-1] for line in lines[:2]],
                         [["GET", "/healthz", "200"], ["HEAD", "/characters/zz?x", "400"]])
        self.assertEqual(len(lines), 3)

    def test_a_port_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            self.check_failure("--port", str(taken.getsockname()[1]))

    def test_a_host_that_is_none(self):
        self.check_failure("--host", "nowhere")
        self.check_failure("--host", "192.0.2.1")

    def test_files_that_are_missing_or_wrong(self):
        with tempfile.TemporaryDirectory() as folder:
            self.check_failure("--database", f"{folder}/no/such/folder")
            self.check_failure("--database", ":memory:", "--unicode-data", folder)
            for text in ("nonsense\n", "0041;A;Lu;0;L;;;;;N;;;;0061\n0041;B;Lu;0;L;;;;;N;;;;;\n"):
                with open(f"{folder}/UnicodeData.txt", "w", encoding="ascii") as data:
                    data.write(text)
                self.check_failure("--database", ":memory:", "--unicode-data", folder)
            with open(f"{folder}/x.db", "w", encoding="ascii") as database:
                database.write("this is no database" * 1000)
            self.check_failure("--database", f"{folder}/x.db")

    def test_a_load_that_failed_is_done_anew(self):
        with tempfile.TemporaryDirectory() as folder:
            self.check_failure("--database", f"{folder}/x.db", "--unicode-data", folder)
            server = Server("--database", f"{folder}/x.db", database=False)
            self.assertEqual(server.get("/characters/41").status, 200)
            check_end(server)

    def test_ip_version_6(self):
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::1", 0))
        except OSError:
            self.skipTest("no IPv6 here")
        server = Server("--host", "::1")
        with socket.create_connection(("::1", server.port)) as client:
            client.sendall(request("/healthz"))
            self.assertTrue(client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n"))
        check_end(server)
