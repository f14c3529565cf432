"""``cilium-dbg troubleshoot`` and ``encrypt status`` (cilium-dbg/cmd/troubleshoot, encrypt_status.go)."""

from __future__ import annotations

from lab_helpers.twin.agent.dbg.sessions import OUTPUT, Arguments, Command, CommandError, Session

__all__ = ["COMMANDS"]


async def _kvstore(session: Session, arguments: Arguments) -> int:
    path = arguments.value("config", "/var/lib/etcd-config/etcd.config")
    await session.out(f"Unable to read etcd configuration: {path}\nThis is expected when Cilium is running in CRD mode")
    return 0


async def _mesh(session: Session, arguments: Arguments) -> int:
    lines = ["Found 0 cluster configurations"]
    if arguments.words:
        lines.append(f"Troubleshooting filtered subset of clusters: {', '.join(arguments.words)}")
        for cluster in sorted(arguments.words):
            lines += ["", f'Cluster "{cluster}":']
            if cluster == session.agent.settings.cluster_name and session.agent.running:
                lines.append("ℹ️  This entry corresponds to the local cluster")
            lines.append("❌ Configuration not found")
    await session.out("\n".join(lines))
    return 0


async def _encryption(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    raw = session.agent.settings.raw
    asked = next((key for key in ("enable-wireguard", "enable-ipsec") if raw.get(key) == "true"), "")
    if asked:
        raise CommandError(
            f"Error: Cannot get daemon encryption status: the embedded cluster carries packets in clear text; "
            f"{asked}=true has no effect in it. Use a real cluster to look at encryption"
        )
    if arguments.value("output"):
        await session.data({"mode": "Disabled"}, arguments.value("output"))
        return 0
    await session.out(f"Encryption: {'Disabled':<26}")
    return 0


_COMMON = {"--timeout": "timeout"}
COMMANDS = (
    Command(
        ("troubleshoot", "kvstore"),
        "Troubleshoot connectivity towards the etcd kvstore",
        _kvstore,
        {**_COMMON, "--etcd-config": "config"},
        {"--without-service-resolution": "plain"},
    ),
    Command(
        ("troubleshoot", "clustermesh"),
        "Troubleshoot connectivity towards remote clusters",
        _mesh,
        {**_COMMON, "--clustermesh-config": "config"},
        {"--without-service-resolution": "plain"},
        (0, -1),
        "[clusters...]",
    ),
    Command(("encrypt", "status"), "Display the current encryption state", _encryption, OUTPUT),
)
