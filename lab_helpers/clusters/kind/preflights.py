"""Is this machine fit for a kind cluster? Each finding names its cure."""

from __future__ import annotations

import re
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from lab_helpers.clusters.findings import Finding
from lab_helpers.clusters.homes import Home
from lab_helpers.clusters.kind.commands import run
from lab_helpers.clusters.kind.engines import Engine, EngineInfo, find_engine
from lab_helpers.clusters.kind.errors import CommandFailed, KindError
from lab_helpers.clusters.kind.failures import INOTIFY_CURE, MEMORY_CURE
from lab_helpers.clusters.tools.catalogues import load_catalogue
from lab_helpers.clusters.tools.linking import find_tool

__all__ = ["examine"]

_GIB: Final = 1 << 30
_MEMORY: Final = (3.5 * _GIB, 6 * _GIB)
"""Below the first it does not work (three nodes, Cilium and the shop), below the second it is tight."""
_DISK: Final = (5 * _GIB, 15 * _GIB)
_OLDEST_ENGINE: Final = {"docker": (20, 10), "podman": (4, 0)}
_INOTIFY: Final = {"max_user_watches": (8192, 524288), "max_user_instances": (128, 512)}
"""Below the first nodes fail; the second is what kind recommends."""
_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")
_TOOLS: Final[Mapping[str, tuple[str, ...]]] = {
    "kind": ("version",),
    "helm": ("version", "--short"),
    "kubectl": ("version", "--client"),
    "cilium": ("version", "--client"),
    "hubble": ("version",),
}
_NEEDED: Final = ("kind", "helm")
PROC: Final = Path("/proc/sys/fs/inotify")


def examine(
    home: Home, environ: Mapping[str, str], *, port: int = 0, ours: bool = False, proc: Path = PROC
) -> Iterator[Finding]:
    """All findings, in the order in which they matter. ``ours`` tells that our cluster is there (it has the port)."""
    try:
        engine = find_engine(environ)
        info = engine.info()
    except KindError as error:
        yield Finding("bad", error.what, error.try_)
    else:
        yield from _engine(engine, info)
        yield from _cgroup(info)
        yield from _memory(info)
        yield from _inotify(info, proc)
        yield from _disk(engine)
    if port and not ours:
        yield _port(port)
    for tool in _TOOLS:
        yield _tool(home, tool, environ)


def _engine(engine: Engine, info: EngineInfo) -> Iterator[Finding]:
    where = "" if info.local else ", in a virtual machine or elsewhere"
    text = f"{engine.name} {info.version} on {info.system or 'an unnamed system'}{where}"
    oldest = _OLDEST_ENGINE[engine.name]
    if _version(info.version) < oldest:
        yield Finding(
            "bad", text + " is too old for kind", "install version " + ".".join(map(str, oldest)) + " or newer"
        )
    elif engine.name == "podman":
        yield Finding("note", text + ": kind supports Podman as an experiment; the labs have not been run on it")
    else:
        yield Finding("ok", text)
    if info.rootless:
        yield Finding(
            "note",
            "the engine is rootless: Cilium's eBPF programs need a privileged node, which it may not allow",
            "if Cilium's agents do not start, use an engine that runs as root",
        )


def _cgroup(info: EngineInfo) -> Iterator[Finding]:
    if info.cgroup == "2":
        yield Finding("ok", "cgroup v2")
    else:
        yield Finding(
            "bad" if info.rootless else "note",
            "cgroup v1: kind and Kubernetes are giving it up, and socket load balancing works less well",
            "boot with systemd.unified_cgroup_hierarchy=1 (WSL2: kernelCommandLine in .wslconfig)",
        )


def _memory(info: EngineInfo) -> Iterator[Finding]:
    text = f"the engine has {info.memory / _GIB:.1f} GiB of memory and {info.cpus} CPUs"
    least, comfortable = _MEMORY
    if info.memory < least:
        yield Finding("bad", text + ": three nodes with Cilium need 3.5 GiB", MEMORY_CURE)
    elif info.memory < comfortable:
        yield Finding("note", text + ": it is enough, but tight", MEMORY_CURE)
    else:
        yield Finding("ok", text)
    if info.cpus < 2:
        yield Finding("note", "with one CPU everything takes long", "give the engine two")


def _inotify(info: EngineInfo, proc: Path) -> Iterator[Finding]:
    if not info.local:
        yield Finding("note", "inotify limits are those of the engine's own machine and cannot be seen from here")
        return
    for name, (least, wanted) in _INOTIFY.items():
        try:
            value = int((proc / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        text = f"fs.inotify.{name} is {value}"
        if value < least:
            yield Finding("bad", text + f": nodes fail below {least}", INOTIFY_CURE)
        elif value < wanted:
            yield Finding("note", text + f"; kind recommends {wanted}", INOTIFY_CURE)
        else:
            yield Finding("ok", text)


def _disk(engine: Engine) -> Iterator[Finding]:
    try:
        root = engine.do(
            "info", "--format", "{{.DockerRootDir}}" if engine.name == "docker" else "{{.Store.GraphRoot}}"
        )
        free = shutil.disk_usage(root.strip()).free
    except (OSError, CommandFailed):
        return  # in a virtual machine: its disk cannot be seen from here
    text = f"{free / _GIB:.0f} GiB are free for images"
    if free < _DISK[0]:
        yield Finding("bad", text + ": images and nodes need 5 GiB", "docker system df, docker system prune")
    elif free < _DISK[1]:
        yield Finding("note", text, "docker system df shows what could go")
    else:
        yield Finding("ok", text)


def _port(port: int) -> Finding:
    try:
        with socket.socket() as listener:
            if sys.platform != "win32":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
    except OSError:
        return Finding("bad", f"port {port} is taken", "another --port, or --port 0 for a free one")
    return Finding("ok", f"port {port} is free")


def _tool(home: Home, name: str, environ: Mapping[str, str]) -> Finding:
    wanted = load_catalogue(environ=environ).tool(name).version
    program = find_tool(home, name, environ)
    level = "bad" if name in _NEEDED else "note"
    if program is None:
        instead = "" if name in _NEEDED else "; the bundled one is used"
        return Finding(level, f"{name} is not installed{instead}", f"cilium-labs tools install {name}")
    try:
        ran = run([program, *_TOOLS[name]], timeout=20.0)
    except CommandFailed as error:
        return Finding(level, f"{name}: {error.what} ({program})", f"cilium-labs tools install {name}")
    found = _VERSION.search(ran.output + ran.errors)
    text = f"{name} {found.group().removeprefix('v') if found else 'of an unknown version'} ({program})"
    if found is None or not ran:
        return Finding(level, text, f"cilium-labs tools install {name}")
    have, want = _version(found.group()), _version(wanted)
    if name == "kind" and have < want:
        what = f"{text}: the node image was made for kind {wanted}"
        return Finding(
            "note",
            what,
            f"cilium-labs tools install kind, or CILIUM_LABS_KIND_IMAGE as kind {have[0]}.{have[1]} has it",
        )
    if name == "helm" and have[0] < 3:
        return Finding("bad", f"{text}: Helm 3 or newer is needed", "cilium-labs tools install helm")
    if name == "kubectl" and abs(have[1] - want[1]) > 1:
        return Finding(
            "note", f"{text}: more than one minor from Kubernetes {wanted}", "cilium-labs tools install kubectl"
        )
    return Finding("ok", text)


def _version(text: str) -> tuple[int, int]:
    found = _VERSION.search(text)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)
