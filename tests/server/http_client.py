"""A client that shows every byte: requests are sent as they are written, answers are read to their exact end."""

import json
import socket
import struct

TIMEOUT = 30  # seconds for one receive


class Answer:
    def __init__(self, status, headers, body, head):
        self.status, self.headers, self.body, self.head = status, headers, body, head

    def json(self):
        if self.headers["content-type"] != "application/json":
            raise AssertionError(f"JSON is called {self.headers['content-type']}")
        return json.loads(self.body)

    def closes(self):
        return self.headers.get("connection") == "close"


def request(target, method="GET", headers=(), body=b""):
    lines = [f"{method} {target} HTTP/1.1", "Host: test", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Client:
    """One connection. `receive_buffer` makes the client's own buffer small, so that the server has to wait for it."""

    def __init__(self, port, receive_buffer=None):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Cut the connection: the server gets a reset, not an end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def end_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def get(self, target, method="GET", headers=(), body=b""):
        self.send(request(target, method, headers, body))
        return self.read_answer(method == "HEAD")

    def receive(self, most=1 << 16):
        data = self.socket.recv(most)
        self.rest += data
        return len(data)

    def _read_until(self, end):
        while end not in self.rest:
            if self.receive() == 0:
                raise ConnectionError(f"the connection ended in the middle of an answer: {self.rest[:200]!r}")
        text, self.rest = self.rest.split(end, 1)
        return text

    def _read_bytes(self, count):
        pieces, have = [self.rest], len(self.rest)
        while have < count:
            data = self.socket.recv(1 << 16)
            if not data:
                raise ConnectionError(f"the connection ended {count - have} bytes too early")
            pieces.append(data)
            have += len(data)
        everything = b"".join(pieces)
        self.rest = everything[count:]
        return everything[:count]

    def read_answer(self, to_head=False):
        head = self._read_until(b"\r\n\r\n").decode("ascii")
        first, *lines = head.split("\r\n")
        version, status, _ = first.split(" ", 2)
        if version != "HTTP/1.1":
            raise AssertionError(f"not an answer: {first!r}")
        pairs = [line.split(": ", 1) for line in lines]
        headers = {name.lower(): value for name, value in pairs}
        if len(headers) != len(pairs):
            raise AssertionError(f"a header field comes twice: {head!r}")
        body = b"" if to_head else self._read_bytes(int(headers["content-length"]))
        return Answer(int(status), headers, body, head)

    def is_ended(self):
        """True if the server ends the connection without another byte; waits for that."""
        try:
            return self.rest == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
