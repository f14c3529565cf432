"""What a preflight finds: one thing looked at, how it is, and the cure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lab_helpers.clusters.errors import ClusterError

__all__ = ["Finding", "refuse_if_bad"]


class Finding(NamedTuple):
    """``level`` is "ok", "note" (works, worth knowing) or "bad" (labs will not run)."""

    level: str
    what: str
    cure: str = ""


def refuse_if_bad(findings: Iterable[Finding], *, where: str, kind: type[ClusterError] = ClusterError) -> list[Finding]:
    """All findings, when none of them is bad. Raises ``kind`` with all the bad ones otherwise."""
    found = list(findings)
    bad = [finding for finding in found if finding.level == "bad"]
    if bad:
        cures = "; ".join(dict.fromkeys(finding.cure for finding in bad if finding.cure))
        raise kind("\n".join(finding.what for finding in bad), where=where, try_=cures)
    return found
