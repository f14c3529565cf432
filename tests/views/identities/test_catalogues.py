"""Labels to numbers to pods, and the rules about them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab_helpers.views.identities.browsing import IdentityPage, entry_lines
from lab_helpers.views.identities.catalogues import Kind, catalogue
from lab_helpers.views.identities.histories import History

from .objects import SHOP, endpoint, pod

FOUND = catalogue(SHOP)


@pytest.mark.parametrize(
    ("key", "numeric"),
    [("1002", 1002), ("shop/backend-3", 1002), ("10.0.0.4", 2001), ("1", 1), ("16777217@worker2", 16777217)],
)
def test_found_by_number_pod_or_address(key: str, numeric: int) -> None:
    entry = FOUND.find(key)
    assert entry is not None
    assert entry.numeric == numeric


def test_nobody_else_is_found() -> None:
    assert FOUND.find("10.9.9.9") is None


def test_carriers_have_addresses_and_the_name_of_their_node() -> None:
    entry = FOUND.find("1002")
    assert entry is not None
    assert list(map(str, entry.seats)) == [
        "shop/backend-2 (10.0.0.2 on worker)",
        "shop/backend-3 (10.0.0.3 on worker)",
    ]


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("1002", "backend-in spec.ingress[0]: holds for it, ingress"),
        ("1001", "backend-in spec.ingress[0]: allows it as source (any:app=frontend"),
    ],
)
def test_rules_in_both_roles(key: str, says: str) -> None:
    entry = FOUND.find(key)
    assert entry is not None
    assert says in str(entry.uses[0])
    assert says in "\n".join(entry_lines(entry))


def test_an_identity_without_pods_is_still_there() -> None:
    entry = FOUND.find("1003")
    assert entry is not None
    assert (entry.seats, entry.kind, entry.name) == ((), Kind.PODS, "app=gone, namespace=shop")


def test_the_same_number_of_two_nodes_are_two_identities() -> None:
    names = [(entry.name, entry.nodes) for entry in FOUND.entries if entry.numeric == 16777217]
    assert names == [
        ("cidr:192.0.2.0/24, reserved:world", ("worker",)),
        ("fqdn:api.stripe.com, reserved:world", ("worker2",)),
    ]


def test_batched_endpoints_count_as_well() -> None:
    batch = {
        "kind": "CiliumEndpointSlice",
        "namespace": "shop",
        "endpoints": [{"name": "far-1", "id": 1003, "networking": {"addressing": [{"ipv4": "10.0.9.9"}], "node": ""}}],
    }
    entry = catalogue(replace(SHOP, objects=(*SHOP.objects, batch))).find("10.0.9.9")
    assert entry is not None
    assert entry.numeric == 1003


def test_the_page_shows_what_matters_in_the_namespaces_asked_for() -> None:
    page = IdentityPage(FOUND, History(), namespaces=("dev",))
    assert [entry.numeric for entry in page.entries] == [2001, 16777217, 16777217]
    assert "dev/intruder-4" in page.text()
    assert "by this number on worker2 only" in page.html()


def test_an_empty_page_says_why() -> None:
    page = IdentityPage(catalogue(replace(SHOP, objects=(), agents=())), History(), note="▲ no Cilium: install it")
    assert page.text().startswith("Security identities: ▲ no Cilium: install it")
    assert "no Cilium" in page.html()


def test_notes_are_shown_and_labels_escaped() -> None:
    evil = (pod("shop", "x", 9), endpoint("shop", "x", 1009, 9, note="<b>"))
    snapshot = replace(SHOP, objects=(*SHOP.objects, *evil), notes=("the agents could not be asked: `kubectl`",))
    html = IdentityPage(catalogue(snapshot), History()).html()
    assert "could not be asked: <code>kubectl</code>" in html
    assert "&lt;b&gt;" in html
    assert "note=<b>" not in html
