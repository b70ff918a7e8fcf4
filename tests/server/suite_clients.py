"""Clients that are slow, gone, many, or too many."""

import time

from http_client import request
from server_process import Server, ServerCase, check_end, wait_until

HEALTHZ = request("/healthz")
BIG = "/blocks/CJK%20Unified%20Ideographs"
IDLE_MS = 500


class SlowClients(ServerCase):
    options = ("--idle-timeout-ms", str(IDLE_MS), "--request-timeout-ms", "1500")

    def test_a_byte_at_a_time_is_fine(self):
        with self.server.connect() as client:
            for i in range(len(HEALTHZ)):
                client.send(HEALTHZ[i:i + 1])
                time.sleep(0.002)
            self.assertEqual(client.read_answer().status, 200)

    def check_timed_out(self, client, started):
        answer = client.read_answer()
        self.assertEqual((answer.status, answer.closes()), (408, True))
        self.assertTrue(client.is_ended())
        self.assertGreater(time.monotonic() - started, IDLE_MS / 1000 * 0.9)

    def test_a_request_that_stalls(self):
        bodies = [request("/healthz", headers=["Content-Length: 10"], body=b"half"),
                  request("/healthz", headers=["Transfer-Encoding: chunked"], body=b"5\r\nab")]
        for data in [HEALTHZ[:1], HEALTHZ[:10], HEALTHZ[:-1], *bodies]:
            started = time.monotonic()
            with self.server.connect() as client:
                client.send(data)
                self.check_timed_out(client, started)

    def test_a_request_that_stalls_behind_a_whole_one(self):
        with self.server.connect() as client:
            client.send(HEALTHZ + HEALTHZ[:-2])
            started = time.monotonic()
            self.assertEqual(client.read_answer().status, 200)
            self.check_timed_out(client, started)

    def test_a_request_that_trickles_for_ever(self):
        end = time.monotonic() + 20
        with self.server.connect() as client:
            client.send(b"GET /healthz HTTP/1.1\r\nX: ")
            client.socket.settimeout(0.05)
            while time.monotonic() < end:
                try:
                    client.receive()
                    break
                except TimeoutError:
                    client.send(b"x")
            client.socket.settimeout(20)
            self.assertEqual(client.read_answer().status, 408)

    def test_an_idle_connection_is_closed_without_a_word(self):
        with self.server.connect() as client:
            self.assertTrue(client.is_ended())
        with self.server.connect() as client:
            self.assertEqual(client.get("/healthz").status, 200)
            self.assertTrue(client.is_ended())

    def test_a_client_that_never_reads_is_given_up(self):
        before = self.server.metrics()["http_answers_aborted_total"]
        with self.server.connect(receive_buffer=4096) as client:
            client.send(request(BIG) * 4)
            wait_until(lambda: self.server.metrics()["http_answers_aborted_total"] > before,
                       "the server gives the client up")

    def test_a_client_that_reads_slowly_is_not(self):
        with self.server.connect(receive_buffer=4096) as client:
            client.send(request(BIG) * 2)
            end = time.monotonic() + 3 * IDLE_MS / 1000
            while time.monotonic() < end:
                client.receive(65536)
                time.sleep(0.02)
            self.assertEqual([client.read_answer().status for _ in range(2)], [200, 200])


class RudeClients(ServerCase):
    def test_cut_in_the_middle_of_a_request(self):
        for cut in range(len(HEALTHZ)):
            for end in ("close", "reset"):
                client = self.server.connect()
                client.send(HEALTHZ[:cut])
                getattr(client, end)()
        self.server.wait_quiet()

    def test_cut_in_the_middle_of_an_answer(self):
        for count in (1, 2, 8):
            for end in ("close", "reset"):
                client = self.server.connect(receive_buffer=2048)
                client.send(request(BIG) * count + HEALTHZ[:20])
                client.receive(1000)
                getattr(client, end)()
        self.server.wait_quiet()
        self.assertGreater(self.server.metrics()["http_answers_aborted_total"], 0)

    def test_cut_before_the_answer(self):
        for i in range(100):
            client = self.server.connect()
            client.send(request("/blocks"))
            getattr(client, ("close", "reset")[i % 2])()
        self.server.wait_quiet()

    def test_sends_for_ever_and_never_reads(self):
        """The server stops reading when enough answers wait, so that its memory does not grow."""
        client = self.server.connect(receive_buffer=2048)
        client.socket.setblocking(False)
        before = self.server.resident_kib()
        pipeline = request("/blocks/Yi%20Syllables") * 1000
        for _ in range(300):
            try:
                client.socket.send(pipeline)
            except BlockingIOError:
                pass
            metrics = self.server.metrics()
            self.assertLessEqual(metrics["http_answers_waiting"], 64)
            self.assertLessEqual(metrics["http_memory_requests_live"], 66)
        self.assertLess(self.server.resident_kib() - before, 64 * 1024)
        client.reset()
        self.server.wait_quiet()


SLOW = request("/characters?name=NO%20SUCH%20NAME")  # all names are read for it: some milliseconds


class WhoseTurn(ServerCase):
    def answered(self, client):
        text = client.get("/metrics").body.decode()
        return sum(int(line.split()[-1]) for line in text.splitlines() if line.startswith("http_requests_total{"))

    def test_one_client_with_much_to_ask_lets_others_in_between(self):
        with self.server.connect() as greedy, self.server.connect() as other:
            before = self.answered(other)
            greedy.send(SLOW * 60)
            self.assertEqual(greedy.read_answer().status, 200)
            self.assertLess(self.answered(other) - before, 40)
            for _ in range(59):
                self.assertEqual(greedy.read_answer().status, 200)

    def test_a_request_that_comes_while_the_one_before_waits(self):
        clients = [self.server.connect() for _ in range(8)]
        for target in ("/characters?name=NO%20SUCH%20NAME", "/characters/0041", "/healthz"):
            for client in clients:
                client.send(request(target))
                time.sleep(0.002)
        for client in clients:
            sizes = [len(client.read_answer().body) for _ in range(3)]
            self.assertEqual(len(set(sizes)), 3)
            client.end_sending()
            self.assertTrue(client.is_ended())
            client.close()
        self.server.wait_quiet()

    def test_those_who_go_before_their_turn(self):
        for end in ("close", "reset"):
            clients = [self.server.connect() for _ in range(20)]
            for client in clients:
                client.send(SLOW + HEALTHZ[:10])
            for client in clients[::2]:
                getattr(client, end)()
            for client in clients[1::2]:
                self.assertEqual(client.read_answer().status, 200)
                client.close()
        self.server.wait_quiet()


class TurnsAreLong(ServerCase):
    options = ("--idle-timeout-ms", "100", "--request-timeout-ms", "150")

    def test_who_waits_for_his_turn_is_not_too_slow(self):
        clients = [self.server.connect() for _ in range(60)]
        for client in clients:
            client.send(SLOW)
        for client in clients:
            self.assertEqual(client.read_answer().status, 200)
            client.close()


class ManyClients(ServerCase):
    def test_two_hundred_at_once(self):
        clients = [self.server.connect() for _ in range(200)]
        for i, client in enumerate(clients):
            client.send(request(f"/characters/{0x4E00 + i:04X}"))
        for i, client in enumerate(clients):
            self.assertEqual(client.read_answer().json()["code"], f"{0x4E00 + i:04X}")
        self.assertEqual(self.server.metrics()["http_connections_open"], 201)
        for client in clients:
            client.close()
        self.server.wait_quiet()

    def test_two_hundred_halves_of_requests(self):
        clients = [self.server.connect() for _ in range(200)]
        for client in clients:
            client.send(HEALTHZ[:30])
        wait_until(lambda: self.server.metrics()["http_memory_requests_live"] == 201, "all requests have begun")
        for client in clients:
            client.send(HEALTHZ[30:])
        for client in clients:
            self.assertEqual(client.read_answer().status, 200)
            client.close()
        self.server.wait_quiet()


class TooManyClients(ServerCase):
    options = ("--max-connections", "10")

    def fill(self):
        """As many clients as there are places; those that were there before may take a moment to go."""
        clients = []

        def is_full():
            client = self.server.connect()
            if client.get("/healthz").status == 200:
                clients.append(client)
            else:
                client.close()
            return len(clients) == 10

        wait_until(is_full, "ten clients are let in")
        return clients

    def check_refused(self):
        with self.server.connect() as client:
            answer = client.read_answer()
            self.assertEqual((answer.status, answer.closes()), (503, True))
            self.assertTrue(client.is_ended())

    def test_the_eleventh_is_refused_until_one_goes(self):
        for _ in range(3):
            clients = self.fill()
            for _ in range(5):
                self.check_refused()
            clients[0].close()
            self.wait_for_a_place()
            for client in clients[1:]:
                self.assertEqual(client.get("/healthz").status, 200)
                client.close()
            self.wait_for_a_place()
            self.server.wait_quiet()

    def wait_for_a_place(self):
        wait_until(lambda: self.server.get("/healthz").status == 200, "a new client is let in")

    def test_a_crowd_is_refused_one_by_one(self):
        clients = self.fill()
        crowd = [self.server.connect() for _ in range(60)]
        for client in crowd:
            self.assertEqual(client.read_answer().status, 503)
            client.close()
        for client in clients:
            client.close()
        self.wait_for_a_place()
        self.server.wait_quiet()

    def test_the_refused_that_do_not_go_block_nobody_for_long(self):
        clients = self.fill()
        crowd = [self.server.connect() for _ in range(20)]  # they neither read nor close
        for client in clients:
            client.close()
        with self.server.connect() as client:
            self.assertIn(client.get("/healthz").status, (200, 503))
        for client in crowd:
            client.close()
        self.wait_for_a_place()
        self.server.wait_quiet()

    def test_the_refused_that_do_not_go_are_sent_away(self):
        clients = self.fill()
        crowd = [self.server.connect() for _ in range(20)]  # more than can be refused at once
        self.check_refused()
        for client in clients + crowd:
            client.close()
        self.wait_for_a_place()
        self.server.wait_quiet()

    def test_it_can_end_while_it_refuses(self):
        server = Server("--max-connections", "1")
        clients = [server.connect() for _ in range(40)]
        check_end(server)
        for client in clients:
            client.close()
