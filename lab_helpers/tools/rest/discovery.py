"""Which resource types a server has, and which of them a word such as ``deploy`` or ``cnp`` means.

The answer is kept in a small file for each server (kubectl does the same) and asked for again when a word is not in it.
"""

import json
import os
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from lab_helpers.tools.rest.clients import Client, quote
from lab_helpers.tools.rest.errors import ApiError, ConnectError, NoResourceError, UnknownKindError

_AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
_FRESH_SECONDS = 6 * 3600
_FORMAT = 1


class Resource(NamedTuple):
    """A resource type in one version of its group ("" is the core group)."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...] = ()
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """``v1`` or ``apps/v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def full_name(self) -> str:
        """``pods`` or ``deployments.apps``: what kubectl prints before a slash and a name."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular_name(self) -> str:
        """``pod`` or ``deployment.apps``."""
        name = self.kind.lower()
        return f"{name}.{self.group}" if self.group else name

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection or one object. Cluster-wide types ignore `namespace`; "" means all."""
        path = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        if self.namespaced and namespace:
            path += f"/namespaces/{quote(namespace)}"
        path += f"/{self.plural}"
        if name:
            path += f"/{quote(name)}"
        return f"{path}/{subresource}" if subresource else path


def _from_aggregated(document: dict[str, Any]) -> list[Resource]:
    out = []
    for group in document.get("items") or []:
        name = (group.get("metadata") or {}).get("name") or ""
        for version in group.get("versions") or []:
            for entry in version.get("resources") or []:
                kind = entry.get("responseKind") or {}
                out.append(
                    Resource(
                        name,
                        str(version.get("version")),
                        str(entry.get("resource")),
                        str(entry.get("singularResource") or ""),
                        str(kind.get("kind") or ""),
                        entry.get("scope") == "Namespaced",
                        tuple(entry.get("verbs") or ()),
                        tuple(entry.get("shortNames") or ()),
                        tuple(entry.get("categories") or ()),
                        tuple(str(sub.get("subresource")) for sub in entry.get("subresources") or ()),
                    )
                )
    return out


def _from_list(group: str, version: str, document: dict[str, Any]) -> list[Resource]:
    entries = document.get("resources") or []
    out = []
    for entry in entries:
        name = str(entry["name"])
        if "/" in name:
            continue
        out.append(
            Resource(
                group,
                version,
                name,
                str(entry.get("singularName") or ""),
                str(entry.get("kind") or ""),
                bool(entry.get("namespaced")),
                tuple(entry.get("verbs") or ()),
                tuple(entry.get("shortNames") or ()),
                tuple(entry.get("categories") or ()),
                tuple(str(sub["name"]).split("/", 1)[1] for sub in entries if str(sub["name"]).startswith(f"{name}/")),
            )
        )
    return out


def _fetch(client: Client, root: str) -> list[Resource]:
    """One discovery root (``/api`` or ``/apis``), aggregated if the server can, else version by version."""
    document = client.call("GET", root, accept=_AGGREGATED)
    if document.get("kind") == "APIGroupDiscoveryList":
        return _from_aggregated(document)
    if root == "/api":
        versions = [("", str(version)) for version in document.get("versions") or []]
    else:
        versions = [
            (str(group["name"]), str(version["version"]))
            for group in document.get("groups") or []
            for version in group.get("versions") or []
        ]
    out: list[Resource] = []
    for group, version in versions:
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        try:
            out += _from_list(group, version, client.get(path))
        except ApiError as error:
            if error.code not in (404, 503):
                raise
    return out


def cache_folder() -> str:
    """Where discovery is kept between commands: KUBECACHEDIR, or ~/.kube/cache."""
    folder = os.environ.get("KUBECACHEDIR") or os.path.join(os.path.expanduser("~"), ".kube", "cache")
    return os.path.join(folder, "cilium-labs")


class Catalogue:
    """The resource types of a client's server, in the server's order of preference."""

    def __init__(self, client: Client, folder: str | None = None) -> None:
        self._client = client
        folder = cache_folder() if folder is None else folder
        place = client.target.server.partition("://")[2]
        safe = "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in place)
        self._file = os.path.join(folder, f"{safe}.json") if folder else ""
        self._resources: list[Resource] | None = None
        self._asked = False

    @property
    def resources(self) -> list[Resource]:
        """All of them."""
        if self._resources is None:
            self._resources = self._read()
        if self._resources is None:
            self.refresh()
        return self._resources or []

    def _read(self) -> list[Resource] | None:
        try:
            with open(self._file, encoding="utf-8") as file:
                kept = json.load(file)
            if kept["format"] != _FORMAT or not 0 <= time.time() - kept["time"] < _FRESH_SECONDS:
                return None
            return [Resource(*row[:6], *(tuple(part) for part in row[6:])) for row in kept["resources"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def refresh(self) -> None:
        """Ask the server again (and keep the answer)."""
        self._asked = True
        self._resources = _fetch(self._client, "/api") + _fetch(self._client, "/apis")
        if not self._file:
            return
        try:
            os.makedirs(os.path.dirname(self._file), mode=0o750, exist_ok=True)
            temporary = f"{self._file}.{os.getpid()}"
            with open(temporary, "w", encoding="utf-8") as file:
                json.dump({"format": _FORMAT, "time": time.time(), "resources": self._resources}, file)
            os.replace(temporary, self._file)
        except OSError:
            return  # a cache that cannot be written only costs time

    def _search(self, wanted: Callable[[Resource], bool]) -> Resource | None:
        """The first match; asks the server once more when the kept list has none."""
        for _ in range(2):
            for resource in self.resources:
                if wanted(resource):
                    return resource
            if self._asked:
                return None
            self.refresh()
        return None

    def find(self, word: str) -> Resource:
        """What ``pods``, ``po``, ``Pod``, ``deployments.apps``, ``deployments.v1.apps`` mean; or NoResourceError."""
        lower = word.lower()
        name, _, rest = lower.partition(".")
        if not rest:
            found = self._by_name(lower, "", "")
            if found:
                return found
            raise NoResourceError(word)
        version, _, group = rest.partition(".")
        found = self._by_name(name, group, version) if group or _looks_like_version(version) else None
        found = found or self._by_name(name, rest, "")
        if found:
            return found
        raise NoResourceError(name)

    def _by_name(self, name: str, group: str, version: str) -> Resource | None:
        if not (group or version):
            found = self._kept(lambda resource: name in (resource.plural, resource.singular or resource.kind.lower()))
            found = found or self._kept(lambda resource: name in resource.short_names)
            if found or self._asked:
                return found
            self.refresh()
            return self._by_name(name, group, version)
        return self._search(
            lambda resource: (
                name in (resource.plural, resource.singular or resource.kind.lower(), *resource.short_names)
                and (not group or resource.group == group or resource.group.startswith(f"{group}."))
                and (not version or resource.version == version)
            )
        )

    def _kept(self, wanted: Callable[[Resource], bool]) -> Resource | None:
        return next((resource for resource in self.resources if wanted(resource)), None)

    def of_kind(self, api_version: str, kind: str) -> Resource:
        """The type of objects with this apiVersion and kind. Raises UnknownKindError."""
        found = self._search(lambda resource: resource.kind == kind and resource.api_version == api_version)
        if found is None:
            raise UnknownKindError(api_version, kind)
        return found

    def category(self, word: str) -> list[Resource]:
        """The types in a category such as ``all``; the first version of each."""
        out: dict[tuple[str, str], Resource] = {}
        for resource in self.resources:
            if word in resource.categories:
                out.setdefault((resource.group, resource.plural), resource)
        return list(out.values())

    def preferred(self) -> Iterable[Resource]:
        """Each type once, in its first version."""
        out: dict[tuple[str, str], Resource] = {}
        for resource in self.resources:
            out.setdefault((resource.group, resource.plural), resource)
        return out.values()


def _looks_like_version(word: str) -> bool:
    return len(word) > 1 and word[0] == "v" and word[1].isdigit()


def reachable(client: Client) -> bool:
    """Whether the server answers at all (any status counts)."""
    try:
        client.request("GET", "/version")
    except ConnectError:
        return False
    except ApiError:
        return True
    return True
