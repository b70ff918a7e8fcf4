"""Memory: what is taken comes back, and lack of it is an answer, not an end."""

import random
import unittest

from http_client import request
from server_process import Server, ServerCase, check_end

BIG = "/blocks/CJK%20Unified%20Ideographs"
TARGETS = ("/healthz", "/characters/1F600", "/characters?name=ARROW&limit=50", "/blocks", "/blocks/Cyrillic",
           "/characters/zz", "/nowhere", "/metrics")


class Leaks(ServerCase):
    def run_clients(self, rounds, chance):
        """Keep-alive, pipelines, aborts in requests and in answers, all mixed."""
        for i in range(rounds):
            client = self.server.connect(receive_buffer=4096 if i % 5 == 0 else None)
            count = chance.randrange(1, 20)
            client.send(b"".join(request(chance.choice(TARGETS)) for _ in range(count)))
            if i % 5 == 0:
                client.send(request(BIG) + request("/healthz")[:chance.randrange(40)])
                client.receive(500)
                client.reset()
                continue
            for _ in range(chance.randrange(count + 1)):
                client.read_answer()
            client.close() if i % 2 else client.reset()

    def test_all_memory_returns(self):
        chance = random.Random(4)
        self.run_clients(100, chance)
        self.server.wait_quiet()
        before = self.server.resident_kib()
        for _ in range(3):
            self.run_clients(150, chance)
            self.server.wait_quiet()
        self.assertLess(self.server.resident_kib() - before, 16 * 1024)

    def test_requests_of_one_kind_cost_the_same_each_time(self):
        """After some requests nothing is new: their numbers of allocator calls stay the same."""
        with self.server.connect() as client:
            def calls(count):
                for _ in range(count):
                    client.get("/characters/41")
                text = client.get("/metrics").body.decode()
                return next(int(line.split()[1]) for line in text.splitlines()
                            if line.startswith("http_allocator_calls_total "))

            calls(1000)
            numbers = [calls(1000) for _ in range(3)]
        self.assertLessEqual(abs((numbers[2] - numbers[1]) - (numbers[1] - numbers[0])), 20)


class Limits(unittest.TestCase):
    """With --max-request-bytes, requests that want more get a 503, and others are served as before."""

    def test_a_big_answer_does_not_fit_but_the_connection_goes_on(self):
        server = Server("--max-request-bytes", "100000")
        with server.connect() as client:
            for method in ("GET", "HEAD", "GET"):
                answer = client.get(BIG, method)
                self.assertEqual((answer.status, answer.closes()), (503, False))
                self.assertEqual(client.get("/characters/41").status, 200)
                self.assertEqual(client.get("/blocks").status, 200)
            client.send(request(BIG) + request("/healthz") + request(BIG, headers=["Connection: close"]))
            self.assertEqual([client.read_answer().status for _ in range(3)], [503, 200, 503])
            self.assertTrue(client.is_ended())
        server.wait_quiet()
        check_end(server)

    def check_limit(self, limit):
        """Whatever the limit: an answer to each request, until one of them ends the connection."""
        server = Server("--max-request-bytes", str(limit))
        statuses = set()
        for target in (*TARGETS, BIG, "/healthz?" + "x" * 5000):
            with server.connect() as client:
                for _ in range(3):
                    answer = client.get(target)
                    statuses.add(answer.status)
                    if answer.closes():
                        self.assertEqual(answer.status, 503)
                        self.assertTrue(client.is_ended())
                        break
        check_end(server)
        return statuses

    def test_limits_of_all_sizes(self):
        sizes = [1, 100, 300, 400, 500, 600, 800, 1000, 1200, 1500, 1700, 2000, 2500, 3000, 4000, 4096, 5000, 8192,
                 20000, 65536, 1 << 20]
        for size in sizes:
            with self.subTest(bytes=size):
                statuses = self.check_limit(size)
                self.assertIn(503, statuses)
                self.assertLessEqual(statuses, {200, 400, 404, 503})
        self.assertEqual(self.check_limit(1), {503})
        self.assertEqual(self.check_limit(64 << 20), {200, 400, 404})
