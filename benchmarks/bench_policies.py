"""The rows for the policies of a manager: what is run, the targets, the table."""

from bench_table import grid, short, title
from bench_targets import Target

LIDO = "policies_lido"
NAMES = ("none", "low_latency", "high_throughput", "memory_efficient", "adaptive")
ROWS = {"policy_p50": "p50", "policy_p99": "p99", "policy_p999": "p99.9", "policy_worst": "worst",
        "policy_worst_first": "worst, first burst", "policy_worst_seen": "worst seen", "policy_day": "a call",
        "policy_steady": "a call, steady", "policy_idle": "idle", "policy_busy": "busy"}
RUNS, RUNS_QUICK = 7, 2


def run(runner):
    runs = RUNS if runner.settings.rounds >= RUNS else RUNS_QUICK
    runner.progress.show("policies", f"{runs} days of each")
    runner.run(LIDO, ["--rows", "policies", "--slices", str(runs)], 0)


# ---- Targets ----

def targets():
    yield Target("worst alloc or free of the bursts, low_latency", "lido", (LIDO, "policy_worst", "low_latency"),
                 (LIDO, "policy_worst", "high_throughput"), at_most=0.5, note="of high_throughput's")
    yield Target("resident after an idle hour, memory_efficient", "lido", (LIDO, "policy_idle", "memory_efficient"),
                 at_most=1.25, unit="x live")
    yield Target("a call in steady bursts, high_throughput", "lido", (LIDO, "policy_steady", "high_throughput"),
                 (LIDO, "policy_steady", "low_latency"), note="of low_latency's")


# ---- Table ----

def table(figures):
    heads = ["policy", *ROWS.values()]
    rows = []
    for name in NAMES:
        spreads = [figures.spread(LIDO, row, name) for row in ROWS]
        if all(spreads):
            rows.append([name, *[short(spread.median) for spread in spreads]])
    if not rows:
        return []
    return (title("Policies: a day of bursts and idle hours, nanoseconds; idle and busy: bytes resident for each live") +
            grid(rows, heads, set(range(1, len(heads)))))
