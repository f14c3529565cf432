"""Putting answers into DNS messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lab_helpers.twin.dns.zones import Record

if TYPE_CHECKING:
    from dns.message import Message

__all__ = ["question", "reply"]

MAX_UDP = 1232


def question(message: Message) -> tuple[str, str] | None:
    """(name with its dot, type) of a query with exactly one question."""
    import dns.rdatatype

    if len(message.question) != 1:
        return None
    asked = message.question[0]
    return asked.name.to_text(), dns.rdatatype.to_text(asked.rdtype)


def reply(
    query: Message,
    code: str,
    records: Iterable[Record] = (),
    *,
    authority: Sequence[Record] = (),
    additional: Sequence[Record] = (),
    authoritative: bool = False,
    limit: int = MAX_UDP,
) -> bytes:
    """The wire form of an answer to ``query``. Records with the same owner and type become one set, in order."""
    import dns.flags
    import dns.message
    import dns.rcode
    import dns.rdataclass
    import dns.rrset

    message = dns.message.make_response(query)
    message.flags |= dns.flags.RA
    if authoritative:
        message.flags |= dns.flags.AA
    message.set_rcode(dns.rcode.from_text(code))
    for section, items in ((message.answer, records), (message.authority, authority), (message.additional, additional)):
        grouped: dict[tuple[str, str], list[Record]] = {}
        for record in items:
            grouped.setdefault((record.name, record.kind), []).append(record)
        for (name, kind), group in grouped.items():
            section.append(
                dns.rrset.from_text(name, group[0].ttl, "IN", kind, *dict.fromkeys(one.value for one in group))
            )
    return message.to_wire(max_size=max(limit, 512), prefer_truncation=True, want_shuffle=False)
