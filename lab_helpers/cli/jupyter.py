"""``cilium-labs lab``: the cluster and JupyterLab, together until Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import click

from lab_helpers.clusters import ClusterError, connect, default_home, start_twin
from lab_helpers.clusters.homes import Home
from lab_helpers.clusters.twins import describe

__all__ = ["lab", "labs_folder"]


@click.command()
@click.option(
    "--port",
    default=8888,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="JupyterLab's port; the next free one is taken.",
)
@click.option("--no-browser", is_flag=True, help="Only print the address (the default on a machine without a screen).")
@click.option("--keep", is_flag=True, help="Leave the twin running when JupyterLab ends.")
@click.argument("labs", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
def lab(port: int, no_browser: bool, keep: bool, labs: Path | None) -> None:
    """Open the labs in JupyterLab, on the cluster in use (the twin when there is none).

    Ctrl-C ends both; nothing is lost, and the exit code is 0 (130 while they are still starting).

    \b
    Examples:
      cilium-labs lab
      cilium-labs lab --no-browser --port 9000
      cilium-labs lab ~/my-copy-of-the-labs
    """
    folder = labs or labs_folder()
    home = default_home()
    ours = _ensure_cluster(home)
    cluster = connect(home)
    command = [
        sys.executable,
        "-m",
        "lab_helpers.cli.opening",
        f"--ServerApp.root_dir={folder}",
        f"--ServerApp.port={port}",
    ]
    command += ["--LabApp.default_url=/lab/tree/00-start-here/00-start-here.ipynb"] if labs is None else []
    command += ["--ServerApp.answer_yes=True"]
    if no_browser or not _screen():
        command.append("--no-browser")
    if os.name == "posix" and os.geteuid() == 0:
        command.append("--allow-root")
    click.echo(
        f"labs:    {folder}\ncluster: {cluster.backend} {cluster.name}\nCtrl-C ends JupyterLab"
        + (" and the twin." if ours and not keep else ".")
    )
    process = subprocess.Popen(command, env={**os.environ, **cluster.environment(), **_quiet_desk()})
    try:
        code = _wait(process)
    finally:
        if ours and not keep:
            cluster.down()
            click.echo("The twin is stopped; its state and your notebooks are kept.")
    if code in (130, -signal.SIGINT):  # Ctrl-C before it served; later it is how JupyterLab ends, and no failure
        raise SystemExit(130)
    if code not in (0, 143, -signal.SIGTERM):
        raise ClusterError(
            f"JupyterLab ended with exit code {code}", try_="read its messages above; cilium-labs doctor"
        )


def labs_folder() -> Path:
    """The folder with the notebooks: ``labs/`` of the checkout. Raises ClusterError when this is not one."""
    folder = Path(__file__).resolve().parents[2] / "labs"
    if not folder.is_dir():
        raise ClusterError(
            "the notebooks are not here",
            where=str(folder),
            try_="run from a clone of the repository, or name a folder: cilium-labs lab FOLDER",
        )
    return folder


def _quiet_desk() -> dict[str, str]:
    """JupyterLab's defaults for a course: it asks neither for news nor for updates. The learner's own settings win."""
    paths = [os.environ.get("JUPYTER_CONFIG_PATH", ""), str(Path(__file__).resolve().parent / "desk")]
    return {"JUPYTER_CONFIG_PATH": os.pathsep.join(path for path in paths if path)}


def _ensure_cluster(home: Home) -> bool:
    """Start the twin unless a cluster is in use; True when it was started here."""
    chosen = home.chosen()
    if (chosen is not None and chosen.get("backend") != "twin") or describe(home) is not None:
        return False
    start_twin(home)
    return True


def _screen() -> bool:
    if os.name == "nt" or sys.platform == "darwin":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _wait(process: subprocess.Popen[bytes]) -> int:
    """JupyterLab gets Ctrl-C from the terminal as we do; a second one is not needed (it is told to answer yes). Whoever
    ends us otherwise, or closes the terminal, ends JupyterLab too.
    """
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: process.terminate())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            try:
                return process.wait(timeout=10)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                process.terminate()
