"""What a library may do wrong: to an index that it builds, or to a store that it compacts. Each is a change to this process."""

import os

import vector_makers
from vector_makers import np
from vector_trial import kind, live_ids, wrap


# What the library does wrong to an index that it builds.
def built(change):
    def harm(_place):
        import source

        module = __import__(f"{kind}_store")
        wrap(module.Store, "build", lambda build, self, live, path: change(build, self, live, path, source.Vectors))

    return harm


def other_metric(build, self, live, path, _vectors):
    if kind == "faiss":
        import faiss

        index = faiss.IndexIDMap2(faiss.IndexHNSWFlat(vector_makers.DIMENSIONS, 16, faiss.METRIC_INNER_PRODUCT))
        index.add_with_ids(np.array(live.vectors), live.numbers())
        faiss.write_index(index, path)
        return
    # Their files say no metric: only what is found, and how far, tells.
    was = self.metric
    self.metric, self.name = "l2", "euclidean"
    build(self, live, path)
    self.metric, self.name = was, "angular"


def cut(build, self, live, path, _vectors):
    build(self, live, path)
    os.truncate(path, 20000)


def blind(_place):
    """The second time it is asked, it finds fewer."""
    import proof

    times = []

    def measure(ask, store, truth):
        times.append(store)
        if len(times) > 1:
            good = store.query
            store.query = lambda vector, count: good(vector, count)[: count // 2]
        return ask(store, truth)

    wrap(proof, "measure", measure)


# What it does wrong to a store that it compacts; for Chroma and LanceDB.
def compacted(change):
    def harm(_place):
        if kind == "chroma":
            import chroma_store

            def vacuum(good, folder):
                good(folder)
                chroma_store.opened(folder, lambda store: change(store.client, store.collections[0].collection))

            wrap(chroma_store, "vacuum", vacuum)
        else:
            import lancedb_store

            def compact(good, self):
                good(self)
                change(self.database, self.collections[0].table)

            wrap(lancedb_store.Store, "compact", compact)

    return harm


def lose(_client, docs):
    docs.delete(ids=some_ids(2)) if kind == "chroma" else docs.delete(f"id = {some_ids(1)[0]}")


def other_vectors(_client, docs):
    if kind == "chroma":
        docs.update(ids=some_ids(1), embeddings=[[9.0] * vector_makers.DIMENSIONS])
    else:
        docs.update(where=f"id = {some_ids(1)[0]}", values={"vector": [9.0] * vector_makers.DIMENSIONS})


def new_metric(client, docs):
    if kind == "lancedb":
        docs.create_index(metric="cosine", index_type="IVF_FLAT", num_partitions=2)
        return
    all_of_it = docs.get(include=["embeddings"])
    client.delete_collection("docs")
    other = client.create_collection("docs", metadata={"hnsw:space": "l2"}, embedding_function=None)
    for start in range(0, len(all_of_it["ids"]), 500):
        batch = slice(start, start + 500)
        other.add(ids=all_of_it["ids"][batch], embeddings=all_of_it["embeddings"][batch])


def gone(client, _docs):
    client.delete_collection("docs") if kind == "chroma" else client.drop_table("docs")


def some_ids(count):
    return [str(one) for one in live_ids[:count]]
