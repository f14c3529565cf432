"""What a page says about its own origin: which cluster and versions, when, how it ended, which state of the course.

Everything comes from the run. The same facts are shown at the top of the page (``stamp_panel``), put into its head for
machines (``meta_tags``), and written to the JSON summary and to JUnit's properties (``stamp_facts``).
"""

from __future__ import annotations

import html
import os
import subprocess
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Final

from lab_helpers.course.limitations import limitations
from lab_helpers.course.results import LabResult
from lab_helpers.views.display import Tones
from lab_helpers.views.panels import Panel

__all__ = ["META_PREFIX", "meta_tags", "revision", "stamp_facts", "stamp_panel"]

META_PREFIX: Final = "cilium-labs:"
_REVISION: Final = "CILIUM_LABS_REVISION"
_GIT_TIMEOUT: Final = 10.0
_SHORT: Final = 12
_BACKENDS: Final = {"twin": "the twin", "kind": "a kind cluster", "existing": "an existing cluster"}


def revision(folder: Path) -> str:
    """The commit of the course in ``folder``, "+changes" added when files differ from it.

    ``CILIUM_LABS_REVISION`` wins (images carry no history). Without either it is the package's version.
    """
    chosen = os.environ.get(_REVISION, "").strip()
    if chosen:
        return chosen
    commit = _git(folder, "rev-parse", f"--short={_SHORT}", "HEAD")
    if not commit:
        return f"version {metadata.version('cilium-labs')}"
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ":/labs", ":/lab_helpers")
    return commit + ("+changes" if changed else "")


def stamp_facts(result: LabResult) -> dict[str, str]:
    """Every fact of the stamp as text, in the order in which a reader wants them. Unknown ones are "none"."""
    facts = result.facts
    return {
        "lab": result.lab,
        "result": "skipped" if result.skipped else "passed" if result.passed else "failed",
        "backend": facts.get("backend", "none"),
        "clock": facts.get("clock", "real time"),
        "cilium": facts.get("cilium", "none"),
        "kubernetes": facts.get("kubernetes", "none"),
        "executed": result.started,
        "seconds": f"{result.seconds:.1f}",
        "form": "solved" if result.solved else "as learners find it",
        "revision": facts.get("revision", "none"),
    }


def meta_tags(result: LabResult) -> str:
    """One ``<meta>`` per fact, for the page's head."""
    return "".join(
        f'<meta name="{META_PREFIX}{name}" content="{html.escape(value)}">\n'
        for name, value in stamp_facts(result).items()
    )


def stamp_panel(result: LabResult) -> Panel:
    """The stamp for readers, with what failed and what this kind of cluster cannot decide."""
    facts = result.facts
    backend = facts.get("backend", "")
    cilium = f"Cilium {facts['cilium']}" if "cilium" in facts else "without Cilium"
    where = f"{_BACKENDS.get(backend, backend)}, {cilium}, Kubernetes {facts.get('kubernetes', 'unknown')}"
    form = "with solutions" if result.solved else "as learners find it"
    eager = " Its clock was eager: what was only waited for came at once." if facts.get("clock") == "eager" else ""
    lines = (
        f"Executed {form} on {where if backend else 'no cluster'}.{eager}",
        f"{_moment(result.started)}, in {result.seconds:.0f} s, course at {facts.get('revision', 'unknown')}.",
    )
    tone, word = (Tones.GOOD, "passed") if result.passed else (Tones.BAD, "failed")
    limits = [f"Not decided on this cluster: {limit}" for limit in limitations(result.lab.partition("-")[0], backend)]
    return Panel(result.title, tone.value, word, lines, (*map(str, result.failures), *limits))


def _moment(started: str) -> str:
    return f"{datetime.fromisoformat(started):%Y-%m-%d %H:%M} UTC"


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_GIT_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
