"""Whose token it is, and until when."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from lab_helpers.twin.api.authenticating import ADMINISTRATOR, Tokens

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ACCOUNT = {"metadata": {"name": "probe", "namespace": "shop", "uid": "u-1"}}


@pytest.fixture
def tokens() -> Tokens:
    return Tokens("s3cret")


def test_the_administrator(tokens: Tokens) -> None:
    assert tokens.authenticate("Bearer s3cret", NOW) == ADMINISTRATOR
    assert tokens.authenticate("bearer  s3cret ", NOW) == ADMINISTRATOR


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic s3cret",
        "s3cret",
        "Bearer s3cre",
        "Bearer s3crets",
        "Bearer wröng",
        "Bearer a.b.ü",
    ],
)
def test_nobody(tokens: Tokens, header: str) -> None:
    assert tokens.authenticate(header, NOW) is None


def test_a_service_account_until_its_token_expires(tokens: Tokens) -> None:
    token = tokens.mint(ACCOUNT, ["api"], NOW, 600)
    user = tokens.user(token, NOW + timedelta(seconds=600))
    assert user is not None
    assert (user.name, user.uid) == ("system:serviceaccount:shop:probe", "u-1")
    assert "system:serviceaccounts:shop" in user.groups
    assert tokens.user(token, NOW + timedelta(seconds=601)) is None


def test_a_token_that_was_changed_or_is_from_elsewhere(tokens: Tokens) -> None:
    token = tokens.mint(ACCOUNT, ["api"], NOW, 600)
    head, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["sub"] = "system:serviceaccount:kube-system:admin"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    assert tokens.user(f"{head}.{forged}.{signature}", NOW) is None
    assert tokens.user(f"{head}.{payload}.", NOW) is None
    assert Tokens("another cluster's").user(token, NOW) is None
    assert Tokens("s3cret").user(token, NOW) is not None, "the same cluster after a restart"
