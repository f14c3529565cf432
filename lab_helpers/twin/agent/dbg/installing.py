"""Commands that run before the agent does (``build-config``), and small ones about the installation."""

from __future__ import annotations

from lab_helpers.twin.agent.dbg.builds import build_of
from lab_helpers.twin.agent.dbg.sessions import OUTPUT, Arguments, Command, CommandError, Session
from lab_helpers.twin.agent.operators import read_config
from lab_helpers.twin.agent.processes import image_version
from lab_helpers.twin.agent.reaching import UnreachableError, api_url, reach_api_server

__all__ = ["COMMANDS"]


async def _build_config(session: Session, _: Arguments) -> int:
    process = session.process
    await process.err("Running\n")
    try:
        await reach_api_server(session.agents, process.node, process.env, process.clock)
        data = read_config(session.agents)
    except UnreachableError as error:
        raise CommandError(
            f'level=error msg="Unable to contact k8s api-server" ipAddr={api_url(process.env)} error="{error}"\n'
            f"Error: Build config failed: failed to start: {error}"
        ) from error
    except LookupError as error:
        raise CommandError(f"Error: Build config failed: failed to resolve config: {error}") from error
    await process.err(
        f'level=info msg="Reading configuration from config-map:kube-system/cilium-config" configSource=config-map\n'
        f'level=info msg="Got {len(data)} config pairs from source" configSource=config-map:kube-system/cilium-config\n'
        'level=info msg="Written config values" dir=/tmp/cilium/config-map\n'
    )
    return 0


async def _version(session: Session, arguments: Arguments) -> int:
    version = session.agent.version or image_version(session.process)
    client, daemon = build_of(version), build_of(session.agent.version) if session.agent.running else None
    if arguments.value("output"):
        models = {"Client": client.model, "Daemon": dict.fromkeys(client.model, "") if daemon is None else daemon.model}
        await session.data(models, arguments.value("output"))
        return 0
    await session.out(f"Client: {client.line}\nDaemon: {'Not responding' if daemon is None else daemon.line}")
    return 0


COMMANDS = (
    Command(
        ("build-config",),
        "Resolve all of the configuration sources that apply to this node",
        _build_config,
        {
            "--source": "source",
            "--dest": "dest",
            "--k8s-kubeconfig-path": "kubeconfig",
            "--k8s-api-server": "server",
            "--k8s-api-server-urls": "urls",
            "--node-name": "node",
            "--k8s-namespace": "namespace",
        },
    ),
    Command(("version",), "Print version information", _version, OUTPUT),
)
