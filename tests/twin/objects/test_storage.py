"""Storage: versions, history, restarts."""

from __future__ import annotations

import asyncio

import pytest

from lab_helpers.twin.objects.errors import StatusError
from lab_helpers.twin.objects.storage import Key, Storage


def put(storage, name, **body):
    return storage.put(Key("configmaps", "default", name), {"metadata": {"name": name}, **body})


def names(found):
    return [item["metadata"]["name"] for item in found]


def test_versions_rise_and_lists_are_sorted():
    storage = Storage()
    versions = [int(put(storage, name)["metadata"]["resourceVersion"]) for name in ("b", "a", "b")]
    assert versions == sorted(set(versions))
    assert names(storage.list("configmaps")) == ["a", "b"]
    assert storage.list("configmaps", "other") == []


def test_the_past_can_be_listed():
    storage = Storage()
    put(storage, "a", data=1)
    first = storage.revision
    put(storage, "a", data=2)
    put(storage, "b")
    storage.remove(Key("configmaps", "default", "a"))
    assert [(item["metadata"]["name"], item["data"]) for item in storage.at("configmaps", "", first)] == [("a", 1)]
    assert names(storage.at("configmaps", "", storage.revision)) == ["b"]
    with pytest.raises(StatusError, match="too old resource version"):
        storage.at("configmaps", "", 0)


def test_a_restart_loses_nothing(tmp_path):
    path = tmp_path / "state.db"
    storage = Storage(path)
    put(storage, "a", data=1)
    put(storage, "b")
    storage.remove(Key("configmaps", "default", "b"))
    storage.set_fact("x", "1")
    revision = storage.revision
    storage.close()
    again = Storage(path)
    assert names(again.list("configmaps")) == ["a"]
    assert again.revision == revision
    assert again.fact("x") == "1"
    assert names(again.at("configmaps", "", revision - 1)) == ["a", "b"]
    again.close()


async def test_watches_see_the_history_and_then_the_present():
    storage = Storage()
    put(storage, "a")
    since = storage.revision
    put(storage, "b")
    with storage.watch("configmaps", "default", since) as watch:
        put(storage, "c")
        storage.put(Key("pods", "default", "x"), {"metadata": {"name": "x"}})
        seen = [(await anext(watch)).key.name for _ in range(2)]
    assert seen == ["b", "c"]
    with pytest.raises(StopAsyncIteration):
        async with asyncio.timeout(5):
            await anext(watch)
    with pytest.raises(StatusError, match="too old"):
        storage.watch("configmaps", "", 0)


def test_a_full_disk_changes_nothing(tmp_path, monkeypatch):
    storage = Storage(tmp_path / "state.db")
    put(storage, "a")
    revision = storage.revision
    storage._db.execute("PRAGMA query_only = ON")
    with pytest.raises(StatusError, match="nothing was changed"):
        put(storage, "b")
    storage._db.execute("PRAGMA query_only = OFF")
    assert storage.revision == revision
    assert names(storage.list("configmaps")) == ["a"]
    storage.close()
