"""A store of COUNT vectors of 384 dimensions in FOLDER/KIND, three in ten of them deleted since; live.npz has the others."""

import os
import sys

import numpy as np

os.environ["ANONYMIZED_TELEMETRY"] = "False"
folder, count, kind, dimensions = sys.argv[1], int(sys.argv[2]), sys.argv[3], 384
random = np.random.default_rng(11)
# Texts of some hundred topics: near each other within one, as embeddings are.
topics = random.standard_normal((300, dimensions), dtype=np.float32)
vectors = topics[random.integers(0, 300, count)] + 0.7 * random.standard_normal((count, dimensions), dtype=np.float32)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
alive = np.ones(count, bool)
alive[random.choice(count, count * 3 // 10, replace=False)] = False
ids, gone = np.arange(count), np.flatnonzero(~alive)
place = os.path.join(folder, kind)


def chunks(size=5000):
    return ((start, min(count, start + size)) for start in range(0, count, size))


if kind == "source":
    np.savez(os.path.join(folder, "live.npz"), ids=ids[alive], vectors=vectors[alive])
elif kind == "faiss":
    import faiss

    index = faiss.IndexIDMap2(faiss.IndexHNSWFlat(dimensions, 16, faiss.METRIC_INNER_PRODUCT))
    index.add_with_ids(vectors, ids)
    faiss.write_index(index, place)
elif kind == "hnswlib":
    import hnswlib

    index = hnswlib.Index("cosine", dimensions)
    index.init_index(count, ef_construction=100, M=16)
    index.add_items(vectors, ids)
    for one in gone:
        index.mark_deleted(one)
    index.save_index(place)
elif kind == "annoy":
    import annoy

    index = annoy.AnnoyIndex(dimensions, "angular")
    for one, vector in enumerate(vectors):
        index.add_item(one, vector)
    index.build(20)
    index.save(place)
elif kind == "chroma":
    import chromadb

    docs = chromadb.PersistentClient(place).create_collection("docs", metadata={"hnsw:space": "cosine"}, embedding_function=None)
    for start, end in chunks():
        docs.add(ids=[str(one) for one in range(start, end)], embeddings=vectors[start:end])
    for start in range(0, len(gone), 1000):
        docs.delete(ids=[str(one) for one in gone[start : start + 1000]])
elif kind == "lancedb":
    import lancedb
    import pyarrow

    def rows(start, end):
        column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors[start:end].ravel()), dimensions)
        return pyarrow.table({"id": ids[start:end], "vector": column})

    docs = lancedb.connect(place).create_table("docs", rows(0, 1000))
    for start, end in ((start, start + 1000) for start in range(1000, count, 1000)):
        docs.add(rows(start, end))
    docs.create_index(metric="cosine", index_type="IVF_FLAT", num_partitions=256)
    for start in range(0, len(gone), 5000):
        docs.delete(f"id IN ({','.join(map(str, gone[start : start + 5000]))})")
