"""A cache is two files: an index, and a JSON file that names it and says which document each of its numbers is.

The JSON file is renamed into place in one step, and the index has a name of its own (its digest), so that a reader who opens
the JSON file first has an index that belongs to it. The last one of each stays for readers who are between the two.
"""

import contextlib
import hashlib
import json
import os
import tempfile

from common import Trouble
from swap import sync

ENDS = {"annoy": "ann", "hnswlib": "hnsw", "usearch": "usearch"}
FIELDS = ("kind", "index", "metric", "dimensions", "ids")


def read(path):
    """What the JSON file says; None if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            said = json.load(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Trouble(f"could not read {path}: {error}") from None
    if not isinstance(said, dict) or any(field not in said for field in FIELDS) or said["kind"] not in ENDS:
        raise Trouble(f"{path} is no cache of ours")
    return said


def index_of(path, said):
    return os.path.join(os.path.dirname(path), os.path.basename(said["index"]))


def before(path):
    return f"{path}.before"


def stem(path):
    name = os.path.basename(path)
    return name[: -len(".json")] if name.endswith(".json") else name


def publish(built, path, said):
    """Puts the index file `built`, and what is said of it, in the place of the cache `path`."""
    folder = os.path.dirname(path)
    digest = hashlib.sha256()
    with open(built, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    said = {"kind": said["kind"], "index": f"{stem(path)}-{digest.hexdigest()[:12]}.{ENDS[said['kind']]}", **said}
    mode = 0o644
    with contextlib.suppress(FileNotFoundError):
        mode = os.stat(path).st_mode & 0o7777
    descriptor, part = tempfile.mkstemp(dir=os.path.dirname(built))
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(said, file)
    for one in (built, part):
        os.chmod(one, mode)
        if os.geteuid() == 0 and os.path.exists(path):
            os.chown(one, os.stat(path).st_uid, os.stat(path).st_gid)
        sync(one)
    os.replace(built, os.path.join(folder, said["index"]))
    if os.path.exists(path):
        kept = os.path.join(os.path.dirname(built), "before")
        os.link(path, kept)
        os.replace(kept, before(path))
    sync(folder)
    os.replace(part, path)
    sync(folder)
    sweep(path)


def sweep(path):
    """Removes index files of this cache that neither it nor the one before names: of older ones, and of killed runs."""
    named = set()
    for one in (path, before(path)):
        with contextlib.suppress(Trouble):
            named.add((read(one) or {}).get("index"))
    folder, start = os.path.dirname(path), f"{stem(path)}-"
    for name in os.listdir(folder):
        middle, _, end = name[len(start) :].partition(".")
        if name.startswith(start) and end in ENDS.values() and len(middle) == 12 and set(middle) <= set("0123456789abcdef"):
            if name not in named:
                os.remove(os.path.join(folder, name))
