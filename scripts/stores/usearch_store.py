"""usearch: an index file, here for the cache of the most accessed documents. Its file says its metric and dimensions."""

from common import Trouble, need, size_of
from source import np

usearch = need("usearch.index", "usearch", "2.9")

METRICS = {"cosine": "cos", "l2": "l2sq", "ip": "ip"}


class Store:
    exact = True

    def __init__(self, place, options):
        self.place, self.metric = place, options.get("metric", "cosine")
        try:
            self.index = usearch.Index.restore(place)
        except (RuntimeError, ValueError) as error:
            raise Trouble(f"{place} is no usearch index that can be read: {error}") from None
        if self.index is None:
            raise Trouble(f"{place} is no usearch index that can be read")
        self.dimensions = self.index.ndim

    def ids(self):
        return np.asarray(self.index.keys).tolist()

    def count(self):
        return len(self.index)

    def size(self):
        return size_of(self.place)

    def vectors_of(self, ids):
        return np.asarray(self.index.get(np.asarray(ids, dtype=np.uint64)), dtype=np.float32)

    def query(self, vector, count):
        return self.index.search(vector, count).keys.tolist()


def write(path, numbers, vectors, metric):
    index = usearch.Index(ndim=vectors.shape[1], metric=METRICS[metric], dtype="f32")
    index.add(numbers.astype(np.uint64), np.array(vectors))
    index.save(path)
