"""Versions of the chart the tools offer, and what differs between them."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["DEFAULT", "VERSIONS", "Version", "offered_version", "resolve_version"]


class Version(NamedTuple):
    """One release of Cilium. Digests are empty where they are not known here: images are then named by tag alone."""

    major: int
    minor: int
    patch: int
    envoy_tag: str
    agent_digest: str = ""
    operator_digest: str = ""
    relay_digest: str = ""
    envoy_digest: str = ""

    @property
    def text(self) -> str:
        """``1.20.2``."""
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def series(self) -> tuple[int, int]:
        """(major, minor), for comparisons."""
        return self.major, self.minor


_ENVOY_37 = "v1.37.5-1782911245-7cffc778c923f68a77954a53b1a98d6b5353f004"
_ENVOY_36 = "v1.36.9-1782267392-edeb3f2af56c37c407efa1f63f0b32f595399bbc"
_ENVOY_37_DIGEST = "sha256:583057dd4f7d54cd41efff3c413aa0b148ac201f522e2c3336851fa89c78b039"
_ENVOY_36_DIGEST = "sha256:767101fb8a5e38f055778cb43b7aa8eed80450b37f8121effac3d9de9e06dc99"

VERSIONS: tuple[Version, ...] = (
    Version(1, 20, 2, _ENVOY_37),
    Version(
        1,
        20,
        0,
        _ENVOY_37,
        agent_digest="sha256:383968cd5e8873f7976fa76aa6196045643558f4cc9518a207b9335cb24a0e93",
        operator_digest="sha256:80744a8cc7c91c2f9e6347629406844eb35d79b30a732c6d41c15b17232a74f3",
        relay_digest="sha256:2ca16981c7eb98df0ba9c9d18896bb9ca628b5cbd40dc9801339f4741f91ee94",
        envoy_digest=_ENVOY_37_DIGEST,
    ),
    Version(1, 19, 8, _ENVOY_36),
    Version(
        1,
        19,
        6,
        _ENVOY_36,
        agent_digest="sha256:0df5b2750b64c49843aba1d649e9eaf61467cb0645ad3171db6f6962c095ac92",
        operator_digest="sha256:0db4ca4e06969d8904ee036617795d0e9c3228cf7b8d902ba74fc2bb98d2d665",
        relay_digest="sha256:6782a49e3f28eba015701c4410a5ec7fa096fe9a562f879b4372dbecd827ea44",
        envoy_digest=_ENVOY_36_DIGEST,
    ),
    Version(1, 18, 14, _ENVOY_36),
    Version(
        1,
        18,
        12,
        _ENVOY_36,
        agent_digest="sha256:94149589d9b77fe3a78f900121b36fab51b1ede0c4190924e2328facc37de210",
        operator_digest="sha256:86899c73438812b2761ac6fa435ea4e65f68e70d1ae54ac806fec8805d1ce011",
        relay_digest="sha256:308b186791faf8a8a9322ce64d2e12f66fa82a3f4659e7a79b31829b6195df61",
        envoy_digest=_ENVOY_36_DIGEST,
    ),
)
"""Newest first."""

DEFAULT = VERSIONS[0]
_DIAL = "CILIUM_LABS_CILIUM_VERSION"


def offered_version() -> Version:
    """What is installed when nobody names a version: the one that CILIUM_LABS_CILIUM_VERSION names (``cilium-labs up
    --cilium-version``), else the newest."""
    import os

    wanted = os.environ.get(_DIAL, "")
    return (resolve_version(wanted) if wanted else None) or DEFAULT


def resolve_version(text: str = "") -> Version | None:
    """``1.20.2``, ``v1.20.2``, ``1.20`` or ``1.20.x`` (the newest patch), "" (the one offered); None when not
    offered."""
    wanted = text.removeprefix("v")
    if not wanted:
        return offered_version()
    parts = [part for part in wanted.split(".") if part not in ("x", "*")]
    if not all(part.isdigit() for part in parts) or len(parts) > 3:
        return None
    numbers = tuple(int(part) for part in parts)
    return next((item for item in VERSIONS if (item.major, item.minor, item.patch)[: len(numbers)] == numbers), None)
