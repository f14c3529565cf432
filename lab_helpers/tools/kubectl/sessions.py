"""One run of kubectl: its words, flags and streams, and the cluster, connected to when first needed."""

import sys
from typing import Any, TextIO

from lab_helpers.tools.goflags import FlagSet, Invocation, parse_duration
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.options import overrides
from lab_helpers.tools.rest import Catalogue, Client

_open: list["Session"] = []


def close_all() -> None:
    """Give up the connections of every session (a command may have made more than one)."""
    while _open:
        _open.pop().close()


class Session:
    """What a command works with. `path` is the command as typed, such as ``kubectl get``."""

    def __init__(self, invocation: Invocation) -> None:
        self.args = invocation.args
        self.flags: FlagSet = invocation.flags
        self.out: TextIO = invocation.stdout
        self.err: TextIO = invocation.stderr
        self.path = invocation.command.path
        self.warnings = 0
        self._client: Client | None = None
        self._catalogue: Catalogue | None = None
        _open.append(self)

    def close(self) -> None:
        """Give up the connection."""
        if self._client is not None:
            self._client.close()

    @property
    def client(self) -> Client:
        """The API, connected as kubeconfig and flags say. Raises ConfigError."""
        if self._client is None:
            self._client = Client.load(overrides(self.flags), timeout=self._timeout(), warn=self._warn)
        return self._client

    @property
    def catalogue(self) -> Catalogue:
        """The server's resource types."""
        if self._catalogue is None:
            folder = self.flags["cache-dir"] or None
            self._catalogue = Catalogue(self.client, folder)
        return self._catalogue

    @property
    def namespace(self) -> str:
        """The namespace meant: the flag's, the context's, or default."""
        return self.client.namespace

    @property
    def namespace_given(self) -> bool:
        """Whether -n was used."""
        return bool(self.flags["namespace"])

    @property
    def everywhere(self) -> bool:
        """Whether -A was used."""
        return "all-namespaces" in self.flags and bool(self.flags["all-namespaces"])

    def _timeout(self) -> float | None:
        text = self.flags["request-timeout"]
        try:
            seconds = float(text) if text.isdigit() else parse_duration(text) / 1e9
        except ValueError as error:
            raise KubectlError(
                "Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a "
                "corresponding time unit (e.g. 1s | 2m | 3h)"
            ) from error
        return seconds or None

    def _warn(self, text: str) -> None:
        self.warnings += 1
        self.err.write(f"Warning: {text}\n")

    def flag(self, name: str, default: Any = None) -> Any:
        """A flag's value, or `default` where the command has no such flag."""
        found = self.flags.get(name)
        return default if found is None else found.value.value

    def say(self, line: str) -> None:
        """Write a line to standard output."""
        self.out.write(f"{line}\n")

    def complain(self, line: str) -> None:
        """Write a line to standard error, after what standard output holds."""
        self.out.flush()
        self.err.write(f"{line}\n")
        self.err.flush()

    def read_input(self) -> str:
        """Standard input to its end."""
        return sys.stdin.read()
