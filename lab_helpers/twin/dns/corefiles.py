"""CoreDNS' configuration file: server blocks, plugins with arguments, nested lines (coredns/corefile syntax)."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["COREFILE", "CorefileError", "Plugin", "ServerBlock", "parse_corefile"]

COREFILE = """.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
"""
"""What kubeadm installs."""


class CorefileError(Exception):
    """The file cannot be used; the message names the line."""


class Plugin(NamedTuple):
    """``name arguments { lines }``."""

    name: str
    arguments: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...] = ()


class ServerBlock(NamedTuple):
    """The plugins for some zones, on a port."""

    zones: tuple[str, ...]
    port: int
    plugins: tuple[Plugin, ...]

    def plugin(self, name: str) -> Plugin | None:
        """The first plugin with that name."""
        return next((one for one in self.plugins if one.name == name), None)


def parse_corefile(text: str) -> list[ServerBlock]:
    """All blocks. Raises CorefileError."""
    blocks: list[ServerBlock] = []
    keys: list[str] = []
    plugins: list[Plugin] = []
    inner: list[tuple[str, ...]] = []
    depth = 0
    for number, raw in enumerate(text.splitlines(), 1):
        words = raw.partition("#")[0].split()
        if not words:
            continue
        opens = words[-1] == "{"
        if opens:
            words.pop()
        if words == ["}"]:
            depth -= 1
            if depth < 0:
                raise CorefileError(
                    f"Corefile:{number} - Error during parsing: Unexpected '}}' because no matching opening brace"
                )
            if depth == 1:
                last = plugins[-1]
                plugins[-1] = Plugin(last.name, last.arguments, tuple(inner))
            elif depth == 0:
                blocks.append(_block(keys, plugins, number))
                keys, plugins = [], []
            continue
        if depth == 0:
            keys += [word.rstrip(",") for word in words]
        elif depth == 1:
            plugins.append(Plugin(words[0], tuple(words[1:])))
            inner = []
        else:
            inner.append(tuple(words))
        depth += opens
        if depth > 2:
            raise CorefileError(f"Corefile:{number} - Error during parsing: blocks are nested too deeply")
        if depth == 0:
            raise CorefileError(f"Corefile:{number} - Error during parsing: expected '{{' after {raw.strip()}")
    if depth:
        raise CorefileError("Corefile - Error during parsing: Unexpected EOF, expecting '}'")
    return blocks


def _block(keys: list[str], plugins: list[Plugin], number: int) -> ServerBlock:
    zones, port = [], 53
    for key in keys:
        zone, colon, digits = key.removeprefix("dns://").partition(":")
        if colon:
            if not digits.isdigit():
                raise CorefileError(f"Corefile:{number} - Error during parsing: invalid port in '{key}'")
            port = int(digits)
        zones.append(zone.rstrip(".").lower())
    return ServerBlock(tuple(zones), port, tuple(plugins))
