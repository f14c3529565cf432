"""``cilium-dbg preflight validate-cnp``: would this version accept the policies that are there?

Follows Cilium cilium-dbg/cmd/preflight_k8s_valid_cnp.go.
"""

from __future__ import annotations

from lab_helpers.policy.configs import PolicyConfig, Version
from lab_helpers.policy.errors import PolicyEngineError
from lab_helpers.policy.parsing import parse
from lab_helpers.twin.agent.dbg.sessions import Arguments, Command, CommandError, Session
from lab_helpers.twin.agent.operators import read_config
from lab_helpers.twin.agent.programs import image_version
from lab_helpers.twin.agent.validating import VALIDATED

__all__ = ["COMMANDS"]


async def _validate(session: Session, _: Arguments) -> int:
    registry = session.agents.registry
    minor = ".".join(image_version(session.process).split(".")[:2])
    version = Version(minor) if minor in set(Version) else Version.V1_20
    try:
        config = PolicyConfig.from_config_map(read_config(session.agents), version=version)
    except LookupError:
        config = PolicyConfig(version=version)
    await session.process.err('level=info msg="Setting up Kubernetes client"\n')
    bad = 0
    for resource, kind in VALIDATED.items():
        if registry.kinds.get(resource) is None:
            continue
        for obj in registry.list(resource):
            metadata = obj["metadata"]
            name = "/".join(part for part in (metadata.get("namespace"), metadata["name"]) if part)
            try:
                parse({**obj, "kind": kind}, config)
            except PolicyEngineError as error:
                bad += 1
                reason = getattr(error, "message", str(error))
                await session.process.err(
                    f'level=error msg="Validating {kind} \'{name}\': unexpected validation error" error="{reason}"\n'
                )
            else:
                await session.process.err(f"level=info msg=\"Validating {kind} '{name}': OK!\"\n")
    if bad:
        raise CommandError('level=fatal msg="Found invalid CiliumNetworkPolicy"')
    await session.process.err('level=info msg="All CCNPs and CNPs valid!"\n')
    return 0


COMMANDS = (
    Command(
        ("preflight", "validate-cnp"),
        "Validate Cilium Network Policies deployed in the cluster",
        _validate,
        {"--k8s-kubeconfig-path": "kubeconfig", "--k8s-api-server": "server"},
    ),
)
