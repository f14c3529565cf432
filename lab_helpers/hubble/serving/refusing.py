"""The answer to calls that nobody serves, in the words of gRPC for Go."""

from typing import Any

import grpc


class _Refusing(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # not generic at run time
    def __init__(self, services: frozenset[str]) -> None:
        self._services = services

    def service(self, handler_call_details: Any) -> Any:
        name, _, method = handler_call_details.method.removeprefix("/").rpartition("/")
        text = f"unknown method {method} for service {name}" if name in self._services else f"unknown service {name}"

        async def refuse(_requests: Any, context: Any) -> None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, text)

        return grpc.stream_stream_rpc_method_handler(refuse)


def refusing_handler(*services: str) -> Any:
    """A handler for all that is left; add it last. `services` are the ones that exist."""
    return _Refusing(frozenset((*services, "grpc.health.v1.Health")))
