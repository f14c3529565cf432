"""A client from the settings, and the checks that come before it."""

from typing import Any

from lab_helpers.hubble.errors import CallError, HubbleError
from lab_helpers.tools.goflags import ExitError, FlagError
from lab_helpers.tools.hubble.settings import Settings

TLS_PREFIX = "tls://"
_RELEASE = (1, 19)


def uses_tls(settings: Settings) -> bool:
    """Whether TLS was asked for."""
    return settings.switch("tls") or settings.text("server").startswith(TLS_PREFIX)


def validate(settings: Settings) -> None:
    """Refuse TLS and authentication settings that do not fit together."""
    cert, key = settings.text("tls-client-cert-file"), settings.text("tls-client-key-file")
    problem = ""
    if bool(cert) != bool(key):
        problem = "certificate and private key are both required, but only one was provided"
    elif cert and not uses_tls(settings):
        problem = "transport layer security required"
    elif bool(settings.text("basic-auth-username")) != bool(settings.text("basic-auth-password")):
        problem = "must specify both basic-auth-username and basic-auth-password"
    if problem:
        raise ExitError(f"invalid flag(s): {problem}")


def debug(settings: Settings, message: str, **attributes: Any) -> None:
    """A line on stderr for ``--debug``."""
    if settings.switch("debug"):
        from lab_helpers.tools.hubble import logs

        logs.log("DEBUG", message, **attributes)


def shown_server(settings: Settings) -> str:
    """The server's address without ``tls://``."""
    return settings.text("server").removeprefix(TLS_PREFIX)


def connect(settings: Settings) -> Any:
    """A HubbleClient; raises ExitError when the settings do not allow one. Dialling comes with the first call."""
    from lab_helpers.hubble.calling.channels import Channel
    from lab_helpers.hubble.calling.dialing import Tls, check_tls
    from lab_helpers.hubble.client import HubbleClient

    address = shown_server(settings)
    user, password = settings.text("basic-auth-username"), settings.text("basic-auth-password")
    metadata = []
    if user and password:
        if not uses_tls(settings):
            raise ExitError(
                f"failed to create gRPC client to '{address}': grpc: the credentials require transport level security "
                "(use grpc.WithTransportCredentials() to set)"
            )
        import base64

        token = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
        metadata.append(("authorization", f"Basic {token}"))
    tls = None
    if uses_tls(settings):
        tls = Tls(
            ca_files=tuple(settings.words("tls-ca-cert-files")),
            cert_file=settings.text("tls-client-cert-file"),
            key_file=settings.text("tls-client-key-file"),
            server_name=settings.text("tls-server-name"),
            verify=not settings.switch("tls-allow-insecure"),
        )
        try:
            check_tls(tls)
        except HubbleError as error:
            raise ExitError(str(error)) from None
    if settings.switch("port-forward"):
        from lab_helpers.tools.hubble.forwarding import forward

        address = forward(settings)
        debug(settings, "port-forward to hubble-relay pod running", address=address)
    timeout = settings.duration("timeout") / 1e9
    return HubbleClient(channel=Channel(address, tls=tls, metadata=metadata, connect_timeout=timeout or None))


def request_timeout(settings: Settings) -> float:
    """The limit of unary calls in seconds."""
    return settings.duration("request-timeout") / 1e9


def warn_of_newer(headers: dict[bytes, bytes], stderr: Any) -> None:
    """Warn when the server says it is of a newer minor release than this command imitates."""
    import re

    for header, attribute, who in (
        (b"hubble-relay-version", "hubble_relay_version", "Hubble Relay"),
        (b"hubble-server-version", "hubble_server_version", "Hubble Server"),
    ):
        text = headers.get(header, b"").decode("latin-1")
        match = re.match(r"v?(\d+)\.(\d+)\.\d+", text)
        if match and (int(match[1]), int(match[2])) > _RELEASE:
            from lab_helpers.tools.hubble import logs
            from lab_helpers.tools.hubble.versions import VERSION

            logs.log(
                "WARN",
                f"Hubble CLI version is lower than {who}, API compatibility is not guaranteed, "
                "updating to a matching or higher version is recommended",
                stderr,
                hubble_cli_version=VERSION.removeprefix("v"),
                **{attribute: text},
            )


def call_failure(error: CallError, prefix: str = "") -> FlagError:
    """The end of a command whose call failed."""
    return ExitError(f"{prefix}{error}")
