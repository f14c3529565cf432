"""The outside container's program, run for real on loopback: DNS by dnspython, HTTP and HTTPS by the standard library.

What it says is compared with what the twin's outside says. Addresses are moved into 127/8, which Linux serves whole.
"""

from __future__ import annotations

import dataclasses
import functools
import http.client
import itertools
import json
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from lab_helpers.clusters.environments import environment_file
from lab_helpers.clusters.kind.outsides import ZONES, addresses, prepare, routes
from lab_helpers.twin.containers.http.messages import Request
from lab_helpers.twin.outside.hosts import Outside
from lab_helpers.twin.outside.names import Internet, load_internet

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127/8 on loopback")

RESOLVER = "127.53.0.1"


def moved(address: str) -> str:
    return "127." + address.partition(".")[2] if ":" not in address else address


@functools.cache
def loopback() -> Internet:
    internet = load_internet()
    names = {n: dataclasses.replace(one, a=tuple(map(moved, one.a))) for n, one in internet.names.items()}
    return dataclasses.replace(internet, names=names)


class Running(NamedTuple):
    dns: int
    http: int
    https: int
    folder: Path
    authority: str

    def ask(self, name: str, kind: str = "A", *, tcp: bool = False, edns: bool = False) -> dns.message.Message:
        query = dns.message.make_query(name, kind, use_edns=edns)
        over = dns.query.tcp if tcp else dns.query.udp
        return over(query, RESOLVER, port=self.dns, timeout=120)

    def addresses(self, name: str, *, tcp: bool = False) -> list[str]:
        return [item.to_text() for rrset in self.ask(name, tcp=tcp).answer for item in rrset if rrset.rdtype == 1]

    def get(self, address: str, host: str, path: str = "/", method: str = "GET") -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection(address, self.http, timeout=120)
        return _exchange(connection, host, path, method)

    def get_secure(self, address: str, host: str, path: str = "/") -> tuple[int, dict[str, str], str]:
        context = ssl.create_default_context(cadata=self.authority)
        connection = http.client.HTTPSConnection(address, self.https, timeout=120, context=context)
        raw = socket.create_connection((address, self.https), timeout=120)
        try:
            connection.sock = context.wrap_socket(raw, server_hostname=host)
        except BaseException:
            raw.close()
            raise
        return _exchange(connection, host, path, "GET")


def _exchange(
    connection: http.client.HTTPConnection, host: str, path: str, method: str
) -> tuple[int, dict[str, str], str]:
    try:
        connection.request(method, path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def free_ports(count: int) -> list[int]:
    with_ports = [socket.create_server((RESOLVER, 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in with_ports]
    finally:
        for one in with_ports:
            one.close()


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("kind") / "outside"
    authority = prepare(folder, loopback())
    program = environment_file("kind", "outside", "outside.py")
    for _ in range(20):
        ports = dict(zip(("dns", "http", "https"), free_ports(3), strict=True))
        command = [sys.executable, "-I", str(program), str(folder), "--resolver", RESOLVER]
        command += [word for name, port in ports.items() for word in (f"--{name}-port", str(port))]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        if process.stdout.readline().startswith("ready: "):
            break
        process.stdout.close()  # somebody else took one of the ports in between
        process.wait(120)
    else:
        raise AssertionError("no ports can be listened on")
    try:
        yield Running(**ports, folder=folder, authority=authority)
    finally:
        process.terminate()
        process.stdout.close()
        assert process.wait(120) == 0


@pytest.fixture
def twins() -> Outside:
    return Outside(None, None, internet=loopback())  # type: ignore[arg-type] # neither is touched by lookups


def test_every_name_is_answered_as_by_the_twin(outside: Running, twins: Outside) -> None:
    names = [*loopback().names, "com", "nowhere.example.com", "stripe.com.", "API.Stripe.com", "not-there.test"]
    names += ["10.100.51.127.in-addr.arpa", "1.2.3.4.in-addr.arpa", "."]
    rotating = {name.rstrip(".") for name, host in loopback().names.items() if host.rotate}
    for name, kind in itertools.product(names, ("A", "AAAA", "CNAME", "TXT", "PTR")):
        if loopback().names.get(name) is not None and loopback().names[name].rotate:
            continue
        reply = outside.ask(name, kind)
        code, records = twins.lookup(name.rstrip(".") + ".", kind)
        assert dns.rcode.to_text(reply.rcode()) == code, (name, kind)
        found = [
            (rrset.name.to_text().lower(), dns.rdatatype.to_text(rrset.rdtype), item.to_text(), rrset.ttl)
            for rrset in reply.answer
            for item in rrset
        ]
        wanted = [(r.name.lower(), r.kind, r.value, r.ttl) for r in records]
        assert len(found) == len(wanted), (name, kind)
        # an alias leads to a name that rotates: its addresses are those of whose turn it is
        fixed = [[row for row in rows if row[0].rstrip(".") not in rotating] for rows in (found, wanted)]
        assert sorted(fixed[0]) == sorted(fixed[1]), (name, kind)
        assert bool(reply.authority) == (not records), "an empty answer says who knows"


def test_the_cdn_rotates_through_all_sixty_with_a_ttl_of_five(outside: Running, twins: Outside) -> None:
    seen: list[list[str]] = []
    for _ in range(20):
        reply = outside.ask("cdn.example.com")
        assert reply.answer[0].ttl == 5
        seen.append([item.to_text() for item in reply.answer[0]])
    assert [len(answer) for answer in seen] == [3] * 20
    assert len({address for answer in seen for address in answer}) >= 22, "each answer shows the next addresses"
    seen += [outside.addresses("cdn.example.com") for _ in range(40)]
    assert {address for answer in seen for address in answer} == {f"127.0.113.{n}" for n in range(1, 61)}
    theirs = [[r.value for r in twins.lookup("cdn.example.com.", "A")[1]] for _ in range(60)]
    start = theirs.index(seen[0])
    assert seen == theirs[start:] + theirs[:start], "the same order as the twin's"


def test_alias_of_the_cdn(outside: Running) -> None:
    reply = outside.ask("img.example.com")
    assert [(rrset.rdtype, rrset.ttl) for rrset in reply.answer] == [(dns.rdatatype.CNAME, 300), (dns.rdatatype.A, 5)]


@pytest.mark.parametrize("edns", [False, True])
def test_dns_over_tcp(outside: Running, edns: bool) -> None:
    reply = outside.ask("api.stripe.com", tcp=True, edns=edns)
    assert {item.to_text() for item in reply.answer[0]} == {"127.51.100.10", "127.51.100.11"}
    assert (reply.edns == 0) == edns


@pytest.mark.parametrize(
    "query",
    [b"", b"short", b"\0" * 11, struct.pack("!6H", 7, 0x8000, 1, 0, 0, 0)],
    ids=["empty", "short", "eleven", "a reply"],
)
def test_what_is_no_query_gets_no_answer(outside: Running, query: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(120)
        asker.sendto(query, (RESOLVER, outside.dns))
        whole = dns.message.make_query("stripe.com", "A", id=77).to_wire()
        asker.sendto(whole, (RESOLVER, outside.dns))
        assert dns.message.from_wire(asker.recv(4096)).id == 77, "the next one is answered, this one is not"


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc0\x0c\0\1\0\1", b"\x3fabc", b"\1a\0", b"\xff\xff\0\1\0\1", b"\2\xc3\xa4\0\0\1\0\1"],
    ids=["nothing", "circle", "long label", "no type", "far pointer", "not ascii"],
)
def test_broken_questions_are_refused(outside: Running, body: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(120)
        asker.sendto(struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + body, (RESOLVER, outside.dns))
        reply = asker.recv(4096)
    assert reply[:2] == b"\0\7"
    assert reply[3] & 15 == dns.rcode.FORMERR


def test_other_operations_are_not_implemented(outside: Running) -> None:
    query = dns.message.make_query("stripe.com", "A")
    query.flags |= 4 << 11
    assert dns.query.udp(query, RESOLVER, port=outside.dns, timeout=120).rcode() == dns.rcode.NOTIMP


CASES = [
    ("198.51.100.10", "api.stripe.com", "/v1/charges"),
    ("198.51.100.11", "api.stripe.com", "/healthcheck"),
    ("198.51.100.20", "files.stripe.com", "/v1/files?x=1"),
    ("198.51.100.20", "files.stripe.com", "/nothing"),
    ("198.51.100.30", "stripe.com", "/"),
    ("198.51.100.30", "www.stripe.com", "/"),
    ("203.0.113.7", "cdn.example.com", "/logo.png"),
    ("203.0.113.60", "img.example.com", "/logo.png"),
    ("93.184.215.14", "example.com", "/"),
    ("198.51.100.50", "api.example.com", "/"),
]


@pytest.mark.parametrize(("address", "host", "path"), CASES)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_pages_are_those_of_the_twin(
    outside: Running, twins: Outside, scheme: str, address: str, host: str, path: str
) -> None:
    at = moved(address)
    status, headers, body = outside.get(at, host, path) if scheme == "http" else outside.get_secure(at, host, path)
    theirs = twins._page(at, scheme, Request("GET", path, [("Host", host)], b"", "HTTP/1.1", ("127.0.0.1", 1)))
    assert (status, body) == (theirs.status, theirs.body.decode() if isinstance(theirs.body, bytes) else None)
    assert {key: headers.get(key) for key, _ in theirs.headers} == dict(theirs.headers)


def test_another_host_gets_the_first_server(outside: Running) -> None:
    at = moved("203.0.113.60")
    assert outside.get(at, "somebody.else", "/x")[::2] == (200, f"/x from {at}\n")


def test_posts_with_bodies_and_kept_connections(outside: Running) -> None:
    at = moved("203.0.113.1")
    connection = http.client.HTTPConnection(at, outside.http, timeout=120)
    try:
        for body in (b"x" * 200_000, iter([b"in", b"pieces"]), b""):
            connection.request("POST", "/upload", body=body, headers={"Host": "cdn.example.com"}, encode_chunked=True)
            answer = connection.getresponse()
            assert (answer.status, answer.read().decode()) == (200, f"/upload from {at}\n")
    finally:
        connection.close()
    assert outside.get(at, "cdn.example.com", method="HEAD")[2] == ""


def test_a_download_that_takes_its_time(outside: Running) -> None:
    at = moved("203.0.113.2")
    assert outside.get(at, "cdn.example.com", "/stream?seconds=1")[2] == f"second 0 from {at}\n"


@pytest.mark.parametrize(
    ("address", "host", "reason"),
    [
        ("198.51.100.51", "self-signed.example.com", "self-signed certificate"),
        ("198.51.100.52", "wrong-name.example.com", "Hostname mismatch"),
        ("198.51.100.10", "files.stripe.com", "Hostname mismatch"),
    ],
)
def test_bad_certificates_are_bad(outside: Running, address: str, host: str, reason: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        outside.get_secure(moved(address), host)


def test_garbage_does_not_end_a_server(outside: Running) -> None:
    at = moved("203.0.113.3")
    for port in (outside.http, outside.https):
        with socket.create_connection((at, port), timeout=120) as one:
            one.sendall(b"nonsense\r\n\r\n")
            while one.recv(100):
                continue
    assert outside.get(at, "cdn.example.com")[0] == 200


def test_check_says_whether_it_answers(outside: Running) -> None:
    program = environment_file("kind", "outside", "outside.py")
    base = [sys.executable, str(program), str(outside.folder), "--check", "--resolver", RESOLVER, "--dns-port"]
    assert subprocess.run([*base, str(outside.dns)], check=False).returncode == 0
    nobody = subprocess.run([*base, str(free_ports(1)[0])], check=False, stderr=subprocess.PIPE, text=True)
    assert nobody.returncode == 1
    assert nobody.stderr.startswith("outside: ")


def test_without_a_description_it_says_so(tmp_path: Path) -> None:
    program = environment_file("kind", "outside", "outside.py")
    done = subprocess.run([sys.executable, str(program), str(tmp_path)], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "outside.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_wired_into_the_cluster() -> None:
    assert len([a for a in addresses() if a.startswith("203.0.113.")]) == 60
    assert set(routes()) == {"93.184.215.14/32", "198.51.100.0/24", "203.0.113.0/24"}
    assert {"api.stripe.com", "files.stripe.com", "cdn.example.com"} <= {
        name for name in load_internet().names if name.endswith(ZONES)
    }


def test_certificates_are_kept_until_they_must_change(tmp_path: Path) -> None:
    folder = tmp_path / "outside"
    first = prepare(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert prepare(folder) == first
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "cdn.example.com.pem").write_text("torn", encoding="utf-8")
    prepare(folder)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert [name for name in after if after[name] != before[name]] == ["cdn.example.com.pem"]
    assert "ca.key" not in after
    (tmp_path / "authority" / "ca.key").unlink()
    assert prepare(folder) != first
    assert json.loads((folder / "outside.json").read_text(encoding="utf-8"))["listen"] == addresses()
