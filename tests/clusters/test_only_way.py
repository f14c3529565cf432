"""The only way to a cluster is the Kubernetes client and Hubble's gRPC, for every helper, check, view and widget.

Read from the source: what is imported, which names of the twin's own are spoken, who asks which backend it is. The one
exception is the clock (``clusters/waiting.py``): no Kubernetes API can move time, so the twin has a path of its own for
it, which is refused on every other backend before anything is sent.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from lab_helpers.clusters import Cluster, Unsupported
from lab_helpers.clusters.waiting import clock_of, move_clock

PACKAGE = Path(__file__).resolve().parents[2] / "lab_helpers"
IN_PODS = {"course/shop/server.py", "course/shop/caller.py"}
"""Programs that are run by pods, from a ConfigMap."""
BACKENDS = {"clusters/twins.py", "clusters/connecting.py", "clusters/homes.py"}
"""The twin as a backend: its process, its folder."""
CLOCK = "clusters/waiting.py"
TRANSPORTS = ("socket", "ssl", "http.client", "urllib.request", "urllib3", "requests", "httpx", "aiohttp", "grpc", "h2")
HARMLESS = ("urllib3.exceptions",)
TUNNELS = {"clusters/relaying.py", "clusters/forwarding.py"}
"""They carry Hubble's connections through the API server; the port-forward is the official client's."""
ENDS = {"views/identities/following.py"}
"""It ends a watch of the official client by shutting its connection down; it opens none."""
NAMES_OF_THE_TWIN = ("/twin/", "twin.json", "state.db", "relay.sock")


def modules(*folders: str) -> list[str]:
    found = []
    for folder in folders:
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            name = path.relative_to(PACKAGE).as_posix()
            if name not in IN_PODS and not name.startswith(("clusters/kind/", "clusters/tools/")):
                found.append(name)
    return found


@cache
def tree(name: str) -> ast.Module:
    return ast.parse((PACKAGE / name).read_text(encoding="utf-8"))


def imported(name: str) -> Iterator[str]:
    """Every module imported, at the top or inside a function."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def texts(name: str) -> Iterator[str]:
    """Every text in the code that is not a docstring."""
    whole = tree(name)
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(whole)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(whole):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


def test_there_is_something_to_read() -> None:
    assert len(modules("course", "views", "clusters")) > 60
    assert "http.server" in set(imported("course/shop/server.py"))
    assert "/twin/clock" in set(texts(CLOCK))


def within(module: str, families: tuple[str, ...]) -> bool:
    return any(module == family or module.startswith(family + ".") for family in families)


def test_nobody_opens_connections_of_his_own() -> None:
    found = {
        name: [module for module in imported(name) if within(module, TRANSPORTS) and not within(module, HARMLESS)]
        for name in modules("course", "views", "clusters")
        if name not in TUNNELS
    }
    assert {name: used for name, used in found.items() if used} == {name: ["socket"] for name in ENDS}
    for name in ENDS:
        text = (PACKAGE / name).read_text(encoding="utf-8")
        assert set(re.findall(r"socket\.([a-z_]+)\(", text)) == {"fromfd"}


def test_nobody_but_its_backend_imports_the_twin() -> None:
    found = {
        name: {module for module in imported(name) if within(module, ("lab_helpers.twin",))}
        for name in modules("course", "views", "clusters")
        if name not in BACKENDS
    }
    for name in TUNNELS:  # the lock of a folder is no way into a cluster
        found[name] = {module for module in found.get(name, ()) if "locking" not in module}
    assert {name: used for name, used in found.items() if used} == {}


def test_nobody_but_its_backend_speaks_of_what_is_the_twins_own() -> None:
    found = {
        name: {text for text in texts(name) if any(word in text for word in NAMES_OF_THE_TWIN)}
        for name in modules("course", "views", "clusters")
        if name not in BACKENDS
    }
    assert {name: spoken for name, spoken in found.items() if spoken} == {CLOCK: {"/twin/clock"}}


def test_nobody_above_asks_whether_it_is_the_twin() -> None:
    asked = [
        f"{name}: {ast.unparse(node)}"
        for name in modules("course", "views")
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Compare)
        and any(isinstance(side, ast.Attribute) and side.attr == "backend" for side in (node.left, *node.comparators))
        and any(isinstance(side, ast.Constant) and side.value == "twin" for side in (node.left, *node.comparators))
    ]
    assert asked == []


@pytest.mark.parametrize("backend", ["kind", "existing"])
def test_the_clock_is_refused_elsewhere_before_anything_is_sent(backend: str) -> None:
    cluster = Cluster(backend, "name", Path(), Path("no-such-kubeconfig"))
    with pytest.raises(Unsupported):
        clock_of(cluster)
    with pytest.raises(Unsupported):
        move_clock(cluster, 1)
