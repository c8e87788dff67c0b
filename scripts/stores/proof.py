"""What an index is worth: how fast it answers, and how many of the true neighbours it finds.

The truth is an exact search over every vector of the source. An answer counts if it is no farther than the last of the
true ones: equal vectors may be given in either's place.
"""

import hashlib
import os
import time

from common import Refused
from source import normal, np

NEIGHBOURS = 10
QUERIES = int(os.environ.get("DEFRAGMENT_QUERIES") or 200)
# A recall that is lower by more than this is a worse index.
TOLERANCE = 0.01


def stored_queries(folder, name, live):
    """The same queries at every run: made at the first one, near vectors that were there then."""
    path = os.path.join(folder, f"queries-{hashlib.sha256(name.encode()).hexdigest()[:12]}.npy")
    try:
        queries = np.load(path, allow_pickle=False)
        if queries.dtype == np.float32 and queries.ndim == 2 and queries.shape[1] == live.dimensions and len(queries):
            return queries
    except (OSError, ValueError):
        pass
    random = np.random.default_rng(1)
    rows = np.sort(random.choice(len(live), size=min(QUERIES, len(live)), replace=False))
    vectors = np.array(live.vectors[rows])
    queries = vectors + random.standard_normal(vectors.shape, dtype=np.float32) * vectors.std() * 0.2
    part = f"{path}.{os.getpid()}.part"
    with open(part, "wb") as file:
        np.save(file, queries)
    os.replace(part, path)
    return queries


def distances(vectors, query, metric):
    """How far each vector is from the query; smaller is nearer, in every metric."""
    if metric == "l2":
        return np.square(vectors - query).sum(axis=1)
    if metric == "l1":
        return np.abs(vectors - query).sum(axis=1)
    if metric == "cosine":
        vectors, query = normal(vectors), normal(query)
    return -(vectors @ query)


def distance_table(vectors, queries, metric):
    """The same for many queries at once, a row a query."""
    if metric == "l2":
        table = -2 * (queries @ vectors.T)
        table += np.square(vectors).sum(axis=1)
        table += np.square(queries).sum(axis=1, keepdims=True)
        return table
    if metric == "l1":
        return np.stack([distances(vectors, query, metric) for query in queries])
    if metric == "cosine":
        vectors, queries = normal(vectors), normal(queries)
    return -(queries @ vectors.T)


class Truth:
    """The exact neighbours of the queries among the live vectors."""

    def __init__(self, live, queries, metric):
        self.live, self.queries, self.metric = live, queries, metric
        self.count = min(NEIGHBOURS, len(live))
        best = np.full((len(queries), 0), np.inf, dtype=np.float32)
        for _, vectors in live.chunks():
            best = np.concatenate([best, distance_table(np.asarray(vectors), queries, metric)], axis=1)
            if best.shape[1] > self.count:
                best = np.partition(best, self.count - 1, axis=1)[:, : self.count]
        self.farthest = best.max(axis=1)

    def recall(self, answers):
        """The share of the true neighbours that these answers name; who is not alive is none."""
        found = 0
        for query, far, answer in zip(self.queries, self.farthest, answers):
            rows = {self.live.row_of[one] for one in answer[: self.count] if one in self.live.row_of}
            if rows:
                away = distances(np.array(self.live.vectors[sorted(rows)]), query, self.metric)
                found += int((away <= far + 1e-4 * max(abs(far), 1e-3)).sum())
        return found / (self.count * len(self.queries))


def percentile(times, share):
    """The smallest time, in ms, that at least that share of all do not exceed."""
    ordered = sorted(times)
    return 1000 * ordered[max(0, -(-len(ordered) * share // 100) - 1)] if ordered else 0.0


class Figures:
    """Bytes, vectors, milliseconds and recall of one index, or of all that a store has."""

    def __init__(self, size, vectors, times, recall):
        self.bytes, self.vectors, self.times, self.recall = size, vectors, times, recall
        self.p50, self.p95 = percentile(times, 50), percentile(times, 95)


def together(size, parts):
    """The figures of a store of several collections."""
    asked = sum(len(part.times) for part in parts) or 1
    recall = sum(part.recall * len(part.times) for part in parts) / asked if parts else 1.0
    return Figures(size, sum(part.vectors for part in parts), [time for part in parts for time in part.times], recall)


def measure(store, truth):
    """Asks the store every query, one at a time, as an application does."""
    for query in truth.queries[:20]:
        store.query(query, NEIGHBOURS)
    answers, times = [], []
    for query in truth.queries:
        begun = time.perf_counter()
        answers.append(store.query(query, NEIGHBOURS))
        times.append(time.perf_counter() - begun)
    return Figures(store.size(), store.count(), times, truth.recall(answers))


def judge(before, after, least):
    """Refuses the new index if it holds less than `least` vectors, or finds less than the old one."""
    if after.vectors < least:
        raise Refused(f"the new one has {after.vectors} vectors of {least}; the old one stays")
    if after.recall < before.recall - TOLERANCE:
        raise Refused(f"the new one's recall is {after.recall:.3f}, the old one's {before.recall:.3f}; the old one stays")


def words(before, after, **more):
    """The figures as KEY=NUMBER, for the record."""
    figures = {
        "before_bytes": before.bytes,
        "after_bytes": after.bytes,
        "vectors_before": before.vectors,
        "vectors": after.vectors,
        "p50_ms_before": f"{before.p50:.3f}",
        "p50_ms": f"{after.p50:.3f}",
        "p95_ms_before": f"{before.p95:.3f}",
        "p95_ms": f"{after.p95:.3f}",
        "recall_before": f"{before.recall:.4f}",
        "recall": f"{after.recall:.4f}",
        **more,
    }
    return " ".join(f"{key}={value}" for key, value in figures.items())


def sentence(place, before, after):
    """The figures for people."""
    return (
        f"{place}: {before.bytes} bytes before, {after.bytes} after; {before.vectors} vectors before, {after.vectors} after; "
        f"p50 {before.p50:.2f} ms before, {after.p50:.2f} after; p95 {before.p95:.2f} before, {after.p95:.2f} after; "
        f"recall@{NEIGHBOURS} {before.recall:.3f} before, {after.recall:.3f} after"
    )
