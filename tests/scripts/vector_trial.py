"""What the trials share: the store that each of them has a copy of, processes, and what is told of one."""

import json
import os
import shutil
import signal
import sys

sys.dont_write_bytecode = True
here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "..", "scripts", "stores")]

import vector_makers
from vector_makers import np

# As tests/scripts/vector_trials.rs has it.
COUNT = int(os.environ.get("PAI_TEST_VECTORS", "300"))
SOURCES = ("live.npz", "others.npz", "few.npz")
kind, top, topics = sys.argv[1], sys.argv[2], sys.argv[3:]
os.environ["DEFRAGMENT_QUERIES"] = "30"
master, state = os.path.join(top, "master"), os.path.join(top, "state")
in_folder = kind in ("chroma", "lancedb")


def warm():
    """What takes seconds to load; what threads it starts, it starts again after a fork."""
    if kind == "chroma":
        import chromadb
        import chromadb_rust_bindings
    elif kind == "lancedb":
        import lancedb
    else:
        import annoy, faiss, hnswlib


def forked(work, output=None):
    """Runs `work` in a process of its own; returns its number."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    # One that hangs is ended.
    signal.alarm(120)
    status = 70
    try:
        if output is not None:
            os.dup2(output, 1)
            os.dup2(output, 2)
        status = work() or 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def in_child(work):
    """Its exit status (a signal's is negative), and what it said."""
    reader, writer = os.pipe()
    pid = forked(work, writer)
    os.close(writer)
    with open(reader) as said:
        text = said.read()
    return ended(pid), text


def files(place):
    """Of the store: a folder's, or itself."""
    if not os.path.isdir(place):
        return [place]
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(place) for name in names)


def content(place):
    """Each file of the store with its bytes."""
    found = {}
    for path in files(place):
        with open(path, "rb") as file:
            found[os.path.relpath(path, place)] = file.read()
    return found


class Place:
    """A folder with a copy of the store."""

    def __init__(self, name, folder=None):
        self.folder = folder or os.path.join(top, name)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(master, self.folder)
        self.store = os.path.join(self.folder, kind)
        self.spec = f"{kind}:{self.store}{vector_makers.OPTIONS.get(kind, '')}"

    def words(self, source="live.npz"):
        return ["defragment", self.spec, "--state", state, "--source", os.path.join(self.folder, source), "--keep", "0"]

    def count(self):
        status, text = in_child(lambda: main(["check", self.spec]))
        return json.loads(text.splitlines()[-1])["vectors"] if status == 0 else text

    def ids(self):
        """Of all its vectors, sorted."""

        def work():
            import store

            print(json.dumps(sorted(int(one) for ids, _ in store.opened(self.spec).rows() for one in ids)))

        return json.loads(in_child(work)[1].splitlines()[-1])

    def left(self):
        return sorted(name for name in os.listdir(self.folder) if name.startswith("."))


def main(words):
    import store

    return store.main(words)


def told(name, place, status, text, **more):
    said = [line for line in text.splitlines() if line.strip()]
    now = content(place.store)
    if now == old:
        store = "old"
    elif not in_folder and now == {path: data + b"x" for path, data in old.items()}:
        store = "appended"
    else:
        store = place.count()
    line = {"trial": name, "status": status, "said": said[-1] if said else "", "store": store, "left": place.left()}
    print(json.dumps({**line, **more}), flush=True)


def attempt(name, harm=None, source="live.npz", place=None):
    place = place or Place("work")

    def work():
        if harm:
            harm(place)
        return main(place.words(source))

    status, text = in_child(work)
    told(name, place, status, text)


def wrap(owner, name, around):
    """`around(original, *arguments)` in its place."""
    original = getattr(owner, name)
    setattr(owner, name, lambda *words: around(original, *words))


warm()
os.makedirs(state, exist_ok=True)
if not os.path.exists(master):
    os.mkdir(master)
    # In a process of its own: what it opens, this one must not have open.
    status, text = in_child(lambda: vector_makers.make(kind, master, COUNT) and 0)
    assert status == 0, text
old = content(os.path.join(master, kind))
live_ids = sorted((np.arange(COUNT) * 2 + 1)[vector_makers.alive_of(COUNT)].tolist())
