"""gRPC server reflection (v1 and v1alpha), by hand: which services there are and the files that describe them.

Request: 3 file_by_filename, 4 file_containing_symbol, 7 list_services. Response: 2 original_request, 4
file_descriptor_response {1 file_descriptor_proto}, 6 list_services_response {1 service {1 name}}, 7 error_response
{1 error_code, 2 error_message}.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
from google.protobuf import descriptor_pool

from lab_helpers.hubble.fields import number_field, read_fields, text_field
from lab_helpers.hubble.serving import reflectionschema

SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
_UNDESCRIBED = ("grpc.health.v1.Health", *SERVICES)
_NOT_FOUND = 5


def _identity(data: bytes) -> bytes:
    return data


def _error(code: int, message: str) -> bytes:
    return text_field(7, number_field(1, code) + text_field(2, message))


def _file(find: Any, name: str) -> bytes:
    if name in (reflectionschema.FILE, reflectionschema.SERVICE):
        return text_field(4, text_field(1, reflectionschema.reflection_file().SerializeToString()))
    try:
        found = find(name)
    except KeyError:
        return _error(_NOT_FOUND, f"{name} not found")
    return text_field(4, text_field(1, found.serialized_pb))


def answer(request: bytes, services: Sequence[str]) -> bytes:
    """The response to one request of the stream."""
    pool = descriptor_pool.Default()
    body = _error(12, "this question is not supported")
    for number, value in read_fields(request):
        name = value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
        if number == 7:
            names = sorted({*services, *_UNDESCRIBED})
            body = text_field(6, b"".join(text_field(1, text_field(1, service)) for service in names))
        elif number == 3:
            body = _file(pool.FindFileByName, name)
        elif number == 4:
            body = _file(pool.FindFileContainingSymbol, name)
    return text_field(2, request) + body


def reflection_handler(services: Sequence[str]) -> tuple[Any, ...]:
    """Handlers for both versions of the service."""

    async def info(requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield answer(request, services)

    method = grpc.stream_stream_rpc_method_handler(info, _identity, _identity)
    return tuple(grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": method}) for name in SERVICES)
