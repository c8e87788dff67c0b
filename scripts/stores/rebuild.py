"""An index file built anew from the application's own vectors, beside the old one, proven, and swapped in whole."""

import os

import proof
import source
import swap
from common import Refused, Trouble
from source import np
from swap import alone, identity, scratch

# So many of the vectors that both have are compared.
COMPARED = 500


def same(ours, theirs, exact):
    """Which of these pairs of vectors are the same. A compressing index gives back only something like it."""
    if exact:
        return np.isclose(ours, theirs, rtol=1e-3, atol=1e-4).all(axis=1)
    return (source.normal(ours) * source.normal(theirs)).sum(axis=1) > 0.8


def compared(store, live):
    """The share of the vectors that both have that are the same in both; None if they have none in common."""
    shared = [one for one in store.ids() if one in live.row_of]
    if not shared:
        return None
    some = [shared[at] for at in np.linspace(0, len(shared) - 1, min(COMPARED, len(shared))).astype(int)]
    ours = np.array(live.vectors[[live.row_of[one] for one in some]])
    theirs = store.vectors_of(some)
    if store.metric == "cosine":
        ours, theirs = source.normal(ours), source.normal(theirs)
    return float(same(ours, theirs, store.exact).mean())


def believe(old, live, most_deleted):
    """Refuses a source that is not this index's: of other dimensions, of few of its vectors, or of others."""
    if old.dimensions != live.dimensions:
        raise Refused(f"the source has {live.dimensions} dimensions, the index {old.dimensions}; the old one stays")
    ids = old.ids()
    lost = sum(one not in live.row_of for one in ids)
    if lost * 100 > most_deleted * len(ids):
        raise Refused(
            f"the source lacks {lost} of the index's {len(ids)} vectors, more than {most_deleted} % "
            "(DEFRAGMENT_MAX_DELETED); the old one stays"
        )
    share = compared(old, live)
    if share is not None and share < 0.5:
        raise Refused(f"of the vectors that both have, {100 * (1 - share):.0f} % are others in the source; the old one stays")


def complete(new, live):
    """Refuses a new index that is not made of all these vectors and of no others."""
    ids = new.ids()
    missing = len(live) - len(set(ids) & live.row_of.keys())
    if missing or len(ids) != len(live):
        raise Refused(f"the new one lacks {missing} of {len(live)} vectors and has {len(ids)}; the old one stays")
    share = compared(new, live)
    if share < 1:
        raise Refused(f"{100 * (1 - share):.0f} % of the new one's vectors are not the source's; the old one stays")


def alike(old, new):
    """Refuses a new index that measures otherwise than the old one."""
    for what in ("metric", "dimensions"):
        if getattr(old, what) != getattr(new, what):
            raise Refused(f"the new one's {what} is {getattr(new, what)}, the old one's {getattr(old, what)}; the old one stays")


def made(cls, old, live, path, options):
    """Builds the new index and reads it back. Not every library says that the disk is full."""
    try:
        old.build(live, path)
        return cls(path, options)
    except (Trouble, RuntimeError, OSError) as error:
        free = os.statvfs(os.path.dirname(path))
        why = "no room is left for it" if free.f_bavail * free.f_frsize < 65536 else str(error).splitlines()[0]
        raise Refused(f"the new one could not be made: {why}; the old one stays") from None


def rebuild(cls, place, options, job):
    """Does it, or under job.dry_run says what it would do; returns the figures before and after."""
    if not job.source:
        raise Trouble("VECTOR_SOURCES names no source to build it from")
    if not os.path.isfile(place):
        raise Trouble(f"no such store: {place}")
    place = os.path.realpath(place)
    with alone(job.state, place), scratch(place) as folder:
        held = identity(place)
        old = cls(place, options)
        # The vectors of the source, the new index, and some air.
        swap.room(folder, 2 * held[2] + 8 * len(old.ids()) * old.dimensions)
        ids = source.collect(source.rows_of(job.source), folder, unit=old.unit)
        live = source.Vectors(ids.numbers().tolist(), ids.vectors)
        believe(old, live, job.most_deleted)
        if job.dry_run:
            gone = sum(one not in live.row_of for one in old.ids())
            print(f"would rebuild {place} ({held[2]} bytes) from {len(live)} vectors; {gone} of its {len(old.ids())} are no more")
            return None
        truth = proof.Truth(live, proof.stored_queries(job.state, place, live), old.metric)
        before = proof.measure(old, truth)
        path = os.path.join(folder, "new")
        new = made(cls, old, live, path, options)
        alike(old, new)
        complete(new, live)
        after = proof.measure(new, truth)
        proof.judge(before, after, len(live))

        def check():
            if cls(place, options).count() != len(live):
                raise Trouble(f"{place} could not be read back; the old one was put back")

        swap.swap(path, place, held, check)
        return before, after
