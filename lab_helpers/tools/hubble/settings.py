"""Settings: flags, environment (HUBBLE_…), configuration file, defaults, in this order of precedence.

A key is a flag's name. The environment and the file have whatever type they were written in; the getters convert as
Go's viper does, which turns nonsense into the type's zero value. A missing or broken file counts as empty.
"""

import os
from collections.abc import Mapping
from typing import Any

from lab_helpers.tools.goflags import FlagSet, parse_bool, parse_duration

KEYS = (
    "basic-auth-password",
    "basic-auth-username",
    "config",
    "debug",
    "kube-context",
    "kube-namespace",
    "kubeconfig",
    "port-forward",
    "port-forward-port",
    "request-timeout",
    "server",
    "timeout",
    "tls",
    "tls-allow-insecure",
    "tls-ca-cert-files",
    "tls-client-cert-file",
    "tls-client-key-file",
    "tls-server-name",
)
"""Keys of the configuration file, sorted."""


def default_config_path(environ: Mapping[str, str]) -> str:
    """Where the configuration file is unless told otherwise."""
    base = environ.get("XDG_CONFIG_HOME")
    if not base:
        home = environ.get("HOME") or environ.get("USERPROFILE") or os.path.expanduser("~")
        base = os.path.join(home, ".config")
    return os.path.join(base, "hubble", "config.yaml")


class Settings:
    """Answers what a key is set to."""

    def __init__(self, flags: FlagSet, environ: Mapping[str, str] | None = None) -> None:
        self.flags = flags
        self.environ = os.environ if environ is None else environ
        self._file: dict[str, Any] | None = None

    @property
    def config_path(self) -> str:
        """The configuration file, which need not exist."""
        text = str(self.flags["config"]) if self.flags.changed("config") else self.environ.get("HUBBLE_CONFIG", "")
        return text or default_config_path(self.environ)

    @property
    def file(self) -> dict[str, Any]:
        """The content of the configuration file."""
        if self._file is None:
            self._file = read_config(self.config_path)
        return self._file

    def raw(self, key: str) -> Any:
        """The value of a key as its source has it; flags and defaults as their own type."""
        if self.flags.changed(key):
            return self.flags[key]
        found = self.environ.get("HUBBLE_" + key.upper().replace("-", "_"), "")
        if found:
            return found
        if key in self.file:
            return self.file[key]
        return self.flags[key]

    def text(self, key: str) -> str:
        """The value as a string."""
        value = self.raw(key)
        if isinstance(value, bool):
            return "true" if value else "false"
        return "" if value is None or isinstance(value, (list, dict)) else str(value)

    def switch(self, key: str) -> bool:
        """The value as true or false."""
        value = self.raw(key)
        if isinstance(value, str):
            try:
                return parse_bool(value)
            except ValueError:
                return False
        return bool(value)

    def duration(self, key: str) -> int:
        """The value as nanoseconds; a bare number counts nanoseconds."""
        value = self.raw(key)
        if isinstance(value, str):
            try:
                return int(value) if value.lstrip("-").isdigit() else parse_duration(value)
            except ValueError:
                return 0
        return int(value) if isinstance(value, (int, float)) else 0

    def words(self, key: str) -> list[str]:
        """The value as a list; a string is split at white space."""
        value = self.raw(key)
        if isinstance(value, str):
            return value.split()
        return [str(item) for item in value] if isinstance(value, list) else []


def read_config(path: str) -> dict[str, Any]:
    """The keys of a YAML file in lower case; empty when it is missing or broken."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError):
        return {}
    import yaml

    try:
        document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
    except yaml.YAMLError:
        return {}
    if not isinstance(document, dict):
        return {}
    return {str(key).lower(): value for key, value in document.items()}
