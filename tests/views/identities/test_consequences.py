"""What a change of labels would do: identities, rules, verdicts, and what else hangs on labels."""

from __future__ import annotations

import pytest

from lab_helpers.policy.pod_labels import LabelFilter
from lab_helpers.views.identities.consequences import consequence
from lab_helpers.views.identities.edits import EditError, LabelEdit, read_edit

from .objects import SHOP


def changed(target: str, text: str):  # type: ignore[no-untyped-def]
    return consequence(SHOP, read_edit(target, text))


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("app=web", (("app", "web"),)),
        ("app=web tier-", (("app", "web"), ("tier", None))),
        ("example.com/team=, a=1", (("example.com/team", ""), ("a", "1"))),
    ],
)
def test_edits_are_read_as_kubectl_label_does(text: str, changes: tuple[tuple[str, str | None], ...]) -> None:
    assert read_edit("shop/frontend", text) == LabelEdit("shop/frontend", changes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "say what to change"),
        ("app", "write app=value"),
        ("-x=1", "no key"),
        ("a=b c=-", "no value"),
        (f"a={'x' * 64}", "at most 63"),
    ],
)
def test_bad_edits_say_what_to_write(text: str, told: str) -> None:
    with pytest.raises(EditError, match=told):
        read_edit("shop/frontend", text)


def test_a_new_identity_loses_its_rules() -> None:
    found = changed("shop/frontend", "app=web")
    assert [(move.before, move.numeric, move.left) for move in found.moves] == [(1001, 0, ())]
    assert [use.policy for use in found.lost] == ["CiliumNetworkPolicy/shop/backend-in"]
    assert found.gained == ()
    verdicts = [(c.source, str(c.target), str(c.before), str(c.after)) for c in found.verdicts]
    assert verdicts == [("shop/frontend", "shop/backend:8080/TCP", "allowed", "denied")]
    assert "a new one (app=web, namespace=shop)" in found.text()


def test_an_identity_that_others_have_is_shared() -> None:
    found = changed("shop/backend-3", "app=frontend")
    (move,) = found.moves
    assert (move.before, move.numeric, move.shared, move.left) == (
        1002,
        1001,
        ("shop/frontend-1",),
        ("shop/backend-2",),
    )
    assert "which shop/frontend-1 already carries" in found.text()
    assert "Identity 1002 stays with shop/backend-2" in found.text()
    service, replicas = found.warnings
    assert service == "Service shop/backend would no longer send to backend-3"
    assert replicas.startswith("ReplicaSet backend-5d4f8c7b9 would let backend-3 go and start another pod")


def test_an_identity_nobody_has_now_is_used_again() -> None:
    (move,) = changed("shop/frontend", "app=gone").moves
    assert (move.numeric, move.shared) == (1003, ())


def test_the_label_of_a_namespace_moves_all_its_pods() -> None:
    found = changed("shop", "team=red")
    assert [move.pod for move in found.moves] == ["shop/backend-2", "shop/backend-3", "shop/frontend-1"]
    assert found.command == "kubectl label --overwrite namespace shop team=red"
    assert found.verdicts == ()


@pytest.mark.parametrize("text", ["pod-template-hash=1", "topology.kubernetes.io/zone=a", "app=frontend"])
def test_what_does_not_count_changes_nothing(text: str) -> None:
    found = changed("shop/frontend", text)
    assert found.moves == found.verdicts == found.gained == found.lost == ()
    assert "No pod would get another identity." in found.text()


def test_the_agents_own_filter_counts() -> None:
    from dataclasses import replace

    snapshot = replace(SHOP, label_filter=LabelFilter.from_expressions("!team"))
    found = consequence(snapshot, read_edit("shop/frontend", "team=red"))
    assert (found.ignored, found.moves) == (("team",), ())


def test_nobody_is_called_like_that() -> None:
    with pytest.raises(EditError, match="known are dev/intruder, shop/backend, shop/frontend"):
        changed("shop/nobody", "app=web")


def test_the_page_says_the_same() -> None:
    html = changed("shop/frontend", "app=web").html()
    assert "not done yet" in html
    assert "kubectl -n shop label --overwrite pod frontend-1 app=web" in html
    assert html == changed("shop/frontend", "app=web").html()
