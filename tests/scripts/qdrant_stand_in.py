"""Stands in for a Qdrant server: FOLDER. The calls that `defragment` makes, exact answers; every call goes to FOLDER/calls.

It is none: it says how the calls are made and that they come in order, not what Qdrant does. FOLDER/harm may name what it does wrong
once it was told to optimize: lose (a point), other (another vector), metric, blind (answers less), red (the optimizer fails).
"""

import http.server
import json
import os
import sys
import threading

import numpy as np

folder = sys.argv[1]
points = {one: vector for one, vector in enumerate(np.random.default_rng(5).standard_normal((300, 8)).astype("f4"))}
snapshots, optimized, lock = [], threading.Event(), threading.Lock()


def harm():
    try:
        with open(f"{folder}/harm") as file:
            return file.read() if optimized.is_set() else ""
    except OSError:
        return ""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, method):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(body) if body else {}
        path = self.path.split("?")[0]
        with lock, open(f"{folder}/calls", "a") as file:
            print(method, path, self.headers.get("api-key", "-"), file=file)
        result = self.result(method, path, body)
        text = result if isinstance(result, bytes) else json.dumps({"result": result, "status": "ok"}).encode()
        self.send_response(200 if result is not None else 404)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def result(self, method, path, body):
        alive = {one: v for one, v in points.items() if not (harm() == "lose" and one == 7)}
        if harm() == "other":
            alive[7] = -alive[7]
        ids = sorted(alive)
        if (method, path) == ("GET", "/collections"):
            return {"collections": [{"name": "docs"}]}
        if (method, path) == ("GET", "/collections/docs"):
            state = {"status": "red", "optimizer_status": {"error": "no space"}} if harm() == "red" else {"status": "green", "optimizer_status": "ok"}
            return {**state, "config": {"params": {"vectors": {"size": 8, "distance": "Cosine" if harm() == "metric" else "Euclid"}}}}
        if (method, path) == ("PATCH", "/collections/docs"):
            optimized.set()
            return True
        if path == "/collections/docs/points/count":
            return {"count": len(ids)}
        if path == "/collections/docs/points/scroll":
            start = body.get("offset", 0)
            page = [one for one in ids if one >= start][: body["limit"]]
            rest = [one for one in ids if page and one > page[-1]]
            return {"points": [{"id": one, "vector": alive[one].tolist()} for one in page], "next_page_offset": rest[0] if rest else None}
        if path == "/collections/docs/points/query":
            away = np.square(np.stack([alive[one] for one in ids]) - np.array(body["query"])).sum(axis=1)
            near = [ids[at] for at in np.argsort(away)[: body["limit"]]]
            return {"points": [{"id": one} for one in (near[::2] if harm() == "blind" else near)]}
        if (method, path) == ("POST", "/collections/docs/snapshots"):
            snapshots.append(f"docs-{len(snapshots)}.snapshot")
            return {"name": snapshots[-1], "size": 5000 - 1000 * len(snapshots)}
        if method == "GET" and path.endswith(".snapshot"):
            return b"a snapshot"
        return True if method == "DELETE" else None


for name in ("GET", "POST", "PATCH", "DELETE"):
    setattr(Handler, f"do_{name}", lambda self, name=name: self.answer(name))
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(f"{folder}/port.part", "w") as file:
    file.write(str(server.server_port))
os.replace(f"{folder}/port.part", f"{folder}/port")
server.serve_forever()
