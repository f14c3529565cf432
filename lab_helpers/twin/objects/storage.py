"""Objects with resource versions and a watch history, in memory and in SQLite.

Every write is committed to SQLite before it is acknowledged or seen by a watcher, so a killed process loses nothing
that it said. One counter numbers all writes, as etcd's revision does. Reads hand out the stored dictionaries
themselves: they are shared and must never be changed in place (the same rule as for a client-go informer's cache).

The history, in SQLite alone, keeps the newest ``HISTORY`` changes; a watch that asks for older ones gets 410 Expired,
as after an etcd compaction.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from lab_helpers.twin.objects.errors import StatusError, expired
from lab_helpers.twin.objects.jsontexts import compact

__all__ = ["Change", "ChangeType", "Key", "Object", "Storage", "StorageError", "Watch"]

Object = dict[str, Any]
Objects = list[Object]
Statements = list[tuple[str, tuple[object, ...]]]
ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]

HISTORY = 10_000
_LOG_PAGES = 4_000
"""Pages that SQLite's log may hold before they are put in their places: most are written again and again."""
_FORMAT = 1
"""Of the tables below; SQLite's ``user_version``. 0 is what the first ones were written with, the same tables."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT, namespace TEXT, name TEXT, body TEXT, PRIMARY KEY (resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (
    revision INTEGER PRIMARY KEY, type TEXT, resource TEXT, namespace TEXT, name TEXT, body TEXT, previous TEXT
);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
_REMEMBER = """
INSERT INTO history VALUES (?, ?, ?, ?, ?, ?,
    (SELECT body FROM objects WHERE resource = ? AND namespace = ? AND name = ?))
"""


class StorageError(StatusError):
    """The disk refused a write (full, read-only, not ours), and nothing was changed; or what is on it cannot be read.

    HTTP 500, reason InternalError. ``cure`` is what to try.
    """

    def __init__(self, what: str, *, cure: str) -> None:
        super().__init__(500, "InternalError", f"{what}; {cure}")
        self.what = what
        self.cure = cure


class Key(NamedTuple):
    """Where an object lives; ``namespace`` is empty for cluster-scoped kinds."""

    resource: str
    namespace: str
    name: str


class Change(NamedTuple):
    """One write. ``object`` is the new state (for DELETED: the last one, with the revision of the deletion)."""

    revision: int
    type: ChangeType
    key: Key
    object: Object
    previous: Object | None


Changes = list[Change]


class Storage:
    """The objects. ``path`` None keeps everything in memory (tests). Raises StorageError when it cannot be used."""

    def __init__(self, path: Path | None = None) -> None:
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        self._objects: dict[str, dict[tuple[str, str], Object]] = {}
        self._places: dict[str, list[tuple[str, str]]] = {}
        """The keys of each resource's objects, sorted."""
        self._watches: set[Watch] = set()
        self._listeners: list[Callable[[Change], None]] = []
        self._revision = 1
        self._compacted = 1
        try:
            self._open()
            self._load()
        except (sqlite3.Error, ValueError, StorageError) as error:
            self._db.close()
            raise _unusable(path, error) from error

    @property
    def revision(self) -> int:
        """The newest resource version."""
        return self._revision

    def get(self, key: Key) -> Object | None:
        """The stored object (shared, read-only), or None."""
        return self._objects.get(key.resource, {}).get((key.namespace, key.name))

    def list(self, resource: str, namespace: str = "") -> list[Object]:
        """All objects of a resource (shared, read-only), in (namespace, name) order; one namespace if given."""
        found, places = self._objects.get(resource, {}), self._places.get(resource, [])
        if namespace:
            places = places[bisect_left(places, (namespace, "")) : bisect_left(places, (f"{namespace}\0", ""))]
        return [found[place] for place in places]

    def at(self, resource: str, namespace: str, revision: int) -> Objects:
        """``list`` as it was at ``revision``. Raises 410 Expired when the history does not reach back that far."""
        found = dict(self._objects.get(resource, {}))
        for change in reversed(self._changes(resource, revision)):
            place = (change.key.namespace, change.key.name)
            if change.previous is None:
                found.pop(place, None)
            else:
                found[place] = change.previous
        return [found[place] for place in sorted(found) if not namespace or place[0] == namespace]

    def put(self, key: Key, body: Object) -> Object:
        """Store ``body`` under the next revision (written into its metadata) and return it.

        ``body`` belongs to the storage from now on.
        """
        previous = self.get(key)
        revision = self._revision + 1
        body.setdefault("metadata", {})["resourceVersion"] = str(revision)
        self._write(Change(revision, "MODIFIED" if previous else "ADDED", key, body, previous))
        return body

    def reform(self, key: Key, body: Object) -> None:
        """Give a stored object another form without a change anybody is told of: same revision, no event.

        For what readers of a new schema do not see any more; ``body`` belongs to the storage from now on.
        """
        self._execute(
            "UPDATE objects SET body = ? WHERE resource = ? AND namespace = ? AND name = ?",
            (compact(body).decode(), key.resource, key.namespace, key.name),
        )
        self._objects[key.resource][key.namespace, key.name] = body

    def remove(self, key: Key) -> Object | None:
        """Delete; returns the last state with the revision of the deletion, None when there was nothing."""
        previous = self.get(key)
        if previous is None:
            return None
        revision = self._revision + 1
        body = {**previous, "metadata": {**previous["metadata"], "resourceVersion": str(revision)}}
        self._write(Change(revision, "DELETED", key, body, previous))
        return body

    def watch(self, resource: str, namespace: str = "", since: int | None = None) -> Watch:
        """Changes after revision ``since`` (None: from now on).

        Raises 410 Expired when the history does not reach back that far.
        """
        missed = [] if since is None else self._changes(resource, since)
        watch = Watch(self, resource, namespace)
        for change in missed:
            watch.offer(change)
        self._watches.add(watch)
        return watch

    def listen(self, callback: Callable[[Change], None]) -> None:
        """Call ``callback(change)`` for every change, synchronously, after it was stored.

        It must not write (schedule that).
        """
        self._listeners.append(callback)

    def fact(self, name: str) -> str | None:
        """A small persisted value of the twin's own (cluster id, counters)."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Persist a small value."""
        self._execute(
            "INSERT INTO facts VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value", (name, value)
        )

    def facts(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Persisted values whose name starts with ``prefix``."""
        for name, value in self._db.execute("SELECT name, value FROM facts").fetchall():
            if name.startswith(prefix):
                yield name, value

    def close(self) -> None:
        """End all watches and close the file."""
        for watch in tuple(self._watches):
            watch.close()
        self._db.close()

    def drop_watch(self, watch: Watch) -> None:
        """A watch that was closed is told nothing more."""
        self._watches.discard(watch)

    def _open(self) -> None:
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        if found > _FORMAT:
            raise StorageError(
                f"the state is of format {found}, written by a newer cilium-labs; this one reads {_FORMAT}",
                cure="update the clone (git pull), or start over with cilium-labs reset",
            )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
        self._db.executescript(_SCHEMA)
        if found != _FORMAT:
            self._db.execute(f"PRAGMA user_version={_FORMAT}")

    def _load(self) -> None:
        for resource, namespace, name, body in self._db.execute("SELECT resource, namespace, name, body FROM objects"):
            self._objects.setdefault(resource, {})[namespace, name] = json.loads(body)
        self._places = {resource: sorted(found) for resource, found in self._objects.items()}
        oldest, newest = self._db.execute("SELECT min(revision), max(revision) FROM history").fetchone()
        if newest is not None:
            self._revision = newest
            self._compacted = max(oldest - 1, newest - HISTORY)

    def _changes(self, resource: str, since: int) -> Changes:
        """What happened to the objects of a resource after a revision, oldest first. Raises 410 Expired."""
        if since < self._compacted:
            raise expired(f"too old resource version: {since} ({self._compacted})")
        if since >= self._revision:
            return []
        rows = self._db.execute(
            "SELECT revision, type, namespace, name, body, previous FROM history WHERE revision > ? AND resource = ? "
            "ORDER BY revision",
            (since, resource),
        )
        return [
            Change(revision, kind, Key(resource, *place), json.loads(body), json.loads(previous) if previous else None)
            for revision, kind, *place, body, previous in rows
        ]

    def _write(self, change: Change) -> None:
        resource, namespace, name = change.key
        body = compact(change.object).decode()
        statements: Statements = [
            (_REMEMBER, (change.revision, change.type, resource, namespace, name, body, *change.key)),
        ]
        if change.type == "DELETED":
            statements.append(
                ("DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?", (resource, namespace, name))
            )
        else:
            statements.append(("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", (resource, namespace, name, body)))
        if change.revision % 1_000 == 0:
            statements.append(("DELETE FROM history WHERE revision <= ?", (change.revision - HISTORY,)))
        self._transact(statements)
        self._revision = change.revision
        self._compacted = max(self._compacted, change.revision - HISTORY)
        self._place(change)
        for watch in tuple(self._watches):
            watch.offer(change)
        for listener in self._listeners:
            listener(change)

    def _place(self, change: Change) -> None:
        place = (change.key.namespace, change.key.name)
        found = self._objects.setdefault(change.key.resource, {})
        places = self._places.setdefault(change.key.resource, [])
        if change.type == "DELETED":
            del found[place]
            del places[bisect_left(places, place)]
            return
        if place not in found:
            insort(places, place)
        found[place] = change.object

    def _execute(self, statement: str, values: tuple[object, ...]) -> None:
        self._transact([(statement, values)])

    def _transact(self, statements: Statements) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for statement, values in statements:
                self._db.execute(statement, values)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            what = f"the state could not be written and nothing was changed: {error}"
            raise StorageError(what, cure="free disk space and try again") from error


def _unusable(path: Path | None, error: Exception) -> StorageError:
    """What kept the state from being opened, and the cure for that."""
    if isinstance(error, StorageError):
        return StorageError(f"{error.what} (in {path})", cure=error.cure)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR):
        reason = str(error).partition(" with text ")[0]
        return StorageError(
            f"the state in {path} is damaged: {reason}",
            cure="start over with cilium-labs reset (progress in the labs is kept), or put a copy of the file back",
        )
    return StorageError(f"cannot open the state in {path}: {error}", cure="free space or choose another folder")


class Watch(AsyncIterator[Change]):
    """Changes of one resource, oldest first; iterate it, then ``close()`` it (or use it as a context manager)."""

    def __init__(self, storage: Storage, resource: str, namespace: str) -> None:
        self._storage = storage
        self._resource = resource
        self._namespace = namespace
        self._queue: asyncio.Queue[Change | None] = asyncio.Queue()

    def offer(self, change: Change) -> None:
        """Take the change if this watch is about it."""
        if change.key.resource == self._resource and self._namespace in ("", change.key.namespace):
            self._queue.put_nowait(change)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __anext__(self) -> Change:
        change = await self._queue.get()
        if change is None:
            raise StopAsyncIteration
        return change

    def close(self) -> None:
        """Stop; a pending iteration ends."""
        self._storage.drop_watch(self)
        self._queue.put_nowait(None)
