"""Options of the datapath that change while the agent runs: of the agent, and of each endpoint.

Names, defaults and spellings as in Cilium pkg/option (runtime_options.go, monitor.go). An endpoint takes the agent's
options when it is created or restored; ``cilium-dbg config`` then changes them for all, ``cilium-dbg endpoint config``
for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final

from lab_helpers.policy.configs import Version

__all__ = ["DESCRIPTIONS", "Aggregation", "OptionError", "Options", "option_names"]


class OptionError(ValueError):
    """An option that does not exist, or a value that it cannot have."""


class Aggregation(IntEnum):
    """``MonitorAggregationLevel``: which packets are reported.

    NONE reports every packet, where it is received as well; LOWEST and LOW every packet where it is sent; MEDIUM and
    MAX only those for which connection tracking asks.
    """

    NONE = 0
    LOWEST = 1
    LOW = 2
    MEDIUM = 3
    MAX = 4

    @property
    def received(self) -> bool:
        """Are packets reported where they are received (``from-…``)?"""
        return self is Aggregation.NONE

    @property
    def everything(self) -> bool:
        """Is every packet reported, not only what connection tracking asks for?"""
        return self < Aggregation.MEDIUM

    @property
    def shown(self) -> str:
        """``Medium``."""
        return self.name.title()

    @classmethod
    def parse(cls, text: str) -> Aggregation:
        """A name or a number. Raises OptionError."""
        word = text.strip().lower()
        known = {level.name.lower(): level for level in cls}
        known |= {"": cls.NONE, "disabled": cls.NONE, "maximum": cls.MAX}
        if word in known:
            return known[word]
        try:
            number = int(word)
        except ValueError:
            raise OptionError(f'invalid monitor aggregation level "{text}"') from None
        if not cls.NONE <= number <= cls.MAX:
            raise OptionError(f"monitor aggregation level must be between {int(cls.NONE)} and {int(cls.MAX)}")
        return cls(number)


_ON: Final = ("true", "on", "enable", "enabled", "1")
_OFF: Final = ("false", "off", "disable", "disabled", "0")


def _switch(text: str) -> bool:
    """``Enabled``, ``true``, ``on`` …"""
    word = text.lower()
    if word not in _ON + _OFF:
        raise OptionError(f"invalid option value {text}")
    return word in _ON


@dataclass(frozen=True, slots=True)
class Options:
    """What the agent's or one endpoint's programs were compiled with. ``debug*``, ``tracing`` and ``source_check``
    change nothing in the embedded cluster: its programs write no debug messages, and no pod can send with an address
    that is not its own.
    """

    conntrack_accounting: bool = False
    debug: bool = False
    debug_lb: bool = False
    debug_policy: bool = False
    drops: bool = True
    aggregation: Aggregation = Aggregation.MEDIUM
    policy_accounting: bool = True
    audit: bool = False
    tracing: bool = False
    verdicts: bool = True
    source_check: bool = True
    traces: bool = True

    def shown(self, name: str) -> str:
        """The value of an option as the agent's REST API has it."""
        value = getattr(self, _OPTIONS[name][0])
        return value.shown if isinstance(value, Aggregation) else "Enabled" if value else "Disabled"

    def changed(self, values: Mapping[str, str]) -> Options:
        """These options with others, by their names. Raises OptionError; nothing is changed then."""
        new: dict[str, Any] = {}
        for name, text in values.items():
            level = name == "MonitorAggregationLevel"
            new[_OPTIONS[name][0]] = Aggregation.parse(text) if level else _switch(text)
        return replace(self, **new)


_OPTIONS: Final = {
    "ConntrackAccounting": ("conntrack_accounting", "Enable per flow (conntrack) statistics"),
    "Debug": ("debug", "Enable debugging trace statements"),
    "DebugLB": ("debug_lb", "Enable debugging trace statements for load balancer"),
    "DebugPolicy": ("debug_policy", "Enable debugging trace statements for policy enforcement"),
    "DropNotification": ("drops", "Enable drop notifications"),
    "MonitorAggregationLevel": (
        "aggregation",
        "Set the level of aggregation for monitor events in the datapath",
    ),
    "PolicyAccounting": ("policy_accounting", "Enable policy accounting "),
    "PolicyAuditMode": ("audit", "Enable audit mode for policies"),
    "PolicyTracing": ("tracing", "Enable tracing when resolving policy (Debug)"),
    "PolicyVerdictNotification": ("verdicts", "Enable policy verdict notifications"),
    "SourceIPVerification": ("source_check", "Enable the check of the source IP on pod egress"),
    "TraceNotification": ("traces", "Enable trace notifications"),
}
_UNTIL_1_19: Final = ("ConntrackAccounting", "PolicyAccounting")
"""Since 1.20 these come from the ConfigMap alone."""

DESCRIPTIONS: Final = {name: text for name, (_, text) in _OPTIONS.items()}
"""What ``--list-options`` says of each."""


def option_names(version: Version, *, endpoint: bool) -> tuple[str, ...]:
    """The options that a release lets one change, for an endpoint or for the agent."""
    absent = () if version is Version.V1_19 else _UNTIL_1_19
    return tuple(name for name in _OPTIONS if name not in absent and not (endpoint and name == "PolicyTracing"))
