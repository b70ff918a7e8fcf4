"""Figures: what the programs printed, by round; medians, spreads and ratios of them."""

import statistics


class Spread:
    """The median of some values with their least and greatest."""

    def __init__(self, values):
        self.values = list(values)

    def __bool__(self):
        return bool(self.values)

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def least(self):
        return min(self.values)

    @property
    def greatest(self):
        return max(self.values)

    def as_json(self):
        return {"median": self.median, "min": self.least, "max": self.greatest, "rounds": self.values}


class Figures:
    """Every figure of a run. A key is (program, row, subject)."""

    def __init__(self):
        self.rounds = {}  # key -> {round: the line that the program printed}
        self.facts = {}   # program -> {name: value}

    def add(self, program, round_number, line):
        if "fact" in line:
            self.facts.setdefault(program, {})[line["fact"]] = line["value"]
        elif "value" in line:
            key = (program, line["row"], line["subject"])
            self.rounds.setdefault(key, {})[round_number] = line

    def has(self, program, row, subject):
        return (program, row, subject) in self.rounds

    def spread(self, program, row, subject):
        lines = self.rounds.get((program, row, subject), {})
        return Spread(line["value"] for line in lines.values())

    def ratio(self, over, under):
        """The ratio of two figures, each round's with its own."""
        above, below = self.rounds.get(over, {}), self.rounds.get(under, {})
        return Spread(above[number]["value"] / below[number]["value"]
                      for number in above if number in below and below[number]["value"] > 0)

    def subjects(self, row):
        """-> (program, subject) of a row, in the order of their first appearance."""
        return [(program, subject) for program, its_row, subject in self.rounds if its_row == row]

    def as_json(self):
        figures = []
        for (program, row, subject), lines in self.rounds.items():
            figure = {"program": program, "row": row, "subject": subject, "unit": next(iter(lines.values()))["unit"]}
            figure.update(Spread(line["value"] for line in lines.values()).as_json())
            figure["samples"] = [line["samples"] for line in lines.values()]
            figures.append(figure)
        return figures
