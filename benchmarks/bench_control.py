"""The rows for managers: looking, being looked at, passes. What is run, the targets, the table."""

from bench_table import subjects_table
from bench_targets import Target

LIDO = "control_rows"
ROWS = ("control_look", "control_load", "control_nothing", "control_free")
POOL_NS = 1_000  # of 1,000 pools: a millisecond


def run(runner):
    for number in range(runner.settings.rounds):
        for row in ROWS:
            runner.progress.show(f"control, round {number + 1}", row)
            runner.run(LIDO, runner.micro_arguments(row), number)


# ---- Targets ----

def targets():
    for what in ("snapshot", "tick"):
        for load in ("", "_loaded"):
            yield Target(f"{what} of 1,000 pools{', under load' if load else ''}", "lido",
                         (LIDO, "control_look", what + load), at_most=POOL_NS, unit=" ns a pool")
    # A tick each second costs a hundredth of what these add.
    yield Target("pairs beside a hundred ticks a second", "lido", (LIDO, "control_load", "ticks_10ms"),
                 (LIDO, "control_load", "alone"), at_most=2, note="of pairs alone; 2 is 1 % at a tick a second")
    yield Target("a pass with nothing to free, 1,000,000 live objects", "lido", (LIDO, "control_nothing", "live_1m"),
                 (LIDO, "control_nothing", "live_1k"), at_most=1.5, note="of 1,000 live objects")
    yield Target("a pass with nothing to free, 1,000 pools", "lido", (LIDO, "control_nothing", "pools_1k"), unit=" ns a pool")
    yield Target("a pass with 100 MiB to free, per MiB", "lido", (LIDO, "control_free", "mebibytes_100"),
                 (LIDO, "control_free", "mebibytes_10"), at_most=2, note="of one with 10 MiB")


# ---- Table ----

def table(figures):
    return subjects_table(figures, ROWS, "Managers, nanoseconds for each")
