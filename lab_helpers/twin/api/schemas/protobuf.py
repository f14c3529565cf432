"""Kubernetes' protobuf bodies into JSON objects (kubectl's typed commands send them: ``kubectl create deployment`` …).

A body is the magic ``k8s\\0`` and a ``runtime.Unknown`` envelope around the message. Go writes fields that are not
pointers even when they are zero; JSON would omit them, so zero values are dropped here except for the fields in
``POINTERS``, where zero has a meaning.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from lab_helpers.twin.api.schemas.builtin import kind_type, wire_fields
from lab_helpers.twin.objects.errors import bad_request

__all__ = ["MAGIC", "decode_protobuf"]

MAGIC = b"k8s\x00"
POINTERS = frozenset(
    [
        "replicas",
        "gracePeriodSeconds",
        "terminationGracePeriodSeconds",
        "backoffLimit",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
        "completions",
        "parallelism",
        "automountServiceAccountToken",
        "allowPrivilegeEscalation",
        "readOnlyRootFilesystem",
        "runAsNonRoot",
        "runAsUser",
        "runAsGroup",
        "privileged",
        "optional",
        "defaultMode",
        "revisionHistoryLimit",
        "progressDeadlineSeconds",
        "orphanDependents",
        "immutable",
        "suspend",
        "controller",
        "blockOwnerDeletion",
        "hostUsers",
        "setHostnameAsFQDN",
        "enableServiceLinks",
        "shareProcessNamespace",
        "failedJobsHistoryLimit",
        "successfulJobsHistoryLimit",
        "startingDeadlineSeconds",
        "allocateLoadBalancerNodePorts",
        "storageClassName",
        "value",
        "expirationSeconds",
    ]
)


def decode_protobuf(body: bytes) -> dict[str, Any]:
    """The object of a protobuf body. Raises 400 when it is not one, or of a kind that is not built in."""
    if not body.startswith(MAGIC):
        raise bad_request("the body does not start with Kubernetes' protobuf magic number")
    try:
        api_version, kind, raw = _envelope(body[len(MAGIC) :])
        group = api_version.rpartition("/")[0]
        name = kind_type(group, kind) or kind_type("meta.k8s.io", kind)
        if name is None:
            raise bad_request(f'no kind "{kind}" is registered for version "{api_version}"')
        return {"kind": kind, "apiVersion": api_version, **_message(name, raw)}
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise bad_request(f"the protobuf body is damaged: {error}") from error


def _envelope(data: bytes) -> tuple[str, str, bytes]:
    api_version = kind = ""
    raw = b""
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            for inner, text in _fields(value):
                if isinstance(text, bytes):
                    api_version = text.decode() if inner == 1 else api_version
                    kind = text.decode() if inner == 2 else kind
        elif number == 2 and isinstance(value, bytes):
            raw = value
    return api_version, kind, raw


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        match tag & 7:
            case 0:
                number, position = _varint(data, position)
                yield tag >> 3, number
            case 1:
                yield tag >> 3, data[position : position + 8]
                position += 8
            case 2:
                size, position = _varint(data, position)
                yield tag >> 3, data[position : position + size]
                position += size
            case 5:
                yield tag >> 3, data[position : position + 4]
                position += 4
            case wire:
                raise IndexError(f"wire type {wire} at byte {position}")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _message(name: str, data: bytes) -> dict[str, Any]:
    known = wire_fields(name)
    item: dict[str, Any] = {}
    for number, value in _fields(data):
        field = known.get(number)
        if field is None:
            continue
        if field.inline and isinstance(value, bytes):
            item |= _message(field.type, value)
        elif field.type.startswith("[]"):
            item.setdefault(field.name, []).append(_value(field.type[2:], value))
        elif field.type.startswith("{}") and isinstance(value, bytes):
            pair = dict(_fields(value))
            key = pair.get(1, b"")
            item.setdefault(field.name, {})[key.decode() if isinstance(key, bytes) else str(key)] = _value(
                field.type[2:], pair.get(2, b"")
            )
        else:
            found = _value(field.type, value)
            if found or found == {} or (found is not None and field.name in POINTERS):
                item[field.name] = found
    return item


def _value(kind: str, value: int | bytes) -> Any:
    if isinstance(value, int):
        signed = value - (1 << 64) if value >> 63 else value
        return bool(signed) if kind == "bool" else signed
    match kind:
        case "string" | "Duration":
            return value.decode()
        case "int32" | "int64":
            return 0
        case "bool":
            return False
        case "bytes":
            return base64.b64encode(value).decode()
        case "double":
            return struct.unpack("<d", value)[0]
        case "Quantity":
            return next((text.decode() for _, text in _fields(value) if isinstance(text, bytes)), "0")
        case "IntOrString":
            parts = dict(_fields(value))
            text = parts.get(3, b"")
            return text.decode() if parts.get(1) == 1 and isinstance(text, bytes) else _value("int32", parts.get(2, 0))
        case "Time" | "MicroTime":
            return _time(dict(_fields(value)), micro=kind == "MicroTime")
        case "RawExtension" | "FieldsV1" | "JSON":
            raw = next((text for _, text in _fields(value) if isinstance(text, bytes)), b"null")
            return json.loads(raw or b"null")
        case _:
            return _message(kind, value)


def _time(parts: dict[int, int | bytes], *, micro: bool) -> str | None:
    seconds = parts.get(1, 0)
    if not isinstance(seconds, int) or not 0 < seconds < 1 << 40:
        return None
    moment = datetime.fromtimestamp(seconds, UTC)
    if micro:
        nanos = parts.get(2, 0)
        moment = moment.replace(microsecond=int(nanos) // 1000 if isinstance(nanos, int) else 0)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
