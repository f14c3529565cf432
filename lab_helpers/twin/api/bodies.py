"""Request bodies: JSON or YAML into objects, with the decoding errors of the real server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lab_helpers.twin.objects.errors import StatusError, bad_request

__all__ = ["Decoded", "decode_body", "unsupported_media_type"]


class Decoded(dict[str, Any]):
    """A decoded object that remembers the duplicate keys of its JSON text (paths such as ``spec.replicas``)."""

    duplicates: list[str] = []  # noqa: RUF012 - replaced by whoever finds duplicates


class _Pairs(dict[str, Any]):
    """One JSON object with the keys that occurred twice."""

    __slots__ = ("twice",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twice: list[str] = []
        if len(self) != len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    self.twice.append(key)
                seen.add(key)


def decode_body(body: bytes, content_type: str) -> Decoded:
    """The object in ``body``. Raises 400 when it is not one, 415 for a form this server does not read (protobuf)."""
    if content_type in ("application/json", "", "text/plain", "application/x-www-form-urlencoded") or (
        content_type.endswith("+json")
    ):
        return _from_json(body)
    if content_type == "application/vnd.kubernetes.protobuf":
        from lab_helpers.twin.api.schemas.protobuf import decode_protobuf

        decoded = Decoded(decode_protobuf(body))
        decoded.duplicates = []
        return decoded
    if content_type in ("application/yaml", "application/x-yaml") or content_type.endswith("+yaml"):
        return _from_yaml(body)
    raise unsupported_media_type(content_type)


def unsupported_media_type(
    content_type: str, accepted: Sequence[str] = ("application/json", "application/yaml")
) -> StatusError:
    """415."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        f"{', '.join(accepted)} (got {content_type})"
    )
    return StatusError(415, "UnsupportedMediaType", message)


def _from_json(body: bytes) -> Decoded:
    if not body.strip():
        raise bad_request("Object 'Kind' is missing in ''")
    try:
        value = json.loads(body, object_pairs_hook=_Pairs)
    except ValueError as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    except RecursionError as error:
        raise bad_request("couldn't get version/kind; json parse error: exceeded max depth") from error
    if not isinstance(value, _Pairs):
        raise bad_request(
            "couldn't get version/kind; json parse error: json: cannot unmarshal "
            f"{'array' if isinstance(value, list) else 'value'} into Go value of type struct"
        )
    duplicates: list[str] = []
    decoded = Decoded(_plain(value, "", duplicates))
    decoded.duplicates = duplicates
    return decoded


def _plain(value: Any, path: str, duplicates: list[str]) -> Any:
    if isinstance(value, _Pairs):
        prefix = f"{path}." if path else ""
        duplicates += [prefix + key for key in value.twice]
        return {key: _plain(item, prefix + key, duplicates) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, f"{path}[{i}]", duplicates) for i, item in enumerate(value)]
    return value


def _from_yaml(body: bytes) -> Decoded:
    import yaml

    try:
        value = yaml.load(body, Loader=_loader())  # noqa: S506 - a SafeLoader without its timestamps
    except yaml.YAMLError as error:
        text = " ".join(str(error).split())
        raise bad_request(f"error decoding YAML: {text}") from error
    if not isinstance(value, dict):
        raise bad_request("error decoding YAML: the body is not a mapping")
    decoded = Decoded(value)
    decoded.duplicates = []
    return decoded


def _loader() -> Any:
    """YAML as Kubernetes reads it: timestamps stay text."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        pass

    Loader.yaml_implicit_resolvers = {
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in Loader.yaml_implicit_resolvers.items()
    }
    return Loader
