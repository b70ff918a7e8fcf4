"""lido top --once and --json, and its command line."""

import json
import os
import socket
import subprocess
import threading

from subject import DEADLINE, Settings, Subject, SubjectTest


def top(*arguments, environment=None, **options):
    return subprocess.run([Settings.lido, "top", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=DEADLINE,
                          env=os.environ | {"LC_ALL": "C.UTF-8"} | (environment or {}), **options)


def words_of(text, name):
    """The words of the line that begins with a name."""
    return next(line.split() for line in text.splitlines() if line.startswith(name + " "))


class OnceTest(SubjectTest):
    def once(self, *arguments, **options):
        result = top("--once", *arguments, self.path, **options)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def names(self, *arguments):
        lines = self.once(*arguments).split("\n\n")[1].splitlines()
        return [line.split()[0] for line in lines[1:]]

    def test_a_table_has_the_numbers(self):
        self.subject.tell("alloc alpha 5000")
        text = self.once()
        self.assertIn(f"process {self.subject.process.pid}", text)
        self.assertIn("soft 64.0M  hard 96.0M", text)
        self.assertEqual(words_of(text, "alpha")[:4], ["alpha", "64", "5000", "0"])
        self.assertEqual(words_of(text, "requests")[:3], ["requests", "0", "1"])
        self.assertEqual(words_of(text, "alpha")[8], "-")

    def test_two_samples_give_rates(self):
        self.assertEqual(words_of(self.once("--interval", "0.1"), "alpha")[8], "0")

    def test_sorting_and_filtering(self):
        self.subject.tell("alloc beta 300")
        self.assertEqual(self.names(), ["alpha", "beta", "escape?[2J", "k\u00f6nig"])
        self.assertEqual(self.names("--sort", "live")[0], "beta")
        self.assertEqual(self.names("--sort", "size")[0], "beta")
        self.assertEqual(self.names("--filter", "ETA"), ["beta"])

    def test_names_can_do_no_harm_and_columns_stand(self):
        text = self.once()
        self.assertNotIn("\x1b", text)
        self.assertIn("escape?[2J \ufffdff", text)
        self.assertIn("k\u00f6nig \u6f22\u5b57 ", text)
        plain = self.once(environment={"LC_ALL": "C"})
        self.assertIn("k?nig ?? ", plain)
        self.assertTrue(plain.isascii())

    def test_json_is_the_answer(self):
        result = top("--json", self.path)
        self.assertEqual(result.returncode, 0)
        self.assertEqual(json.loads(result.stdout)["manager"], "subject")

    def test_full_output_is_a_failure(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            for arguments in (["top", "--once", self.path], ["top", "--json", self.path], ["top", "--help"], ["--help"],
                              ["--version"]):
                result = subprocess.run([Settings.lido, *arguments], stdout=full, stderr=subprocess.PIPE,
                                        timeout=DEADLINE)
                self.assertEqual(result.returncode, 1, arguments)
                self.assertIn(b": standard output: ", result.stderr)


class TargetTest(SubjectTest):
    def test_a_process_is_found_by_its_number(self):
        other = Subject()
        self.addCleanup(self.end, other)
        result = top("--once", str(other.process.pid))
        self.assertIn(f"process {other.process.pid}", result.stdout)

    def test_without_a_name_two_are_too_many(self):
        others = [Subject(), Subject()]
        for other in others:
            self.addCleanup(self.end, other)
        result = top("--once")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        for other in others:
            self.assertIn(other.path, result.stderr)

    def test_what_is_not_there_is_status_1(self):
        for target in (self.path + "x", "4194305", "x" * 300, self.folder):
            result = top("--once", target)
            self.assertEqual((result.returncode, result.stdout), (1, ""))
            self.assertIn("lido top: ", result.stderr)

    def test_without_a_terminal_there_is_no_screen(self):
        result = top(self.path)
        self.assertEqual(result.returncode, 1)
        self.assertIn("no terminal", result.stderr)

    def test_a_wrong_command_line_is_status_2(self):
        for arguments in (["--what"], ["a", "b"], ["--sort", "x"], ["--interval", "0"], ["--interval", "nan"],
                          ["--interval", "1s"], ["--interval"]):
            result = top(*arguments)
            self.assertEqual(result.returncode, 2)
            self.assertIn("usage: lido top", result.stderr)
        self.assertEqual(subprocess.run([Settings.lido], stderr=subprocess.DEVNULL, timeout=DEADLINE).returncode, 2)

    def test_help_is_status_0(self):
        result = top("--help")
        self.assertEqual(result.returncode, 0)
        self.assertIn("--interval", result.stdout)


class StrangeServerTest(SubjectTest):
    """Something else listens there."""

    def answer_with(self, *answers, arguments=()):
        """What the program says of one answer, or of several, one after the other."""
        path = os.path.join(self.folder, "strange")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()

            def serve():
                for answer in answers:
                    client, _ = listener.accept()
                    with client:
                        client.recv(100)
                        client.sendall(answer)

            thread = threading.Thread(target=serve)
            thread.start()
            result = top("--once", *arguments, path)
            thread.join()
        os.unlink(path)
        return result

    def table_of(self, *samples, arguments=()):
        """The lines of the table of pools, the titles first."""
        answers = [json.dumps({"version": 1} | sample).encode() + b"\n" for sample in samples]
        result = self.answer_with(*answers, arguments=arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout.split("\n\n")[1].splitlines()

    def test_names_of_any_length_leave_room_for_the_numbers(self):
        for long in ("x" * 2100, "x" * 100000, "\u6f22" * 700, "\u0301" * 3000, "y\u0301" * 3000, "\U0001d400" * 3000):
            pools = [{"name": name, "object_size": 96, "stats": {"live": 7}} for name in (long, "b")]
            titles, *rows = self.table_of({"pools": pools, "manager": long, "policy": long})
            short, cut = sorted(rows, key=lambda row: not row.startswith("b "))
            self.assertEqual(short.split()[:3], ["b", "96", "7"])
            self.assertRegex(cut, "~ +96 +7 ")
            self.assertEqual(len(cut.split()), len(short.split()))
            self.assertEqual(len(titles), len(short))

    def test_rates_do_not_need_an_order_of_names(self):
        names = ["\U0001f34e", "\ufffdff", "b", "a"]
        samples = [{"process": 1, "now_ns": seconds * 1000000000,
                    "pools": [{"name": name, "stats": {"allocs": seconds * 50}} for name in names]} for seconds in (1, 2)]
        rows = self.table_of(*samples, arguments=["--interval", "0.1"])[1:]
        self.assertEqual([row.split()[0] for row in rows], sorted(names))
        for row in rows:
            self.assertEqual(row.split()[8], "50", row)

    def test_one_of_two_of_the_same_name_has_no_rate(self):
        samples = [{"process": 1, "now_ns": seconds * 1000000000,
                    "pools": [{"name": name, "stats": {"allocs": seconds * 50}} for name in ("a", "a", "a", "b")]}
                   for seconds in (1, 2)]
        rows = self.table_of(*samples, arguments=["--interval", "0.1"])[1:]
        self.assertEqual([row.split()[8] for row in rows], ["-", "-", "-", "50"])

    def test_titles_stand_over_their_columns_however_wide(self):
        titles, row = self.table_of({"pools": [{"name": "x" * 400}]})
        self.assertEqual(len(titles), len(row))
        self.assertTrue(row.startswith("x" * 400 + " "))
        self.assertEqual(titles.split()[-1], "EXHAUST")

    def test_what_is_no_snapshot_is_said_so(self):
        for answer in (b"", b"x", b"\n", b"{}\n", b"[]\n", b"3\n", b'{"error":"tired"}\n', b'{"pools":[]}\n',
                       b'{"version":2,"pools":[]}\n', b"\xff\n", b"[" * 10000 + b"\n", b"{}\0{}\n",
                       b"\0\n"):
            result = self.answer_with(answer)
            self.assertEqual((result.returncode, result.stdout), (1, ""), answer[:40])
            self.assertIn("lido top: ", result.stderr)

    def test_what_is_missing_is_nothing(self):
        result = self.answer_with(b'{"version":1,"pools":[{},{"name":3,"stats":[]},{"name":"x","stats":{"live":"y"}}]}\n')
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(words_of(result.stdout, "x")[:3], ["x", "0", "0"])
