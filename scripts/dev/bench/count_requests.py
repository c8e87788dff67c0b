"""Passes bytes on between a client and an S3 server, and counts: requests, bytes to the server, bytes from it.

Usage: count_requests.py LISTEN_PORT SERVER_HOST SERVER_PORT COUNTS

The counts so far are in the file COUNTS whenever no request is under way. The same line for every tool, so that each is
counted in the same way, headers included.
"""

import asyncio
import re
import sys

REQUEST = re.compile(rb"(?:GET|PUT|POST|HEAD|DELETE) [^ \r\n]+ HTTP/1\.1\r\n")


class Counts:
    """What went through, and the file that tells it."""

    def __init__(self, path):
        self.path = path
        self.requests = self.sent = self.received = 0
        self.write()

    def write(self):
        with open(self.path, "w", encoding="ascii") as file:
            file.write(f"{self.requests} {self.sent} {self.received}\n")


async def to_server(reader, writer, counts):
    """A request line may be cut where a read ends: the end of what came before is looked at again."""
    rest = b""
    while data := await reader.read(1 << 16):
        counts.requests += len(REQUEST.findall(rest + data))
        # Long enough for a request line, too short to hold a whole one that was counted already.
        line = (rest + data).rfind(b"\r\n")
        rest = (rest + data)[line + 2 :][-2048:]
        counts.sent += len(data)
        writer.write(data)
        await writer.drain()
    writer.close()


async def to_client(reader, writer, counts):
    """Answers are counted by their bytes alone."""
    while data := await reader.read(1 << 16):
        counts.received += len(data)
        writer.write(data)
        await writer.drain()
        counts.write()
    writer.close()


async def main():
    port, host, server_port, path = sys.argv[1:]
    counts = Counts(path)

    async def connected(reader, writer):
        server_reader, server_writer = await asyncio.open_connection(host, int(server_port))
        try:
            await asyncio.gather(
                to_server(reader, server_writer, counts), to_client(server_reader, writer, counts)
            )
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", int(port))
    async with server:
        await server.serve_forever()


asyncio.run(main())
