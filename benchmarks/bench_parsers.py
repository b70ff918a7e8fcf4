"""The parsers: which documents, their runs, their table."""

import json
import os
import tempfile
import unicodedata

from bench_table import grid, short, title

ALLOCATORS = ("libc", "mimalloc", "apr", "lido", "lido_reuse")
PARSERS = ("expat", "yajl", "zlib")

# (parser, size, file of a Debian package): shared-mime-info and iso-codes.
DOCUMENTS = (
    ("expat", "large", "/usr/share/mime/packages/freedesktop.org.xml"),
    ("expat", "small", "/usr/share/xml/iso-codes/iso_639-5.xml"),
    ("yajl", "large", "/usr/share/iso-codes/json/iso_639-3.json"),
    ("yajl", "small", "/usr/share/iso-codes/json/iso_639-5.json"),
    ("zlib", "pages", "/usr/share/iso-codes/json/iso_639-3.json"),
)
PEAK_DOCUMENTS = 60  # an allocator's memory is not what the first one needs
MADE_CHARACTERS = {"large": 10000, "small": 100, "pages": 10000}


# ---- Documents ----

def characters(count):
    """What Python knows of the first characters: real data that is on every machine."""
    for point in range(0x110000):
        name = unicodedata.name(chr(point), None)
        if name is not None:
            yield f"{point:04X}", unicodedata.category(chr(point)), name
            count -= 1
        if count == 0:
            return


def make(parser, size, folder):
    path = os.path.join(folder, f"{parser}-{size}")
    rows = list(characters(MADE_CHARACTERS[size]))
    with open(path, "w", encoding="utf-8") as file:
        if parser == "expat":
            lines = [f'<character point="{point}" category="{kind}"><name>{name}</name></character>\n'
                     for point, kind, name in rows]
            file.write("<characters>\n" + "".join(lines) + "</characters>\n")
        else:
            json.dump([{"point": point, "category": kind, "name": name} for point, kind, name in rows], file, indent=1)
    return path


def document(runner, parser, size, path, folder):
    if os.path.exists(path) and os.path.getsize(path) > 0:
        return path
    runner.missing[f"{parser}, {size} document"] = f"{path} is not here: made one of the names of characters instead"
    return make(parser, size, folder)


# ---- Runs ----

def run(runner):
    with tempfile.TemporaryDirectory() as folder:
        paths = [(parser, size, document(runner, parser, size, path, folder)) for parser, size, path in DOCUMENTS]
        for number in range(runner.settings.lua_rounds):
            for parser, size, path in paths:
                turn = number % len(ALLOCATORS)
                for allocator in ALLOCATORS[turn:] + ALLOCATORS[:turn]:
                    runner.progress.show(f"parsers, round {number + 1}", f"{parser}, {size}, {allocator}")
                    job(runner, parser, size, path, allocator, number)


def job(runner, parser, size, path, allocator, number):
    program = f"{parser}_job_{allocator}"

    def rename(line):
        if line.get("fact") == "checksum":
            runner.compare_checksum(f"{parser} {size}", program, line["value"])
        return {**line, "row": f"{line['row']}:{parser}:{size}"} if "row" in line else line

    settings = runner.settings
    runner.run(program, [path, "--slices", settings.slices, "--slice-ms", settings.slice_ms], number, rename)
    if number == 0:
        runner.run(program, [path, "--scale", PEAK_DOCUMENTS], number, rename)


# ---- Table ----

def key(figure, parser, size, allocator):
    return f"{parser}_job_{allocator}", f"{figure}:{parser}:{size}", allocator


def rows(figures):
    for parser, size, _ in DOCUMENTS:
        for allocator in ALLOCATORS:
            time = figures.spread(*key("parser_time", parser, size, allocator))
            if not time:
                continue
            ratio = figures.ratio(key("parser_time", parser, size, allocator), key("parser_time", parser, size, "libc"))
            peak, calls = (figures.spread(*key(figure, parser, size, allocator))
                           for figure in ("parser_peak", "parser_calls"))
            slowest, fastest = short(1e9 / time.greatest), short(1e9 / time.least)
            yield [f"{parser}, {size}", allocator, short(1e9 / time.median), f"{slowest} .. {fastest}",
                   f"{ratio.median:.3f}" if ratio else "-", f"{peak.median / 2**20:.2f}" if peak else "-", short(calls.median)]


def losses(figures):
    """Allocators that need less time or memory than Lido's arena: in this run, by the median of the rounds."""
    lines = []
    for parser, size, _ in DOCUMENTS:
        for figure, what in (("parser_time", "time"), ("parser_peak", "memory")):
            for allocator in ALLOCATORS:
                ratio = figures.ratio(key(figure, parser, size, allocator), key(figure, parser, size, "lido"))
                if not allocator.startswith("lido") and ratio and ratio.median < 1:
                    spread = f" ({ratio.least:.3f} .. {ratio.greatest:.3f})" if len(ratio.values) > 1 else ""
                    lines.append(f"  {parser}, {size}: {allocator} needs {ratio.median:.3f} of its {what}{spread}")
    return title("Allocators better than Lido's arena under a parser") + (lines or ["  none"])


def table(figures):
    found = list(rows(figures))
    if not found:
        return []
    heads = ["document", "allocator", "a second", "least .. greatest", "time, of libc", "peak MiB", "calls a document"]
    lines = title("Parsers, from none to none with a tree between") + grid(found, heads, {2, 3, 4, 5, 6})
    return lines + losses(figures)
