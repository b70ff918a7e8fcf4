"""The screen of lido top, in a terminal of tmux's."""

import os
import re
import subprocess
import uuid

from subject import Settings, SubjectTest, wait_until


class Terminal:
    """A tmux of our own, with a shell in it. `show` is what stands on its screen."""

    def __init__(self, width=100, height=30):
        self.name = f"lido-{uuid.uuid4().hex}"
        environment = {"TERM": "screen-256color", "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
        self.run("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height), "env PS1='$ ' sh",
                 env=environment)

    def run(self, *arguments, **options):
        return subprocess.run([Settings.tmux, "-u", "-L", self.name, *arguments], stdout=subprocess.PIPE, text=True,
                              check=True, timeout=20, **options).stdout

    def keys(self, *keys):
        self.run("send-keys", *keys)

    def type(self, text):
        self.run("send-keys", "-l", text)

    def show(self):
        return self.run("capture-pane", "-p")

    def line(self, start):
        return next((line for line in self.show().splitlines() if line.startswith(start)), "")

    def resize(self, width, height):
        self.run("resize-window", "-x", str(width), "-y", str(height))

    def expect(self, *texts):
        """Until all of them stand there."""
        wait_until(lambda: all(text in self.show() for text in texts), lambda: f"{texts} stand on\n{self.show()}")

    def expect_gone(self, text):
        wait_until(lambda: text not in self.show(), lambda: f"{text!r} is gone from\n{self.show()}")

    def expect_match(self, pattern):
        wait_until(lambda: re.search(pattern, self.show(), re.MULTILINE),
                   lambda: f"{pattern!r} fits\n{self.show()}")

    def end(self):
        subprocess.run([Settings.tmux, "-L", self.name, "kill-server"], stderr=subprocess.DEVNULL, check=False)


class ScreenTest(SubjectTest):
    def setUp(self):
        super().setUp()
        self.terminal = Terminal()
        self.addCleanup(self.terminal.end)
        self.terminal.expect("$")

    def top(self, *arguments):
        command = " ".join([Settings.lido, "top", "--interval", "0.1", *arguments, self.path])
        self.terminal.type(f"clear; {command}; echo status=$?")
        self.terminal.keys("Enter")
        self.terminal.expect("lido top  subject", "alpha")

    def order(self):
        """The names of the pools from top to bottom."""
        names = re.findall(r"^(alpha|beta|escape|k\u00f6nig)", self.terminal.show(), re.MULTILINE)
        return names

    def expect_order(self, *names):
        wait_until(lambda: self.order() == list(names), lambda: f"{names} stand in this order on\n{self.terminal.show()}")

    def check_clean(self, status):
        """The shell is back, its screen as it was, and its terminal echoes."""
        self.terminal.expect(f"status={status}")
        self.assertNotIn("Budget", self.terminal.show())
        self.terminal.type("stty -a | tr ';' '\\n' | grep -c -- '-echo '; echo cooked")
        self.terminal.keys("Enter")
        self.terminal.expect("\n0\n", "\ncooked")
        self.assertEqual(self.terminal.run("display-message", "-p", "#{alternate_on} #{cursor_flag}").strip(), "0 1")

    def test_pools_and_their_changes_show_and_q_leaves_a_clean_terminal(self):
        self.top()
        self.terminal.expect("[Pools 4]", "Arenas 1", "k\u00f6nig \u6f22\u5b57", "escape?[2J \ufffd")
        self.subject.tell("alloc alpha 1234")
        self.terminal.expect_match(r"^alpha +64 +1234 ")
        self.assertEqual(self.terminal.run("display-message", "-p", "#{alternate_on} #{cursor_flag}").strip(), "1 0")
        self.terminal.keys("q")
        self.check_clean(0)

    def test_sorting_filtering_and_tables(self):
        self.subject.tell("alloc beta 300")
        self.top()
        self.expect_order("alpha", "beta", "escape", "k\u00f6nig")
        self.terminal.keys("r")
        self.expect_order("k\u00f6nig", "escape", "beta", "alpha")
        self.terminal.keys("r", "s")
        self.terminal.expect("vSIZE")
        self.expect_order("beta", "k\u00f6nig", "alpha", "escape")
        self.terminal.keys(">")
        self.terminal.expect("vLIVE")
        self.expect_order("beta", "alpha", "escape", "k\u00f6nig")
        self.terminal.keys("<", "<", "/")
        self.terminal.type("KONIx")
        self.terminal.expect("(no name contains that)")
        self.terminal.keys("BSpace", "BSpace", "BSpace", "BSpace", "BSpace")
        self.terminal.type("lph")
        self.terminal.keys("Enter")
        self.terminal.expect("filter: lph  (1 of 4)")
        self.expect_order("alpha")
        self.terminal.keys("Escape")
        self.terminal.expect("beta")
        self.terminal.keys("Tab")
        self.terminal.expect("[Arenas 1]", "ARENA CLASS", "requests")
        self.terminal.keys("Tab")
        self.terminal.expect_match(r"\[Caches [01]\]")
        self.terminal.keys("BTab", "BTab", "h")
        self.terminal.expect("USE%: live bytes")
        self.terminal.keys("h")
        self.terminal.expect("[Pools 4]")

    def test_what_is_not_known_is_last_in_either_order(self):
        self.subject.tell("alloc beta 300")
        self.top("--sort", "hits")
        self.terminal.expect("vHIT%")
        self.expect_order("beta", "alpha", "escape", "k\u00f6nig")
        self.terminal.keys("r")
        self.terminal.expect("^HIT%")
        self.expect_order("beta", "alpha", "escape", "k\u00f6nig")

    def test_the_map(self):
        self.subject.tell("alloc beta 500")
        self.top()
        self.terminal.keys("Down", "Enter")
        self.terminal.expect("Pool beta: ", "500 of ", "One character a slab")
        self.terminal.expect_match(r"^#{5,}[0-9]?$")
        self.subject.tell("free beta 2")
        self.terminal.expect("250 of ")
        self.terminal.expect_match(r"^[45]{5,}[0-9]?$")
        self.terminal.keys("Escape")
        self.terminal.expect_match(r"^beta +1000 +250 ")

    def test_a_pool_with_a_name_of_any_bytes_has_a_map(self):
        self.top()
        self.terminal.keys("Down", "Down", "Enter")
        self.terminal.expect("Pool escape?[2J \ufffdff: 0 slabs", "One character a slab")

    def test_home_and_end_move_the_map(self):
        self.subject.tell("alloc beta 19000")
        self.terminal.resize(40, 12)
        self.top()
        self.terminal.keys("Down", "Enter")
        self.terminal.expect("Pool beta: ")

        def lengths():
            return [len(line) for line in self.terminal.show().splitlines()[8:11]]

        wait_until(lambda: lengths() == [40, 40, 40], self.terminal.show)
        self.terminal.keys("End")
        wait_until(lambda: lengths()[:2] == [40, 40] and lengths()[2] < 40, self.terminal.show)
        self.terminal.keys("End", "Down", "Home")
        wait_until(lambda: lengths() == [40, 40, 40], self.terminal.show)

    def test_any_size_will_do(self):
        self.top()
        for width, height in ((1, 1), (2, 40), (200, 1), (7, 3), (20, 7), (33, 9)):
            self.terminal.resize(width, height)
            for key in ("Enter", "Down", "PPage", "Escape", "h", "h", "Tab", "Tab", "Tab", "End", "Home"):
                self.terminal.keys(key)
        self.terminal.resize(40, 12)
        wait_until(lambda: max(map(len, self.terminal.show().splitlines())) <= 40 and "alpha" in self.terminal.show(),
                   self.terminal.show)
        self.assertNotIn("USE%", self.terminal.show())
        self.terminal.resize(140, 30)
        self.terminal.expect("EXHAUST", "könig 漢字")
        self.terminal.keys("q")
        self.check_clean(0)

    def test_a_program_that_ends_and_comes_again(self):
        self.top()
        self.subject.kill()
        self.terminal.expect("waiting for it to come again", "alpha")
        again = self.start()
        again.tell("alloc alpha 77")
        self.terminal.expect_match(r"^alpha +64 +77 ")
        self.terminal.expect(f"process {again.process.pid}")
        self.terminal.expect_gone("waiting")

    def test_pause_and_interval(self):
        self.top()
        self.terminal.keys("+")
        self.terminal.expect("every 0.2 s")
        self.terminal.keys("-")
        self.terminal.expect("every 0.1 s")
        self.terminal.keys("p")
        self.terminal.expect("paused")
        self.subject.tell("alloc alpha 99")
        self.terminal.keys("p")
        self.terminal.expect_match(r"^alpha +64 +99 ")
        self.terminal.expect_gone("paused")

    def test_signals_leave_a_clean_terminal(self):
        for number, name in ((15, "TERM"), (1, "HUP"), (11, "SEGV")):
            self.top()
            pane = self.terminal.run("display-message", "-p", "#{pane_pid}").strip()
            with open(f"/proc/{pane}/task/{pane}/children", encoding="ascii") as children:
                child = int(children.read().split()[0])
            os.kill(child, number)
            self.check_clean(128 + number)
            self.assertEqual(name, name)
        self.top()
        self.terminal.keys("C-c")
        wait_until(lambda: "Budget" not in self.terminal.show(), self.terminal.show)

    def test_a_terminal_that_is_none_is_told(self):
        for kind in ("dumb", "nonsense"):
            self.terminal.type(f"clear; TERM={kind} {Settings.lido} top {self.path}; echo status=$?")
            self.terminal.keys("Enter")
            self.terminal.expect("(TERM)", "status=1")
