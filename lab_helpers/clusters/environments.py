"""The files of ``environment/``: in a checkout they are there, an installed package carries a copy.

There is one source: the checkout's folder. The wheel takes it along as ``lab_helpers/clusters/environment``
(``force-include`` in pyproject.toml).
"""

from __future__ import annotations

from pathlib import Path

from lab_helpers.clusters.errors import ClusterError

__all__ = ["environment_file"]

_CHECKOUT = Path(__file__).resolve().parents[2] / "environment"
_PACKAGED = Path(__file__).resolve().parent / "environment"


def environment_file(*parts: str, folders: tuple[Path, ...] = (_CHECKOUT, _PACKAGED)) -> Path:
    """The path of ``environment/<parts>``. Raises ClusterError when neither place has it."""
    for folder in folders:
        path = folder.joinpath(*parts)
        if path.exists():
            return path
    raise ClusterError(
        f"environment/{'/'.join(parts)} is missing", where=str(folders[0]), try_="install cilium-labs again"
    )
