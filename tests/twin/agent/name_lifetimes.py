"""How long an address is allowed by the rules of names: a model to hold the agent against.

It is written from what is known of Cilium, not from the agent's code: an answer counts for its TTL (at least
``tofqdns-min-ttl``) and until the next run of the garbage collector, which comes every minute; that run makes it a
zombie. The next run removes the zombie, unless its pod has a live connection to the address (or the grace period is not
over), or to another zombie address of the same name: then the name holds for two more minutes, and so on. What any pod
of the node learned counts for all of it. What is more than the limit of addresses per name becomes a zombie at once,
the one that ends first. A connection is alive until both sides have sent their FIN, or conntrack has not seen it for
8000 seconds: one that only one side closed, or reset, still counts (but a reset ends one whose handshake conntrack has
forgotten, as in bpf/lib/conntrack.h). What a pod learned goes with the pod, and outlives a restart of the agent, which
takes limits as they are then and counts its minutes anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from lab_helpers.policy.matchpatterns import name_matches

IPS = ("203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4")
NAMES = ("api.stripe.com", "files.stripe.com", "cdn.example.com")
LINGERING = IPS[3]
"""The server there never closes."""
PODS = ("a", "b")
Ending = Literal["FIN", "RST"]
GC, SYNTHETIC, CONNTRACK = 60.0, 120.0, 8000.0
POLICIES = {
    "stripe": (("a", "b"), {"matchPattern": "*.stripe.com"}, ("api.stripe.com", "files.stripe.com")),
    "api": (("b",), {"matchName": "api.stripe.com"}, ("api.stripe.com",)),
    "cdn": (("a",), {"matchName": "cdn.example.com"}, ("cdn.example.com",)),
}
"""Name → pods, element of ``toFQDNs``, names that it matches."""


class Limits(NamedTuple):
    """What ``cilium-config`` says, in seconds and addresses per name."""

    minimum: int
    most: int
    grace: int

    def config(self) -> dict[str, str]:
        return {
            "tofqdns-min-ttl": str(self.minimum),
            "tofqdns-endpoint-max-ip-per-hostname": str(self.most),
            "tofqdns-idle-connection-grace-period": f"{self.grace}s",
        }


class Answer(NamedTuple):
    at: float
    ttl: int

    @property
    def until(self) -> float:
        return self.at + self.ttl


class Connection(NamedTuple):
    """``last``: when the pod's last packet left. ``whole``: conntrack has seen its handshake."""

    pod: str
    ip: str
    last: float
    whole: bool = True

    def alive(self, now: float) -> bool:
        return now < self.last + CONNTRACK


@dataclass
class Model:
    """Who is allowed to reach what. Times are seconds since the beginning."""

    limits: Limits
    now: float = 0.0
    collects: float = GC
    """When the garbage collector comes next."""
    answers: dict[tuple[str, str, str], Answer] = field(default_factory=dict)
    """(pod, name, address) → the last one."""
    zombies: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """(pod, address) → names."""
    held: dict[tuple[str, str], float] = field(default_factory=dict)
    """(pod, address) of zombies → when last buried or alive."""
    kept: dict[tuple[str, str], float] = field(default_factory=dict)
    """(name, address) → until when a live connection keeps it."""
    connections: dict[int, Connection] = field(default_factory=dict)
    policies: set[str] = field(default_factory=set)
    unclear: bool = False
    """More zombies than the limit: which ones go first is not for this model to say."""

    def evicts(self, pod: str, name: str, ips: tuple[str, ...], ttl: int) -> tuple[list[str], bool]:
        """Addresses over the limit after an answer, and whether it is clear which ones they are."""
        known = {ip: answer.until for (p, n, ip), answer in self.answers.items() if (p, n) == (pod, name)}
        known.update(dict.fromkeys(ips, self.now + max(ttl, self.limits.minimum)))
        over = max(len(known) - self.limits.most, 0)
        order = sorted(known, key=lambda ip: known[ip])
        clear = not over or known[order[over - 1]] < known[order[over]]
        return order[:over], clear

    def learn(self, pod: str, name: str, ips: tuple[str, ...], ttl: int) -> None:
        out, _ = self.evicts(pod, name, ips, ttl)
        for ip in ips:
            self.answers[pod, name, ip] = Answer(self.now, max(ttl, self.limits.minimum))
            self.zombies.get((pod, ip), set()).discard(name)
        self._drop_empty()
        for ip in out:
            self._bury(pod, name, ip)

    def _bury(self, pod: str, name: str, ip: str) -> None:
        del self.answers[pod, name, ip]
        self.zombies.setdefault((pod, ip), set()).add(name)
        self.held[pod, ip] = self.now

    def _drop_empty(self) -> None:
        for key in [key for key, names in self.zombies.items() if not names]:
            del self.zombies[key]
            del self.held[key]

    def forget(self, pod: str) -> None:
        self.answers = {key: answer for key, answer in self.answers.items() if key[0] != pod}
        self.zombies = {key: names for key, names in self.zombies.items() if key[0] != pod}
        self.held = {key: since for key, since in self.held.items() if key[0] != pod}
        self.connections = {number: one for number, one in self.connections.items() if one[0] != pod}

    def clean(self, pattern: str) -> None:
        self.answers = {key: answer for key, answer in self.answers.items() if not name_matches(pattern, key[1])}
        self.kept = {key: until for key, until in self.kept.items() if not name_matches(pattern, key[0])}
        for names in self.zombies.values():
            names -= {name for name in names if name_matches(pattern, name)}
        self._drop_empty()

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while self.collects <= end:
            self.now = self.collects
            self._collect()
            self.collects += GC
        self.now = end

    def _collect(self) -> None:
        for key in self.zombies:
            if any(one[:2] == key and one.alive(self.now) for one in self.connections.values()):
                self.held[key] = self.now
        living = [
            key for key in self.zombies if self.now == self.held[key] or self.now - self.held[key] < self.limits.grace
        ]
        saved = {(pod, name) for pod, ip in living for name in self.zombies[pod, ip]}
        for pod, name in saved:
            shared = sum(name in names for (p, _), names in self.zombies.items() if p == pod)
            self.unclear |= shared > self.limits.most
        for (pod, ip), names in list(self.zombies.items()):
            if (pod, ip) in living or any((pod, name) in saved for name in names):
                for name in names:
                    self.kept[name, ip] = self.now + SYNTHETIC
            else:
                del self.zombies[pod, ip], self.held[pod, ip]
        for pod, name, ip in [key for key, answer in self.answers.items() if answer.until <= self.now]:
            self._bury(pod, name, ip)
        self.kept = {key: until for key, until in self.kept.items() if until > self.now}

    def rows(self) -> set[tuple[str, str, str, int, str]]:
        """What ``fqdn cache list`` shows: pod, source, name, TTL, address."""
        found = {(pod, "lookup", name, answer.ttl, ip) for (pod, name, ip), answer in self.answers.items()}
        return found | {(pod, "connection", name, 0, ip) for (pod, ip), names in self.zombies.items() for name in names}

    def names(self, ip: str) -> set[str]:
        found = {name for _, name, known in self.answers if known == ip}
        found |= {name for (_, known), names in self.zombies.items() if known == ip for name in names}
        return found | {name for name, known in self.kept if known == ip}

    def allowed(self, pod: str, ip: str) -> bool:
        matched = {name for policy in self.policies if pod in POLICIES[policy][0] for name in POLICIES[policy][2]}
        return bool(matched & self.names(ip))
