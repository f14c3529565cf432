"""What can go wrong in this package::

HubbleError
├── FilterError       a filter cannot be compiled
├── MaskError         a field mask names no field
├── JsonError         a JSON document is no such message
├── RequestError      a request contradicts itself
└── CallError         a call to a server failed: status code, details
"""


class HubbleError(Exception):
    """Root of this package's errors."""


class FilterError(HubbleError):
    """A filter that cannot be compiled; the text is Hubble's."""


class MaskError(HubbleError):
    """A field mask with a path that names no field."""


class JsonError(HubbleError):
    """A JSON document that does not describe the message. `unknown`: because of a name the schema does not have."""

    def __init__(self, message: str, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown


class RequestError(HubbleError):
    """A request whose fields contradict each other (gRPC status INVALID_ARGUMENT)."""


class CallError(HubbleError):
    """A call failed. `code` is the name gRPC for Go uses (``Unavailable``), `details` the message."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(f"rpc error: code = {code} desc = {details}")
        self.code = code
        self.details = details
