"""What can go wrong between a tool and a cluster, and kubectl's words for it (k8s.io/kubectl pkg/cmd/util)."""

from typing import Any


class RestError(Exception):
    """Root of this package's errors; the text stands after ``error: ``."""


class ConfigError(RestError):
    """The kubeconfig is missing, unreadable or contradicts itself."""


class ConnectError(RestError):
    """No answer from the server; the text is Go's, without the program's prefix."""


class RefusedError(ConnectError):
    """Nobody listens at the server's address."""

    def __init__(self, host: str) -> None:
        super().__init__(f"dial tcp {host}: connect: connection refused")
        self.host = host


class ChannelError(RestError):
    """A WebSocket (exec, port-forward) was refused or broke."""


class NoResourceError(RestError):
    """The server has no such resource type."""

    def __init__(self, word: str, group: str = "", version: str = "") -> None:
        text = f'the server doesn\'t have a resource type "{word}"'
        if group:
            text += f' in group "{group}"' + (f' and version "{version}"' if version else "")
        elif version:
            text += f' in version "{version}"'
        super().__init__(text)
        self.word = word


class UnknownKindError(NoResourceError):
    """An object's apiVersion and kind are no type of the server."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(kind)
        self.api_version, self.kind = api_version, kind
        self.args = (f'no matches for kind "{kind}" in version "{api_version}"',)


class ApiError(RestError):
    """A Status the server answered with."""

    def __init__(self, status: dict[str, Any]) -> None:
        super().__init__(str(status.get("message") or "unknown"))
        self.status = status

    @property
    def code(self) -> int:
        """HTTP status code."""
        return int(self.status.get("code") or 0)

    @property
    def reason(self) -> str:
        """``NotFound``, ``AlreadyExists``, ``Invalid``, ``Conflict`` … or ""."""
        return str(self.status.get("reason") or "")

    @property
    def details(self) -> dict[str, Any]:
        """name, kind, causes … of the thing concerned."""
        details: dict[str, Any] = self.status.get("details") or {}
        return details

    @property
    def causes(self) -> list[dict[str, Any]]:
        """One entry per field: field, message, reason."""
        return list(self.details.get("causes") or [])

    def about(self, verb: str, source: str) -> "ApiError":
        """The same error with ``error when <verb> "<source>": `` before its message."""
        return ApiError({**self.status, "message": f'error when {verb} "{source}": {self.status.get("message", "")}'})


def lines_text(prefix: str, messages: list[str]) -> str:
    """One message behind the prefix, or several as a list below it."""
    if len(messages) == 1:
        return f"{prefix}{messages[0]}"
    return f"{prefix}\n" + "\n".join(f"* {message}" for message in messages)


def _invalid_text(error: ApiError) -> str:
    details = error.details
    if not details:
        return f"The request is invalid: {error}"
    if details.get("kind") or details.get("name"):
        text = f'The {details.get("kind", "")} "{details.get("name", "")}" is invalid'
    elif str(error) and not error.causes:
        text = f"The request is invalid: {error}"
    else:
        text = "The request is invalid"
    if error.causes:
        messages = dict.fromkeys(f"{cause.get('field', '')}: {cause.get('message', '')}" for cause in error.causes)
        return lines_text(f"{text}: ", list(messages))
    return text


def kubectl_text(error: BaseException) -> str:
    """What kubectl writes to standard error before it exits, without the line end."""
    if isinstance(error, ApiError):
        if error.reason == "Invalid":
            return _invalid_text(error)
        if error.reason == "Unauthorized":
            return f"error: You must be logged in to the server ({error})"
        return f"Error from server ({error.reason}): {error}" if error.reason else f"Error from server: {error}"
    if isinstance(error, RefusedError):
        return f"The connection to the server {error.host} was refused - did you specify the right host or port?"
    if isinstance(error, ConnectError):
        return f"Unable to connect to the server: {error}"
    text = str(error)
    if text.startswith("Error in configuration: "):
        return text
    return text if text.startswith("error: ") else f"error: {text}"
