"""Who is asking: the administrator's bearer token, or a token minted for a service account (``serviceaccounts/token``).

Service-account tokens are JWTs signed with HMAC-SHA256 under a key derived from the administrator's token, so they
survive a restart and need no key file. Authorization is always granted: RBAC objects are stored, not enforced.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

__all__ = ["ADMINISTRATOR", "ISSUER", "Tokens", "User"]

ISSUER = "https://kubernetes.default.svc.cluster.local"


class User(NamedTuple):
    """``UserInfo`` of an authenticated request."""

    name: str
    groups: Sequence[str]
    uid: str = ""

    def info(self) -> dict[str, Any]:
        """The API form."""
        found: dict[str, Any] = {"username": self.name, "groups": list(self.groups)}
        if self.uid:
            found["uid"] = self.uid
        return found


ADMINISTRATOR = User("kubernetes-admin", ("kubeadm:cluster-admins", "system:authenticated"))


class Tokens:
    """Mints and checks bearer tokens."""

    def __init__(self, administrator: str) -> None:
        self._administrator = administrator
        self._key = hashlib.sha256(b"service-account:" + administrator.encode()).digest()

    def authenticate(self, header: str, now: datetime) -> User | None:
        """The user of an ``Authorization`` header, None when it names nobody."""
        scheme, _, token = header.partition(" ")
        return self.user(token.strip(), now) if scheme.lower() == "bearer" else None

    def user(self, token: str, now: datetime) -> User | None:
        """The user of a bearer token, None when it is not valid (any more)."""
        if hmac.compare_digest(token.encode(), self._administrator.encode()):
            return ADMINISTRATOR
        claims = self._claims(token)
        if claims is None or claims["exp"] < now.timestamp():
            return None
        namespace = claims["kubernetes.io"]["namespace"]
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        return User(claims["sub"], groups, claims["kubernetes.io"]["serviceaccount"]["uid"])

    def mint(self, account: Mapping[str, Any], audiences: Sequence[str], now: datetime, seconds: int) -> str:
        """A token for a ServiceAccount object, valid for ``seconds``."""
        metadata = account["metadata"]
        issued = int(now.timestamp())
        claims = {
            "aud": list(audiences),
            "exp": issued + seconds,
            "iat": issued,
            "iss": ISSUER,
            "kubernetes.io": {
                "namespace": metadata["namespace"],
                "serviceaccount": {"name": metadata["name"], "uid": metadata["uid"]},
            },
            "nbf": issued,
            "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
        }
        head = _pack({"alg": "HS256", "typ": "JWT"}) + "." + _pack(claims)
        return head + "." + self._sign(head)

    def _sign(self, text: str) -> str:
        digest = hmac.new(self._key, text.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def _claims(self, token: str) -> dict[str, Any] | None:
        head, _, signature = token.rpartition(".")
        if not head or not hmac.compare_digest(signature.encode(), self._sign(head).encode()):
            return None
        payload = head.partition(".")[2]
        found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return found


def _pack(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()
