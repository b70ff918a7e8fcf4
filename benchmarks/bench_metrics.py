"""The rows for metrics: what is run, the targets, the table."""

from bench_table import subjects_table
from bench_targets import Target

LIDO = "metrics_rows"
ROWS = ("metrics_1k",)
POOL_NS = 10_000  # of 1,000 pools: ten milliseconds


def run(runner):
    for number in range(runner.settings.rounds):
        runner.progress.show(f"metrics, round {number + 1}", ROWS[0])
        runner.run(LIDO, runner.micro_arguments(ROWS[0]), number)


# ---- Targets ----

def targets():
    for form in ("prometheus", "openmetrics"):
        yield Target(f"text of 1,000 pools, {form}", "lido", (LIDO, "metrics_1k", form), at_most=POOL_NS, unit=" ns a pool")
        yield Target(f"text of 1,000 pools, {form}", "lido", (LIDO, "metrics_1k", form), (LIDO, "metrics_1k", "copy"),
                     note="of a copy of the text")


# ---- Table ----

def table(figures):
    return subjects_table(figures, ROWS, "Metrics of 1,000 pools, nanoseconds for each pool")
