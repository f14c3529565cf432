"""Which labs there are, and where.

``CILIUM_LABS_COURSE`` names the folder; else the nearest ``labs`` folder at or above the current one counts, else the
one beside the package. So a notebook may be run from any folder of the repository.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from lab_helpers.course.errors import UnknownLab

__all__ = ["find_lab", "lab_folders", "labs_folder", "notebook"]

MARK: Final = "lab.yaml"


def labs_folder(start: Path | None = None) -> Path:
    """The folder of all labs. Raises UnknownLab."""
    chosen = os.environ.get("CILIUM_LABS_COURSE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    here = (start or Path.cwd()).absolute()
    beside = Path(__file__).resolve().parents[2] / "labs"
    for folder in (here, *here.parents):
        for candidate in (folder, folder / "labs"):
            if any(candidate.glob(f"[0-9]*/{MARK}")):
                return candidate
    if any(beside.glob(f"[0-9]*/{MARK}")):
        return beside
    raise UnknownLab(
        "the labs cannot be found",
        where=str(here),
        try_="run the notebook inside the repository, or set CILIUM_LABS_COURSE to its labs folder",
    )


def lab_folders(folder: Path | None = None) -> list[Path]:
    """The folders of all labs, in the order of their numbers."""
    root = folder or labs_folder()
    return sorted(mark.parent for mark in root.glob(f"[0-9]*/{MARK}"))


def find_lab(name: str, folder: Path | None = None) -> Path:
    """A lab's folder by its name ("l3-l4-policies"), number ("04") or both. Raises UnknownLab."""
    found = lab_folders(folder)
    for lab in found:
        number, _, plain = lab.name.partition("-")
        if name in (lab.name, plain, number, number.lstrip("0") or "0"):
            return lab
    known = ", ".join(lab.name for lab in found)
    raise UnknownLab(f'there is no lab "{name}"', where=str(folder or labs_folder()), try_=f"one of: {known}")


def notebook(lab: Path) -> Path:
    """The notebook of a lab's folder. Raises UnknownLab."""
    file = lab / f"{lab.name}.ipynb"
    if not file.is_file():
        raise UnknownLab("the lab has no notebook", where=str(file), try_="git status labs/")
    return file
