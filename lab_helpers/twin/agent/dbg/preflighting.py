"""``cilium-dbg preflight validate-cnp``: would this version accept the policies that are there?

Follows Cilium cilium-dbg/cmd/preflight_k8s_valid_cnp.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_helpers.policy.configs import PolicyConfig, Version
from lab_helpers.policy.errors import PolicyEngineError
from lab_helpers.policy.parsing import parse
from lab_helpers.twin.agent.dbg.sessions import Arguments, Command, CommandError, Session
from lab_helpers.twin.agent.operators import read_config
from lab_helpers.twin.agent.processes import image_version
from lab_helpers.twin.agent.validating import VALIDATED
from lab_helpers.twin.api.crds.cilium import cilium_crds
from lab_helpers.twin.api.crds.structural import validate
from lab_helpers.twin.api.schemas.custom import custom_shape
from lab_helpers.twin.api.schemas.decoding import read

__all__ = ["COMMANDS"]


async def _validate(session: Session, _: Arguments) -> int:
    registry = session.agents.registry
    version = Version.of(image_version(session.process))
    try:
        config = PolicyConfig.from_config_map(read_config(session.agents), version=version)
    except LookupError:
        config = PolicyConfig(version=version)
    await session.process.err('level=info msg="Setting up Kubernetes client"\n')
    bad = 0
    crds = {crd["metadata"]["name"]: crd for crd in cilium_crds(image_version(session.process))}
    schemas = {name: crds[name]["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for name in VALIDATED}
    for resource, kind in VALIDATED.items():
        if registry.kinds.get(resource) is None:
            continue
        for obj in registry.list(resource):
            metadata = obj["metadata"]
            name = "/".join(part for part in (metadata.get("namespace"), metadata["name"]) if part)
            reason = _schema_errors(schemas[resource], obj, kind)
            try:
                parse({**obj, "kind": kind}, config)
            except PolicyEngineError as error:
                reason = reason or getattr(error, "message", str(error))
            if reason:
                bad += 1
                await session.process.err(
                    f'level=error msg="Validating {kind} \'{name}\': unexpected validation error" error="{reason}"\n'
                )
            else:
                await session.process.err(f"level=info msg=\"Validating {kind} '{name}': OK!\"\n")
    if bad:
        raise CommandError('level=fatal msg="Found invalid CiliumNetworkPolicy"')
    await session.process.err('level=info msg="All CCNPs and CNPs valid!"\n')
    return 0


def _schema_errors(schema: Mapping[str, Any], obj: Mapping[str, Any], kind: str) -> str:
    """What this version's own schema, which the API server may not have yet, says of a stored object."""
    body = {key: value for key, value in obj.items() if key != "status"}
    found = [f"{path}: {message}" for _, message, path in validate(body, schema).errors]
    if not found:
        unknown = read(body, custom_shape(schema, kind), custom=True).unknown
        found = [f'unknown field "{path}"' for path in unknown]
    return found[0] if len(found) == 1 else f"[{', '.join(found)}]" if found else ""


COMMANDS = (
    Command(
        ("preflight", "validate-cnp"),
        "Validate Cilium Network Policies deployed in the cluster",
        _validate,
        {"--k8s-kubeconfig-path": "kubeconfig", "--k8s-api-server": "server"},
    ),
)
