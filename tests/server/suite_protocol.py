"""HTTP itself: what keeps a connection, what ends it, and what is refused."""

from http_client import request
from server_process import ServerCase

HEALTHZ = request("/healthz")
MAX_HEADER, MAX_BODY = 8192, 65536


def chunked(*pieces, trailer=b""):
    body = b"".join(b"%x;a=b\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return body + b"0\r\n" + trailer + b"\r\n"


class KeepAlive(ServerCase):
    def test_one_connection_many_requests(self):
        with self.server.connect() as client:
            for _ in range(100):
                answer = client.get("/healthz")
                self.assertEqual(answer.status, 200)
                self.assertNotIn("connection", answer.headers)

    def test_close_ends_the_connection(self):
        for field in ("Connection: close", "connection: CLOSE"):
            with self.server.connect() as client:
                answer = client.get("/healthz", headers=[field])
                self.assertTrue(answer.closes())
                self.assertTrue(client.is_ended())

    def test_what_follows_a_close_is_not_answered(self):
        with self.server.connect() as client:
            client.send(request("/healthz", headers=["Connection: close"]) + HEALTHZ * 5)
            self.assertEqual(client.read_answer().status, 200)
            self.assertTrue(client.is_ended())

    def test_http_1_0_ends_unless_asked_not_to(self):
        with self.server.connect() as client:
            client.send(b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            self.assertEqual(client.read_answer().headers["connection"], "keep-alive")
            client.send(b"GET /healthz HTTP/1.0\r\n\r\n")
            self.assertTrue(client.read_answer().closes())
            self.assertTrue(client.is_ended())

    def test_empty_lines_between_requests_are_ignored(self):
        with self.server.connect() as client:
            client.send(b"\r\n" + HEALTHZ + b"\r\n\r\n" + HEALTHZ)
            self.assertEqual([client.read_answer().status for _ in range(2)], [200, 200])

    def test_an_upgrade_is_ignored(self):
        with self.server.connect() as client:
            fields = ["Connection: upgrade", "Upgrade: websocket"]
            self.assertEqual(client.get("/healthz", headers=fields).status, 200)
            self.assertEqual(client.get("/healthz").status, 200)

    def test_a_client_that_has_said_all_gets_its_answers(self):
        with self.server.connect() as client:
            client.send(HEALTHZ * 3 + request("/blocks"))
            client.end_sending()
            self.assertEqual([client.read_answer().status for _ in range(4)], [200] * 4)
            self.assertTrue(client.is_ended())


class Pipelining(ServerCase):
    def check_order(self, count):
        codes = [0x41 + i % 26 for i in range(count)]
        with self.server.connect() as client:
            client.send(b"".join(request(f"/characters/{code:04X}") for code in codes))
            answered = [client.read_answer().json()["code"] for _ in codes]
        self.assertEqual(answered, [f"{code:04X}" for code in codes])

    def test_fifty_requests_in_one_send(self):
        self.check_order(50)

    def test_more_requests_than_may_wait(self):
        self.check_order(1000)

    def test_answers_of_all_sizes_stay_in_order(self):
        targets = ["/healthz", "/blocks/CJK%20Unified%20Ideographs", "/characters/41", "/nowhere", "/blocks",
                   "/blocks/Yi%20Syllables", "/characters/zz"] * 2
        with self.server.connect() as client:
            expected = []
            for target in targets:
                answer = client.get(target)
                expected.append((answer.status, answer.body))
            client.send(b"".join(request(target) for target in targets))
            for status, body in expected:
                answer = client.read_answer()
                self.assertEqual((answer.status, len(answer.body)), (status, len(body)))
                self.assertEqual(answer.body, body)

    def test_head_among_others(self):
        with self.server.connect() as client:
            client.send(request("/blocks", "HEAD") + HEALTHZ + request("/nowhere", "HEAD") + HEALTHZ)
            self.assertEqual(client.read_answer(to_head=True).status, 200)
            self.assertEqual(client.read_answer().json(), {"status": "ok"})
            self.assertEqual(client.read_answer(to_head=True).status, 404)
            self.assertEqual(client.read_answer().json(), {"status": "ok"})

    def test_a_bad_request_after_good_ones(self):
        with self.server.connect() as client:
            client.send(HEALTHZ * 10 + b"GET\r\n\r\n" + HEALTHZ)
            self.assertEqual([client.read_answer().status for _ in range(11)], [200] * 10 + [400])
            self.assertTrue(client.is_ended())

    def test_two_requests_split_at_every_byte(self):
        post = request("/blocks", "POST", ["Transfer-Encoding: chunked"], chunked(b"abc", b"defg", trailer=b"X: y\r\n"))
        both = post + request("/characters?name=snow+MAN&limit=2", headers=["X-Some: thing"])
        with self.server.connect() as client:
            client.send(both)
            expected = [(answer.status, answer.body) for answer in (client.read_answer(), client.read_answer())]
            self.assertEqual([status for status, _ in expected], [405, 200])
            for at in range(1, len(both)):
                client.send(both[:at])
                early = [client.read_answer()] if at >= len(post) else []  # proof that the first part was read alone
                client.send(both[at:])
                answers = early + [client.read_answer() for _ in range(2 - len(early))]
                self.assertEqual([(answer.status, answer.body) for answer in answers], expected, f"split at {at}")


class Bodies(ServerCase):
    def check_next(self, client):
        self.assertEqual(client.get("/healthz").json(), {"status": "ok"})

    def test_bodies_are_read_and_ignored(self):
        with self.server.connect() as client:
            for count in (0, 1, 1000, MAX_BODY):
                answer = client.get("/healthz", headers=[f"Content-Length: {count}"], body=b"x" * count)
                self.assertEqual(answer.status, 200)
                self.check_next(client)

    def test_chunked_bodies(self):
        with self.server.connect() as client:
            for pieces in ((), (b"x",), (b"GET / HTTP/1.1\r\n\r\n",) * 3, (b"y" * 30000, b"z" * 30000)):
                answer = client.get("/healthz", headers=["Transfer-Encoding: chunked"], body=chunked(*pieces))
                self.assertEqual(answer.status, 200)
                self.check_next(client)

    def test_trailers(self):
        body = chunked(b"abc", trailer=b"Checksum: 1\r\nOther: 2\r\n")
        with self.server.connect() as client:
            answer = client.get("/healthz", headers=["Transfer-Encoding: chunked"], body=body)
            self.assertEqual(answer.status, 200)
            self.check_next(client)

    def check_too_large(self, *data):
        with self.server.connect() as client:
            for piece in data:
                client.send(piece)
            answer = client.read_answer()
            self.assertEqual((answer.status, answer.closes()), (413, True))
            self.assertTrue(client.is_ended())
        self.check_alive()

    def test_bodies_that_are_too_large(self):
        self.check_too_large(request("/healthz", headers=[f"Content-Length: {MAX_BODY + 1}"]))
        self.check_too_large(request("/healthz", headers=["Content-Length: 99999999999"]))
        self.check_too_large(request("/healthz", headers=["Transfer-Encoding: chunked"]),
                             chunked(b"x" * MAX_BODY, b"y"))
        self.check_too_large(request("/healthz", headers=["Transfer-Encoding: chunked"]), b"fffffff\r\n",
                             b"x" * (MAX_BODY + 1))


BAD_REQUESTS = [
    ("no method at all", b"\r\n /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("an unknown method", b"FROBNICATE /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ("a method that begins well", b"GETS /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ("a method in small letters", b"get /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a method only", b"GET\r\n\r\n", 400),
    ("no target", b"GET  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a target without a slash", b"GET healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a target with a space", b"GET /health z HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a NUL in the target", b"GET /heal\0thz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a control character in the target", b"GET /heal\x01thz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("an empty host in the target", b"GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("another protocol", b"GET /healthz ICE/1.0x\r\nHost: a\r\n\r\n", 400),
    ("no protocol", b"GET /healthz\r\n\r\n", 505),
    ("a version without numbers", b"GET /healthz HTTP/one.one\r\nHost: a\r\n\r\n", 400),
    ("a version with too many numbers", b"GET /healthz HTTP/1.10\r\nHost: a\r\n\r\n", 400),
    ("version 0.9", b"GET /healthz HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    ("version 1.2", b"GET /healthz HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    ("version 2.0", b"GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 501),
    ("a TLS greeting", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)), 400),
    ("garbage", bytes(range(128, 256)) * 4, 400),
    ("NUL bytes", b"\0" * 100, 400),
    ("no Host", b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("a header without a colon", b"GET /healthz HTTP/1.1\r\nHost a\r\n\r\n", 400),
    ("a header without a name", b"GET /healthz HTTP/1.1\r\n: a\r\n\r\n", 400),
    ("a NUL in a header", b"GET /healthz HTTP/1.1\r\nHost: a\0b\r\n\r\n", 400),
    ("a space in a header's name", b"GET /healthz HTTP/1.1\r\nHo st: a\r\n\r\n", 400),
    ("a Content-Length in words", b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: ten\r\n\r\n", 400),
    ("a negative Content-Length", b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
    ("an endless Content-Length",
     b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n", 400),
    ("a Content-Length with two numbers", b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1 2\r\n\r\n", 400),
    ("two Content-Lengths", b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    ("Content-Length and chunked",
     b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked and Content-Length",
     b"GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400),
    ("another coding", b"GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ("a bad chunk size", b"GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ("an endless chunk size",
     b"GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n", 400),
    ("an expectation", b"GET /healthz HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", 417),
    ("a target that is too long", b"GET /" + b"a" * MAX_HEADER + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    ("a target without end", b"GET /" + b"a" * (3 * MAX_HEADER), 414),
    ("a header that is too long", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"a" * MAX_HEADER + b"\r\n\r\n", 431),
    ("a header's name that is too long",
     b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"a" * MAX_HEADER + b": x\r\n\r\n", 431),
    ("too many headers", b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"X: yyyyyy\r\n" * 1200 + b"\r\n", 431),
    ("spaces without end", b"GET /healthz HTTP/1.1\r\nHost:" + b" " * 40000, 431),
    ("empty lines without end", b"\r\n" * 40000, 431),
    ("trailers that are too long",
     b"GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"0\r\nX: " + b"a" * MAX_HEADER + b"\r\n\r\n", 431),
]


class BadRequests(ServerCase):
    def test_each_gets_its_answer_and_the_server_lives_on(self):
        for what, data, status in BAD_REQUESTS:
            with self.subTest(what), self.server.connect() as client:
                client.send(data)
                answer = client.read_answer()
                self.assertEqual(answer.status, status)
                self.assertEqual(answer.json()["status"], status)
                if answer.closes():
                    self.assertTrue(client.is_ended())
        self.check_alive()
        self.server.wait_quiet()

    def test_each_byte_by_byte(self):
        for what, data, status in BAD_REQUESTS:
            if len(data) > 300:
                continue
            with self.subTest(what), self.server.connect() as client:
                try:
                    for i in range(len(data)):
                        client.send(data[i:i + 1])
                except (BrokenPipeError, ConnectionResetError):
                    pass  # it did not want to hear the rest
                self.assertIn(client.read_answer().status, (status, 400))
        self.check_alive()

    def test_the_largest_that_is_allowed(self):
        target = "/healthz?" + "a" * (MAX_HEADER - len("/healthz?"))
        self.assertEqual(self.server.get(target).status, 200)
        filler = "X" * (MAX_HEADER - len("Hosttest"))
        self.assertEqual(self.server.get("/healthz", headers=[filler[:4000] + ": " + filler[4000:]]).status, 200)
        self.assertEqual(self.server.get("/healthz", headers=[filler[:4000] + ": " + filler[4000:] + "X"]).status, 431)
