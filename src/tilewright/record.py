"""What was learned: Record, the outcome of one evaluation, and Store, the append-only log of one run.

A run is a folder. Its SQLite database (write-ahead log) holds events, in the order in which they were decided, and
content-addressed blobs, the texts of candidates. One process writes; any number may read at the same time. An event
is on disk when `append` returns, so whatever kills the writer, a later one knows all that was begun and all that was
finished.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from pydantic import Field, JsonValue

from .bound import Bound
from .candidate import Candidate, Status
from .measure.nouns import Comparison, Measurement
from .schema import Noun, canonical_json, content_digest
from .verify.verdict import Verdict

DATABASE = "run.sqlite"
LOCK = "run.lock"
STORE_VERSION = 1

_TABLES = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, kind TEXT NOT NULL, key TEXT, body TEXT NOT NULL,
    UNIQUE (kind, key));
CREATE TABLE IF NOT EXISTS blobs (digest TEXT PRIMARY KEY, data BLOB NOT NULL);
"""


class EvaluationCost(Noun):
    """Where the time of one evaluation went, in seconds."""

    build_s: float = 0.0
    check_s: float = 0.0
    measure_s: float = 0.0

    @property
    def run_s(self) -> float:
        return self.check_s + self.measure_s

    @property
    def total_s(self) -> float:
        return self.build_s + self.run_s


class Record(Noun):
    """The outcome of one evaluation of one candidate on one workload.

    `candidate` and `problem` are digests; `measurement` is absent where nothing was
    timed; `comparisons` holds paired timings by the name of what the candidate was paired with; `environment` is the
    digest of the environment's description; `created` is the time in seconds since 1970.
    """

    candidate: str
    name: str
    origin: str = "user"
    language: str = "torch"
    params: dict[str, JsonValue] = {}
    problem: str = ""
    problem_name: str = ""
    workload: str = ""
    device: str = "cpu"
    tier: str = "measure"
    verdict: Verdict
    measurement: Measurement | None = None
    comparisons: dict[str, Comparison] = {}
    bound: Bound | None = None
    facts: dict[str, JsonValue] = {}
    environment: str = ""
    cost: EvaluationCost = EvaluationCost()
    created: float = Field(default_factory=time.time)

    @property
    def status(self) -> Status:
        return self.verdict.status

    @property
    def passed(self) -> bool:
        return self.status is Status.PASSED

    @property
    def median_s(self) -> float | None:
        return None if self.measurement is None else self.measurement.median_s

    @property
    def stopped(self) -> bool:
        """Whether timing ended after a few samples because the candidate was hopeless."""
        return self.measurement is not None and self.measurement.stopped

    @property
    def fraction_of_bound(self) -> float | None:
        """The achievable bound over the median: 1.0 is at the limit, above 1.0 is shown and never clamped."""
        return self.bound.fraction(self.median_s) if self.bound else None


class StoreError(Exception):
    """A run folder cannot be used; the message is one line for the user."""


@dataclass(frozen=True)
class Event:
    """One line of a run's log. `key` is unique among events of its kind, or None where repeats are meant."""

    seq: int
    time: float
    kind: str
    key: str | None
    body: dict[str, Any]


class Store:
    """The log and the blobs of one run folder. Use `Store.open`; safe to share between threads."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: int | None):
        self.folder = folder
        self._connection = connection
        self._lock = lock
        self._mutex = threading.RLock()

    @classmethod
    def open(cls, folder: str | os.PathLike[str], *, write: bool = True, create: bool = True) -> Self:
        """Open the run in `folder`: to write (one process at a time; made if `create` and absent) or only to read.

        Raises StoreError: no run there, another live process writes it, or a newer version wrote it.
        """
        folder = Path(folder)
        exists = (folder / DATABASE).is_file()
        if not exists and not (write and create):
            raise StoreError(f"{folder} is not a run: it has no {DATABASE}")
        if not write:
            return cls(folder, _connect_reader(folder), None)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = _take_lock(folder)
        except OSError as error:
            raise StoreError(f"cannot write a run into {folder}: {error.strerror}") from error
        try:
            return cls(folder, _connect_writer(folder), lock)
        except BaseException:
            os.close(lock)
            raise

    def append(self, kind: str, key: str | None, body: Mapping[str, Any]) -> int:
        """Put one event on disk and return its number. An event whose kind and key are there already is left as it
        was, and its number returned: what has been recorded is never overwritten."""
        row = (time.time(), kind, key, canonical_json(dict(body)))
        with self._mutex:
            sql = "INSERT INTO events (time, kind, key, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING seq"
            found = self._connection.execute(sql, row).fetchone()
            if found is None:
                sql = "SELECT seq FROM events WHERE kind = ? AND key = ?"
                found = self._connection.execute(sql, (kind, key)).fetchone()
        return int(found[0])

    def events(self, kind: str | None = None, since: int = 0) -> list[Event]:
        """Return the events numbered above `since`, in order, of one `kind` or of all."""
        sql, values = "SELECT seq, time, kind, key, body FROM events WHERE seq > ?", [since]
        if kind is not None:
            sql, values = sql + " AND kind = ?", [since, kind]  # type: ignore[list-item]
        with self._mutex:
            rows = self._connection.execute(sql + " ORDER BY seq", values).fetchall()
        return [Event(seq, at, what, key, json.loads(body)) for seq, at, what, key, body in rows]

    def get(self, kind: str, key: str) -> Event | None:
        """Return the one event of this kind and key, or None."""
        with self._mutex:
            sql = "SELECT seq, time, kind, key, body FROM events WHERE kind = ? AND key = ?"
            row = self._connection.execute(sql, (kind, key)).fetchone()
        return None if row is None else Event(row[0], row[1], row[2], row[3], json.loads(row[4]))

    def put_blob(self, data: str | bytes) -> str:
        """Keep `data` under its digest and return that; the same content is kept once."""
        raw = data.encode() if isinstance(data, str) else data
        digest = content_digest("blob", raw)
        with self._mutex:
            self._connection.execute("INSERT INTO blobs VALUES (?, ?) ON CONFLICT DO NOTHING", (digest, raw))
        return digest

    def get_blob(self, digest: str) -> bytes:
        """Return the content named `digest`; KeyError if the run has no such blob."""
        with self._mutex:
            row = self._connection.execute("SELECT data FROM blobs WHERE digest = ?", (digest,)).fetchone()
        if row is None:
            raise KeyError(f"{self.folder} holds no blob {digest}")
        return bytes(row[0])

    def close(self) -> None:
        """Close the database and let another process write; closing twice is allowed."""
        with self._mutex:
            self._connection.close()
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def candidate_event(store: Store, candidate: Candidate) -> dict[str, Any]:
    """Return the body of an event that names `candidate`, its text kept as a blob."""
    body = candidate.model_dump(mode="json", exclude={"source"})
    return {**body, "digest": candidate.digest, "source_blob": store.put_blob(candidate.source)}


def candidate_from_event(store: Store, body: Mapping[str, Any]) -> Candidate:
    """Rebuild the candidate that `candidate_event` described."""
    fields = {k: v for k, v in body.items() if k in Candidate.model_fields}
    return Candidate(**fields, source=store.get_blob(body["source_blob"]).decode())


def _take_lock(folder: Path) -> int:
    """Hold the folder's lock file, which the kernel frees however this process ends, and write our id into it."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(lock, 32).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise StoreError(f"{folder} is being written by another live process (id {owner})") from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _connect_writer(folder: Path) -> sqlite3.Connection:
    # isolation_level None: every statement commits by itself; FULL: and is on disk when it returns.
    connection = sqlite3.connect(folder / DATABASE, isolation_level=None, check_same_thread=False, timeout=30)
    try:
        _check_version(connection, folder)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {STORE_VERSION}; COMMIT;")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise StoreError(f"{folder / DATABASE} is not a run's database: {error}") from error
    except StoreError:
        connection.close()
        raise
    return connection


def _connect_reader(folder: Path) -> sqlite3.Connection:
    # A finished run on a read-only medium has no log beside it, and SQLite then needs to be told that nobody writes.
    finished = not (folder / f"{DATABASE}-wal").exists() and not os.access(folder, os.W_OK)
    uri = f"file:{quote(str((folder / DATABASE).absolute()))}?mode=ro{'&immutable=1' if finished else ''}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=30)
    try:
        _check_version(connection, folder)
        connection.execute("SELECT seq FROM events LIMIT 1")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise StoreError(f"{folder / DATABASE} is not a run's database: {error}") from error
    except StoreError:
        connection.close()
        raise
    return connection


def _check_version(connection: sqlite3.Connection, folder: Path) -> None:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > STORE_VERSION:
        known = f"store version {found}, this one reads up to {STORE_VERSION}"
        raise StoreError(f"{folder} was written by a newer tilewright: {known}")
