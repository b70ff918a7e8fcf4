"""The socket's file, and clients that misbehave."""

import os
import select
import socket
import stat

from subject import Subject, SubjectTest, wait_until


def hear_all(client):
    """Everything until the other side ends."""
    pieces = []
    try:
        while piece := client.recv(1 << 16):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


class FileTest(SubjectTest):
    def check_mode(self, path):
        status = os.lstat(path)
        self.assertTrue(stat.S_ISSOCK(status.st_mode))
        self.assertEqual(stat.S_IMODE(status.st_mode), 0o600)
        self.assertEqual(status.st_uid, os.geteuid())

    def test_its_mode_is_the_owners_alone(self):
        self.check_mode(self.path)
        other = Subject(self.path + "2", umask=0)
        self.addCleanup(self.end, other)
        self.check_mode(other.path)

    def test_the_default_one_lies_in_the_users_folder(self):
        other = Subject()
        self.addCleanup(self.end, other)
        self.assertEqual(other.path, f"/tmp/lido-{os.geteuid()}/{other.process.pid}.sock")
        self.check_mode(other.path)
        folder = os.lstat(os.path.dirname(other.path))
        self.assertEqual(stat.S_IMODE(folder.st_mode), 0o700)

    def test_a_live_one_is_not_replaced(self):
        other = Subject(self.path)
        self.assertEqual(other.path, "")
        self.assertIn("Address already in use", other.error)
        self.assertEqual(self.subject.ask("snapshot")["manager"], "subject")

    def test_that_of_a_killed_process_is_replaced(self):
        self.subject.kill()
        self.assertTrue(os.path.exists(self.path))
        again = self.start()
        self.assertEqual(again.ask("snapshot")["process"], again.process.pid)

    def test_it_is_gone_when_the_program_ends(self):
        self.assertEqual(self.subject.end(), 0)
        self.assertFalse(os.path.exists(self.path))

    def test_another_user_may_not_connect(self):
        if os.geteuid() != 0:
            self.skipTest("only root can be another user")
        os.chmod(self.folder, 0o755)
        os.chmod(self.path, 0o666)  # the mode lets them in, so that the kernel's word decides
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setuid(65534)
                with socket.socket(socket.AF_UNIX) as client:
                    client.settimeout(5)
                    client.connect(self.path)
                    client.sendall(b"snapshot\n")
                    status = 0 if hear_all(client) == b"" else 2
            except (ConnectionError, BrokenPipeError):
                status = 0
            finally:
                os._exit(status)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(self.subject.ask("snapshot")["manager"], "subject")


class AnswerTest(SubjectTest):
    def test_a_snapshot_has_the_right_numbers(self):
        self.subject.tell("alloc alpha 5000")
        self.subject.tell("free alpha 5")
        pools = {pool["name"]: pool for pool in self.subject.ask("snapshot")["pools"]}
        self.assertEqual(pools["alpha"]["stats"]["live"], 4000)
        self.assertEqual(pools["alpha"]["object_size"], 64)
        self.assertIn("k\u00f6nig \u6f22\u5b57", pools)
        self.assertIn("escape\x1b[2J \ufffdff", pools)

    def test_slabs_add_up(self):
        self.subject.tell("alloc beta 1000")
        answer = self.subject.ask("slabs beta")
        self.assertEqual(len(answer["use"]), answer["slabs"])
        self.assertEqual(sum(used for _, used in answer["use"]), 1000)
        self.assertIn("error", self.subject.ask("slabs nobody"))

    def test_garbage_is_an_error(self):
        for request in (b"\n", b"GET / HTTP/1.1\r\n", b"\xff\xfe\x00\n", b"snapshot \n", b"x" * 511 + b"\n"):
            self.assertEqual(list(self.subject.ask(request)), ["error"])


class MisbehaviourTest(SubjectTest):
    pools = 1000  # an answer is larger than what the kernel holds

    def check_serves(self):
        self.assertEqual(len(self.subject.ask("snapshot")["pools"]), self.pools + 4)

    def test_a_mebibyte_without_an_end(self):
        with self.subject.connect() as client:
            try:
                client.sendall(b"x" * (1 << 20))
            except (BrokenPipeError, ConnectionResetError):
                pass
            self.assertIn(b"error", hear_all(client))
        self.check_serves()

    def test_half_a_line_and_nothing_at_all(self):
        with self.subject.connect() as half, self.subject.connect() as silent:
            half.sendall(b"snap")
            self.check_serves()
            self.assertEqual(hear_all(half), b"")
            self.assertEqual(hear_all(silent), b"")

    def test_one_that_does_not_read(self):
        with self.subject.connect() as sleeper:
            sleeper.sendall(b"snapshot\n" * 20)
            self.check_serves()
            poll = select.poll()
            poll.register(sleeper, 0)
            wait_until(lambda: poll.poll(0), "it is sent away")
        self.check_serves()

    def test_those_that_leave_in_the_middle(self):
        for _ in range(30):
            with self.subject.connect() as client:
                client.sendall(b"snapshot\nsnapshot\n")
                self.assertEqual(len(client.recv(10)), 10)
        self.check_serves()

    def test_more_than_there_are_places(self):
        clients = [self.subject.connect() for _ in range(16)]
        self.check_serves()
        for client in clients:
            self.assertEqual(hear_all(client), b"")
            client.close()

    def test_many_at_once(self):
        clients = [self.subject.connect() for _ in range(8)]
        for client in clients:
            client.sendall(b"snapshot\nslabs alpha\n")
            client.shutdown(socket.SHUT_WR)
        for client in clients:
            self.assertEqual(hear_all(client).count(b"\n"), 2)
            client.close()
