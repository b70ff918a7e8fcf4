"""The manager behind the server: limits under load, alerts, metrics, a profile, the top socket.

A load is a crowd of clients that all hold an answer, for they read on only when each has seen the start of its own, and
the system holds little of it: so what a load wants does not depend on how fast anybody is.
"""

import collections
import json
import os
import shutil
import socket
import subprocess
import tempfile
import unittest

from http_client import request
from server_process import Server, Settings, check_end, run_to_end, wait_until

HELD = "/blocks/Egyptian%20Hieroglyphs"
ALL_KINDS = ("/healthz", "/characters/1F600", "/characters?name=ARROW&limit=1000", "/blocks", "/blocks/Cyrillic",
             "/metrics", "/debug/snapshot", HELD)
CROWD = 40
COMMON = ("--tick-ms", "20", "--send-buffer", "16KiB")


def stands_on_lido():
    return not os.path.basename(Settings.server).endswith("_malloc")


def is_absent(answer):
    """A report of a part that this build does not have."""
    return answer.status == 501


class LidoCase(unittest.TestCase):
    def setUp(self):
        if not stands_on_lido():
            self.skipTest("this server does not stand on Lido")

    def check_all_served(self, server):
        for target in ALL_KINDS:
            answer = server.get(target)
            self.assertTrue(answer.status == 200 or (target.startswith("/debug") and is_absent(answer)), target)


def holders(server, count=CROWD):
    """Clients whose answers have begun."""
    clients = [server.connect(receive_buffer=4096) for _ in range(count)]
    for client in clients:
        client.send(request(HELD))
    for client in clients:
        if client.receive(1) == 0:
            raise AssertionError("a request was sent completely, and nothing came")
    return clients


def finish(clients):
    answers = [client.read_answer() for client in clients]
    for client in clients:
        client.close()
    return answers


def statuses(answers):
    return collections.Counter(answer.status for answer in answers)


class Loads(LidoCase):
    """The same load without limits, and with less than it wants."""

    wanted = None  # bytes
    body = None
    rounds = 2  # arenas learn from the first one

    def setUp(self):
        super().setUp()
        if Loads.wanted is None:
            Loads.wanted, Loads.body = self.measure()

    def measure(self):
        server = Server(*COMMON)
        for _ in range(self.rounds):
            answers = finish(holders(server))
            self.assertEqual(statuses(answers), {200: CROWD})
        server.wait_quiet()
        metrics = server.metrics()
        wanted, body = metrics["lido_budget_peak_bytes"], answers[0].body
        # So that limits of half and a quarter are in the way, and the lower one has something to give back.
        self.assertGreater(wanted, CROWD * len(body))
        self.assertGreater(metrics["lido_budget_used_bytes"], wanted // 4)
        self.assertEqual(metrics["lido_budget_refusals_total"], 0)
        check_end(server)
        return wanted, body

    def check_answers(self, answers):
        for answer in answers:
            self.assertEqual(answer.status == 200, answer.body == self.body)

    def check_soft(self, soft):
        server = Server("--soft-bytes", str(soft), *COMMON)
        for _ in range(self.rounds):
            answers = finish(holders(server))
            self.assertEqual(statuses(answers), {200: CROWD})
            self.check_answers(answers)
            wait_until(lambda: server.metrics()["lido_budget_used_bytes"] <= soft, "what is free has gone back")
        metrics = server.metrics()
        self.assertGreater(metrics['lido_reclaim_passes_total{reason="soft"}'], 0)
        self.assertGreater(metrics["lido_manager_freed_bytes_total"], 0)
        self.assertLessEqual(metrics["lido_budget_peak_bytes"], self.wanted * 9 // 8)
        self.assertEqual(metrics["lido_budget_refusals_total"], 0)
        self.check_all_served(server)
        server.wait_quiet()
        check_end(server)

    def test_a_soft_limit_serves_everybody(self):
        for part in (2, 4):
            with self.subTest(part=part):
                self.check_soft(self.wanted // part)

    def test_a_hard_limit_loses_no_request(self):
        hard = self.wanted // 2
        server = Server("--hard-bytes", str(hard), *COMMON)
        for _ in range(self.rounds):
            answers = finish(holders(server))
            self.check_answers(answers)
            self.assertEqual(set(statuses(answers)), {200, 503})
            self.assertGreaterEqual(statuses(answers)[200], CROWD // 4)
            server.wait_quiet()
            self.check_all_served(server)
        metrics = server.metrics()
        self.assertGreater(metrics['lido_reclaim_passes_total{reason="hard"}'], 0)
        self.assertGreater(metrics["lido_budget_refusals_total"], 0)
        self.assertLessEqual(metrics["lido_budget_peak_bytes"], hard)
        self.assertGreater(metrics['http_requests_total{class="5xx"}'], 0)
        check_end(server)

    def test_alerts_begin_and_end_once(self):
        threshold = self.wanted // 2
        server = Server("--alert-above", str(threshold), "--soft-bytes", str(self.wanted // 4), *COMMON)
        clients = holders(server)
        wait_until(lambda: "FIRING" in server.error_text(), "the alert fires")
        finish(clients)
        wait_until(lambda: "RESOLVED" in server.error_text(), "the alert is resolved")
        ticks = server.metrics()["lido_manager_ticks_total"]
        wait_until(lambda: server.metrics()["lido_manager_ticks_total"] >= ticks + 3, "three more looks were taken")
        status, text = server.stop()
        self.assertEqual(status, 0)
        lines = text.splitlines()
        self.assertEqual(len(lines), 2, text)
        self.assertRegex(lines[0], rf"^alert FIRING memory: \d+ bytes in use, threshold {threshold}$")
        self.assertRegex(lines[1], rf"^alert RESOLVED memory: \d+ bytes in use, threshold {threshold}$")


class Doors(LidoCase):
    """A hard limit that clients alone could fill."""

    def fill(self, server, count, part):
        """That many clients with half a request each, which the server has seen."""
        with server.connect() as door:
            clients = [server.connect() for _ in range(count)]
            for client in clients:
                client.send(part)
            for _ in range(2):  # when the second one is answered, all that was sent before it has had its turn
                self.assertEqual(door.get("/healthz").status, 200)
        return clients

    def test_many_clients_leave_memory_for_their_requests(self):
        server = Server("--hard-bytes", "1MiB", *COMMON)
        whole = request("/healthz?" + "x" * 3000)
        clients = self.fill(server, 150, whole[:2900])
        served = 0
        for client in clients:
            client.send(whole[2900:])
            answer = client.read_answer()
            self.assertIn(answer.status, (200, 503))
            served += answer.status == 200
            if answer.closes():
                self.assertTrue(client.is_ended())
            client.close()
        self.assertGreaterEqual(served, 40)  # about half of 1 MiB is connections
        self.assertLess(served, 150)
        server.wait_quiet()
        self.check_all_served(server)
        check_end(server)

    def test_limits_of_all_sizes(self):
        for hard, expected in (("1", {503}), ("64KiB", {503}), ("72KiB", {200, 503}), ("100KiB", {200, 503}),
                               ("150KiB", {200, 503}), ("1MiB", {200})):
            with self.subTest(hard=hard):
                server = Server("--hard-bytes", hard, *COMMON)
                answers = [server.get(target) for target in ALL_KINDS if not target.startswith("/debug")]
                self.assertEqual(set(statuses(answers)), expected)
                check_end(server)

    def test_requests_that_find_nothing_when_they_begin(self):
        """Others hold all there is. Each request gets an answer, whether it comes in pieces or with others."""
        server = Server("--hard-bytes", "1MiB", *COMMON)
        others = [server.connect() for _ in range(30)]
        held = holders(server, 20)
        whole = request("/healthz?" + "x" * 7000)
        for client in others:
            client.send(whole[:6000])
        seen = collections.Counter()
        for client in others:
            client.send(whole[6000:] + request("/characters/41") * 3)
            for _ in range(4):
                answer = client.read_answer()
                self.assertFalse(answer.closes())
                seen[answer.status] += 1
        self.assertEqual(set(seen), {200, 503})
        self.assertEqual(set(statuses(finish(held))), {200, 503})
        for client in others:
            self.assertEqual(client.get("/characters/41").status, 200)
            client.close()
        server.wait_quiet()
        check_end(server)


class Spares(unittest.TestCase):
    """No memory for any request, on both kinds of memory: a connection has one exchange that needs none."""

    def test_a_client_that_reads_late_gets_all_its_answers(self):
        server = Server("--max-request-bytes", "1", *COMMON)
        count = 3000  # of more bytes than the system holds
        with server.connect(receive_buffer=4096) as client:
            client.send(request("/healthz") * count)
            with server.connect() as other:
                for _ in range(20):
                    self.assertEqual(other.get("/healthz").status, 503)
            for _ in range(count):
                answer = client.read_answer()
                self.assertEqual((answer.status, answer.closes()), (503, False))
            head = client.get("/healthz", method="HEAD")
            self.assertEqual((head.status, head.closes()), (503, False))
            last = client.get("/healthz", headers=["Connection: close"])
            self.assertEqual((last.status, last.closes()), (503, True))
            self.assertTrue(client.is_ended())
        check_end(server)

    def test_what_is_no_request_ends_the_connection_as_ever(self):
        server = Server("--max-request-bytes", "1", *COMMON)
        for data in (b"nonsense\r\n\r\n", request("/healthz")[:-2] + b"X" * 20000, b"GET / HTTP/1.1\r\n\r\n"):
            with server.connect() as client:
                client.send(data)
                answer = client.read_answer()
                self.assertEqual((answer.status, answer.closes()), (503, True))
                self.assertTrue(client.is_ended())
        with server.connect(receive_buffer=4096) as client:
            client.send(request("/healthz") * 3000)
            client.receive(10)
            client.reset()
        self.assertEqual(server.get("/healthz").status, 503)
        check_end(server)


class Reports(LidoCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.socket = f"{cls.folder.name}/top.sock"
        cls.server = None
        if not stands_on_lido():
            return
        part = run_to_end("--top-socket", "relative")[1]
        window = () if "part json" in part else ("--top-socket", cls.socket)
        cls.has_json = bool(window)
        cls.server = Server("--soft-bytes", "1MB", "--hard-bytes", "1GB", "--profile-mean", "2KiB", *window, *COMMON)

    @classmethod
    def tearDownClass(cls):
        if cls.server is not None:
            check_end(cls.server)
            assert not os.path.exists(cls.socket)
        cls.folder.cleanup()

    def test_metrics_have_pools_limits_and_passes(self):
        metrics = self.server.metrics()
        self.assertEqual(metrics['lido_budget_limit_bytes{limit="soft"}'], 1000000)
        self.assertEqual(metrics['lido_budget_limit_bytes{limit="hard"}'], 1000000000)
        for name in ('lido_pool_live_objects{pool="connections"}', 'lido_manager_info{manager="http_server"}',
                     'lido_arena_class_live_arenas{arena_class="requests"}', "http_connections_open"):
            self.assertEqual(metrics[name], 1, name)
        for reason in ("asked", "soft", "hard", "idle"):
            self.assertIn(f'lido_reclaim_passes_total{{reason="{reason}"}}', metrics)

    def test_prometheus_likes_them(self):
        if shutil.which("promtool") is None:
            self.skipTest("promtool is missing (Debian, Ubuntu: prometheus)")
        finish(holders(self.server, 4))
        result = subprocess.run(["promtool", "check", "metrics"], input=self.server.get("/metrics").body,
                                capture_output=True, check=False)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"", b""))

    def test_open_metrics_for_those_who_ask(self):
        wish = "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
        answer = self.server.get("/metrics", headers=[wish])
        self.assertTrue(answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0"))
        text = answer.body.decode()
        self.assertTrue(text.endswith("\n# EOF\n"))
        self.assertEqual(text.count("# EOF"), 1)
        kinds = dict(line.split()[2:] for line in text.splitlines() if line.startswith("# TYPE"))
        self.assertEqual(kinds["http_requests"], "counter")
        self.assertEqual(kinds["lido_manager_ticks"], "counter")
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            name = line.split("{")[0].split()[0]
            base, _, end = name.rpartition("_")
            kind = kinds.get(name) or kinds[base]
            self.assertEqual(kind == "counter", end == "total" and base in kinds, line)
        for other in ("text/plain", "*/*", "application/openmetrics"):
            plain = self.server.get("/metrics", headers=["Accept: " + other])
            self.assertEqual(plain.headers["content-type"], "text/plain; version=0.0.4")

    def profiled_functions(self):
        """What Go's pprof finds in a profile of now, after some answers."""
        finish(holders(self.server, 4))
        path = f"{self.folder.name}/profile.gz"
        with open(path, "wb") as file:
            file.write(self.server.get("/debug/profile").body)
        command = ["go", "tool", "pprof", "-top", "-cum", "-sample_index=alloc_space", Settings.server, path]
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {
            "PPROF_TMPDIR": self.folder.name})
        self.assertEqual(result.returncode, 0, result.stderr)
        return {line.split()[-1] for line in result.stdout.splitlines() if line.strip()}

    def test_a_profile_names_the_functions_of_the_server(self):
        answer = self.server.get("/debug/profile")
        if is_absent(answer):
            self.skipTest("this build is without the part pprof")
        self.assertEqual((answer.status, answer.body[:2]), (200, b"\x1f\x8b"))
        if shutil.which("go") is None:
            self.skipTest("go is missing (Debian, Ubuntu: golang-go)")
        # Samples are random: more answers bring more of them.
        wanted = {"main", "connection_take_turn", "answer_block", "write_rows"}
        wait_until(lambda: wanted <= self.profiled_functions(), f"the profile has {wanted}")

    def test_a_snapshot(self):
        answer = self.server.get("/debug/snapshot")
        if is_absent(answer):
            self.skipTest("this build is without the part json")
        snapshot = answer.json()
        self.assertEqual(snapshot["manager"], "http_server")
        self.assertEqual([pool["name"] for pool in snapshot["pools"]], ["connections"])

    def test_the_top_socket(self):
        if not self.has_json:
            self.skipTest("this build is without the part json")
        self.assertEqual(os.stat(self.socket).st_mode & 0o777, 0o600)
        with socket.socket(socket.AF_UNIX) as window, self.server.connect() as client:
            self.assertEqual(client.get("/healthz").status, 200)
            window.settimeout(30)
            window.connect(self.socket)
            window.sendall(b"snapshot\n")
            with window.makefile() as lines:
                snapshot = json.loads(lines.readline())
        self.assertEqual(snapshot["process"], self.server.process.pid)
        self.assertEqual(snapshot["budget"]["soft"], 1000000)
        self.assertEqual(snapshot["pools"][0]["stats"]["live"], 1)

    def test_lido_top_shows_it(self):
        if not self.has_json or Settings.lido is None:
            self.skipTest("lido top was not built")
        result = subprocess.run([Settings.lido, "top", "--once", self.socket], capture_output=True, text=True,
                                timeout=30, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for word in ("http_server", f"process {self.server.process.pid}", "connections", "requests"):
            self.assertIn(word, result.stdout)


class Options(unittest.TestCase):
    def check_wrong(self, option, value, *words):
        given = (option,) if value is None else (option, value)
        status, text = run_to_end("--database", Settings.database, *given)
        self.assertEqual(status, 2, given)
        self.assertTrue(text.startswith("http_server: "), text)
        for word in words:
            self.assertIn(word, text)

    def test_malloc_has_nothing_for_them(self):
        if stands_on_lido():
            self.skipTest("this server stands on Lido")
        for option, value in (("--soft-bytes", "1MB"), ("--hard-bytes", "1"), ("--policy", "adaptive"),
                              ("--retain-percent", "10"), ("--config", "x"), ("--top-socket", "/x"),
                              ("--profile", None), ("--alert-above", "1KiB")):
            self.check_wrong(option, value, option, "malloc")
        server = Server(*COMMON)
        for target in ("/debug/profile", "/debug/snapshot"):
            self.assertEqual(server.get(target).status, 501)
        answer = server.get("/metrics", headers=["Accept: application/openmetrics-text"])
        self.assertTrue(answer.body.endswith(b"\n# EOF\n"))
        check_end(server)

    def test_sizes(self):
        for size in ("", "x", "1 MB", "1M", "-1", "0", "1e", "0x", "nan", "inf", "0.1", "99999999999GiB"):
            self.check_wrong("--soft-bytes", size, "is no size", "usage:")

    def test_what_cannot_be(self):
        if not stands_on_lido():
            self.skipTest("this server does not stand on Lido")
        self.check_wrong("--policy", "greedy", "greedy")
        self.check_wrong("--top-socket", "relative", "--top-socket")
        self.check_wrong("--config", "/no/such/file", "--config")
        status, text = run_to_end("--soft-bytes", "2MB", "--hard-bytes", "1MB")
        self.assertEqual(status, 2)
        self.assertIn("soft_bytes", text)

    def test_no_profile_unless_it_was_started(self):
        if not stands_on_lido():
            self.skipTest("this server does not stand on Lido")
        server = Server(*COMMON)
        self.assertEqual(server.get("/debug/profile").status, 404)
        check_end(server)

    def test_a_file_and_the_command_line(self):
        """What the command line says goes before the file."""
        if not stands_on_lido():
            self.skipTest("this server does not stand on Lido")
        with tempfile.NamedTemporaryFile("w", suffix=".conf", encoding="ascii") as file:
            file.write('soft_bytes = 3MB\nhard_bytes = 5MB\npolicy = memory_efficient\ninterval_ns = 10ms\n'
                       'pool "connections" { max_objects = 7 }\narena "requests" { chunk_bytes = 16KiB }\n')
            file.flush()
            if "part config" in run_to_end("--config", "/no/such/file")[1]:
                self.skipTest("this build is without the part config")
            server = Server("--config", file.name, "--hard-bytes", "4.5MB")
            metrics = server.metrics()
            self.assertEqual(metrics['lido_budget_limit_bytes{limit="soft"}'], 3000000)
            self.assertEqual(metrics['lido_budget_limit_bytes{limit="hard"}'], 4500000)
            self.assertEqual(metrics['lido_policy{policy="memory_efficient"}'], 1)
            self.assertEqual(metrics['lido_pool_limit_objects{pool="connections"}'], 7)
            check_end(server)
            file.write('pool "conections" { max_objects = 7 }\n')
            file.flush()
            self.check_wrong("--config", file.name, "connections")
