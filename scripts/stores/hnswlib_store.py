"""hnswlib: an index file. Deleted entries are marked in it and stay; it does not say its metric or its dimensions."""

import rebuild
from common import Trouble, need, size_of, whole_number
from source import np

hnswlib = need("hnswlib", "hnswlib", "0.7")


class Store:
    cannot = "its file says neither metric nor dimensions; programs see the new file when they load it again"
    exact = True
    unit = False

    def __init__(self, place, options):
        self.place, self.options = place, options
        self.dimensions = whole_number(options, "dimensions")
        self.metric = options.get("metric", "l2")
        if self.metric not in ("l2", "ip", "cosine"):
            raise Trouble(f"hnswlib has no metric {self.metric} (l2, ip, cosine)")
        self.index = hnswlib.Index(space=self.metric, dim=self.dimensions)
        try:
            self.index.load_index(place)
        except (RuntimeError, MemoryError) as error:
            raise Trouble(f"{place} is no hnswlib index that can be read: {error}") from None
        self.index.set_ef(whole_number(options, "ef", 100))
        self.numbers = None

    def ids(self):
        """Of those that are not marked as deleted: the library gives no vector for one that is."""
        if self.numbers is None:
            self.numbers = [one for one in self.index.get_ids_list() if self.vector_of(one) is not None]
        return self.numbers

    def vector_of(self, one):
        try:
            return np.asarray(self.index.get_items([one]))[0]
        except RuntimeError:
            return None

    def count(self):
        return self.index.element_count

    def size(self):
        return size_of(self.place)

    def check(self):
        alive = len(self.ids())
        return {"vectors": alive, "deleted": self.count() - alive, "dimensions": self.dimensions, "metric": self.metric}

    def vectors_of(self, ids):
        return np.asarray(self.index.get_items(ids), dtype=np.float32)

    def rows(self, chunk=1000):
        for start in range(0, len(self.ids()), chunk):
            some = self.ids()[start : start + chunk]
            yield some, self.vectors_of(some)

    def query(self, vector, count):
        try:
            return self.index.knn_query(vector, k=min(count, len(self.ids())))[0][0].tolist()
        except RuntimeError:
            # It found fewer than were asked for: that is its answer.
            return []

    def build(self, live, path):
        old = self.index
        room = max(old.max_elements, len(live))
        write(path, live.numbers(), live.vectors, self.metric, room, ef_construction=old.ef_construction, M=old.M)


def write(path, numbers, vectors, metric, room, **shape):
    index = hnswlib.Index(space=metric, dim=vectors.shape[1])
    index.init_index(room, **shape)
    for start in range(0, len(numbers), 10000):
        index.add_items(np.array(vectors[start : start + 10000]), numbers[start : start + 10000])
    index.save_index(path)


def defragment(place, options, job):
    return rebuild.rebuild(Store, place, options, job)
