"""Watches, straight from the response stream."""

from __future__ import annotations

import asyncio
import json

import pytest

from lab_helpers.twin.api.watching import BOOKMARK_SECONDS

MAPS = "/api/v1/namespaces/default/configmaps"


async def events(response, count):
    """The first ``count`` events."""
    found = []
    async for piece in response.stream:
        found += [json.loads(line) for line in piece.splitlines()]
        if len(found) >= count:
            break
    if response.close is not None:
        response.close()
    return found


def watching(ask, query, count, change=lambda: None, **headers):
    """Start a watch, change something, return events."""

    async def run():
        response = await ask.server.respond(ask.call("GET", f"{MAPS}?watch=1&{query}", **headers))
        assert response.status == 200, response.body
        change()
        async with asyncio.timeout(120):
            return await events(response, count)

    return asyncio.run(run())


def make(ask, name, **labels):
    return ask.registry.create("configmaps", {"metadata": {"name": name, "labels": labels}}, "default")


def relabel(ask, name, **labels):
    draft = ask.registry.draft("configmaps", name, "default")
    draft["metadata"]["labels"] = labels
    return ask.registry.update("configmaps", draft)


def shown(found):
    return [(event["type"], event["object"]["metadata"].get("name")) for event in found]


def test_without_a_version_it_begins_with_what_is_there(ask):
    make(ask, "a")
    assert shown(watching(ask, "", 2, lambda: make(ask, "b"))) == [("ADDED", "a"), ("ADDED", "b")]


def test_after_a_version_it_shows_the_changes_since(ask):
    first = make(ask, "a")
    relabel(ask, "a", x="1")
    ask.registry.delete("configmaps", "a", "default")
    found = watching(ask, f"resourceVersion={first['metadata']['resourceVersion']}", 2)
    assert shown(found) == [("MODIFIED", "a"), ("DELETED", "a")]


def test_selectors_turn_changes_into_comings_and_goings(ask):
    make(ask, "a")

    def change():
        relabel(ask, "a", tier="web")
        relabel(ask, "a", tier="web", more="1")
        relabel(ask, "a", tier="db")

    found = watching(ask, "labelSelector=tier%3Dweb", 3, change)
    assert shown(found) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in found]
    assert versions == sorted(set(versions))


def test_too_old_a_version_is_an_error_event(ask):
    ask.registry.storage._compacted = 10_000
    found = watching(ask, "resourceVersion=3", 1)
    assert found[0]["type"] == "ERROR"
    assert found[0]["object"]["code"] == 410
    assert found[0]["object"]["reason"] == "Expired"


def test_a_watch_list_ends_its_beginning_with_a_bookmark(ask):
    make(ask, "a")
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    found = watching(ask, query, 2)
    assert shown(found) == [("ADDED", "a"), ("BOOKMARK", None)]
    assert found[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_bookmark_counts_what_the_watch_does_not_show(ask, monkeypatch):
    monkeypatch.setattr("lab_helpers.twin.api.watching.BOOKMARK_SECONDS", 0.01)
    query = "allowWatchBookmarks=true&timeoutSeconds=120&labelSelector=app%3Dnobody"
    (found,) = watching(ask, query, 1, lambda: make(ask, "other"))[:1]
    assert (found["type"], found["object"]["metadata"]["resourceVersion"]) == (
        "BOOKMARK",
        str(ask.registry.storage.revision),
    )


def test_bookmarks_and_the_end_of_time(ask, monkeypatch):
    found = watching(ask, "allowWatchBookmarks=true&timeoutSeconds=1", 2)
    assert [event["type"] for event in found] == ["BOOKMARK"], "the last word before the time is up"
    assert BOOKMARK_SECONDS == 60
    monkeypatch.setattr("lab_helpers.twin.api.watching.BOOKMARK_SECONDS", 0.01)
    found = watching(ask, "allowWatchBookmarks=true&timeoutSeconds=120", 2)
    assert [event["type"] for event in found] == ["BOOKMARK", "BOOKMARK"]


def test_tables_carry_their_columns_once(ask):
    make(ask, "a")
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    found = watching(ask, "", 2, lambda: make(ask, "b"), accept=accept)
    assert [column["name"] for column in found[0]["object"]["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert "columnDefinitions" not in found[1]["object"]
    assert found[1]["object"]["rows"][0]["cells"][0] == "b"


@pytest.mark.parametrize("query", ["sendInitialEvents=true", "resourceVersionMatch=NotOlderThan"])
def test_options_that_do_not_go_together(ask, query):
    assert ask("GET", f"{MAPS}?watch=1&{query}").status == 422


def test_a_closed_storage_ends_the_watch(ask):
    async def run():
        response = await ask.server.respond(ask.call("GET", f"{MAPS}?watch=1"))
        response.close()
        return [piece async for piece in response.stream]

    assert asyncio.run(run()) == []
