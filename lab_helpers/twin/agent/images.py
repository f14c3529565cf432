"""Cilium's container images as the twin plays them."""

from __future__ import annotations

from collections.abc import Iterator

from lab_helpers.twin.agent.agents import Agents
from lab_helpers.twin.agent.asides import OPERATOR_ASIDES, answering
from lab_helpers.twin.agent.operators import Operator
from lab_helpers.twin.agent.programs import (
    agent_program,
    envoy_program,
    operator_program,
    ui_program,
)
from lab_helpers.twin.containers.catalogue import DEBIAN
from lab_helpers.twin.interfaces import Image, Process, Program

__all__ = ["cilium_images"]

_HOST_SETUP = ("nsenter", "/hostbin/", "/hostproc/", "mount |", "mount -t bpf", "/sys/fs/cgroup", "cilium-sysctlfix")
"""What the init containers' scripts do to the host; there is no host here to change."""


async def _succeed(_: Process) -> int:
    return 0


def _shell(name: str) -> Program:
    """A shell for people; the scripts of the init containers, which change the host, succeed without doing so."""

    async def shell(process: Process) -> int:
        if any(part in word for word in process.argv[1:] for part in _HOST_SETUP):
            return 0
        from lab_helpers.twin.containers.programs import sh

        program: Program = getattr(sh, name)
        return await program(process)

    return shell


def cilium_images(agents: Agents) -> Iterator[Image]:
    """The images of a Cilium installation but Hubble Relay's. One operator works for all replicas."""
    operator = Operator(agents)

    async def dbg(process: Process) -> int:
        from lab_helpers.twin.agent.dbg.main import dbg_program

        return await dbg_program(agents)(process)

    async def hubble(process: Process) -> int:
        from lab_helpers.twin.agent.dbg.hubble import hubble_program

        return await hubble_program(agents)(process)

    shells = {"sh": _shell("sh"), "bash": _shell("bash")}
    yield Image(
        "quay.io/cilium/cilium",
        {
            **DEBIAN,
            **shells,
            "cilium-agent": answering("cilium-agent", agent_program(agents), {}),
            "cilium-dbg": dbg,
            "cilium": dbg,
            "hubble": hubble,
            "cilium-mount": _succeed,
            "cilium-sysctlfix": _succeed,
            "nsenter": _succeed,
            "mount": _succeed,
            "init-container.sh": _succeed,
            "install-plugin.sh": _succeed,
            "cni-uninstall.sh": _succeed,
        },
        command=("/usr/bin/cilium-dbg",),
    )
    yield Image(
        "quay.io/cilium/operator-generic",
        {
            "cilium-operator-generic": answering(
                "cilium-operator-generic", operator_program(agents, operator), OPERATOR_ASIDES
            )
        },
        entrypoint=("/usr/bin/cilium-operator-generic",),
    )
    yield Image("quay.io/cilium/hubble-ui", {"nginx": ui_program((8081,))}, entrypoint=("nginx",))
    yield Image("quay.io/cilium/hubble-ui-backend", {"backend": ui_program((8090,))}, entrypoint=("/usr/bin/backend",))
    yield Image(
        "quay.io/cilium/cilium-envoy",
        {**DEBIAN, **shells, "cilium-envoy": envoy_program(agents), "cilium-envoy-starter": envoy_program(agents)},
        entrypoint=("/usr/bin/cilium-envoy-starter",),
    )
    yield Image("quay.io/cilium/certgen", {"cilium-certgen": _succeed}, entrypoint=("/usr/bin/cilium-certgen",))
    yield Image("quay.io/cilium/startup-script", dict(shells))
