"""What the outside container serves: the twin's own data, in the form ``environment/kind/outside/outside.py`` reads.

Only names of the course's zones are wired into the cluster. Their addresses are the twin's, most of them from ranges
that are kept for documentation (RFC 5737) and lead nowhere else; nodes get routes for them to the container. Everything
else stays what it is: kind clusters pull their images from the real internet.
"""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any, Final

from lab_helpers.clusters.kind.authorities import Wanted, certify, open_authority
from lab_helpers.clusters.kind.errors import KindError
from lab_helpers.twin.outside.names import Internet, Server, load_internet

__all__ = ["ZONES", "addresses", "describe", "prepare", "routes", "zones_with"]

ZONES: Final = ("example.com", "example.org", "stripe.com")
"""Names below these are the outside container's, in CoreDNS; a learner's names (``corefiles``) come one by one."""

_DOCUMENTATION: Final = tuple(map(ipaddress.IPv4Network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")))


def zones_with(added: Internet) -> tuple[str, ...]:
    """The zones of the course and, where they are not below one, the names of ``added``."""
    return (*ZONES, *(name for name in added.names if not _below(name, ZONES)))


def addresses(internet: Internet | None = None, zones: tuple[str, ...] = ZONES) -> list[str]:
    """The IPv4 addresses of names in the zones, in order."""
    internet = internet or load_internet()
    found = {address for name, one in internet.names.items() if _below(name, zones) for address in one.a}
    return sorted(found, key=ipaddress.IPv4Address)


def routes(internet: Internet | None = None, zones: tuple[str, ...] = ZONES) -> list[str]:
    """What nodes route to the container: whole documentation ranges, other addresses one by one."""
    wanted: dict[str, None] = {}
    for text in addresses(internet, zones):
        address = ipaddress.IPv4Address(text)
        network = next((network for network in _DOCUMENTATION if address in network), None)
        wanted[str(network or ipaddress.IPv4Network(address))] = None
    return list(wanted)


def describe(internet: Internet, zones: tuple[str, ...] = ZONES) -> tuple[dict[str, Any], list[Wanted]]:
    """(``outside.json``, the certificates it names)."""
    listen = addresses(internet, zones)
    wanted: dict[str, Wanted] = {}
    certificates = {}
    for address in listen:
        one = _certificate(internet, address)
        wanted[one.file] = one
        certificates[address] = one.file
    description = {
        "names": {
            name: {
                "a": list(one.a),
                "aaaa": list(one.aaaa),
                "cname": one.cname,
                "ttl": one.ttl,
                "rotate": one.rotate,
                "server": one.server,
            }
            for name, one in internet.names.items()
        },
        "servers": {
            name: {
                "redirect": server.redirect,
                "banner": server.banner,
                "pages": {
                    path: {"status": page.status, "type": page.type, "body": page.body}
                    for path, page in server.pages.items()
                },
            }
            for name, server in internet.servers.items()
        },
        "listen": listen,
        "certificates": certificates,
    }
    return description, list(wanted.values())


def prepare(folder: Path, internet: Internet | None = None, zones: tuple[str, ...] = ZONES) -> str:
    """Write description and certificates into ``folder``; returns the authority's certificate (PEM). Raises KindError.

    The authority's key lies beside the folder, not in it: the folder is what the container sees.
    """
    internet = internet or load_internet()
    description, wanted = describe(internet, zones)
    issuer = next((server.issuer for server in internet.servers.values() if server.issuer), "Simulated Public CA")
    authority = open_authority(folder.parent / "authority", issuer)
    certify(authority, wanted, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "outside.json").write_text(json.dumps(description, indent=1), encoding="utf-8")
        return authority.file.read_text(encoding="utf-8")
    except OSError as error:
        raise KindError(f"cannot write: {error.strerror}", where=str(error.filename), try_="free some space") from error


def _certificate(internet: Internet, address: str) -> Wanted:
    names = internet.names_at(address)
    aliases = tuple(name for name in internet.names if name not in names and _leads_to(internet, name, names))
    entry = internet.names[names[0]]
    server = internet.servers.get(entry.server) or Server()
    valid = server.names or (*names, *aliases)
    return Wanted(f"{names[0]}.pem", tuple(valid), bool(server.issuer))


def _leads_to(internet: Internet, name: str, targets: list[str]) -> bool:
    current, seen = name, 0
    while (found := internet.names.get(current)) is not None and found.cname and seen < 8:
        current, seen = found.cname, seen + 1
    return bool(seen) and current in targets


def _below(name: str, zones: tuple[str, ...]) -> bool:
    return any(name == zone or name.endswith("." + zone) for zone in zones)
