"""What every store's adapter shares: how it says what went wrong, and how it gets its library."""

import importlib
import importlib.metadata
import os
import re


class Trouble(Exception):
    """What could not be done, in words for people; the store is what it was."""


class Refused(Trouble):
    """A proof found that the new one is not as good: the old one stays."""


def number_of(version):
    """`1.17.3` as numbers that compare; what follows the numbers (`rc1`, `.post2`) does not count."""
    return tuple(int(part) for part in re.findall(r"\d+", re.match(r"[\d.]*", version).group()))


def need(module, package, least, below=None):
    """The library `module` from PyPI's `package`, of a version that is known to do what is asked of it here."""
    wanted = f"{package}>={least}" + (f",<{below}" if below else "")
    hint = f"{os.environ.get('STORES_PYTHON', 'python3')} -m pip install '{wanted}'"
    try:
        library = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise Trouble(f"{error.name} is not installed: {hint}") from None
    except ImportError as error:
        raise Trouble(f"{module} cannot be loaded: {error}; perhaps {hint}") from None
    version = getattr(library, "__version__", None)
    if not isinstance(version, str):
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return library
    number = number_of(version)
    if number < number_of(least) or (below and number >= number_of(below)):
        raise Trouble(f"{module} {version} is not one that is known here: {hint}")
    return library


def size_of(path):
    """Bytes of a file, or of all files in a folder."""
    if not os.path.isdir(path):
        return os.path.getsize(path)
    return sum(
        os.path.getsize(os.path.join(folder, name))
        for folder, _, names in os.walk(path)
        for name in names
        if os.path.exists(os.path.join(folder, name))
    )


def whole_number(options, name, default=None):
    """A number among a store's options (`?dimensions=384`)."""
    text = options.get(name, default)
    if text is None:
        raise Trouble(f"its file does not say its {name}: name the store as KIND:FILE?{name}=...")
    if not str(text).isdigit() or int(text) < 1:
        raise Trouble(f"{name} is no number: {text}")
    return int(text)
