"""Qdrant: a server, over its HTTP API. It optimizes its segments by itself; here it is told to look now, after a snapshot."""

import json
import os
import shutil
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

from collections_proof import Before, Part, Several
from common import Refused, Trouble
from source import np
from swap import alone

METRICS = {"Cosine": "cosine", "Dot": "ip", "Euclid": "l2", "Manhattan": "l1"}
PAGE = 1000


class Server:
    def __init__(self, address):
        self.address = address.rstrip("/")

    def request(self, method, path, body=None):
        request = urllib.request.Request(self.address + path, method=method)
        request.add_header("Content-Type", "application/json")
        if os.environ.get("QDRANT_API_KEY"):
            request.add_header("api-key", os.environ["QDRANT_API_KEY"])
        data = None if body is None else json.dumps(body).encode()
        try:
            # A snapshot of a large collection takes its time.
            return urllib.request.urlopen(request, data, timeout=600)
        except urllib.error.HTTPError as error:
            raise Trouble(f"{self.address}{path}: status {error.code}: {error.read(200).decode(errors='replace')}") from None
        except (OSError, ValueError) as error:
            raise Trouble(f"{self.address} does not answer: {getattr(error, 'reason', error)}") from None

    def ask(self, method, path, body=None):
        with self.request(method, path, body) as answer:
            try:
                return json.load(answer)["result"]
            except (ValueError, KeyError, TypeError):
                raise Trouble(f"{self.address}{path}: no answer of Qdrant") from None


def quoted(name):
    return urllib.parse.quote(name, safe="")


class Collection(Part):
    """One vector of the points of a collection; most have only one, without a name."""

    def __init__(self, server, of, vector, distance):
        self.server, self.of, self.vector = server, of, vector
        self.name = f"{of}/{vector}" if vector else of
        self.path = f"/collections/{quoted(of)}"
        self.metric = METRICS.get(distance)
        if self.metric is None:
            raise Trouble(f"collection {of} has a metric that is not known here: {distance}")

    def count(self):
        return self.server.ask("POST", f"{self.path}/points/count", {"exact": True})["count"]

    def query(self, vector, count):
        body = {"query": vector.tolist(), "limit": count, **({"using": self.vector} if self.vector else {})}
        return [point["id"] for point in self.server.ask("POST", f"{self.path}/points/query", body)["points"]]

    def rows(self):
        offset, wanted = None, [self.vector] if self.vector else True
        while True:
            body = {"limit": PAGE, "with_payload": False, "with_vector": wanted, **({"offset": offset} if offset is not None else {})}
            page = self.server.ask("POST", f"{self.path}/points/scroll", body)
            vectors = [point["vector"][self.vector] if self.vector else point["vector"] for point in page["points"]]
            yield [point["id"] for point in page["points"]], np.array(vectors, dtype=np.float32).reshape(len(vectors), -1)
            offset = page.get("next_page_offset")
            if offset is None:
                return


class Store(Several):
    cannot = (
        "its optimizer rewrites a segment only above its own thresholds (deleted_threshold, vacuum_min_vector_number); "
        "what it did cannot be undone but by its snapshot, which would undo later writes too"
    )

    def __init__(self, place, options):
        self.place, self.server = place, Server(place)
        self.names = [one["name"] for one in self.server.ask("GET", "/collections")["collections"]]
        self.collections = []
        for name in self.names:
            vectors = self.info(name)["config"]["params"].get("vectors") or {}
            named = {"": vectors} if "size" in vectors else vectors
            for vector, shape in named.items():
                self.collections.append(Collection(self.server, name, vector, shape["distance"]))

    def info(self, name):
        return self.server.ask("GET", f"/collections/{quoted(name)}")

    def size(self):
        """Its API tells no bytes but those of a snapshot: one of each collection, which goes again."""
        snapshots = self.snapshots()
        self.drop(snapshots)
        return sum(size for _, _, size in snapshots)

    def check(self):
        states = {name: self.info(name)["status"] for name in self.names}
        return {**super().check(), "status": states}

    def snapshots(self):
        made = []
        for name in self.names:
            one = self.server.ask("POST", f"/collections/{quoted(name)}/snapshots?wait=true")
            made.append((name, one["name"], one.get("size", 0)))
        return made

    def drop(self, snapshots):
        for name, snapshot, _ in snapshots:
            self.server.ask("DELETE", f"/collections/{quoted(name)}/snapshots/{quoted(snapshot)}?wait=true")

    def optimize(self, limit):
        """An update that changes nothing makes the optimizer look (qdrant.tech, Collections, grey status)."""
        until = time.monotonic() + limit
        for name in self.names:
            self.server.ask("PATCH", f"/collections/{quoted(name)}", {"optimizers_config": {}})
        for name in self.names:
            while (info := self.info(name))["status"] != "green":
                told = info.get("optimizer_status", "ok")
                if told != "ok":
                    raise Refused(f"the optimizer of {name} failed: {json.dumps(told)}")
                if time.monotonic() > until:
                    raise Refused(f"{name} is still {info['status']} after {limit:.0f} s (DEFRAGMENT_OPTIMIZER_LIMIT)")
                time.sleep(0.5)


def defragment(place, _options, job):
    with alone(job.state, place), tempfile.TemporaryDirectory() as folder:
        store = Store(place, {})
        if job.dry_run:
            print(f"would snapshot and optimize {place} ({store.count()} vectors)")
            return None
        snapshots = store.snapshots()
        before = Before(store.collections, sum(size for _, _, size in snapshots), place, job.state, folder)
        try:
            store.optimize(job.limit)
            figures = before.compare(Store(place, {}).collections, 0)
        except Refused as refusal:
            kept = ", ".join(f"{name}: {snapshot}" for name, snapshot, _ in snapshots)
            raise Refused(f"{str(refusal).removesuffix('; the old one stays')}; the snapshots of before are kept ({kept})") from None
        figures.bytes = store.size()
        store.drop(snapshots)
        return before.figures, figures


def save(place, _options, path):
    """A snapshot of each collection, fetched into the folder `path`; restore with PUT /collections/NAME/snapshots/upload."""
    store = Store(place, {})
    os.mkdir(path)
    snapshots = store.snapshots()
    try:
        for name, snapshot, _ in snapshots:
            with store.server.request("GET", f"/collections/{quoted(name)}/snapshots/{quoted(snapshot)}") as answer:
                with open(os.path.join(path, f"{quoted(name)}.snapshot"), "wb") as file:
                    shutil.copyfileobj(answer, file)
    finally:
        store.drop(snapshots)
