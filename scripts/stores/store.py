#!/usr/bin/env python3
"""A vector store through its own library: KIND:PLACE[?OPTION=VALUE&...], the same verbs for every kind.

check       count, dimensions and metric, as JSON
size        bytes
sample      some vectors, a JSON object a line
query       the nearest ones to a vector that is there (--id), or to one from stdin (JSON)
copy        a copy that can be restored, to a folder or file that is not there yet (--to)
defragment  compacts it or builds it anew, and proves that it answers as well as before

Exit status: 0 done, 1 the new one was not as good and the old one stays, 2 not done.
"""

import argparse
import importlib
import json
import os
import sys
import urllib.parse

from common import Refused, Trouble

KINDS = ("chroma", "lancedb", "qdrant", "faiss", "annoy", "hnswlib")


def adapter(spec):
    """The module, the place and the options of a store's name."""
    kind, _, rest = spec.partition(":")
    if kind not in KINDS:
        raise Trouble(f"not a kind of store: {kind} ({', '.join(KINDS)})")
    place, _, query = rest.partition("?")
    if not place:
        raise Trouble(f"{spec} names no place")
    options = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
    return importlib.import_module(f"{kind}_store"), place, options


def opened(spec):
    module, place, options = adapter(spec)
    if not place.startswith(("http://", "https://")) and not os.path.exists(place):
        raise Trouble(f"no such store: {place}")
    return module.Store(place, options)


def sample(store, count):
    for ids, vectors in store.rows():
        for one, vector in zip(ids, vectors):
            if count == 0:
                return
            count -= 1
            print(json.dumps({"id": one, "vector": [float(number) for number in vector]}))


def query(store, job):
    import source

    if job.id is not None:
        wanted = next((v for ids, vs in store.rows() for i, v in zip(ids, vs) if str(i) == job.id), None)
        if wanted is None:
            raise Trouble(f"nothing there is called {job.id}")
    else:
        wanted = source.vector("stdin", sys.stdin.read())
    for one in store.query(source.np.asarray(wanted, dtype="float32"), job.count):
        print(one)


def copy(job):
    """Each store has its own way to a copy that restores: alone, in an order, or by a snapshot of its server."""
    module, place, options = adapter(job.store)
    if not job.to or os.path.exists(job.to):
        raise Trouble(f"--to must name what is not there yet: {job.to}")
    job.to = os.path.abspath(job.to)
    if hasattr(module, "save"):
        module.save(place, options, job.to)
        return
    import swap

    with swap.Lease(place) as lease:
        held = swap.identity(place)
        swap.copy(place, job.to)
        if swap.identity(place) != held or lease.broken():
            os.remove(job.to)
            raise Trouble(f"{place} was written to meanwhile; nothing was copied")
    module.Store(job.to, options)


def defragment(job):
    import proof

    module, place, options = adapter(job.store)
    figures = module.defragment(place, options, job)
    if figures is None:
        return
    before, after = figures
    print(proof.sentence(place, before, after))
    if job.figures:
        with open(job.figures, "w") as file:
            print(proof.words(before, after), file=file)


def arguments(words):
    parser = argparse.ArgumentParser(prog="store.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("check", "size", "sample", "query", "copy", "defragment"))
    parser.add_argument("store", metavar="KIND:PLACE")
    parser.add_argument("--count", type=int, default=10, help="of sample and query")
    parser.add_argument("--id", help="of query: like this one")
    parser.add_argument("--to", help="of copy: where to")
    parser.add_argument("--source", help="what index files are built from")
    parser.add_argument("--state", default=".", help="a folder for locks and the stored queries")
    parser.add_argument("--figures", help="a file for the figures, KEY=NUMBER")
    parser.add_argument("--most-deleted", type=float, default=50, metavar="PERCENT", help="a source that lacks more is not believed")
    parser.add_argument("--keep", type=float, default=7, metavar="DAYS", help="younger old versions stay (LanceDB)")
    parser.add_argument("--limit", type=float, default=1800, metavar="SECONDS", help="to wait for an optimizer (Qdrant)")
    parser.add_argument("-n", "--dry-run", action="store_true")
    return parser.parse_args(words)


def main(words):
    job = arguments(words)
    try:
        if job.verb == "defragment":
            defragment(job)
        elif job.verb == "sample":
            sample(opened(job.store), job.count)
        elif job.verb == "query":
            query(opened(job.store), job)
        elif job.verb == "copy":
            copy(job)
        elif job.verb == "size":
            print(opened(job.store).size())
        else:
            store = opened(job.store)
            print(json.dumps({**store.check(), "bytes": store.size(), "cannot": store.cannot}))
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"could not write or read {error.filename or job.store}: {error.strerror or error}", file=sys.stderr)
        return 2
    except (RuntimeError, ValueError) as error:
        # What the libraries raise.
        print(f"{job.store}: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    # Each module once, whoever imports it: source.py asks this one for other stores.
    sys.modules["store"] = sys.modules["__main__"]
    sys.exit(main(sys.argv[1:]))
