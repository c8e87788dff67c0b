"""new_members.py PARENT CHILD: bytes of CHILD's members that PARENT does not have, and those of its index among them."""

import sys


def members(path):
    """Every gzip member of an archive with an index: the bytes that tell it from others, its size, whether it is data."""
    with open(path, "rb") as archive:
        while start := archive.read(16):
            length = int.from_bytes(start[14:16], "little")
            field = archive.read(length)
            if start[12:14] == b"PI":
                size = int.from_bytes(field[32:36], "little")
                archive.seek(size - 16 - length, 1)
                yield field, size, True
            else:
                archive.seek(10, 1)
                yield start[12:14] + field, 26 + length, False


def main():
    known = {key for key, _, _ in members(sys.argv[1])}
    new = {key: (size, is_data) for key, size, is_data in members(sys.argv[2]) if key not in known}
    print(sum(size for size, _ in new.values()), sum(size for size, is_data in new.values() if not is_data))


main()
