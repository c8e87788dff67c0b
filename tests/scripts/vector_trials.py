"""Trials of `defragment`: KIND FOLDER TOPIC... makes a store of PAI_TEST_VECTORS (300) vectors in FOLDER once, and copies it for each trial.

A topic is proof, steps, writer, copy or disk. A line of JSON says what came of a trial: its name, the exit status, what was said, what the store
is now (`old`, to the byte; `new`, by its count; or anything else), and what was left beside it. Each trial is a process of its own, forked
from this one, which has loaded the libraries.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True

import vector_makers
from vector_harms import blind, built, compacted, cut, gone, lose, new_metric, other_metric, other_vectors
from vector_trial import SOURCES, Place, attempt, content, ended, files, forked, in_child, in_folder, kind, live_ids, main, master, old, told, top, topics, wrap


def proof():
    if in_folder:
        for name, change in (("lost", lose), ("others", other_vectors), ("metric", new_metric), ("gone", gone)):
            attempt(name, compacted(change))
    else:
        attempt("wrong-source", source="others.npz")
        attempt("few-source", source="few.npz")
        attempt("lost", built(lambda build, self, live, path, make: build(self, make(live.ids[:-50], live.vectors[:-50]), path)))
        attempt("mixed", built(lambda build, self, live, path, make: build(self, make(live.ids, live.vectors[::-1]), path)))
        attempt("cut", built(cut))
        attempt("metric", built(other_metric))
    attempt("blind", blind)
    attempt("good")


CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.chown", "os.truncate", "subprocess.Popen", "shutil.copyfile")


def at_each_step(act):
    """Before each step that changes a name, writes, or starts another program, `act` is called with what the step is."""

    def hook(event, words):
        swap = event == "ctypes.dlsym" and words[1] == "renameat2"
        if event in CHANGES or swap or (event == "open" and isinstance(words[2], int) and words[2] & 3):
            act("swap" if swap else event)

    sys.addaudithook(hook)


def steps():
    if kind == "lancedb":
        kills()
    else:
        look_at_each_step()


def look_at_each_step():
    """What a run that is killed then and there leaves behind: the store at each step, and a run that is killed."""
    place, states = Place("work"), os.path.join(top, "states")
    shutil.rmtree(states, ignore_errors=True)
    os.mkdir(states)

    def look(_place):
        seen, looks, busy = [], [None], []

        def act(step):
            if busy:
                return
            busy.append(step)
            stats = [(path, os.stat(path)) for path in files(place.store)]
            if stats != looks[-1] and (now := content(place.store)) not in seen:
                seen.append(now)
                to = os.path.join(states, str(len(seen)))
                os.mkdir(to)
                (shutil.copytree if in_folder else shutil.copy)(place.store, os.path.join(to, kind))
            looks.append(stats)
            with open(os.path.join(states, "steps"), "a") as file:
                file.write(step + "\n")
            busy.clear()

        at_each_step(act)

    status, text = in_child(lambda: look(place) or main(place.words()))
    with open(os.path.join(states, "steps")) as file:
        taken = file.read().split()
    found = []
    for name in sorted(set(os.listdir(states)) - {"steps"}, key=int):
        seen = Place.__new__(Place)
        seen.folder, seen.store = os.path.join(states, name), os.path.join(states, name, kind)
        seen.spec = place.spec.replace(place.store, seen.store)
        found.append("old" if content(seen.store) == old else seen.count())
    told("steps", place, status, text, steps=len(taken), swap="swap" in taken, states=found)
    for name, after in (("killed-before-the-swap", 0), ("killed-after-the-swap", 1)):
        place, since = Place("work"), []

        def killed(_place):
            def act(step):
                if step == "swap" or since:
                    since.append(step)
                if len(since) > after:
                    os.kill(os.getpid(), signal.SIGKILL)

            at_each_step(act)

        status, text = in_child(lambda: killed(place) or main(place.words()))
        told(name, place, status, text)
        attempt("again", place=place)


def kills():
    """LanceDB works in its own threads, in the real place: it is killed when that shows the next new name there."""
    for number in (1, 2, 4):
        place, seen = Place("work"), []
        pid = forked(lambda: main(place.words()), os.open(os.devnull, os.O_WRONLY))
        found = 0
        while found == 0:
            time.sleep(0.0005)
            names = files(place.store)
            if not seen or names != seen[-1]:
                seen.append(names)
                if len(seen) > number:
                    os.kill(pid, signal.SIGKILL)
            found = os.waitpid(pid, os.WNOHANG)[0]
        print(json.dumps({"trial": "killed", "seen": len(seen), "whole": place.ids() == live_ids}), flush=True)
        if len(seen) <= number:
            break
    attempt("again", place=place)


class Rendezvous:
    """The run stops at a place, and `work` is done meanwhile by a process that has nothing to do with it."""

    def __init__(self):
        self.there, self.here = os.pipe(), os.pipe()

    def stop(self):
        os.write(self.there[1], b"x")
        os.read(self.here[0], 1)

    def attempt(self, name, place, harm, work):
        reader, writer = os.pipe()
        pid = forked(lambda: harm(self) or main(place.words()), writer)
        os.close(writer)
        os.close(self.there[1])
        done = []
        while os.read(self.there[0], 1):
            done.append(ended(forked(work)))
            os.write(self.here[1], b"x")
        with open(reader) as said:
            text = said.read()
        told(name, place, ended(pid), text, wrote=done, ids=added(place) if in_folder else None)


def added(place):
    """How many of the vectors that the writers added are there; -1 if an old one is not."""
    ids = set(place.ids())
    return len(ids - set(live_ids)) if ids >= set(live_ids) else -1


def before(owner, name):
    """It stops before this function, the first time."""

    def harm(rendezvous):
        module = __import__(owner.split(".")[0])
        at = getattr(module, owner.split(".")[1]) if "." in owner else module
        once = []

        def around(original, *words):
            if not once:
                once.append(1)
                rendezvous.stop()
            return original(*words)

        wrap(at, name, around)

    return harm


def add(place, start=0, count=50):
    """A program that adds vectors under new numbers."""
    ids = [100_000 + start + one for one in range(count)]
    vectors = vector_makers.vectors_of(start + count)[start:]
    if kind == "chroma":
        client, docs = vector_makers.chroma_docs(place.store)
        vector_makers.chroma_add(docs, vectors, ids)
        client.close()
    else:
        import lancedb

        lancedb.connect(place.store).open_table("docs").add(vector_makers.lance_rows(vectors, ids))


def replace(place):
    shutil.copy(place.store, place.store + ".part")
    os.replace(place.store + ".part", place.store)


def append(place):
    with open(place.store, "ab") as file:
        file.write(b"x")


def writer():
    if kind == "lancedb":
        for name, at in (("trial", "compact"), ("forget", "forget")):
            place = Place("work")
            Rendezvous().attempt(name, place, before("lancedb_store.Store", at), lambda: add(place))
        all_the_time()
        return
    place = Place("work")
    if kind == "chroma":
        # One that has it open the whole time.
        client_open = Rendezvous()
        pid = forked(lambda: holding(place, client_open))
        os.read(client_open.there[0], 1)
        status, text = in_child(lambda: main(place.words()))
        copied, copy_text = in_child(lambda: main(["copy", place.spec, "--to", os.path.join(top, "refused")]))
        os.write(client_open.here[1], b"x")
        ended(pid)
        told("open", place, status, text, copied=copied, copy_said=copy_text.strip(), copy=os.path.exists(os.path.join(top, "refused")), ids=added(place))
        moments = (("vacuum", "chroma_store", "vacuum", add), ("swap", "swap", "exchange", add))
    else:
        with open(place.store, "ab"):
            status, text = in_child(lambda: main(place.words()))
        told("open", place, status, text)
        moments = (("build", f"{kind}_store.Store", "build", replace), ("written", f"{kind}_store.Store", "build", append), ("swap", "swap", "exchange", replace))
    for name, owner, function, work in moments:
        place = Place("work")
        Rendezvous().attempt(name, place, before(owner, function), lambda: work(place))


def holding(place, rendezvous):
    client, docs = vector_makers.chroma_docs(place.store)
    rendezvous.stop()
    vector_makers.chroma_add(docs, vector_makers.vectors_of(50), [100_000 + one for one in range(50)])
    client.close()


def copies():
    """A plain copy takes one file after the other, while a service writes; ours is made while it is stopped."""
    place, plain, ours = Place("work"), Place("plain"), os.path.join(top, "ours")
    # Enough for it to write its graph, and to forget the queue of which that was made; twice.
    ended(forked(lambda: add(place, count=1500)))
    shutil.rmtree(plain.store)
    shutil.copytree(place.store, plain.store, ignore=shutil.ignore_patterns("chroma.sqlite3"))
    ended(forked(lambda: add(place, start=1500, count=1500)))
    shutil.copy(os.path.join(place.store, "chroma.sqlite3"), plain.store)
    found = in_child(lambda: asked(plain))
    print(json.dumps({"trial": "plain-copy", "status": found[0], "said": found[1].strip().splitlines()[-1]}), flush=True)
    status, text = in_child(lambda: main(["copy", place.spec, "--to", ours]) or asked(place, ours))
    print(json.dumps({"trial": "our-copy", "status": status, "said": text.strip().splitlines()[-1]}), flush=True)
    status, text = in_child(lambda: asked(place))
    print(json.dumps({"trial": "original", "status": status, "said": text.strip().splitlines()[-1]}), flush=True)


def asked(place, store=None):
    """Whether each vector of the store is found by itself, under its own number: how many are, of how many."""
    client, docs = vector_makers.chroma_docs(store or place.store)
    everything = docs.get(include=["embeddings"])
    found = docs.query(query_embeddings=everything["embeddings"], n_results=1, include=[])["ids"]
    print(sum(one == near[:1][0] if near else False for one, near in zip(everything["ids"], found)), "of", len(found))


def all_the_time():
    """Somebody adds ten vectors after ten vectors, from before the run begins until it has ended."""
    place, end, count = Place("work"), os.path.join(top, "end"), os.path.join(top, "count")

    def work():
        number = 0
        while number == 0 or not os.path.exists(end):
            add(place, start=10 * number, count=10)
            number += 1
            with open(count + ".part", "w") as file:
                file.write(str(10 * number))
            os.replace(count + ".part", count)
            # Who never pauses keeps everybody else from a commit.
            time.sleep(0.1)

    def so_far():
        with open(count) as file:
            return int(file.read())

    pid = forked(work)
    while not os.path.exists(count):
        time.sleep(0.01)
    status, text = in_child(lambda: main([*place.words()[:-1], "7"]))
    least, copy = so_far(), Place.__new__(Place)
    copy.store, copy.spec = os.path.join(top, "copied"), f"lancedb:{top}/copied"
    copied, copy_text = in_child(lambda: main(["copy", place.spec, "--to", copy.store]))
    open(end, "w").close()
    wrote = ended(pid)
    told("all-the-time", place, status, text, wrote=[wrote], expected=so_far(), ids=added(place))
    enough = least <= added(copy) <= so_far()
    print(json.dumps({"trial": "copy", "status": copied, "said": copy_text, "whole": enough}), flush=True)


def disk():
    """On a file system of its own: too small, too small and not looked at before, and read-only."""
    folder = os.path.join(top, "disk")
    os.mkdir(folder)
    # In pages: what the store and its source take, and some more, but not a second store.
    sizes = [*map(len, old.values()), *(os.path.getsize(os.path.join(master, name)) for name in SOURCES)]
    size = 40 + 4 * sum(-(-one // 4096) for one in sizes)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", folder], check=True)
    place = Place("disk", os.path.join(folder, "in"))
    for name in SOURCES[1:]:
        os.remove(os.path.join(place.folder, name))
    attempt("full", place=place)

    def no_look(_place):
        import swap

        swap.room = lambda folder, needed: None
        if kind == "lancedb":
            import lancedb_store

            lancedb_store.room = swap.room

    attempt("filled", no_look, place=place)
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    attempt("read-only", place=place)


for topic in topics:
    {"proof": proof, "steps": steps, "writer": writer, "copy": copies, "disk": disk}[topic]()
