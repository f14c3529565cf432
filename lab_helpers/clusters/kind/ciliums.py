"""Cilium on the kind cluster by the real helm, with ``environment/kind/cilium-values.yaml``.

From a bundle the chart is the one that lies in it, and images are asked for by tag: what ``docker save`` keeps has no
digest.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from lab_helpers.clusters.environments import environment_file
from lab_helpers.clusters.kind.commands import checked

__all__ = ["REPOSITORY", "bundled_chart", "install_cilium", "install_command"]

REPOSITORY: Final = "https://helm.cilium.io/"
_TIMEOUT: Final = 600.0


def bundled_chart(bundle: Path | None, version: str) -> list[str]:
    """helm's words for the chart in a bundle, with values that go with its images; none without such a chart."""
    chart = bundle / "charts" / f"cilium-{version}.tgz" if bundle is not None else None
    if chart is None or not chart.is_file():
        return []
    return [str(chart), "--values", str(environment_file("kind", "by-tag-values.yaml"))]


def install_command(helm: str, version: str, *, bundle: Path | None = None) -> list[str]:
    """The command; it may be repeated."""
    where = bundled_chart(bundle, version) or ["cilium", "--repo", REPOSITORY, "--version", version]
    words = [helm, "upgrade", "--install", "cilium", *where, "--namespace", "kube-system"]
    words += ["--values", str(environment_file("kind", "cilium-values.yaml"))]
    return [*words, "--wait", "--timeout", "10m"]


def install_cilium(
    helm: str,
    version: str,
    kubeconfig: Path,
    *,
    bundle: Path | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> None:
    """Install or bring up to date, and wait until it is ready. Raises CommandFailed."""
    environ = {"KUBECONFIG": str(kubeconfig)}
    checked(install_command(helm, version, bundle=bundle), timeout=_TIMEOUT + 60, environ=environ, say=say)
