#!/usr/bin/env python3
"""Does a line say what a person would? rouge.py PAIRS.jsonl: run by hand, on pairs of your own.

Each line of PAIRS.jsonl has a "text" and a "summary" of it that somebody wrote. The line of pai-optimize summarize is
compared with it, beside the first 160 characters of the text, and the line of another pai-optimize, if OTHER names one: mean
F1 of ROUGE-1 and ROUGE-2 (words and pairs of words in common; lower case, no stemming, nothing left out), times 100.

Nothing leaves the machine.
"""

import collections
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys


def grams(text, size):
    words = re.findall(r"[^\W_]+", text.lower())
    return collections.Counter(zip(*(words[at:] for at in range(size))))


def rouge(line, summary, size):
    ours, theirs = grams(line, size), grams(summary, size)
    both = sum((ours & theirs).values())
    return 2 * both / max(sum(ours.values()) + sum(theirs.values()), 1)


def summarized(tool):
    def line(text):
        return subprocess.run([tool, "summarize"], input=text, capture_output=True, text=True, check=True).stdout

    return line


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    tool = os.environ.get("PAI_OPTIMIZE") or shutil.which("pai-optimize")
    if not tool:
        sys.exit("pai-optimize is not on PATH; PAI_OPTIMIZE may name it")
    with open(sys.argv[1], encoding="utf-8") as file:
        pairs = [json.loads(line) for line in file]
    makers = {
        "lead of 160 characters": lambda text: " ".join(text.split())[:160],
        "pai-optimize summarize": summarized(tool),
    }
    if os.environ.get("OTHER"):
        makers["OTHER summarize"] = summarized(os.environ["OTHER"])
    texts = list(dict.fromkeys(pair["text"] for pair in pairs))
    print(f"{len(pairs)} pairs")
    print(f"{'line':24} {'ROUGE-1':>8} {'ROUGE-2':>8}")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for title, maker in makers.items():
            lines = dict(zip(texts, pool.map(maker, texts)))
            means = [
                100 * sum(rouge(lines[pair["text"]], pair["summary"], size) for pair in pairs) / len(pairs)
                for size in (1, 2)
            ]
            print(f"{title:24} {means[0]:8.1f} {means[1]:8.1f}")


if __name__ == "__main__":
    main()
