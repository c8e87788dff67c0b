#!/usr/bin/env python3
"""The cache of the most accessed documents: an index of their vectors, and which document each of them is.

build  makes it of the documents on stdin, a JSON array [DOCUMENT, ACCESSES] a line, most accessed first
hits   what share of the last day's accesses it answers, and the one before it
query  the documents of it that are nearest to one of them (--id), or to a vector on stdin

Exit status: 0 done, 1 the new one was not good enough and the old one stays, 2 not done.
"""

import argparse
import datetime
import importlib
import json
import os
import sys

import access_log
import sidecar
from common import Refused, Trouble

ANNOY_METRICS = {"cosine": "angular", "l2": "euclidean", "ip": "dot"}
# Of an index of some thousand vectors; one that finds less was not built as it should be.
LEAST_RECALL = 0.8


def metric_name(kind, metric):
    return ANNOY_METRICS[metric] if kind == "annoy" else metric


def opened(path, said):
    place = sidecar.index_of(path, said)
    if not os.path.isfile(place):
        raise Trouble(f"{path} names {said['index']}, which is not there")
    module = importlib.import_module(f"{said['kind']}_store")
    return module.Store(place, {"dimensions": said["dimensions"], "metric": said["metric"]})


def hot(ranking, rows, size):
    """Of the ranked documents that the source has, the first `size`: identities, accesses and vectors, in that order;
    and how many documents it does not have."""
    accesses = {str(document): (place, count) for place, (document, count) in enumerate(ranking)}
    found, known = {}, 0
    for ids, vectors in rows:
        for one, vector in zip(ids, vectors):
            if str(one) in accesses:
                known += 1
                # Of more than twice as many as are wanted, the colder ones go: memory stays bounded.
                found[accesses[str(one)]] = one, vector.copy()
        if len(found) > 2 * size + 10000:
            found = {key: found[key] for key in sorted(found)[:size]}
    order = sorted(found)
    return [(*found[key], key[1]) for key in order[:size]], len(accesses) - known


def proven(place, kind, said, vectors):
    """Reads the new index back: all the documents, their own vectors, and their true neighbours."""
    import proof
    import rebuild
    from source import Vectors, np

    store = importlib.import_module(f"{kind}_store").Store(place, said)
    live = Vectors(list(range(len(vectors))), vectors)
    rebuild.complete(store, live)
    some = np.linspace(0, len(vectors) - 1, min(proof.QUERIES, len(vectors))).astype(int)
    figures = proof.measure(store, proof.Truth(live, vectors[some], store.metric))
    if figures.recall < LEAST_RECALL:
        raise Refused(f"the new cache's recall is {figures.recall:.3f}; the old one stays")
    return figures


def write(kind, path, vectors, metric):
    from source import np

    numbers = np.arange(len(vectors))
    module = importlib.import_module(f"{kind}_store")
    if kind == "annoy":
        module.write(path, numbers, vectors, metric)
    elif kind == "hnswlib":
        module.write(path, numbers, vectors, metric, len(vectors), ef_construction=200, M=16)
    else:
        module.write(path, numbers, vectors, metric)


def build(job):
    import source

    ranking = [json.loads(line) for line in sys.stdin]
    importlib.import_module(f"{job.kind}_store")
    documents, strangers = hot(ranking, source.rows_of(job.source), job.size)
    if strangers:
        print(f"{strangers} documents of the logs are not in the store")
    if not documents:
        raise Trouble("not one document of the logs is in the store; the old cache stays")
    vectors = source.np.stack([vector for _, vector, _ in documents]).astype("float32")
    said = {
        "kind": job.kind,
        "metric": metric_name(job.kind, job.metric),
        "dimensions": int(vectors.shape[1]),
        "built": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "ids": [one for one, _, _ in documents],
        "accesses": [count for _, _, count in documents],
    }
    counts, _ = access_log.last_day(job.logs, job.field, job.time_field)
    old = existing(job.file)
    place = os.path.join(job.scratch, "new")
    write(job.kind, place, vectors, said["metric"])
    figures = proven(place, job.kind, said, vectors)
    if not job.dry_run:
        sidecar.publish(place, job.file, said)
    tell(job, said, figures, rate(old, counts), rate(said, counts))


def existing(path):
    """The cache there is; one that cannot be read is none, and is replaced."""
    try:
        return sidecar.read(path)
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return None


def tell(job, said, figures, old, new):
    word = "would be " if job.dry_run else ""
    print(
        f"{job.file}: {word}the {len(said['ids'])} most accessed documents ({sum(said['accesses'])} accesses), {figures.bytes} bytes; "
        f"recall@10 {figures.recall:.3f}; hit rate of the last day {percent(old)} before, {percent(new)} after"
    )
    if job.figures and not job.dry_run:
        rates = "".join(f" {key}={value:.4f}" for key, value in (("hits_before", old), ("hits", new)) if value is not None)
        with open(job.figures, "w") as file:
            print(f"after_bytes={figures.bytes} documents={len(said['ids'])} recall={figures.recall:.4f}{rates}", file=file)


def rate(said, counts):
    """The share of these accesses that a cache of these documents answers; None if there is nothing to say."""
    if said is None or not counts:
        return None
    ids = {str(one) for one in said["ids"]}
    return sum(count for document, count in counts.items() if document in ids) / sum(counts.values())


def percent(share):
    return "unknown" if share is None else f"{100 * share:.1f} %"


def hits(job):
    counts, since = access_log.last_day(job.logs, job.field, job.time_field)
    day = "all that the logs have (they name no times)"
    if since is not None:
        begin = datetime.datetime.fromtimestamp(since).astimezone()
        day = f"24 hours from {begin.isoformat(timespec='seconds')}"
    print(f"{day}: {sum(counts.values())} accesses of {len(counts)} documents")
    for name, path in (("before", sidecar.before(job.file)), ("now", job.file)):
        said = sidecar.read(path)
        print(f"{name}: hit rate {percent(rate(said, counts))}" + (f", built {said.get('built', '?')}" if said else ", no cache"))


def query(job):
    import source

    said = sidecar.read(job.file)
    if said is None:
        raise Trouble(f"no such cache: {job.file}")
    store = opened(job.file, said)
    if job.id is not None:
        names = [str(one) for one in said["ids"]]
        if job.id not in names:
            raise Trouble(f"not in the cache: {job.id}")
        wanted = store.vectors_of([names.index(job.id)])[0]
    else:
        wanted = source.vector("stdin", sys.stdin.read())
    if len(wanted) != said["dimensions"]:
        raise Trouble(f"the vector has {len(wanted)} dimensions, the cache {said['dimensions']}")
    for number in store.query(source.np.asarray(wanted, dtype="float32"), job.count):
        print(said["ids"][number])


def arguments(words):
    parser = argparse.ArgumentParser(prog="cache.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("build", "hits", "query"))
    parser.add_argument("file", help="the cache's JSON file")
    parser.add_argument("--kind", choices=tuple(sidecar.ENDS), default="annoy")
    parser.add_argument("--metric", choices=tuple(ANNOY_METRICS), default="cosine")
    parser.add_argument("--source", help="FILE.npz, FILE:TABLE:KEY:COLUMN, or a store")
    parser.add_argument("--size", type=int, default=1000)
    parser.add_argument("--log", dest="logs", action="append", default=[])
    parser.add_argument("--field", default="document_id")
    parser.add_argument("--time-field", default="time")
    parser.add_argument("--scratch", help="a folder beside the cache, for the new one")
    parser.add_argument("--figures", help="a file for the figures, KEY=NUMBER")
    parser.add_argument("--id", help="of query: like this document")
    parser.add_argument("--count", type=int, default=10, help="of query")
    parser.add_argument("-n", "--dry-run", action="store_true")
    return parser.parse_args(words)


def main(words):
    job = arguments(words)
    try:
        {"build": build, "hits": hits, "query": query}[job.verb](job)
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 1 if isinstance(trouble, Refused) else 2
    except OSError as error:
        print(f"could not write or read {error.filename or job.file}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
