"""The proof for a store of several collections (Chroma's, Qdrant's) or tables (LanceDB's), each judged by itself.

A collection has a name, a metric, count(), query() and rows().
"""

import os

import proof
import source
from common import Refused
from source import np


class Before:
    """What the collections of a store held and answered; the truths to ask again."""

    def __init__(self, collections, size, place, state, folder):
        self.truths, self.parts = {}, {}
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
        parts = []
        for name, truth in self.truths.items():
            if name not in found:
                raise Refused(f"{name} is gone; the old one stays")
            self.same(found[name], truth)
            after = proof.measure(found[name], truth)
            proof.judge(self.parts[name], after, len(truth.live))
            parts.append(after)
        return proof.together(size, parts)

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
