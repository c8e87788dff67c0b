"""What load.py asks: an HTTP address, or a client program of a store."""

import http.client
import os
import select
import ssl
import subprocess
import time
import urllib.parse

END = b"load-end"


class Failure(Exception):
    """One query that failed; its text is counted, so it holds no numbers that differ each time."""


class Http:
    """One connection that stays open as long as the server lets it."""

    def __init__(self, options):
        self.url = urllib.parse.urlsplit(options.url)
        self.timeout = options.timeout
        self.path = urllib.parse.urlunsplit(("", "", self.url.path or "/", self.url.query, ""))
        pairs = (header.partition(":") for header in options.header)
        self.headers = {name: text.strip() for name, _, text in pairs}
        if options.queries and "content-type" not in map(str.lower, self.headers):
            self.headers["Content-Type"] = "application/json"
        self.connection = None

    def connect(self):
        name, port = self.url.hostname, self.url.port
        if self.url.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(name, port, timeout=self.timeout, context=context)
        return http.client.HTTPConnection(name, port, timeout=self.timeout)

    def ask(self, query):
        self.connection = self.connection or self.connect()
        try:
            method = "GET" if query is None else "POST"
            body = None if query is None else query.encode()
            self.connection.request(method, self.path, body, self.headers)
            answer = self.connection.getresponse()
            answer.read()
        except TimeoutError:
            self.close()
            raise Failure("timeout") from None
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Failure(getattr(error, "strerror", None) or type(error).__name__) from None
        if not 200 <= answer.status < 300:
            raise Failure(f"status {answer.status}")

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


class Client:
    """One client process that stays open until it fails."""

    def __init__(self, options):
        self.options = options
        self.process = None

    def ask(self, query):
        if not self.process:
            self.process = subprocess.Popen(
                self.options.client, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        try:
            self.process.stdin.write(f"{query};\n{self.options.end}\n".encode())
            self.process.stdin.flush()
            self.read_to_end(time.monotonic() + self.options.timeout)
        except BrokenPipeError:
            self.close()
            raise Failure("the client ended") from None
        except Failure:
            self.close()
            raise

    def read_to_end(self, deadline):
        said = b""
        # Not at the end: through docker exec, the end may overtake the answer, and that comes before the next one.
        while END not in said:
            rest = deadline - time.monotonic()
            if rest <= 0 or not select.select([self.process.stdout], [], [], rest)[0]:
                raise Failure("timeout")
            read = os.read(self.process.stdout.fileno(), 65536)
            if not read:
                last = said.decode(errors="replace").strip().splitlines() or ["the client ended"]
                raise Failure(next((line for line in last if "rror" in line), last[-1])[:100])
            said = (said + read)[-65536:]

    def close(self):
        if self.process:
            self.process.kill()
            self.process.communicate()
        self.process = None
