"""``hubble reflect``: the files that describe a server's services, one JSON document per line. Hidden."""

import json
from typing import Any

from google.protobuf import descriptor_pb2

from lab_helpers.hubble.errors import CallError, HubbleError
from lab_helpers.hubble.fields import read_fields, text_field
from lab_helpers.tools.goflags import Command, ExitError, Invocation
from lab_helpers.tools.hubble import connecting, helping
from lab_helpers.tools.hubble.flags import server_flags
from lab_helpers.tools.hubble.settings import Settings

_METHOD = "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
_SKIPPED = ("grpc.reflection.v1alpha.ServerReflection", "grpc.health.v1.Health")
_FILE, _SYMBOL, _LIST = 3, 4, 7


def reflect_command() -> Command:
    """The command."""
    command = Command("reflect", short="Show the API of a Hubble server by gRPC reflection", hidden=True, run=_run)
    helping.register(command, server_flags())
    return command


def _identity(data: bytes) -> bytes:
    return data


class _Session:
    """Questions and answers over one reflection stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.visited: set[str] = set()

    def ask(self, field: int, value: str) -> dict[int, bytes]:
        self._stream.send(text_field(field, value))
        answer = next(self._stream)
        return {number: data for number, data in read_fields(answer) if isinstance(data, bytes)}

    def services(self) -> list[str]:
        names = []
        for _, service in read_fields(self.ask(_LIST, "")[6]):
            assert isinstance(service, bytes)
            names += [data.decode() for number, data in read_fields(service) if number == 1 and isinstance(data, bytes)]
        return names

    def files(self, field: int, name: str) -> list[Any]:
        """Descriptors of a file or of the file with a symbol, then of what they import; each file once."""
        answer = self.ask(field, name)
        if 4 not in answer:
            raise HubbleError(f"unexpected response: {name} not found")
        out = []
        for _, data in read_fields(answer[4]):
            assert isinstance(data, bytes)
            found = descriptor_pb2.FileDescriptorProto.FromString(data)
            if found.name not in self.visited:
                self.visited.add(found.name)
                out.append(found)
                for dependency in found.dependency:
                    if dependency not in self.visited:
                        out += self.files(_FILE, dependency)
        return out


def _run(invocation: Invocation) -> int:
    client = connecting.connect(Settings(invocation.flags))
    try:
        session = _Session(client.channel.stream(_METHOD, None, _identity))
        for service in session.services():
            if service not in _SKIPPED:
                for found in session.files(_SYMBOL, service):
                    invocation.stdout.write(json.dumps(_document(found), separators=(",", ":")) + "\n")
    except CallError as error:
        raise ExitError(str(error)) from None
    except (HubbleError, StopIteration) as error:
        raise ExitError(str(error) or "EOF") from None
    finally:
        client.close()
    return 0


def _document(message: Any) -> Any:
    """A message as Go's encoding/json writes its struct: original names, enums as numbers."""
    out = {}
    for field, value in sorted(message.ListFields(), key=lambda item: item[0].index):
        if field.message_type is None:
            out[field.name] = list(value) if field.is_repeated else value
        else:
            out[field.name] = [_document(item) for item in value] if field.is_repeated else _document(value)
    return out
