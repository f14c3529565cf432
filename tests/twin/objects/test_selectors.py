"""Label and field selectors."""

from __future__ import annotations

import pytest

from lab_helpers.twin.objects.errors import StatusError
from lab_helpers.twin.objects.field_selectors import parse_field_selector
from lab_helpers.twin.objects.kinds import Kinds
from lab_helpers.twin.objects.selectors import matches_selector, parse_label_selector

LABELS = {"app": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier=front", True),
        ("app!=web", False),
        ("other!=x", True),
        ("app in (web, db)", True),
        ("app notin (web)", False),
        ("other notin (web)", True),
        ("app", True),
        ("!app", False),
        ("!other", True),
        ("app=", False),
        ("k8s.io/x=", False),
    ],
)
def test_label_selectors(text, matches):
    assert parse_label_selector(text)(LABELS) is matches


@pytest.mark.parametrize("text", ["a b", "a=b=c", "in (a)", "a~b"])
def test_bad_label_selectors(text):
    with pytest.raises(StatusError, match="unable to parse requirement"):
        parse_label_selector(text)


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "db"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["db"]}]}, True),
        ({"matchExpressions": [{"key": "x", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}, True),
    ],
)
def test_structured_selectors(selector, matches):
    assert matches_selector(selector, LABELS) is matches


POD = {
    "metadata": {"name": "p", "namespace": "default"},
    "spec": {"nodeName": "n"},
    "status": {"phase": "Running", "podIPs": [{"ip": "1.1.1.1"}]},
}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("metadata.name=p", True),
        ("metadata.namespace=kube-system", False),
        ("spec.nodeName=n,status.phase!=Failed", True),
        ("status.phase==Pending", False),
        ("spec.hostNetwork=false", True),
        ("status.podIPs=1.1.1.1", True),
    ],
)
def test_field_selectors(text, matches):
    assert parse_field_selector(text, Kinds()["pods"])(POD) is matches


@pytest.mark.parametrize(
    ("resource", "text", "message"),
    [
        ("pods", "spec.foo=1", "field label not supported: spec.foo"),
        ("configmaps", "data=1", '"data" is not a known field selector: only "metadata.name", "metadata.namespace"'),
        ("pods", "nonsense", "invalid selector: 'nonsense'"),
    ],
)
def test_bad_field_selectors(resource, text, message):
    with pytest.raises(StatusError) as caught:
        parse_field_selector(text, Kinds()[resource])
    assert message in caught.value.message
