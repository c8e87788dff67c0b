#!/usr/bin/env python3
"""The documented memory job, written straightforwardly: one pass over the lines, every file fsynced.

What the published runbook describes and no more: `## YYYY-MM-DD` sections older than the window go to
archive/memory/memory-DATE.md, a summary of at most 160 characters stays. The bench times pai-optimize against it.
"""

import argparse
import datetime
import logging
import os
import pathlib
import re

HEADING = re.compile(r"^##\s+(\d{4}-\d{2}-\d{2})\s*$")


def write_durably(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def sections(lines):
    """Yields (date or None, lines) in order; the first has no date."""
    date, held = None, []
    for line in lines:
        match = HEADING.match(line)
        if match:
            yield date, held
            date, held = datetime.date.fromisoformat(match[1]), [line]
        else:
            held.append(line)
    yield date, held


def summary(lines):
    text = " ".join(line.strip("- ") for line in lines[1:] if line.strip())
    return text if len(text) <= 160 else text[:157] + "..."


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--window", type=int, default=7)
    parser.add_argument("--today", type=datetime.date.fromisoformat, default=datetime.date.today())
    parser.add_argument("home", type=pathlib.Path)
    args = parser.parse_args()
    archive = args.home / "archive" / "memory"
    archive.mkdir(parents=True, exist_ok=True)
    (args.home / "logs").mkdir(exist_ok=True)
    logging.basicConfig(
        filename=args.home / "logs" / "optimize_memory.log",
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    logging.info("Starting memory optimization for entries older than %s days", args.window)
    memory = args.home / "memory.md"
    cutoff = args.today - datetime.timedelta(days=args.window)
    summaries, kept = [], []
    for date, lines in sections(memory.read_text(encoding="utf-8").splitlines()):
        if date is None or date > cutoff:
            kept.extend(lines)
            continue
        write_durably(archive / f"memory-{date}.md", "\n".join(lines) + "\n")
        summaries.append(f"- {date}: {summary(lines)}")
        logging.info("Archived memory section for %s", date)
    head = ["# PAI Memory", "", "## Summaries", f"_Last updated: {datetime.datetime.now().isoformat()}_", ""]
    write_durably(memory, "\n".join([*head, *summaries, "", "## Recent Entries", *kept]) + "\n")
    logging.info("Memory optimization complete")


if __name__ == "__main__":
    main()
