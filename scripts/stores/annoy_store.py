"""Annoy: a file of trees that cannot be changed once it is built, and that says neither metric nor dimensions."""

import rebuild
from common import Trouble, need, size_of, whole_number
from source import np

annoy = need("annoy", "annoy", "1.17")

METRICS = {"angular": "cosine", "euclidean": "l2", "manhattan": "l1", "dot": "ip"}


class Store:
    cannot = "it cannot delete, add, or say its metric; programs see the new file when they load it again"
    exact = True
    unit = False

    def __init__(self, place, options):
        self.place, self.name = place, options.get("metric", "angular")
        self.dimensions = whole_number(options, "dimensions")
        self.metric = METRICS.get(self.name)
        if self.metric is None:
            raise Trouble(f"not a metric of Annoy that is known here: {self.name} ({', '.join(METRICS)})")
        self.index = annoy.AnnoyIndex(self.dimensions, self.name)
        try:
            self.index.load(place)
        except OSError as error:
            raise Trouble(f"{place} is no Annoy index of {self.dimensions} dimensions: {error}") from None
        self.numbers = None

    def ids(self):
        """Of the items that have a vector: numbers that were left out when it was built have none."""
        if self.numbers is None:
            self.numbers = [one for one in range(self.index.get_n_items()) if any(self.index.get_item_vector(one))]
        return self.numbers

    def count(self):
        return len(self.ids())

    def size(self):
        return size_of(self.place)

    def check(self):
        return {"vectors": self.count(), "dimensions": self.dimensions, "metric": self.name, "trees": self.index.get_n_trees()}

    def vectors_of(self, ids):
        return np.array([self.index.get_item_vector(one) for one in ids], dtype=np.float32)

    def rows(self, chunk=1000):
        for start in range(0, self.count(), chunk):
            some = self.ids()[start : start + chunk]
            yield some, self.vectors_of(some)

    def query(self, vector, count):
        return self.index.get_nns_by_vector(vector, count)

    def build(self, live, path):
        numbers = live.numbers()
        if numbers.max() > 10 * len(numbers) + 1000:
            raise Trouble(f"Annoy makes room for every number up to {numbers.max()}: {len(numbers)} vectors are too few for that")
        write(path, numbers, live.vectors, self.name, self.index.get_n_trees())


def write(path, numbers, vectors, metric, trees=10):
    index = annoy.AnnoyIndex(vectors.shape[1], metric)
    for number, vector in zip(numbers.tolist(), vectors):
        index.add_item(number, vector)
    index.build(trees)
    index.save(path)


def defragment(place, options, job):
    return rebuild.rebuild(Store, place, options, job)
