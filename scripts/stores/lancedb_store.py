"""LanceDB: a folder of tables in versions. What it compacts is a new version, so readers and writers go on meanwhile.

It is tried on a copy first. Data files never change once they are written, and a manifest is written after the files it
names: a copy that takes the manifests first is one of the table's versions, whoever writes.
"""

import contextlib
import datetime
import os
import shutil

from collections_proof import Before, Part, Several
from common import Refused, Trouble, need, size_of
from source import np
from swap import alone, room, scratch

lancedb = need("lancedb", "lancedb", "0.20")

METRICS = {"l2": "l2", "cosine": "cosine", "dot": "ip"}


class Table(Part):
    def __init__(self, table, options):
        self.table, self.name = table, table.name
        names = {field.name: field.type for field in table.schema}
        lists = [name for name, kind in names.items() if hasattr(kind, "list_size")]
        self.key = options.get("id", "id")
        self.vector = options.get("vector", "vector" if "vector" in lists else (lists or [""])[0])
        self.known = self.vector in lists
        if self.known and self.key not in names:
            raise Trouble(f"table {self.name} has no column {self.key}: name the store as lancedb:FOLDER?id=COLUMN")
        self.metric = self.find_metric() if self.known else None

    def find_metric(self):
        """That of the vector's index; without one every search is exact, by l2."""
        for index in self.table.list_indices():
            if self.vector in index.columns:
                stats = self.table.index_stats(index.name)
                kind = str(getattr(stats, "distance_type", None) or "l2").lower()
                if kind not in METRICS:
                    raise Trouble(f"table {self.name} has a metric that is not known here: {kind}")
                return METRICS[kind]
        return "l2"

    def count(self):
        return self.table.count_rows()

    def query(self, vector, count):
        found = self.table.search(vector, vector_column_name=self.vector).select([self.key, "_distance"]).limit(count)
        return [row[self.key] for row in found.to_list()]

    def rows(self):
        for batch in self.table.search().select([self.key, self.vector]).limit(self.count()).to_batches(5000):
            column = batch.column(self.vector)
            vectors = np.asarray(column.flatten()).reshape(len(column), -1).astype(np.float32)
            yield batch.column(self.key).to_pylist(), vectors


class Store(Several):
    called = "tables"
    cannot = "a table without vectors is compacted and not proven; deleted rows leave the disk with their version"

    def __init__(self, place, options):
        if not os.path.isdir(place):
            raise Trouble(f"no such store: {place}")
        self.place = place
        self.database = lancedb.connect(place)
        listed = self.database.list_tables() if hasattr(self.database, "list_tables") else self.database.table_names()
        try:
            self.collections = [Table(self.database.open_table(name), options) for name in getattr(listed, "tables", listed)]
        except (ValueError, OSError, RuntimeError) as error:
            raise Trouble(f"{place} could not be opened: {str(error).splitlines()[0]}") from None
        if not self.collections:
            raise Trouble(f"{place} has no table of LanceDB")

    def proven(self):
        return [one for one in self.collections if one.known]

    def check(self):
        versions = {one.name: len(one.table.list_versions()) for one in self.collections}
        return {**super().check(), "versions": versions}

    def compact(self):
        """Fewer files, and indexes that know all rows; every version stays."""
        self.optimize(36500)

    def forget(self, days):
        """Versions older than that go; the last one never does."""
        self.optimize(days)

    def optimize(self, days):
        for one in self.collections:
            try:
                one.table.optimize(cleanup_older_than=datetime.timedelta(days=days))
            except (ValueError, OSError, RuntimeError) as error:
                # Without the place in the library's source that some of its messages end with.
                why = str(error).splitlines()[0].split(", /")[0].removeprefix("lance error: ")
                raise Refused(f"table {one.name} could not be optimized: {why}; it is what it was") from None


def copy(place, path):
    """A copy while others write: of each table the manifests first, then the files they name."""
    room(os.path.dirname(path), 2 * size_of(place))
    for folder, folders, names in os.walk(place):
        folders.sort(key=lambda name: (name != "_versions", name))
        to = os.path.join(path, os.path.relpath(folder, place))
        os.makedirs(to, exist_ok=True)
        for name in names:
            # What a writer has not finished, or has thrown away, no manifest of ours names.
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(os.path.join(folder, name), os.path.join(to, name))


def save(place, options, path):
    copy(os.path.realpath(place), path)
    Store(path, options)


def defragment(place, options, job):
    place = os.path.realpath(place)
    size = size_of(place) if os.path.isdir(place) else 0
    with alone(job.state, place), scratch(place) as folder:
        path = os.path.join(folder, "new")
        Store(place, options)
        copy(place, path)
        trial = Store(path, options)
        before = Before(trial.proven(), size, place, job.state, folder)
        if job.dry_run:
            print(f"would optimize {place} ({size} bytes, {before.figures.vectors} vectors)")
            return None
        trial.compact()
        trial.forget(job.keep)
        before.compare(trial.proven(), 0)
        versions = {one.name: one.table.version for one in Store(place, options).collections}
        Store(place, options).compact()
        figures = after(place, options, before, versions)
        Store(place, options).forget(job.keep)
        figures.bytes = size_of(place)
        return before.figures, figures


def after(place, options, before, versions):
    """The figures of the real one. What others write goes on, so that only what it answers is judged."""
    store, parts = Store(place, options), []
    import proof

    for one in store.proven():
        if one.name not in before.truths:
            continue
        part = proof.measure(one, before.truths[one.name])
        if part.vectors == before.parts[one.name].vectors and part.recall < before.parts[one.name].recall - proof.TOLERANCE:
            raise Refused(
                f"{one.name} finds less than before, though the trial did not: version {versions[one.name]} is what it was "
                f"(table.restore({versions[one.name]}))"
            )
        if part.vectors != before.parts[one.name].vectors:
            # Others wrote meanwhile, and what they wrote is found, too: the trial's recall is that of the same rows.
            part.recall = before.tried[one.name].recall
        parts.append(part)
    return proof.together(store.size(), parts)
