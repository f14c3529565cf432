"""``cilium-dbg fqdn …`` (cilium-dbg/cmd/fqdn.go)."""

from __future__ import annotations

import re
from typing import Any, Final

from lab_helpers.policy.matchpatterns import FQDNSelector, name_matches, normalized
from lab_helpers.twin.agent.dbg.sessions import OUTPUT, Arguments, Command, CommandError, Session, table

__all__ = ["COMMANDS"]

_LABEL: Final = "[-a-zA-Z0-9_]"


async def _list(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    agent = session.agent
    pattern, source, wanted = (arguments.value(name) for name in ("pattern", "source", "endpoint"))
    if source not in ("", "lookup", "connection"):
        raise CommandError(f'Error: invalid source "{source}": use lookup or connection')
    rows = []
    for row in agent.names.rows():
        if wanted and str(row.endpoint) != wanted:
            continue
        if (source and row.source != source) or (pattern and not name_matches(pattern, row.name)):
            continue
        rows.append(row)
    if arguments.value("output"):
        models: list[dict[str, Any]] = [
            {
                "endpoint-id": row.endpoint,
                "expiration-time": row.expiration,
                "fqdn": row.name,
                "ips": list(row.ips),
                "lookup-time": row.looked_up,
                "source": row.source,
                "ttl": row.ttl,
            }
            for row in rows
        ]
        await session.data(models, arguments.value("output"))
        return 0
    cells: list[tuple[object, ...]] = [("Endpoint", "Source", "FQDN", "TTL", "ExpirationTime", "IPs")]
    cells += [(row.endpoint, row.source, row.name, row.ttl, row.expiration, ",".join(row.ips)) for row in rows]
    await session.out(table(cells))
    return 0


async def _clean(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    if "force" not in arguments.switches:
        await session.out("Following cache entries are going to be deleted:")
        await _list(session, arguments)
        await session.process.out("Do you want to continue? [y/N] ")
        answer = b""
        async for chunk in session.process.stdin:
            answer += chunk
            if b"\n" in answer:
                break
        if answer.strip().lower() not in (b"y", b"yes"):
            return 0
    session.agent.names.clean(arguments.value("pattern") or "*")
    await session.out("FQDN proxy cache cleared")
    return 0


async def _names(session: Session, _: Arguments) -> int:
    session.need_agent()
    selectors = session.agent.repository.fqdn_selectors()
    model = {
        "DNSPollNames": None,
        "FQDNPolicySelectors": [
            {"regexString": _regex(selector), "selectorString": str(selector)} for selector in selectors
        ],
    }
    await session.data(model, "json")
    return 0


def _regex(selector: FQDNSelector) -> str:
    """As pkg/fqdn/matchpattern writes it."""
    if selector.match_name:
        return "^" + normalized(selector.match_name).replace(".", "[.]") + "$"
    text = normalized(selector.match_pattern)
    if re.fullmatch(r"\*+\.", text):
        return f"(^({_LABEL}+[.])+$)|(^[.]$)"
    prefix = ""
    if text.startswith("**."):
        prefix, text = f"({_LABEL}+[.])+", text[3:]
    return f"^{prefix}{re.sub(r'[*]+', lambda _: _LABEL + '*', text.replace('.', '[.]'))}$"


_PATTERN = {"-p": "pattern", "--matchpattern": "pattern"}
COMMANDS = (
    Command(
        ("fqdn", "cache", "list"),
        "List fqdn cache contents",
        _list,
        {**OUTPUT, **_PATTERN, "-e": "endpoint", "--endpoint": "endpoint", "-s": "source", "--source": "source"},
    ),
    Command(("fqdn", "cache", "clean"), "Clean fqdn cache", _clean, _PATTERN, {"-f": "force", "--force": "force"}),
    Command(("fqdn", "names"), "Show internal state Cilium has for DNS names / regexes", _names),
)
