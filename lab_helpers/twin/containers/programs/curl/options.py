"""curl's command line (curl(1) 8.14): options with one or two dashes, several URLs, ``--next`` not supported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lab_helpers.twin.containers.errors import ProgramExit

__all__ = ["HINT", "VERSION", "Options", "parse_options"]

VERSION = "8.14.1"

HINT = "curl: try 'curl --help' or 'curl --manual' for more information\n"

# short option → long name
SHORT = {
    "0": "http1.0",
    "1": "tlsv1",
    "2": "sslv2",
    "4": "ipv4",
    "6": "ipv6",
    "A": "user-agent",
    "C": "continue-at",
    "D": "dump-header",
    "F": "form",
    "G": "get",
    "H": "header",
    "I": "head",
    "J": "remote-header-name",
    "K": "config",
    "L": "location",
    "N": "no-buffer",
    "O": "remote-name",
    "R": "remote-time",
    "S": "show-error",
    "T": "upload-file",
    "V": "version",
    "X": "request",
    "Z": "parallel",
    "b": "cookie",
    "c": "cookie-jar",
    "d": "data",
    "e": "referer",
    "f": "fail",
    "g": "globoff",
    "h": "help",
    "i": "include",
    "k": "insecure",
    "l": "list-only",
    "m": "max-time",
    "n": "netrc",
    "o": "output",
    "p": "proxytunnel",
    "q": "disable",
    "r": "range",
    "s": "silent",
    "u": "user",
    "v": "verbose",
    "w": "write-out",
    "x": "proxy",
    "y": "speed-time",
    "z": "time-cond",
    "#": "progress-bar",
}
ARGUMENTS = frozenset(
    {
        "user-agent",
        "dump-header",
        "form",
        "header",
        "upload-file",
        "request",
        "cookie",
        "cookie-jar",
        "data",
        "data-raw",
        "data-binary",
        "data-urlencode",
        "data-ascii",
        "json",
        "referer",
        "max-time",
        "connect-timeout",
        "output",
        "output-dir",
        "range",
        "user",
        "write-out",
        "proxy",
        "noproxy",
        "retry",
        "retry-delay",
        "retry-max-time",
        "resolve",
        "connect-to",
        "max-redirs",
        "url",
        "interface",
        "cacert",
        "capath",
        "cert",
        "key",
        "limit-rate",
        "keepalive-time",
        "expect100-timeout",
        "happy-eyeballs-timeout-ms",
        "speed-time",
        "speed-limit",
        "max-filesize",
        "oauth2-bearer",
        "dns-servers",
        "local-port",
        "unix-socket",
        "stderr",
        "tls-max",
        "ciphers",
        "continue-at",
        "config",
        "time-cond",
    }
)
FLAGS = frozenset(
    {
        "ipv4",
        "ipv6",
        "get",
        "head",
        "location",
        "no-buffer",
        "remote-name",
        "remote-name-all",
        "show-error",
        "fail",
        "fail-with-body",
        "include",
        "insecure",
        "silent",
        "verbose",
        "version",
        "help",
        "http1.0",
        "http1.1",
        "http2",
        "http2-prior-knowledge",
        "globoff",
        "progress-bar",
        "no-progress-meter",
        "compressed",
        "tlsv1.2",
        "tlsv1.3",
        "tlsv1",
        "retry-connrefused",
        "retry-all-errors",
        "path-as-is",
        "tcp-nodelay",
        "no-keepalive",
        "create-dirs",
        "show-headers",
        "parallel",
        "location-trusted",
        "tr-encoding",
        "raw",
        "disable",
        "no-sessionid",
        "ssl",
        "fail-early",
        "styled-output",
        "no-styled-output",
        "no-location",
        "remote-time",
        "http0.9",
        "basic",
        "tcp-fastopen",
        "no-alpn",
        "buffer",
        "keepalive",
        "progress-meter",
        "alpn",
        "netrc",
        "post301",
        "post302",
        "post303",
    }
)
REFUSED = frozenset(
    {"proxy", "form", "upload-file", "config", "unix-socket", "continue-at", "http2-prior-knowledge", "netrc"}
)


@dataclass(slots=True)
class Options:
    """What was asked for. ``outputs`` go with ``urls`` in order: a file name, "-O" for the remote name, or None for
    standard output."""

    urls: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    values: dict[str, str] = field(default_factory=dict)
    headers: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    resolve: list[str] = field(default_factory=list)
    connect_to: list[str] = field(default_factory=list)
    json: bool = False

    def on(self, flag: str) -> bool:
        """Was the flag given?"""
        return flag in self.flags

    def number(self, name: str) -> float | None:
        """A numeric value; exits 2 when it is none."""
        text = self.values.get(name)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = -1
        if value < 0:
            raise ProgramExit(2, f"curl: option --{name}: expected a proper numerical parameter\n{HINT}")
        return value


def parse_options(arguments: Sequence[str]) -> Options:
    """Raises ProgramExit(2) with curl's message for what it does not know."""
    options = Options()
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word == "--":
            options.urls += left
            break
        if word.startswith("--"):
            _long(options, word[2:], word, left)
        elif word.startswith("-") and len(word) > 1:
            _cluster(options, word, left)
        else:
            options.urls.append(word)
    return options


def _long(options: Options, name: str, word: str, left: list[str]) -> None:
    name, assigned, value = name.partition("=") if name.split("=", 1)[0] in ARGUMENTS else (name, "", "")
    known = sorted(option for option in ARGUMENTS | FLAGS if option.startswith(name))
    if name not in ARGUMENTS | FLAGS:
        if name.startswith("no-") and name[3:] in FLAGS:
            options.flags.discard(name[3:])
            return
        if len(known) != 1:
            text = "is ambiguous" if known else "is unknown"
            raise ProgramExit(2, f"curl: option {word}: {text}\n{HINT}")
        name = known[0]
    if name in ARGUMENTS:
        if not assigned:
            if not left:
                raise ProgramExit(2, f"curl: option {word}: requires parameter\n{HINT}")
            value = left.pop(0)
        _value(options, name, value, word)
    else:
        _flag(options, name)


def _cluster(options: Options, word: str, left: list[str]) -> None:
    position = 1
    while position < len(word):
        name = SHORT.get(word[position])
        if name is None:
            raise ProgramExit(2, f"curl: option {word}: is unknown\n{HINT}")
        position += 1
        if name not in ARGUMENTS:
            _flag(options, name)
            continue
        value = word[position:]
        if not value:
            if not left:
                raise ProgramExit(2, f"curl: option {word}: requires parameter\n{HINT}")
            value = left.pop(0)
        _value(options, name, value, word)
        return


def _flag(options: Options, name: str) -> None:
    if name in REFUSED:
        raise ProgramExit(2, f"curl: option --{name}: this option is not simulated in the embedded cluster\n")
    if name == "remote-name":
        options.outputs.append("-O")
    if name == "show-headers":
        name = "include"
    options.flags.add(name)


def _value(options: Options, name: str, value: str, word: str) -> None:
    if name in REFUSED:
        raise ProgramExit(2, f"curl: option {word}: this option is not simulated in the embedded cluster\n")
    if name == "url":
        options.urls.append(value)
    elif name == "output":
        options.outputs.append(value)
    elif name == "header":
        options.headers.append(value)
    elif name in ("data", "data-raw", "data-binary", "data-urlencode", "data-ascii", "json"):
        options.data.append(f"{name}\0{value}")
        options.json = options.json or name == "json"
    elif name == "resolve":
        options.resolve.append(value)
    elif name == "connect-to":
        options.connect_to.append(value)
    else:
        options.values[name] = value
