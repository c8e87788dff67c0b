"""Puts a new file or folder in the place of an old one in one step, unless somebody wrote to the old one meanwhile."""

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile

from common import Trouble, size_of

AT_FDCWD = -100
RENAME_EXCHANGE = 2


def identity(place):
    """What changes when somebody writes: device, inode, size and time of the file, or of each one in the folder."""

    def of(path):
        found = os.lstat(path)
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    if not os.path.isdir(place):
        return of(place)
    return {
        os.path.relpath(os.path.join(folder, name), place): of(os.path.join(folder, name))
        for folder, _, names in os.walk(place)
        for name in names
    }


def exchange(one, other):
    """Swaps two names of one file system in one step: neither is ever missing."""
    libc = ctypes.CDLL(None, use_errno=True)
    paths = os.fsencode(one), os.fsencode(other)
    if libc.renameat2(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE) != 0:
        code = ctypes.get_errno()
        raise Trouble(f"could not swap {one} in: {os.strerror(code)}; the old one stays")


def sync(place):
    """Everything in it reaches the disk before its name does."""
    paths = [place]
    if os.path.isdir(place):
        paths = [os.path.join(folder, name) for folder, _, names in os.walk(place) for name in (*names, ".")]
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


@contextlib.contextmanager
def scratch(place):
    """A folder beside `place` for the new one; what a run that was killed left there goes first."""
    parent, name = os.path.split(place)
    start = f".defragment-{name}."
    with contextlib.suppress(FileNotFoundError):
        for old in os.listdir(parent):
            if old.startswith(start):
                shutil.rmtree(os.path.join(parent, old))
    try:
        folder = tempfile.mkdtemp(prefix=start, dir=parent)
    except OSError as error:
        raise Trouble(f"could not write in {parent}: {error.strerror}") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def alone(folder, name):
    """One run a store; the kernel drops the lock with the process."""
    path = os.path.join(folder, "defragment-" + name.replace("/", "_")[-200:] + ".lock")
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Trouble("another run works on it") from None
        yield


class Lease:
    """The kernel's word that nobody has a file open for writing (fcntl(2), F_SETLEASE). One who opens it then waits, and
    `broken` tells of it. Where there are no leases, or the file is another user's, only `identity` tells."""

    def __init__(self, path):
        # Its signal would end the process.
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        self.held = False
        self.descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.fcntl(self.descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            self.held = True
        except OSError as error:
            if error.errno == errno.EAGAIN:
                os.close(self.descriptor)
                raise Trouble(f"{path} is in use: another program writes to it; nothing was changed") from None

    def broken(self):
        return self.held and fcntl.fcntl(self.descriptor, fcntl.F_GETLEASE) != fcntl.F_RDLCK

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.descriptor)


def users(folder):
    """Processes that have a file below `folder` open, as `PID (name)`; of other users only root sees them."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            for one in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{pid}/fd/{one}").startswith(folder + "/"):
                        with open(f"/proc/{pid}/comm") as name:
                            found.append(f"{pid} ({name.read().strip()})")
                        break
    return found


def not_in_use(folder):
    found = users(folder)
    if found:
        raise Trouble(f"{folder} is in use by process {found[0]}: stop it for that time; nothing was changed")


def room(folder, needed):
    free = os.statvfs(folder)
    if free.f_bavail * free.f_frsize < needed:
        raise Trouble(f"{free.f_bavail * free.f_frsize} bytes free in {folder}, {needed} needed")


def copy(place, path):
    """A copy with owners, modes and times; blocks are shared where the file system can."""
    room(os.path.dirname(path), 2 * size_of(place))
    done = subprocess.run(["cp", "-a", "--reflink=auto", "--", place, path], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Trouble(f"could not copy {place}: {(done.stderr.strip().splitlines() or ['?'])[-1]}")


def swap(new, place, held, check):
    """`new` becomes `place`, and `new` is then the old one; back again if `check` raises, or somebody wrote meanwhile.

    `held` is the identity that the old one had when the new one was made of it."""
    found = os.stat(place)
    os.chmod(new, found.st_mode & 0o7777)
    if os.geteuid() == 0:
        os.chown(new, found.st_uid, found.st_gid)
    sync(new)
    guard = contextlib.nullcontext() if os.path.isdir(place) else Lease(place)
    with guard as lease:
        if os.path.isdir(place):
            not_in_use(place)
        if identity(place) != held:
            raise Trouble(f"{place} was written to meanwhile; nothing was changed")
        exchange(new, place)
        if identity(new) != held or (lease and lease.broken()) or (os.path.isdir(new) and users(new)):
            exchange(new, place)
            raise Trouble(f"{place} was written to meanwhile; nothing was changed")
    try:
        check()
    except BaseException:
        exchange(new, place)
        raise
    sync(os.path.dirname(place))
