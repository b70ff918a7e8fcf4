"""Reading C for the checkers: no compiler, only comments, strings and braces."""

import re
from pathlib import Path

SUFFIXES = {".c", ".h", ".cpp"}
LIBRARY_FOLDERS = ["include", "lib", "pools", "arenas"]

TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)


def blank(text):
    """Spaces instead of text, with the same lines."""
    return re.sub(r"[^\n]", " ", text)


def without_comments(text):
    """The code, strings kept, at its old lines and columns."""
    return TOKEN.sub(lambda m: blank(m[0]) if m[0][0] == "/" else m[0], text)


def without_comments_and_strings(text):
    return TOKEN.sub(lambda m: blank(m[0]), text)


def only_comments(text):
    """The comments, at their old lines and columns."""
    result, end = [], 0
    for match in TOKEN.finditer(text):
        result.append(blank(text[end:match.start()]))
        result.append(match[0] if match[0][0] == "/" else blank(match[0]))
        end = match.end()
    result.append(blank(text[end:]))
    return "".join(result)


def without_preprocessor(text):
    """Code without directives and their continuation lines."""
    return re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda m: blank(m[0]), text, flags=re.MULTILINE)


def c_files(root, folders=None):
    """Every C file under the folders that exist, sorted."""
    found = []
    for folder in folders or LIBRARY_FOLDERS:
        found += [path for path in (Path(root) / folder).rglob("*") if path.suffix in SUFFIXES]
    return sorted(found)


class Function:
    def __init__(self, name, first, last):
        self.name, self.first, self.last = name, first, last  # lines, counted from 1

    @property
    def lines(self):
        return self.last - self.first + 1


def functions(text):
    """The functions of a file, by braces: a body is a `{` at depth 0 after a `)`."""
    code = without_preprocessor(without_comments_and_strings(text))
    found, depth, start, body = [], 0, 0, None
    for match in re.finditer(r"[{};]", code):
        position, character = match.start(), match[0]
        if character == "{":
            if depth == 0 and code[start:position].rstrip().endswith(")"):
                body = (start, position)
            depth += 1
        elif character == "}":
            depth -= 1
        if depth == 0 and character in "};":
            if character == "}" and body:
                head = code[body[0]:body[1]]
                first = body[0] + len(head) - len(head.lstrip())
                name = re.search(r"(\w+)\s*\(", re.sub(r"__attribute__\s*\(\(.*?\)\)", "", head))
                found.append(Function(name[1] if name else "?", code.count("\n", 0, first) + 1,
                                      code.count("\n", 0, position) + 1))
                body = None
            start = position + 1
    return found


class Problems:
    """What a checker found: printed as file:line: text."""

    def __init__(self, root):
        self.root, self.count = Path(root).resolve(), 0

    def add(self, path, line, text):
        path = Path(path).resolve()
        shown = path.relative_to(self.root) if path.is_relative_to(self.root) else path
        print(f"{shown}:{line}: {text}")
        self.count += 1

    def finish(self, name, summary):
        """Print the last line; the status to exit with."""
        if self.count:
            print(f"{name}: {self.count} problem{'s' if self.count > 1 else ''}")
        else:
            print(f"{name}: ok, {summary}")
        return 1 if self.count else 0
