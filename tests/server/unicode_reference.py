"""What the server should answer, computed from Unicode's own files."""

import bisect
import unicodedata


def _number(text):
    return int(text, 16) if text else None


def _hex(number):
    return None if number is None else f"{number:04X}"


def name_in_range(label, code):
    """The name of a character in a range with this label; None if it has none."""
    if label.startswith("<CJK Ideograph"):
        return f"CJK UNIFIED IDEOGRAPH-{code:04X}"
    if label.startswith("<Tangut Ideograph"):
        return f"TANGUT IDEOGRAPH-{code:04X}"
    if label.startswith("<Hangul Syllable"):
        return unicodedata.name(chr(code))  # these have not changed since Unicode 2.0
    return None


class Reference:
    def __init__(self, folder):
        self.fields = {}  # by code: name, then the other columns of UnicodeData.txt
        self._read_characters(folder)
        self.codes = sorted(self.fields)
        self.blocks = []  # first, last, name
        self._read_blocks(folder)

    def _read_characters(self, folder):
        first = None
        with open(f"{folder}/UnicodeData.txt", encoding="ascii") as lines:
            for line in lines:
                code, name, *others = line.rstrip("\n").split(";")
                code = int(code, 16)
                if name.endswith(", First>"):
                    first = code
                elif name.endswith(", Last>"):
                    self._add_range(name, first, code, others)
                else:
                    self.fields[code] = (name, *others)

    def _add_range(self, label, first, last, others):
        for code in range(first, last + 1):
            name = name_in_range(label, code)
            if name is not None:
                self.fields[code] = (name, *others)

    def _read_blocks(self, folder):
        with open(f"{folder}/Blocks.txt", encoding="utf-8") as lines:
            for line in lines:
                if line.strip() and not line.startswith("#"):
                    codes, name = line.rstrip("\n").split("; ")
                    first, last = codes.split("..")
                    self.blocks.append((int(first, 16), int(last, 16), name))

    def row(self, code):
        fields = self.fields[code]
        return {"code": _hex(code), "character": chr(code), "name": fields[0], "category": fields[1]}

    def details(self, code):
        (_, _, combining, bidi, decomposition, _, _, numeric, mirrored, old_name, _, upper, lower,
         title) = self.fields[code]
        return self.row(code) | {
            "combining": int(combining), "bidi": bidi, "decomposition": decomposition or None,
            "numeric": numeric or None, "mirrored": mirrored == "Y", "old_name": old_name or None,
            "uppercase": _hex(_number(upper)), "lowercase": _hex(_number(lower)), "titlecase": _hex(_number(title)),
            "block": self.block_of(code),
        }

    def block_of(self, code):
        return next(name for first, last, name in self.blocks if first <= code <= last)

    def search(self, part, limit):
        found = (code for code in self.codes if part in self.fields[code][0])
        return [self.row(code) for code, _ in zip(found, range(limit))]

    def codes_between(self, first, last):
        return self.codes[bisect.bisect_left(self.codes, first):bisect.bisect_right(self.codes, last)]

    def block_list(self):
        return [{"first": _hex(first), "last": _hex(last), "name": name,
                 "characters": len(self.codes_between(first, last))} for first, last, name in self.blocks]

    def block(self, name):
        first, last, name = next(block for block in self.blocks if block[2] == name)
        rows = [self.row(code) for code in self.codes_between(first, last)]
        return {"first": _hex(first), "last": _hex(last), "name": name, "characters": rows}
