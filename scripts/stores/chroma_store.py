"""Chroma: the folder of a PersistentClient or of `chroma run`.

Its vacuum drops what is done from the queue of writes and gives SQLite's unused pages back. It is run on a copy, while no other program
has the folder open: a copy of a folder that somebody writes to is not one state of it.
"""

import os
import shutil
import subprocess
import sys

from collections_proof import Before, Part, Several
from common import Refused, Trouble, need, size_of
from source import np
from swap import alone, copy, identity, not_in_use, scratch, swap

# It would send figures about its use to its makers.
os.environ["ANONYMIZED_TELEMETRY"] = "False"
PAGE = 1000
# What the program `chroma` is, without the seconds that it takes to load the rest of the library.
COMMAND = """
try:
    from chromadb_rust_bindings import cli
except ImportError:
    from chromadb.cli.cli import app
    app()
else:
    import sys
    cli(sys.argv)
"""


class Collection(Part):
    def __init__(self, collection):
        self.collection, self.name = collection, collection.name
        shape = getattr(collection, "configuration_json", None) or {}
        shape = shape.get("hnsw") or shape.get("spann") or {}
        self.metric = shape.get("space") or (collection.metadata or {}).get("hnsw:space", "l2")

    def count(self):
        return self.collection.count()

    def query(self, vector, count):
        return self.collection.query(query_embeddings=[vector.tolist()], n_results=count, include=[])["ids"][0]

    def rows(self):
        for start in range(0, self.count(), PAGE):
            page = self.collection.get(limit=PAGE, offset=start, include=["embeddings"])
            yield page["ids"], np.asarray(page["embeddings"], dtype=np.float32)


class Store(Several):
    cannot = (
        "its graph keeps what was deleted until a collection is copied into a new one; "
        "it cannot be vacuumed, or copied, while another program has it open"
    )

    def __init__(self, place, options):
        # Only here: it takes seconds, and a folder in use is refused without it.
        chromadb = need("chromadb", "chromadb", "1.0")
        if not os.path.isfile(os.path.join(place, "chroma.sqlite3")):
            raise Trouble(f"{place} is no folder of Chroma")
        self.place = place
        try:
            self.client = chromadb.PersistentClient(place, settings=chromadb.Settings(anonymized_telemetry=False))
            self.collections = [Collection(one) for one in self.client.list_collections()]
        except Exception as error:
            raise Trouble(f"{place} could not be opened by chromadb {chromadb.__version__}: {str(error).splitlines()[0]}") from None

    def close(self):
        """So that nothing of it is open when it is compacted or moved."""
        self.client.close()
        self.client.clear_system_cache()


def vacuum(folder):
    """Chroma's own command, as a process of its own; before 1.1 it was called `chroma utils vacuum`."""
    program = [sys.executable, "-B", "-c", COMMAND]
    words = ["vacuum", "--path", folder, "--force"]
    for prefix in ([], ["utils"]):
        done = subprocess.run([*program, *prefix, *words], capture_output=True, text=True, check=False)
        said = (done.stdout + done.stderr).strip()
        if "unrecognized subcommand" not in said:
            break
    if done.returncode != 0 or "Vacuum complete" not in said:
        raise Refused(f"chroma vacuum: {said.splitlines()[-1] if said else done.returncode}; the old one stays")


def opened(folder, use):
    """What `use` makes of the store, which is closed again."""
    store = Store(folder, {})
    try:
        return use(store)
    finally:
        store.close()


def still_copy(place, path):
    """A copy that nobody wrote to while it was made; returns what the folder was like."""
    if not os.path.isdir(place):
        raise Trouble(f"no such store: {place}")
    not_in_use(place)
    held = identity(place)
    copy(place, path)
    not_in_use(place)
    if identity(place) != held:
        raise Trouble(f"{place} was written to meanwhile; nothing was changed")
    return held


def save(place, _options, path):
    try:
        still_copy(os.path.realpath(place), path)
    except Trouble:
        shutil.rmtree(path, ignore_errors=True)
        raise


def defragment(place, options, job):
    place = os.path.realpath(place)
    with alone(job.state, place), scratch(place) as folder:
        path = os.path.join(folder, "new")
        held = still_copy(place, path)
        size = size_of(path)
        before = opened(path, lambda store: Before(store.collections, size, place, job.state, folder))
        if job.dry_run:
            print(f"would vacuum {place} ({size} bytes, {before.figures.vectors} vectors)")
            return None
        vacuum(path)
        after = opened(path, lambda store: before.compare(store.collections, size_of(path)))

        def check():
            if opened(place, Store.count) < after.vectors:
                raise Trouble(f"{place} could not be read back; the old one was put back")

        swap(path, place, held, check)
        return before.figures, after
