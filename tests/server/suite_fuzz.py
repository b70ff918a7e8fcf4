"""Random changes to valid requests. Whatever comes in, the server lives on and all its memory returns."""

import random
import time

from http_client import request
from server_process import ServerCase

SEEDS = [
    request("/healthz"),
    request("/characters/00E9", headers=["Accept: */*", "User-Agent: fuzz/1.0"]),
    request("/characters?name=SNOW%20MAN&limit=5", headers=["Connection: keep-alive"]),
    request("/blocks/Basic%20Latin", "HEAD"),
    request("/blocks", "POST", ["Content-Length: 11"], b"hello world"),
    request("/blocks", "PUT", ["Transfer-Encoding: chunked"], b"5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nA: b\r\n\r\n"),
    b"GET http://example.org/blocks?x=%20 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
]
WORDS = [b"\r\n", b"\n", b"\0", b" ", b"%", b"%00", b"%ff", b":", b"Content-Length: 5\r\n", b"Host: b\r\n", b"\r\n\r\n",
         b"Transfer-Encoding: chunked\r\n", b"GET ", b"HEAD ", b" HTTP/1.1", b"9" * 25, b"\xff", b"/", b"?", b"&", b"=",
         b"a" * 300, b"Connection: close\r\n", b"Expect: 100-continue\r\n", b"Upgrade: x\r\nConnection: upgrade\r\n"]


def mutate(data, chance):
    data = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(5)
        if kind == 0 and at < len(data):
            data[at] = chance.randrange(256)
        elif kind == 1:
            data[at:at] = chance.choice(WORDS)
        elif kind == 2:
            del data[at:at + chance.randrange(1, 12)]
        elif kind == 3:
            data[at:at] = data[at:at + chance.randrange(1, 40)]
        else:
            data[at:] = chance.choice(SEEDS)[chance.randrange(20):]
    return bytes(data)


class Fuzz(ServerCase):
    options = ("--max-request-bytes", "200000", "--max-header", "512", "--max-body", "512")
    requests = 4000
    seconds = 15

    def test_random_requests(self):
        seed = random.SystemRandom().randrange(1 << 32) if self.seed is None else self.seed
        print(f"fuzz: --seed {seed}", flush=True)
        chance = random.Random(seed)
        end = time.monotonic() + self.seconds
        for _ in range(self.requests):
            self.send_one(chance)
            if time.monotonic() > end:
                break
        self.check_alive()
        self.server.wait_quiet()

    seed = None  # of test_server.py's command line

    def send_one(self, chance):
        data = b"".join(mutate(chance.choice(SEEDS), chance) for _ in range(chance.choice((1, 1, 2, 4))))
        with self.server.connect() as client:
            try:
                cut = chance.randrange(len(data) + 1) if chance.random() < 0.3 else len(data)
                client.send(data[:cut])
                client.send(data[cut:])
                client.end_sending()
                self.read_all(client)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it has heard enough

    def read_all(self, client):
        while client.receive() > 0:
            pass
        if client.rest:
            self.assertRegex(client.rest, rb"^HTTP/1\.1 [2345]\d\d [A-Z]")
