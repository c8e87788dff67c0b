"""A store of several collections (Chroma's, Qdrant's) or tables (LanceDB's), and its proof: each is judged by itself."""

import os

import proof
import source
from common import Refused, Trouble, size_of
from source import np


class Part:
    """One collection. It has a name, a metric, count(), query() and rows(); bytes are only known of the whole store."""

    name = metric = None

    def size(self):
        return 0


class Several:
    """The store: what is asked of all its collections. `called` is what its library calls them."""

    place, collections, called = None, (), "collections"

    def proven(self):
        return self.collections

    def count(self):
        return sum(one.count() for one in self.collections)

    def size(self):
        return size_of(self.place)

    def check(self):
        return {"vectors": self.count(), self.called: {one.name: one.count() for one in self.collections}}

    def rows(self):
        for one in self.proven():
            yield from one.rows()

    def query(self, vector, count):
        found = self.proven()
        if len(found) != 1:
            raise Trouble(f"{self.place} has {len(found)} {self.called} of vectors: which one is to be asked?")
        return found[0].query(vector, count)


class Before:
    """What the collections of a store held and answered; the truths to ask again."""

    def __init__(self, collections, size, place, state, folder):
        self.truths, self.parts, self.tried = {}, {}, {}
        self.place = place
        for number, one in enumerate(collections):
            if one.count() == 0:
                continue
            own = os.path.join(folder, f"vectors-{number}")
            os.mkdir(own)
            live = source.collect(one.rows(), own)
            queries = proof.stored_queries(state, f"{place}/{one.name}", live)
            self.truths[one.name] = proof.Truth(live, queries, one.metric)
            self.parts[one.name] = proof.measure(one, self.truths[one.name])
        self.figures = proof.together(size, list(self.parts.values()))

    def compare(self, collections, size):
        """The figures of the same collections after; Refused if one is gone, lost a vector, has another, or finds less."""
        found = {one.name: one for one in collections}
        self.tried = {}
        for name, truth in self.truths.items():
            if name not in found:
                raise Refused(f"{name} is gone; the old one stays")
            self.same(found[name], truth)
            after = proof.measure(found[name], truth)
            proof.judge(self.parts[name], after, len(truth.live))
            self.tried[name] = after
        return proof.together(size, list(self.tried.values()))

    @staticmethod
    def same(one, truth):
        live, seen, other = truth.live, 0, 0
        if one.metric != truth.metric:
            raise Refused(f"{one.name}: the new one's metric is {one.metric}, the old one's {truth.metric}; the old one stays")
        for ids, vectors in one.rows():
            rows = [(at, live.row_of[i]) for at, i in enumerate(ids) if i in live.row_of]
            seen += len(rows)
            if rows:
                here, there = zip(*rows)
                kept = np.isclose(np.asarray(vectors)[list(here)], live.vectors[list(there)], rtol=1e-3, atol=1e-4)
                other += len(rows) - int(kept.all(axis=1).sum())
        if seen < len(live):
            raise Refused(f"{one.name} lacks {len(live) - seen} of the {len(live)} vectors that were there before; the old one stays")
        if other:
            raise Refused(f"{one.name}: {other} of its {len(live)} vectors are others now; the old one stays")
