"""How a release of Cilium names its build: commit, date and Go version, where they are known."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["Build", "build_of"]


class Build(NamedTuple):
    """``revision``, ``date`` and ``go`` are empty when they are not known: nothing is made up for them."""

    version: str
    revision: str = ""
    date: str = ""
    go: str = ""

    @property
    def message(self) -> str:
        """``1.20.2 (v1.20.2-e0dc92bd)``."""
        suffix = f"-{self.revision}" if self.revision else ""
        return f"{self.version} (v{self.version}{suffix})"

    @property
    def line(self) -> str:
        """``1.20.0 450c5314 2026-07-29T08:53:01+02:00 go version go1.26.5 linux/amd64``."""
        go = f"go version {self.go}" if self.go else ""
        return " ".join(part for part in (self.version, self.revision, self.date, go, "linux/amd64") if part)

    @property
    def model(self) -> dict[str, str]:
        """``version -o json``."""
        return {
            "Version": self.version,
            "Revision": self.revision,
            "GoRuntimeVersion": self.go,
            "Arch": "linux/amd64",
            "AuthorDate": self.date,
        }


_KNOWN: Final = {
    build.version: build
    for build in (
        Build("1.19.7", "704b537b"),
        Build("1.20.0", "450c5314", "2026-07-29T08:53:01+02:00", "go1.26.5"),
        Build("1.20.2", "e0dc92bd"),
    )
}


def build_of(version: str) -> Build:
    """The build of a release."""
    version = version.removeprefix("v")
    return _KNOWN.get(version, Build(version))
