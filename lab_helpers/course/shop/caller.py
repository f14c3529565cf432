# simulated-as: shop-caller/1
"""Long-lived clients of things outside, each with a habit of its own.

    caller.py HABIT URL [SECONDS]      one call every SECONDS (30)

    fresh        asks DNS before every call, and opens a new connection
    cache-dns    asks DNS once in its life, as some Java programs do; opens a new connection for every call
    keep-alive   asks DNS and connects once, then calls again and again on that connection; begins anew when it broke

Standard library only. One line for each thing that happened, on standard output. Certificates are not checked: what is
shown here is the network.

On the embedded cluster the first line tells the twin to play this program itself.
"""

from __future__ import annotations

import http.client
import signal
import socket
import ssl
import sys
import time
from urllib.parse import SplitResult, urlsplit

HABITS = ("fresh", "cache-dns", "keep-alive")
PATIENCE = 5.0  # seconds, for a connection and for an answer


class Caller:
    """One habit and one address on the web."""

    def __init__(self, habit: str, url: SplitResult) -> None:
        self.habit = habit
        self.host = str(url.hostname)
        self.port = url.port or (443 if url.scheme == "https" else 80)
        self.path = url.path or "/"
        self.tls = url.scheme == "https"
        self.addresses: list[str] = []
        self.connection: http.client.HTTPConnection | None = None
        self.calls = 0

    def call(self) -> None:
        """One call, whatever it takes."""
        if self.connection is None:
            if self.habit != "cache-dns" or not self.addresses:
                self.resolve()
            if not self.addresses:
                return
            self.connect()
        if self.connection is not None:
            self.ask(self.connection)

    def resolve(self) -> None:
        """Ask DNS for IPv4 addresses."""
        try:
            found = socket.getaddrinfo(self.host, self.port, socket.AF_INET, socket.SOCK_STREAM)
        except OSError:
            self.addresses = []
            say(f"{self.host} cannot be resolved")
            return
        self.addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        say(f"{self.host} is at {', '.join(self.addresses)}")

    def connect(self) -> None:
        """Open a connection to the first address."""
        try:
            sock = socket.create_connection((self.addresses[0], self.port), PATIENCE)
            if self.tls:
                sock = anything_goes().wrap_socket(sock, server_hostname=self.host)
        except OSError as error:
            say(f"{self.addresses[0]}: no connection: {reason(error)}")
            return
        self.connection = http.client.HTTPConnection(self.host, self.port)
        self.connection.sock = sock
        self.connection.auto_open = 0
        self.calls = 0

    def ask(self, connection: http.client.HTTPConnection) -> None:
        """One request and its answer."""
        self.calls += 1
        keep = self.habit == "keep-alive"
        headers = {"User-Agent": "shop-caller/1", "Connection": "keep-alive" if keep else "close"}
        try:
            connection.request("GET", self.path, headers=headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            say(f"{self.addresses[0]}: connection lost: {reason(error)}")
            self.close()
            return
        say(f"{self.addresses[0]}: {answer.status}" + (f", call {self.calls} of this connection" if keep else ""))
        if not keep or answer.will_close:
            self.close()

    def close(self) -> None:
        """Be done with the connection."""
        if self.connection is not None:
            self.connection.close()
        self.connection = None


def anything_goes() -> ssl.SSLContext:
    """TLS with whoever answers."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def reason(error: BaseException) -> str:
    """In the same words on every system."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, http.client.RemoteDisconnected):
        return "closed by the server"
    if isinstance(error, (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)):
        return "reset"
    if isinstance(error, ssl.SSLError):
        return "no TLS"
    if isinstance(error, http.client.HTTPException):
        return "no answer in HTTP"
    return "no way there"


def say(line: str) -> None:
    """One line of the log."""
    print(line, flush=True)


def main(words: list[str]) -> int:
    """Call until told to end."""
    url = urlsplit(words[1]) if len(words) in (2, 3) else SplitResult("", "", "", "", "")
    seconds = words[2] if len(words) == 3 else "30"
    if not url.hostname or words[0] not in HABITS or not seconds.isdigit():
        say(f"usage: caller.py {'|'.join(HABITS)} URL [SECONDS]")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    caller = Caller(words[0], url)
    say(f"{words[0]}: {words[1]} every {seconds} s")
    while True:
        caller.call()
        time.sleep(int(seconds))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
