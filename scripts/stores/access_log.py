"""Which documents were asked for, and when, out of access logs: CSV with a heading, or JSON lines."""

import csv
import datetime
import json

from common import Trouble

DAY = 86400


def instant(text):
    """Seconds since 1970 of an ISO time (without a zone: UTC) or a number of seconds; None if it is neither."""
    try:
        return float(text)
    except (TypeError, ValueError):
        pass
    try:
        time = datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=datetime.timezone.utc)).timestamp()


def lines(path):
    """The records of one log as dictionaries; a line that is none is passed over."""
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        if not path.endswith((".json", ".jsonl", ".ndjson")):
            yield from csv.DictReader(file)
            return
        for line in file:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                yield record


def accesses(paths, field, time_field):
    """Pairs of document and time of all logs; a line without a document is none."""
    for path in paths:
        try:
            for record in lines(path):
                if record.get(field) not in (None, ""):
                    yield str(record[field]), instant(record.get(time_field))
        except OSError as error:
            raise Trouble(f"could not read the access log {path}: {error.strerror}") from None


def last_day(paths, field, time_field):
    """Accesses a document on the last day that the logs know of, and when that day began; all of them, and None, if they
    name no times. The logs are read twice, and may be of any size."""
    last = max((time for _, time in accesses(paths, field, time_field) if time is not None), default=None)
    since = None if last is None else last - DAY
    counts = {}
    for document, time in accesses(paths, field, time_field):
        if since is None or (time is not None and time > since):
            counts[document] = counts.get(document, 0) + 1
    return counts, since
