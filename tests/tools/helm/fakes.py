"""An API server as far as helm needs one: objects by path, merge patch, label selectors."""

from __future__ import annotations

import copy
import itertools
from typing import Any

from lab_helpers.tools.rest.errors import ApiError

PLURALS = {"NetworkPolicy": "networkpolicies"}


def path_of(api_version: str, kind: str, namespace: str, name: str) -> str:
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    plural = PLURALS.get(kind, kind.lower() + "s")
    where = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{where}/{plural}" + (f"/{name}" if name else "")


def status(code: int, reason: str, message: str) -> ApiError:
    return ApiError({"kind": "Status", "code": code, "reason": reason, "message": message})


class FakeApi:
    """``objects`` by URL path; ``writes`` lists verbs and paths in order; ``refuse`` makes a path fail."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.writes: list[tuple[str, str]] = []
        self.refuse: dict[str, ApiError] = {}
        self._revision = itertools.count(1)
        self.post("/api/v1/namespaces", {"kind": "Namespace", "metadata": {"name": "kube-system"}})
        self.writes.clear()

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        if path == "/version":
            return {"gitVersion": "v1.34.2"}
        if path in self.objects:
            return copy.deepcopy(self.objects[path])
        if query:
            wanted = dict(term.split("=") for term in (query.get("labelSelector") or "").split(",") if term)
            plural = path.rpartition("/")[2]
            found = [
                item
                for place, item in self.objects.items()
                if place.split("/")[-2] == plural
                and (place.startswith(path + "/") or "/namespaces/" not in path)
                and wanted.items() <= (item["metadata"].get("labels") or {}).items()
            ]
            return {"items": copy.deepcopy(found)}
        raise status(404, "NotFound", f'{path.split("/")[-2]} "{path.rpartition("/")[2]}" not found')

    def post(self, path: str, body: Any, **query: Any) -> dict[str, Any]:
        self.writes.append(("POST", f"{path}/{body['metadata']['name']}"))
        if path in self.refuse:
            raise self.refuse[path]
        place = f"{path}/{body['metadata']['name']}"
        if "/namespaces/" in path:
            namespace = path.split("/namespaces/")[1].split("/")[0]
            if f"/api/v1/namespaces/{namespace}" not in self.objects:
                raise status(404, "NotFound", f'namespaces "{namespace}" not found')
        if place in self.objects:
            raise status(409, "AlreadyExists", f'"{body["metadata"]["name"]}" already exists')
        return self._store(place, body)

    def _store(self, place: str, body: Any) -> dict[str, Any]:
        item = copy.deepcopy(body)
        item["metadata"]["resourceVersion"] = str(next(self._revision))
        self.objects[place] = item
        return copy.deepcopy(item)

    def put(self, path: str, body: Any, **query: Any) -> dict[str, Any]:
        self.writes.append(("PUT", path))
        return self._store(path, body)

    def patch(self, path: str, body: Any, kind: str = "", **query: Any) -> dict[str, Any]:
        self.writes.append(("PATCH", path))
        return self._store(path, _patched(self.objects[path], body))

    def delete(self, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        self.writes.append(("DELETE", path))
        if path not in self.objects:
            raise status(404, "NotFound", f'"{path.rpartition("/")[2]}" not found')
        return self.objects.pop(path)

    def find(self, kind: str, name: str, namespace: str = "kube-system", api_version: str = "v1") -> dict[str, Any]:
        return self.objects[path_of(api_version, kind, namespace, name)]

    def touched(self, verb: str) -> list[str]:
        return [path.rpartition("/")[2] for found, path in self.writes if found == verb]


def _patched(item: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    result = copy.deepcopy(item)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = _patched(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result
