"""``hubble watch peers``: the nodes an agent knows, and changes of them. Hidden, as in the real command."""

from lab_helpers.hubble.errors import CallError
from lab_helpers.hubble.protos import peer_pb2
from lab_helpers.tools.goflags import Command, ExitError, Invocation
from lab_helpers.tools.hubble import connecting, helping
from lab_helpers.tools.hubble.flags import server_flags
from lab_helpers.tools.hubble.settings import Settings

_KINDS = peer_pb2.ChangeNotificationType.DESCRIPTOR.values_by_number


def watch_command() -> Command:
    """The command and its sub-command."""
    command = Command("watch", short="Watch what a Hubble server knows", aliases=("w",), hidden=True)
    peers = Command("peers", short="Watch the peers of an agent", aliases=("peer",), run=_peers)
    helping.register(peers, server_flags())
    helping.register(command, server_flags())
    command.add(peers)
    return command


def _peers(invocation: Invocation) -> int:
    settings = Settings(invocation.flags)
    client = connecting.connect(settings)
    try:
        for notification in client.peers():
            known = _KINDS.get(notification.type)
            kind = known.name if known else str(notification.type)
            line = f"{kind:<12} {notification.address} {notification.name}"
            if notification.HasField("tls"):
                line += f" (TLS.ServerName: {notification.tls.server_name})"
            invocation.stdout.write(line + "\n")
            invocation.stdout.flush()
    except CallError as error:
        if error.code == "Canceled":
            return 0
        raise ExitError(str(error)) from None
    except KeyboardInterrupt:
        return 0
    finally:
        client.close()
    return 0
