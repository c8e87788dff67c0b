"""Stores of 2000 vectors for the tests, of which 600 are deleted: KIND FOLDER. With `write`, goes on: see below.

`write`: opens the store, says `open`, waits for a line on stdin, adds 50 vectors one batch of ten after the other, says `done`.
"""

import os
import sys

import numpy as np

os.environ["ANONYMIZED_TELEMETRY"] = "False"
kind, folder, write = sys.argv[1], sys.argv[2], sys.argv[3:] == ["write"]
vectors = np.random.default_rng(1).standard_normal((2050, 32)).astype("f4")

if kind == "chroma":
    import chromadb

    client = chromadb.PersistentClient(folder)
    docs = client.get_or_create_collection("docs", metadata={"hnsw:space": "cosine"}, embedding_function=None)

    def add(start, end):
        docs.add(ids=[str(one) for one in range(start, end)], embeddings=vectors[start:end].tolist(), metadatas=[{"n": "m" * 80}] * (end - start))

    if not write:
        for start in range(0, 2000, 500):
            add(start, start + 500)
        docs.delete(ids=[str(one) for one in range(600)])
else:
    import lancedb

    database = lancedb.connect(folder)

    def rows(start, end):
        return [{"id": one, "vector": vectors[one].tolist(), "text": "t" * 30} for one in range(start, end)]

    if write:
        docs = database.open_table("docs")
    else:
        docs = database.create_table("docs", rows(0, 100))
        for start in range(100, 2000, 100):
            docs.add(rows(start, start + 100))
        docs.delete("id < 600")

    def add(start, end):
        docs.add(rows(start, end))


if write:
    print("open", flush=True)
    sys.stdin.readline()
    for start in range(2000, 2050, 10):
        add(start, start + 10)
    print("done", flush=True)
