"""What an action shall come to: how the command ends, and what Hubble sees of it (cilium-cli connectivity/check)."""

from collections.abc import Callable
from typing import NamedTuple

from lab_helpers.tools.cilium.connectivity.peers import Place, Target


class Expect(NamedTuple):
    """``codes`` of curl or ping; ``dropped``: a packet is dropped; ``http``: the method that the proxy reports."""

    codes: tuple[int, ...]
    dropped: bool = False
    http: str = ""


OK = Expect((0,))
DROP = Expect((28, 1), dropped=True)
"""curl's timeout, or ping's lost packet."""
HTTP_ERROR = Expect((22,))
SSL_ERROR = Expect((35,))
GET = Expect((0,), http="GET")
POST = Expect((0,), http="POST")

Expectation = Callable[[Place, Target], Expect]


def always(_source: Place, _target: Target) -> Expect:
    """Everything works."""
    return OK


def never(_source: Place, _target: Target) -> Expect:
    """Nothing gets through."""
    return DROP


def only(source: dict[str, str] | None = None, target: dict[str, str] | None = None) -> Expectation:
    """What comes from (and goes to) pods with these labels works, all else is dropped."""
    return lambda one, other: OK if one.has(source or {}) and other.has(target or {}) else DROP


def all_but(source: dict[str, str] | None = None, target: dict[str, str] | None = None) -> Expectation:
    """The opposite."""
    return lambda one, other: DROP if one.has(source or {}) and other.has(target or {}) else OK


def port(number: int) -> Expectation:
    """Only this port works."""
    return lambda _source, target: OK if target.port == number else DROP


def address(allowed: str) -> Expectation:
    """Only this address works."""
    return lambda _source, target: OK if target.address == allowed else DROP


def client2_by_http(source: Place, target: Target) -> Expect:
    """Only client2 may call the echo pods and the external target, and only with GET on ``/``."""
    if not source.has({"other": "client"}) or target.port not in (80, 8080):
        return DROP
    return GET if target.path in ("", "/") else HTTP_ERROR


def with_token(source: Place, target: Target) -> Expect:
    """Only client2 gets in, and to ``/private`` only with the secret header."""
    if not source.has({"other": "client"}):
        return DROP
    if target.path == "/private" and "X-Very-Secret-Token" not in target.labels:
        return HTTP_ERROR
    return GET


def posts_to_the_near_echo(source: Place, target: Target) -> Expect:
    """client2 may only POST; it does so to one echo pod, and sends GET to the other."""
    if not source.has({"other": "client"}):
        return DROP
    return POST if target.has({"other": "echo"}) else HTTP_ERROR


def get_of_the_index(external: str) -> Expectation:
    """Names resolve; port 80 of the external target answers GET on ``/``."""

    def expect(_source: Place, target: Target) -> Expect:
        if target.port != 80 or target.address != external:
            return DROP
        return GET if target.path in ("", "/") else HTTP_ERROR

    return expect


def tls_by_name(*, allowed: bool) -> Expectation:
    """Port 443 works, or fails in the handshake; other ports are dropped."""
    return lambda _source, target: DROP if target.port != 443 else OK if allowed else SSL_ERROR
