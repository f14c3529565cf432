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


def test_lists_follow_namespace_and_name_whatever_comes_and_goes(tmp_path):
    storage = Storage(tmp_path / "state.db")
    places = [("b", "x"), ("a", "z"), ("a-b", "y"), ("a", "a"), ("b", "a")]
    for namespace, name in places:
        storage.put(Key("pods", namespace, name), {"metadata": {"namespace": namespace, "name": name}})
    storage.remove(Key("pods", "a", "a"))
    storage.put(Key("pods", "b", "x"), {"metadata": {"namespace": "b", "name": "x"}, "data": 2})
    storage.close()
    for found in (storage, Storage(tmp_path / "state.db")):
        everywhere = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in found.list("pods")]
        assert everywhere == [("a", "z"), ("a-b", "y"), ("b", "a"), ("b", "x")]
        assert names(found.list("pods", "a")) == ["z"]
        assert names(found.list("pods", "b")) == ["a", "x"]
        assert found.list("pods", "c") == []
    found.close()


async def test_a_watch_after_a_restart_knows_what_was_there_before_each_change(tmp_path):
    storage = Storage(tmp_path / "state.db")
    put(storage, "a", data=1)
    since = storage.revision
    put(storage, "a", data=2)
    storage.remove(Key("configmaps", "default", "a"))
    storage.close()
    again = Storage(tmp_path / "state.db")
    with again.watch("configmaps", "default", since) as watch:
        changes = [await anext(watch) for _ in range(2)]
    seen = [(change.type, change.object["data"], change.previous["data"]) for change in changes]
    assert seen == [("MODIFIED", 2, 1), ("DELETED", 2, 2)]
    assert [change.object["metadata"]["resourceVersion"] for change in changes] == [str(since + 1), str(since + 2)]
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
        async with asyncio.timeout(120):
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
