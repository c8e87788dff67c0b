#!/usr/bin/env python3
"""Are entries found again? find_again.py FOLDER [FOLDER...]: run by hand, on dated notes of your own.

Each note of at least three lines (YYYY-MM-DD*.md) is asked for in its own words: by each of its headings, and by its three
rarest words. Two things are searched: one line for each note, ranked by how many of the words it has (pai-optimize summarize
beside the first 160 characters of the text, beside as many columns of a terminal, where a Chinese character is two, and beside
the line of another pai-optimize, if OTHER names one), and the notes themselves (pai-optimize recall beside counting lines as
grep -c does). MRR is the mean of 1/rank of the right note, 0 if it is not among those found; hit@1 is how often it comes first.
Notes that tie share their mean rank.

Nothing leaves the machine, nothing is written to the folders.
"""

import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata

NAME = re.compile(r"^\d{4}-\d\d-\d\d(?![0-9A-Za-z]).*\.md$")
DATE = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d(:\d\d)?")
WIDE = re.compile(r"[\u0e00-\u0eff\u2e80-\u9fff\uf900-\ufaff]")


def words(text):
    """Lower-case words of three letters or more; of a script without spaces, every two neighbours."""
    found = []
    for run in re.findall(r"[^\W_]+", text.lower()):
        if WIDE.search(run):
            found += [run[at : at + 2] for at in range(max(len(run) - 1, 1))]
        elif len(run) > 2:
            found.append(run)
    return found


def read(folders):
    notes = {}
    for folder in folders:
        for path in sorted(pathlib.Path(folder).rglob("*.md")):
            text = path.read_text(encoding="utf-8", errors="replace")
            if NAME.match(path.name) and len(text.strip().splitlines()) >= 3:
                notes[f"{path.name[:-3]}-{len(notes)}.md"] = text
    return notes


def questions(notes):
    """(note, kind, words) for every heading and for the rarest words of every note."""
    spread = collections.Counter()
    for text in notes.values():
        spread.update(set(words(text)))
    for name, text in notes.items():
        for heading in re.findall(r"^#{1,6}[ \t]+(.+)$", text, re.M):
            asked = list(dict.fromkeys(words(DATE.sub(" ", heading))))
            if asked:
                yield name, "headings", asked
        common = sorted(set(words(text)), key=lambda word: (spread[word], -len(word), word))
        rare = [word for word in common if not re.search(r"\d", word) and len(word) < 20][:3]
        if rare:
            yield name, "rarest words", rare


def place(scores, right):
    """The mean rank of `right` among those with its score; None if it has none."""
    mine = scores.get(right, 0)
    if mine <= 0:
        return None
    better = sum(score > mine for score in scores.values())
    return better + (sum(score == mine for score in scores.values()) + 1) / 2


def by_line(lines):
    have = {name: collections.Counter(words(line)) for name, line in lines.items()}

    def search(asked):
        return {name: sum(word in counts for word in asked) for name, counts in have.items()}

    return search


def by_grep(notes):
    lines = {name: [line.lower() for line in text.splitlines()] for name, text in notes.items()}

    def search(asked):
        return {
            name: sum(any(word in line for word in asked) for line in text)
            if all(any(word in line for line in text) for word in asked)
            else 0
            for name, text in lines.items()
        }

    return search


def by_recall(tool, home):
    def search(asked):
        command = [tool, "recall", "--home", home, "--notes", f"{home}/memory", "--json", "--limit", "0", *asked]
        out = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        names = [os.path.basename(json.loads(line)["path"]) for line in out.splitlines()]
        return {name: len(names) - at for at, name in enumerate(names)}

    return search


def lead(text, most, wide):
    out, width = "", 0
    for char in " ".join(text.split()):
        width += 2 if wide and unicodedata.east_asian_width(char) in "WF" else 1
        if width > most:
            break
        out += char
    return out


def summaries(tool, notes):
    def line(text):
        return subprocess.run([tool, "summarize"], input=text, capture_output=True, text=True, check=True).stdout

    return {name: line(text) for name, text in notes.items()}


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    tool = os.environ.get("PAI_OPTIMIZE") or shutil.which("pai-optimize")
    if not tool:
        sys.exit("pai-optimize is not on PATH; PAI_OPTIMIZE may name it")
    notes = read(sys.argv[1:])
    asked = list(questions(notes))
    if not asked:
        sys.exit("no dated notes of three lines or more there")
    with tempfile.TemporaryDirectory() as home:
        memory = pathlib.Path(home, "memory")
        memory.mkdir()
        pathlib.Path(home, "memory.md").write_text("# Memory\n", encoding="utf-8")
        for name, text in notes.items():
            (memory / name).write_text(text, encoding="utf-8")
        searches = {
            "lead of 160 characters": by_line({name: lead(text, 160, False) for name, text in notes.items()}),
            "lead of 160 columns": by_line({name: lead(text, 160, True) for name, text in notes.items()}),
            "pai-optimize summarize": by_line(summaries(tool, notes)),
        }
        if os.environ.get("OTHER"):
            searches["OTHER summarize"] = by_line(summaries(os.environ["OTHER"], notes))
        searches["notes, grep -c"] = by_grep(notes)
        searches["notes, pai-optimize recall"] = by_recall(tool, home)
        print(f"{len(notes)} notes, {len(asked)} questions")
        print(f"{'searched':28} {'asked by':14} {'MRR':>6} {'hit@1':>6}")
        for title, search in searches.items():
            for kind in ("headings", "rarest words"):
                ranks = [place(search(about), name) for name, asked_by, about in asked if asked_by == kind]
                if ranks:
                    mrr = sum(1 / rank for rank in ranks if rank) / len(ranks)
                    first = sum(rank == 1 for rank in ranks) / len(ranks)
                    print(f"{title:28} {kind:14} {mrr:6.3f} {first:6.3f}")


if __name__ == "__main__":
    main()
