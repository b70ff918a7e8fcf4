"""The tables for people."""

from bench_targets import (LIDO, NONE, SPEED_ROWS, faster_peers, lido_subject, peers_of)

MICRO_ROWS = ("pair", "batch", "random_10k", "random_1m", "producer_consumer", "interleaved", "interleaved_shuffled", "interleaved_apart",
              "two_threads_pair_time", "two_threads_batch_time", "aged_batch", "aged_two_threads_batch_time")
PEERS = ("glibc", "mimalloc", "jemalloc", "tcmalloc", "dpdk", "gslice", "talloc")
VARIANTS = ("glibc_aligned", "mimalloc_aligned", "mimalloc_small", "jemalloc_aligned")


def short(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def grid(rows, heads, rights):
    """Columns as wide as they need to be; `rights` are the columns that stand to the right."""
    widths = [max(len(str(row[i])) for row in [heads, *rows]) for i in range(len(heads))]
    lines = []
    for row in [heads, ["-" * width for width in widths], *rows]:
        cells = [str(cell).rjust(width) if i in rights else str(cell).ljust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    return lines


def title(text):
    return ["", text, "=" * len(text)]


# ---- Targets ----

def target_rows(targets):
    for target in targets:
        spread = target.spread
        yield [target.what, target.subject, short(spread.median) if spread else "-",
               f"{short(spread.least)} .. {short(spread.greatest)}" if spread else "",
               f"{target.unit} {target.note}".strip(), target.bound, target.verdict]


def targets_table(heading, targets):
    if not targets:
        return []
    heads = ["row", "what", "median", "least .. greatest", "unit", "target", "verdict"]
    return title(heading) + grid(list(target_rows(targets)), heads, {2, 3, 5})


# ---- All figures ----

def cell(figures, program, row, subject, yardstick=None):
    spread = figures.spread(program, row, subject)
    if not spread:
        return "-"
    mark = ""
    if yardstick is not None:
        ratio = figures.ratio((program, row, subject), yardstick)
        mark = " <" if ratio and ratio.median < 1 else ""
    return short(spread.median) + mark


def columns(figures, names):
    """Which of the subjects `names` have figures, each with its program."""
    found = []
    for name in names:
        program = f"micro_{name.split('_')[0]}"
        if any(figures.has(program, row, name) for row in MICRO_ROWS):
            found.append((name, program))
    return found


def figure_rows(figures, peers):
    for row in MICRO_ROWS:
        woven = row.startswith("interleaved")
        typed = "typed_woven" if woven else "typed"
        dynamic = lido_subject(row)
        yardstick = (LIDO, row, dynamic)
        cells = [cell(figures, LIDO, row, "floor"), cell(figures, LIDO, row, typed), cell(figures, LIDO, row, dynamic),
                 cell(figures, NONE, row, typed), cell(figures, NONE, row, dynamic)]
        cells += [cell(figures, program, row, name, yardstick) for name, program in peers]
        if set(cells) != {"-"}:
            yield [row.removesuffix("_time"), *cells]


def figures_table(figures):
    peers = columns(figures, PEERS)
    heads = ["row", "floor", "typed", "dynamic", "typed, no checks", "dynamic, no checks", *[name for name, _ in peers]]
    rows = list(figure_rows(figures, peers))
    if not rows:
        return []
    return (title("Nanoseconds (medians; '<' marks a peer that is faster than the dynamic pool)") +
            grid(rows, heads, set(range(1, len(heads)))))


def variants_table(figures):
    """The peers' other calls: aligned to a cache line as Lido's objects are, or for small sizes."""
    variants = columns(figures, VARIANTS)
    rows = []
    for row in MICRO_ROWS:
        cells = [cell(figures, program, row, name) for name, program in variants]
        if cells and set(cells) != {"-"}:
            rows.append([row.removesuffix("_time"), *cells])
    if not rows:
        return []
    heads = ["row", *[name for name, _ in variants]]
    return title("Other calls of the peers, nanoseconds (for information)") + grid(rows, heads, set(range(1, len(heads))))


def floor_table(figures):
    """The floor in every process: what moves here is the machine, not an allocator."""
    rows = []
    programs = sorted({program for program, _, subject in figures.rounds if subject == "floor"})
    for row in ("pair", "batch", "random_10k", "random_1m"):
        cells = [cell(figures, program, row, "floor") for program in programs]
        if cells and set(cells) != {"-"}:
            rows.append([row, *cells])
    if not rows:
        return []
    heads = ["row", *[program.removeprefix("micro_") for program in programs]]
    return title("The floor in each process, nanoseconds") + grid(rows, heads, set(range(1, len(heads))))


def resident_table(figures):
    rows = []
    for program, subject in figures.subjects("resident"):
        each = figures.spread(program, "resident", subject)
        left = figures.spread(program, "resident_after_free", subject)
        rows.append([subject, f"{each.median:.1f}", f"{left.median / 2**20:.1f}"])
    if not rows:
        return []
    heads = ["allocator", "bytes an object", "MiB left after all are freed"]
    return title("2 M objects of 64 bytes, resident (without a trim)") + grid(rows, heads, {1, 2})


def lua_table(figures, scripts, allocators):
    rows = []
    for script in scripts:
        for allocator in allocators:
            program = f"lua_job_{allocator}"
            time, peak = (figures.spread(program, f"{row}:{script}", allocator) for row in ("lua_time", "lua_peak"))
            if not time:
                continue
            ratio = figures.ratio((program, f"lua_time:{script}", allocator),
                                  ("lua_job_libc", f"lua_time:{script}", "libc"))
            rows.append([script, allocator, f"{time.median:.1f}", f"{time.least:.1f} .. {time.greatest:.1f}",
                         f"{ratio.median:.3f}" if ratio else "-", f"{peak.median / 2**20:.1f}"])
    if not rows:
        return []
    heads = ["workload", "allocator", "ms", "least .. greatest", "of libc", "peak MiB"]
    return title("Lua 5.4, from a new state to the closed one") + grid(rows, heads, {2, 3, 4, 5})


# ---- What the reader must not miss ----

def losses(figures):
    """Peers, and allocators under Lua, that beat Lido: in this run, by the median of the rounds."""
    lines = title("Peers faster than the dynamic pool")
    faster = faster_peers(figures)
    for row, subject, ratio in faster:
        lines.append(f"  {row.removesuffix('_time')}: {subject} needs {ratio.median:.2f} of its time "
                     f"({ratio.least:.2f} .. {ratio.greatest:.2f})")
    compared = sum(len(peers_of(figures, row)) for row in SPEED_ROWS)
    if not faster:
        lines.append(f"  none, in {compared} comparisons")
    return lines


def lua_losses(figures, scripts, allocators):
    lines = title("Allocators faster than Lido under Lua")
    for script in scripts:
        for allocator in allocators:
            key = (f"lua_job_{allocator}", f"lua_time:{script}", allocator)
            ratio = figures.ratio(key, ("lua_job_lido", f"lua_time:{script}", "lido"))
            if allocator != "lido" and ratio and ratio.median < 1:
                lines.append(f"  {script}: {allocator} needs {ratio.median:.3f} of its time "
                             f"({ratio.least:.3f} .. {ratio.greatest:.3f})")
    return lines if len(lines) > 3 else lines + ["  none"]


def missing_table(missing):
    if not missing:
        return []
    return title("Missing") + [f"  {name}: {why}" for name, why in sorted(missing.items())]


def subjects_table(figures, rows, heading):
    """Each subject of these rows with the median, least and greatest of its rounds; nothing if none of them ran."""
    lines = []
    for row in rows:
        for program, subject in figures.subjects(row):
            spread = figures.spread(program, row, subject)
            lines.append([row, subject, short(spread.median), short(spread.least), short(spread.greatest)])
    return title(heading) + grid(lines, ["row", "subject", "median", "least", "greatest"], {2, 3, 4}) if lines else []
