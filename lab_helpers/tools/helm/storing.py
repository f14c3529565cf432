"""Releases in the cluster: read, write, list."""

from __future__ import annotations

import base64
from typing import Any, Protocol

from lab_helpers.tools.helm.errors import NotFoundError
from lab_helpers.tools.helm.records import Release, decode, secret_body, secret_name
from lab_helpers.tools.rest.errors import ApiError

__all__ = ["Api", "Storage"]


class Api(Protocol):
    """The requests helm makes; ``lab_helpers.tools.rest.Client`` offers them."""

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """GET an object or a list."""

    def post(self, path: str, body: Any, **query: Any) -> dict[str, Any]:
        """Create."""

    def put(self, path: str, body: Any, **query: Any) -> dict[str, Any]:
        """Replace."""

    def patch(self, path: str, body: Any, kind: str = ..., **query: Any) -> dict[str, Any]:
        """Merge patch."""

    def delete(self, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        """Delete."""


class Storage:
    """The revisions in one namespace ("" for all: reading only)."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    def _path(self, name: str = "") -> str:
        where = f"/api/v1/namespaces/{self._namespace}/secrets" if self._namespace else "/api/v1/secrets"
        return f"{where}/{name}" if name else where

    def everywhere(self) -> Storage:
        """The same for all namespaces."""
        return Storage(self._api, "")

    def all(self, name: str = "") -> list[Release]:
        """Every revision (of one release), by namespace, name and revision."""
        selector = f"owner=helm,name={name}" if name else "owner=helm"
        found = []
        for item in self._api.get(self._path(), labelSelector=selector).get("items") or ():
            text = (item.get("data") or {}).get("release")
            if text:
                found.append(decode(base64.b64decode(text).decode()))
        return sorted(found, key=lambda release: (release.namespace, release.name, release.version))

    def history(self, name: str) -> list[Release]:
        """The revisions of a release, oldest first. Raises NotFoundError."""
        found = self.all(name)
        if not found:
            raise NotFoundError
        return found

    def last(self, name: str) -> Release:
        """The newest revision. Raises NotFoundError."""
        return self.history(name)[-1]

    def get(self, name: str, version: int = 0) -> Release:
        """A revision (0: the newest). Raises NotFoundError."""
        if not version:
            return self.last(name)
        for release in self.all(name):
            if release.version == version:
                return release
        raise NotFoundError

    def create(self, release: Release) -> None:
        """Store a new revision."""
        self._api.post(self._path(), secret_body(release))

    def update(self, release: Release) -> None:
        """Store a revision's new state."""
        path = self._path(secret_name(release.name, release.version))
        labels = self._api.get(path)["metadata"].get("labels") or {}
        self._api.put(path, secret_body(release, labels))

    def delete(self, release: Release) -> None:
        """Forget a revision; harmless when it is gone."""
        try:
            self._api.delete(self._path(secret_name(release.name, release.version)))
        except ApiError as error:
            if error.code != 404:
                raise
