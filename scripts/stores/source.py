"""The vectors that should be in an index, read once from where the application keeps them.

They go to a file in a scratch folder: a store of any size fits, and no lock is held while an index is built.
"""

import json
import os
import sqlite3
import urllib.parse

from common import Trouble, need

np = need("numpy", "numpy", "1.22")


class Vectors:
    """Identities and vectors, in one order; `vectors` is float32, mapped from a file."""

    def __init__(self, ids, vectors):
        self.ids = ids
        self.vectors = vectors
        self.dimensions = vectors.shape[1]
        self.row_of = {one: row for row, one in enumerate(ids)}
        if len(self.row_of) != len(ids):
            raise Trouble("the source names an identity twice")

    def __len__(self):
        return len(self.ids)

    def chunks(self, rows=10000):
        for start in range(0, len(self.ids), rows):
            yield self.ids[start : start + rows], self.vectors[start : start + rows]

    def numbers(self):
        """The identities as the whole numbers that an index file knows its vectors by."""
        try:
            numbers = np.array([int(one) for one in self.ids], dtype=np.int64)
        except (ValueError, OverflowError):
            raise Trouble("the source's identities are not all whole numbers, and this index knows no others") from None
        if len(numbers) and numbers.min() < 0:
            raise Trouble("the source has a negative identity")
        return numbers


def collect(rows, folder, unit=False):
    """Pairs of identities and vectors, chunk by chunk, as Vectors whose file is in `folder`."""
    ids, dimensions, path = [], None, os.path.join(folder, "vectors")
    with open(path, "wb") as file:
        for some, vectors in rows:
            if not len(some):
                continue
            vectors = np.ascontiguousarray(vectors, dtype=np.float32)
            if vectors.ndim != 2 or dimensions not in (None, vectors.shape[1]):
                raise Trouble(f"a vector near {some[0]} has not {dimensions} dimensions")
            if not np.isfinite(vectors).all():
                raise Trouble(f"a vector near {some[0]} is not made of numbers")
            dimensions = vectors.shape[1]
            if unit:
                vectors = normal(vectors)
            file.write(vectors.tobytes())
            ids.extend(some)
    if not ids:
        raise Trouble("the source has no vectors")
    return Vectors(ids, np.memmap(path, dtype=np.float32, mode="r", shape=(len(ids), dimensions)))


def normal(vectors):
    """Each vector at length 1; one of length 0 stays."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)


def rows_of(spec):
    """What a source's name stands for: FILE.npz, FILE:TABLE:KEY:COLUMN of SQLite, or another store."""
    if spec.endswith(".npz"):
        return archive_rows(spec)
    if spec.split(":")[0] in ("chroma", "lancedb", "qdrant", "faiss", "annoy", "hnswlib"):
        import store

        return store.opened(spec).rows()
    words = spec.rsplit(":", 3)
    if len(words) != 4:
        raise Trouble(f"not a source of vectors: {spec} (FILE.npz, FILE:TABLE:KEY:COLUMN, or a store)")
    return table_rows(*words)


def archive_rows(path):
    try:
        with np.load(path, allow_pickle=False) as arrays:
            ids, vectors = arrays["ids"].tolist(), arrays["vectors"]
    except (OSError, KeyError, ValueError) as error:
        raise Trouble(f"could not read ids and vectors from {path}: {error}") from None
    if len(ids) != len(vectors):
        raise Trouble(f"{path} has {len(ids)} ids and {len(vectors)} vectors")
    yield ids, vectors


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def table_rows(path, table, key, column, chunk=5000):
    """Rows of an SQLite table, as they are at one moment; a vector is a BLOB of float32, or JSON."""
    if not os.path.isfile(path):
        raise Trouble(f"no such source: {path}")
    address = "file:" + urllib.parse.quote(os.path.abspath(path)) + "?mode=ro"
    try:
        with sqlite3.connect(address, uri=True, timeout=30) as database:
            # Qualified: a bare "name" that is no column would be taken for a text.
            rows = database.execute(
                f"SELECT s.{quoted(key)}, s.{quoted(column)} FROM {quoted(table)} AS s"
                f" WHERE s.{quoted(column)} IS NOT NULL ORDER BY 1"
            )
            while some := rows.fetchmany(chunk):
                yield [row[0] for row in some], np.stack([vector(*row) for row in some])
    except sqlite3.Error as error:
        raise Trouble(f"could not read {path}: {error}") from None
    except ValueError:
        raise Trouble(f"the vectors of {path} have not all the same dimensions") from None


def vector(key, cell):
    try:
        if isinstance(cell, bytes):
            return np.frombuffer(cell, dtype="<f4")
        return np.array(json.loads(cell), dtype=np.float32)
    except (ValueError, TypeError):
        raise Trouble(f"row {key} of the source holds no vector") from None
