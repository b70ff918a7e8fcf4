#!/usr/bin/env python3
"""Let a real Prometheus scrape the exporter: test_prometheus.py PROGRAM PROMETHEUS"""

import json
import re
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request

from exporter_process import DEADLINE, Exporter, wait_until

CONFIGURATION = """
global:
  scrape_interval: 200ms
  scrape_timeout: 200ms
scrape_configs:
  - job_name: lido
    static_configs:
      - targets: ["127.0.0.1:%d"]
"""


class Prometheus:
    program = None  # set by the command line

    def __init__(self, folder, target_port):
        self.log_path = f"{folder}/log"
        with open(f"{folder}/prometheus.yml", "w", encoding="utf-8") as file:
            file.write(CONFIGURATION % target_port)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [self.program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                 "--web.listen-address=127.0.0.1:0"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.port = None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def listens(self):
        found = re.search(r'msg="Listening on" address=127\.0\.0\.1:(\d+)', self.log())
        if found:
            self.port = int(found[1])
        elif self.process.poll() is not None:
            raise AssertionError(f"prometheus ended:\n{self.log()}")
        return self.port is not None

    def ask(self, what, **parameters):
        """What the HTTP API says; None: nothing yet."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
                return json.load(answer)["data"]
        except (urllib.error.URLError, ConnectionError):
            return None

    def value(self, query):
        data = self.ask("query", query=query)
        return float(data["result"][0]["value"][1]) if data and data["result"] else None

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Scrape(unittest.TestCase):
    def wait_for(self, query, value):
        seen = []

        def is_there():
            seen.append(self.prometheus.value(query))
            return seen[-1] == value

        try:
            wait_until(is_there, query, pause=0.05)
        except AssertionError:
            self.fail(f"{query} is {seen[-1]}, not {value}; {self.prometheus.ask('targets')}")

    def test_values_arrive_and_change(self):
        with tempfile.TemporaryDirectory() as folder, Exporter() as exporter:
            exporter.tell("alloc 5")
            self.prometheus = Prometheus(folder, exporter.port)
            try:
                wait_until(self.prometheus.listens, "prometheus listens")
                self.wait_for("up", 1)
                self.wait_for('lido_pool_live_objects{pool="conns"}', 5)
                self.wait_for('sum(lido_pool_allocs_total{pool="conns"})', 5)
                self.wait_for('lido_budget_limit_bytes{limit="hard"}', 64 << 20)
                self.wait_for('lido_pool_object_size_bytes{pool=~"a \\"strange\\"\\nname.*"}', 8)
                self.wait_for('lido_reclaim_duration_seconds_bucket{le="+Inf"}', 1)
                self.wait_for('lido_manager_info{manager="tested"}', 1)
                exporter.tell("alloc 7")
                self.wait_for('lido_pool_live_objects{pool="conns"}', 12)
                self.check_target()
                self.check_types()
            finally:
                self.prometheus.stop()

    def check_target(self):
        target, = self.prometheus.ask("targets")["activeTargets"]
        self.assertEqual((target["health"], target["lastError"]), ("up", ""))
        # No sample was thrown away: not for being twice, nor for anything else.
        self.assertEqual(self.prometheus.value("scrape_samples_scraped"),
                         self.prometheus.value("scrape_samples_post_metric_relabeling"))
        self.assertNotIn("level=warn", self.prometheus.log())
        self.assertNotIn("level=error", self.prometheus.log())

    def check_types(self):
        metadata = self.prometheus.ask("metadata")
        # Only OpenMetrics tells units: so that is what was asked for.
        for name, kind, unit in (("lido_pool_bytes", "gauge", "bytes"), ("lido_pool_frees", "counter", ""),
                                 ("lido_reclaim_duration_seconds", "histogram", "seconds"),
                                 ("lido_build", "info", "")):
            about, = metadata[name]
            self.assertEqual((name, about["type"], about["unit"]), (name, kind, unit))


if __name__ == "__main__":
    Exporter.program, Prometheus.program = sys.argv.pop(1), sys.argv.pop(1)
    unittest.main()
