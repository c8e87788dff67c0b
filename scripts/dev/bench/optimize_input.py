#!/usr/bin/env python3
"""Writes a memory.md for the bench: optimize_input.py FILE BYTES SECTIONS OLD TODAY.

SECTIONS dated sections of prose and lists, one a day up to TODAY minus 8 days for the OLD ones; the others are of the last
seven days (several a day if need be). The same arguments give the same bytes.
"""

import datetime
import random
import sys

WORDS = """backup server disk archive memory project meeting budget release review deploy customer invoice garden
travel ticket hotel database index query latency report draft chapter doctor school music recipe bicycle weather
the a of to and in for with on at from by about after before because while until again today tomorrow""".split()


def sentence(rng):
    words = rng.choices(WORDS, k=rng.randint(6, 14))
    return " ".join(words).capitalize() + rng.choice([".", ".", "!", " (see notes/plan.md)."])


def section(rng, date, size):
    lines, length = [f"## {date}"], 0
    while length < size:
        line = ("- " if rng.random() < 0.5 else "") + sentence(rng)
        lines.append(line)
        length += len(line) + 1
        if rng.random() < 0.2:
            lines.append("")
    return "\n".join([*lines, "", ""])


def main():
    path, size, count, old, today = sys.argv[1:]
    size, count, old = int(size), int(count), int(old)
    today = datetime.date.fromisoformat(today)
    rng = random.Random(1)
    each = size // count
    dates = [today - datetime.timedelta(days=8 + old - 1 - n) for n in range(old)]
    recent = count - old
    dates += [today - datetime.timedelta(days=6 - n * 7 // max(recent, 1)) for n in range(recent)]
    with open(path, "w", encoding="utf-8") as file:
        file.write("# PAI Memory\n\n")
        for date in dates:
            file.write(section(rng, date, each))


if __name__ == "__main__":
    main()
