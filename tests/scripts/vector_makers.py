"""Stores for the tests, of vectors of which three in ten are deleted: FOLDER COUNT KIND... makes FOLDER/KIND of each.

FOLDER/live.npz has what is alive; others.npz the same under other numbers, few.npz a tenth of it.
"""

import os
import sys

import numpy as np

os.environ["ANONYMIZED_TELEMETRY"] = "False"
DIMENSIONS = 32
OPTIONS = {"hnswlib": "?dimensions=32&metric=cosine", "annoy": "?dimensions=32"}


def vectors_of(count):
    random = np.random.default_rng(7)
    centres = random.standard_normal((40, DIMENSIONS))
    vectors = centres[random.integers(0, 40, count)] + 0.5 * random.standard_normal((count, DIMENSIONS))
    # Of unlike lengths: a metric that looks at lengths finds others than one that does not.
    return (vectors * random.uniform(0.3, 3, (count, 1))).astype(np.float32)


def alive_of(count):
    alive = np.ones(count, bool)
    alive[np.random.default_rng(8).choice(count, count * 3 // 10, replace=False)] = False
    return alive


def sources(folder, vectors, ids, alive):
    few = len(ids) // 10
    np.savez(f"{folder}/live.npz", ids=ids[alive], vectors=vectors[alive])
    np.savez(f"{folder}/others.npz", ids=ids[alive], vectors=vectors[alive][::-1])
    np.savez(f"{folder}/few.npz", ids=ids[alive][:few], vectors=vectors[alive][:few])


def make_faiss(place, vectors, ids, _gone):
    import faiss

    index = faiss.IndexIDMap2(faiss.IndexHNSWFlat(DIMENSIONS, 16))
    index.add_with_ids(vectors, ids)
    faiss.write_index(index, place)


def make_hnswlib(place, vectors, ids, gone):
    import hnswlib

    index = hnswlib.Index("cosine", DIMENSIONS)
    index.init_index(len(ids), ef_construction=60, M=16)
    index.add_items(vectors, ids)
    for one in gone:
        index.mark_deleted(one)
    index.save_index(place)


def make_annoy(place, vectors, ids, _gone):
    import annoy

    index = annoy.AnnoyIndex(DIMENSIONS, "angular")
    index.set_seed(1)
    for one, vector in zip(ids, vectors):
        index.add_item(int(one), vector)
    index.build(10)
    index.save(place)


def chroma_docs(place):
    import chromadb

    client = chromadb.PersistentClient(place, settings=chromadb.Settings(anonymized_telemetry=False))
    return client, client.get_or_create_collection("docs", metadata={"hnsw:space": "cosine"}, embedding_function=None)


def chroma_add(docs, vectors, ids):
    docs.add(ids=[str(one) for one in ids], embeddings=vectors, metadatas=[{"n": "m" * 80}] * len(ids))


def make_chroma(place, vectors, ids, gone):
    client, docs = chroma_docs(place)
    for start in range(0, len(ids), 500):
        chroma_add(docs, vectors[start : start + 500], ids[start : start + 500])
    docs.delete(ids=[str(one) for one in gone])
    client.close()


def lance_rows(vectors, ids):
    import pyarrow

    column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.ravel()), DIMENSIONS)
    return pyarrow.table({"id": ids, "vector": column, "text": ["t" * 30] * len(ids)})


def make_lancedb(place, vectors, ids, gone):
    import lancedb

    size = max(1, len(ids) // 10)
    docs = lancedb.connect(place).create_table("docs", lance_rows(vectors[:size], ids[:size]))
    for start in range(size, len(ids), size):
        docs.add(lance_rows(vectors[start : start + size], ids[start : start + size]))
    docs.delete(f"id IN ({','.join(map(str, gone))})")


def make(kind, folder, count):
    """The store; returns its name for store.py."""
    vectors, ids, alive = vectors_of(count), np.arange(count) * 2 + 1, alive_of(count)
    sources(folder, vectors, ids, alive)
    globals()[f"make_{kind}"](f"{folder}/{kind}", vectors, ids, ids[~alive])
    return f"{kind}:{folder}/{kind}{OPTIONS.get(kind, '')}"


if __name__ == "__main__":
    for one in sys.argv[3:]:
        make(one, sys.argv[1], int(sys.argv[2]))
