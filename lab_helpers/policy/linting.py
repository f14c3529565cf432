"""What is probably not meant in a set of policies, each with its place, its reason and the lab that teaches it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from lab_helpers.policy.errors import Position
from lab_helpers.policy.inventories import Inventory
from lab_helpers.policy.labs import LABS, lab_for
from lab_helpers.policy.lint_rules import rule_findings
from lab_helpers.policy.lint_shapes import shape_findings

__all__ = ["Finding", "Severity", "lint"]


class Severity(StrEnum):
    """ERROR: not in force at all. WARNING: hardly meant. NOTE: worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. ``code`` is stable; ``where`` is the object and field; ``position`` its place in a file, if it
    has one.
    """

    severity: Severity
    code: str
    where: str
    message: str
    lab: str
    position: Position | None = None

    def __str__(self) -> str:
        place = f"{self.position}: " if self.position else ""
        return f"{place}{self.severity} {self.code}: {self.where}: {self.message} (lab {self.lab})"


def _refused(inventory: Inventory) -> Iterator[Finding]:
    for error in inventory.refused:
        owner = "/".join(part for part in (error.kind, error.namespace, error.name) if part)
        where = f"{owner} {error.path}".strip()
        message = f"refused, so it is not in force and traffic stays as it was: {error.message}"
        if error.category == "empty-rule":
            message += ". To deny everything write one empty rule: ingress: [{}]"
        yield Finding(Severity.ERROR, "refused", where, message, lab_for(error.category), error.position)


def _unknown_fields(inventory: Inventory) -> Iterator[Finding]:
    for policy in inventory.policies:
        for notice in policy.warnings:
            kafka = ".kafka" in notice.path or "l7proto" in notice.path
            message = f"{notice.message}: the agent ignores it, so the rule is wider than it looks"
            if kafka:
                message = f"{notice.message}: Kafka rules are gone in 1.20; what is left opens the port at L4"
            where = f"{policy.ref} {notice.path}"
            yield Finding(
                Severity.WARNING, "unknown-field", where, message, LABS["13" if kafka else "04"], notice.position
            )


def lint(inventory: Inventory) -> tuple[Finding, ...]:
    """All findings, errors first, then by object."""
    found = [*_refused(inventory), *_unknown_fields(inventory)]
    for source in (shape_findings, rule_findings):
        found.extend(
            Finding(Severity(severity), code, where, message, LABS[lab], position)
            for severity, code, where, message, lab, position in source(inventory)
        )
    order = list(Severity)
    return tuple(
        sorted(dict.fromkeys(found), key=lambda finding: (order.index(finding.severity), finding.where, finding.code))
    )
