"""Index files for the tests: FOLDER COUNT. Of the vectors three in ten are deleted since; live.npz has the others."""

import sys

import annoy
import faiss
import hnswlib
import numpy as np

folder, count, dimensions = sys.argv[1], int(sys.argv[2]), 32
random = np.random.default_rng(7)
centres = random.standard_normal((40, dimensions))
vectors = centres[random.integers(0, 40, count)] + 0.5 * random.standard_normal((count, dimensions))
# Of unlike lengths: a metric that looks at lengths finds others than one that does not.
vectors = (vectors * random.uniform(0.3, 3, (count, 1))).astype(np.float32)
ids = np.arange(count) * 2 + 1
alive = np.ones(count, bool)
alive[random.choice(count, count * 3 // 10, replace=False)] = False
np.savez(f"{folder}/live.npz", ids=ids[alive], vectors=vectors[alive])
np.savez(f"{folder}/others.npz", ids=ids[alive], vectors=vectors[alive][::-1])
np.savez(f"{folder}/few.npz", ids=ids[alive][: count // 10], vectors=vectors[alive][: count // 10])

index = faiss.IndexIDMap2(faiss.IndexHNSWFlat(dimensions, 16))
index.add_with_ids(vectors, ids)
faiss.write_index(index, f"{folder}/f.faiss")
index = hnswlib.Index("cosine", dimensions)
index.init_index(count, ef_construction=100, M=16)
index.add_items(vectors, ids)
for one in ids[~alive]:
    index.mark_deleted(one)
index.save_index(f"{folder}/h.bin")
index = annoy.AnnoyIndex(dimensions, "angular")
index.set_seed(1)
for one, vector in zip(ids, vectors):
    index.add_item(int(one), vector)
index.build(10)
index.save(f"{folder}/a.ann")
