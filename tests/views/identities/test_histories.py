"""Who held which address: pods come and go, addresses are used again."""

from __future__ import annotations

from lab_helpers.views.identities.browsing import IdentityPage
from lab_helpers.views.identities.catalogues import Catalogue
from lab_helpers.views.identities.following import EndpointFollower
from lab_helpers.views.identities.histories import History, Sight, sight_of

from .objects import endpoint

BEGIN = 1_000_000.0


def sight(pod: str, address: str, numeric: int = 1001, since: float = BEGIN) -> Sight:
    return Sight(pod, address, numeric, ("k8s:app=x",), "worker", since)


def test_an_address_is_used_again() -> None:
    history = History().seen(sight("shop/a", "10.0.0.1"), BEGIN + 5)
    history = history.gone("shop/a", BEGIN + 10)
    history = history.seen(sight("dev/b", "10.0.0.1", 2001, BEGIN + 20), BEGIN + 20)
    (line,) = history.lines(BEGIN + 40)
    assert (line.reused, line.relabelled) == (True, False)
    assert [(span.tenure.pod, span.left, span.width) for span in line.spans] == [
        ("shop/a", 0.0, 25.0),
        ("dev/b", 50.0, 50.0),
    ]


def test_a_new_identity_of_the_same_pod_is_a_tenure_of_its_own() -> None:
    history = History().seen(sight("shop/a", "10.0.0.1"), BEGIN).seen(sight("shop/a", "10.0.0.1", 1002), BEGIN + 10)
    (line,) = history.lines(BEGIN + 20)
    assert (line.reused, line.relabelled) == (False, True)
    assert [span.tenure.end for span in line.spans] == [BEGIN + 10, None]


def test_what_is_told_twice_changes_nothing() -> None:
    history = History().seen(sight("shop/a", "10.0.0.1"), BEGIN)
    assert history.seen(sight("shop/a", "10.0.0.1"), BEGIN + 9) is history
    assert history.gone("shop/nobody", BEGIN + 9) is history


def test_after_a_pause_what_is_gone_has_ended() -> None:
    history = History().as_of([sight("shop/a", "10.0.0.1"), sight("shop/b", "10.0.0.2")], BEGIN)
    history = history.as_of([sight("shop/b", "10.0.0.2")], BEGIN + 30)
    assert [(t.pod, t.end) for t in history.tenures] == [("shop/a", BEGIN + 30), ("shop/b", None)]


def test_namespaces_limit_the_lines_and_stories_come_first() -> None:
    history = History().as_of(
        [sight("shop/a", "10.0.0.1"), sight("dev/b", "10.0.0.9"), sight("dev/c", "10.0.0.9")], 0.0
    )
    assert [line.address for line in history.lines(BEGIN)] == ["10.0.0.9", "10.0.0.1"]
    assert [line.address for line in history.lines(BEGIN, "shop")] == ["10.0.0.1"]
    assert history.lines(BEGIN, "nowhere") == ()


def test_memory_is_bounded_and_living_tenures_stay() -> None:
    history = History().seen(sight("shop/stays", "10.0.0.1"), BEGIN)
    for number in range(900):
        history = history.seen(sight("shop/a", f"10.1.{number // 250}.{number % 250}", number), BEGIN + number)
    assert len(history.tenures) == 600
    assert history.tenures[0].pod == "shop/stays"


def test_endpoints_are_read_when_they_have_identity_and_address() -> None:
    found = sight_of(endpoint("shop", "frontend", 1001, 1), {"172.18.0.3": "worker"})
    assert found is not None
    assert (found.pod, found.address, found.numeric, found.node) == ("shop/frontend-1", "10.0.0.1", 1001, "worker")
    assert sight_of({"metadata": {"name": "x"}, "status": {"identity": {"id": 5}}}) is None


def test_the_page_tells_stories_in_words() -> None:
    history = History().seen(sight("shop/a", "10.0.0.1"), BEGIN).gone("shop/a", BEGIN + 10)
    history = history.seen(sight("dev/b", "10.0.0.1", 2001, BEGIN + 20), BEGIN + 20)
    page = IdentityPage(Catalogue(), history, BEGIN + 40)
    assert "10.0.0.1: shop/a as identity 1001 (app=x) from 13:46:40, until 13:46:50 ▲ reused" in page.text()


def test_a_watch_keeps_the_history() -> None:
    now = [BEGIN + 5e8]
    follower = EndpointFollower(lambda: None, clock=lambda: now[0])  # type: ignore[arg-type, return-value]
    follower.took([endpoint("shop", "frontend", 1001, 1)])
    now[0] += 60
    follower.happened("MODIFIED", endpoint("shop", "frontend", 1005, 1, tier="web"))
    now[0] += 60
    follower.happened("DELETED", endpoint("shop", "frontend", 1005, 1))
    follower.happened("BOOKMARK", {})
    assert [(t.numeric, t.end is None) for t in follower.history.tenures] == [(1001, False), (1005, False)]
