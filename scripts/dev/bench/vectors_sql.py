"""Vectors in SQLite (sqlite-vec) and PostgreSQL (pgvector), asked through their own clients, which time each query.

    vectors_sql.py FOLDER COUNT KIND build     the table of all vectors, then the deletions
    vectors_sql.py FOLDER COUNT KIND measure   BYTES P50 P95 RECALL

SQLite's file is FOLDER/sqlite; PostgreSQL is where PGHOST says, its database `bench`.
"""

import importlib.util
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "stores"))

import proof
import source
import vectors

folder, kind, verb = sys.argv[1], vectors.kind, sys.argv[4]


def client(text):
    """What the store's client prints for these lines."""
    if kind == "sqlite":
        extension = os.path.join(os.path.dirname(importlib.util.find_spec("sqlite_vec").origin), "vec0")
        words = ["sqlite3", "-init", "/dev/null", "-bail", "-batch", "-cmd", f".load {extension}", vectors.place]
    else:
        words = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", "bench"]
    return subprocess.run(words, input=text, capture_output=True, text=True, check=True).stdout


def build():
    """As the manuals have it: rows with their vectors, an index where there is one, then the deletions."""
    gone = ",".join(map(str, vectors.gone))
    lines = []
    if kind == "sqlite":
        lines.append("CREATE VIRTUAL TABLE docs USING vec0(id INTEGER PRIMARY KEY, embedding float[384] distance_metric=cosine);")
        for start, end in vectors.chunks():
            rows = (f"({one},x'{vectors.vectors[one].tobytes().hex()}')" for one in range(start, end))
            lines.append(f"INSERT INTO docs (id, embedding) VALUES {','.join(rows)};")
    else:
        lines.append("CREATE EXTENSION vector; CREATE TABLE docs (id int PRIMARY KEY, embedding vector(384)); COPY docs FROM stdin;")
        lines += (f"{one}\t[{','.join(f'{x:.7g}' for x in vector)}]" for one, vector in enumerate(vectors.vectors.tolist()))
        lines += ["\\.", "SET maintenance_work_mem = '1GB'; CREATE INDEX near ON docs USING hnsw (embedding vector_cosine_ops);"]
    client("\n".join([*lines, f"DELETE FROM docs WHERE id IN ({gone});", ""]))


def measure():
    live = source.Vectors(vectors.ids[vectors.alive].tolist(), vectors.vectors[vectors.alive])
    truth = proof.Truth(live, proof.stored_queries(folder, kind, live), "cosine")
    if kind == "sqlite":
        size = os.path.getsize(vectors.place)
        begin, end, unit = ".timer on\n", r"^Run Time: real ([\d.]+)", 1
        lines = (f"SELECT id FROM docs WHERE embedding MATCH x'{query.tobytes().hex()}' AND k = 10;" for query in truth.queries)
    else:
        size = int(client("SELECT pg_total_relation_size('docs');"))
        begin, end, unit = "\\timing on\n", r"^Time: ([\d.]+) ms", 1000
        lines = (f"SELECT id FROM docs ORDER BY embedding <=> '{query.tolist()}' LIMIT 10;" for query in truth.queries)
    text = "\n".join(lines) + "\n"
    # Once to warm it up.
    client(text)
    answers, times, answer = [], [], []
    for line in client(begin + text).splitlines():
        if found := re.match(end, line):
            times.append(float(found[1]) / unit)
            answers.append(answer)
            answer = []
        elif line.isdigit():
            answer.append(int(line))
    figures = proof.Figures(size, len(live), times, truth.recall(answers))
    print(figures.bytes, figures.p50, figures.p95, figures.recall)


{"build": build, "measure": measure}[verb]()
