"""Which chart a command line means: ``cilium/cilium``, ``oci://…``, or a name with ``--repo``."""

from __future__ import annotations

from pathlib import Path

from lab_helpers.tools.charts import Chart, find_chart
from lab_helpers.tools.helm.errors import HelmError
from lab_helpers.tools.helm.repositories import CILIUM_URLS, OCI, listed

__all__ = ["locate"]


def locate(reference: str, version: str = "", repository: str = "") -> Chart:
    """The chart. Raises HelmError in helm's words when there is none."""
    if repository:
        if repository.rstrip("/") not in CILIUM_URLS:
            raise HelmError(
                f'looks like "{repository}" is not a valid chart repository or cannot be reached: '
                f"the helm bundled with cilium-labs knows {CILIUM_URLS[0]}/ only"
            )
        return _chart(reference, version, repository)
    if reference.startswith("oci://"):
        if reference.rstrip("/") != OCI:
            raise HelmError(
                f'failed to perform "FetchReference" on source: {reference}: not found (only {OCI} is bundled)'
            )
        return _chart("cilium", version, OCI)
    if reference.startswith((".", "/")) or reference.endswith(".tgz"):
        exists = Path(reference).exists()
        if exists:
            raise HelmError(
                f"{reference}: the helm bundled with cilium-labs renders no chart files, only the charts it knows; "
                "use cilium/cilium"
            )
        raise HelmError(f'path "{reference}" not found')
    name, sign, chart = reference.partition("/")
    if not sign:
        raise HelmError("non-absolute URLs should be in form of repo_name/path_to_chart, got: " + reference)
    found = next((item for item in listed() if item.name == name), None)
    if found is None:
        raise HelmError(f"repo {name} not found")
    return _chart(chart, version, f"{name} index")


def _chart(name: str, version: str, where: str) -> Chart:
    found = find_chart(name, version)
    if found is not None:
        return found
    hint = " (try 'helm repo update')" if where.endswith(" index") else ""
    if find_chart(name) is None:
        raise HelmError(f'chart "{name}" matching {version} not found in {where}.{hint}: no chart name found')
    raise HelmError(
        f'chart "{name}" matching {version} not found in {where}.{hint}: no chart version found for {name}-{version}'
    )
