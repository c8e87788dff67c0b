"""FAISS: an index file. It has no deletions for HNSW, and no other writer than the program that holds it in memory."""

import rebuild
from common import Trouble, need, size_of
from source import np

faiss = need("faiss", "faiss-cpu", "1.7.3")

# What they give back is what they were given.
EXACT = ("IndexFlat", "IndexFlatL2", "IndexFlatIP", "IndexHNSWFlat", "IndexIVFFlat", "IndexNSGFlat")
THREADS = faiss.omp_get_max_threads()
METRICS = {faiss.METRIC_L2: "l2", faiss.METRIC_INNER_PRODUCT: "ip"}


class Store:
    cannot = "quantizers are kept as they were trained; programs see the new file when they read it again"

    def __init__(self, place, options):
        self.place = place
        try:
            self.index = faiss.read_index(place)
        except RuntimeError as error:
            raise Trouble(f"{place} is no FAISS index that can be read: {str(error).splitlines()[0][:200]}") from None
        self.mapped = isinstance(self.index, (faiss.IndexIDMap, faiss.IndexIDMap2))
        self.inner = faiss.downcast_index(self.index.index) if self.mapped else self.index
        self.listed = isinstance(self.inner, faiss.IndexIVF)
        self.metric = METRICS.get(self.index.metric_type)
        if self.metric is None:
            raise Trouble(f"{place} has a metric that is not known here: {self.index.metric_type}")
        self.dimensions = self.index.d
        self.exact = type(self.inner).__name__ in EXACT
        self.numbers = self.find_ids()
        self.position = None
        self.unit = self.metric == "ip" and self.is_unit()

    def find_ids(self):
        if self.mapped:
            return faiss.vector_to_array(self.index.id_map).tolist()
        if not self.listed:
            return list(range(self.index.ntotal))
        lists, ids = self.inner.invlists, []
        for one in range(lists.nlist):
            ids.extend(faiss.rev_swig_ptr(lists.get_ids(one), lists.list_size(one)).tolist())
        return ids

    def is_unit(self):
        """Inner products of vectors of length 1 are cosines; the source may have them at their full length."""
        some = self.vectors_of(self.numbers[:100])
        return len(some) > 0 and bool(np.allclose(np.linalg.norm(some, axis=1), 1, atol=1e-3))

    def ids(self):
        return self.numbers

    def count(self):
        return self.index.ntotal

    def size(self):
        return size_of(self.place)

    def check(self):
        return {"vectors": self.count(), "dimensions": self.dimensions, "metric": self.metric, "type": type(self.inner).__name__}

    def vectors_of(self, ids):
        if self.position is None:
            if self.listed:
                self.inner.set_direct_map_type(faiss.DirectMap.Hashtable)
            # An IDMap over lists counts them through; other indexes know their vectors by position.
            self.position = {one: at for at, one in enumerate(self.numbers)} if self.mapped else {}
        try:
            return np.stack([self.inner.reconstruct(self.position.get(one, one)) for one in ids]) if ids else np.empty((0, self.dimensions))
        except RuntimeError:
            raise Trouble(f"{type(self.inner).__name__} does not give its vectors back: it cannot be compared") from None

    def rows(self, chunk=1000):
        for start in range(0, len(self.numbers), chunk):
            some = self.numbers[start : start + chunk]
            yield some, self.vectors_of(some)

    def query(self, vector, count):
        # One query is no work for several threads: they would wait for each other.
        faiss.omp_set_num_threads(1)
        return [one for one in self.index.search(vector[None], count)[1][0].tolist() if one >= 0]

    def build(self, live, path):
        """The same index, emptied and filled again: type, metric, quantizers and search settings are kept."""
        faiss.omp_set_num_threads(THREADS)
        index = faiss.read_index(self.place)
        numbers = live.numbers()
        index.reset()
        if not self.mapped and not self.listed and not np.array_equal(numbers, np.arange(len(numbers))):
            raise Trouble(
                f"{self.place} knows its vectors by position, and the source's are not 0, 1, 2 and so on: "
                "an IndexIDMap2 around it would keep their numbers"
            )
        for start in range(0, len(numbers), 10000):
            vectors = np.array(live.vectors[start : start + 10000])
            if self.mapped or self.listed:
                index.add_with_ids(vectors, numbers[start : start + 10000])
            else:
                index.add(vectors)
        faiss.write_index(index, path)


def defragment(place, options, job):
    return rebuild.rebuild(Store, place, options, job)
