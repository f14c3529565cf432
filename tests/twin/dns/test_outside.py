"""The outside: names, rotation, HTTPS, additions by ConfigMap."""

from __future__ import annotations

import pytest

from lab_helpers.twin.containers.http.tls import Certificate, client_hello, server_name
from lab_helpers.twin.outside.names import OutsideError, load_internet, parse_internet


async def test_https_and_redirects(lab, client):
    lab.dns()
    lab.internet()
    result = await lab.sh(
        client, "curl -sS -o /dev/null -w '%{http_code} %{redirect_url}' http://api.stripe.com/v1/charges"
    )
    assert result.out == "301 https://api.stripe.com/v1/charges"
    result = await lab.sh(client, "curl -sSL -w ' %{http_code} %{num_redirects}' http://api.stripe.com/v1/charges")
    assert '"You did not provide an API key."' in result.out
    assert result.out.endswith(" 401 1")
    assert (await lab.sh(client, "curl -sS https://example.com/")).code == 0
    assert (await lab.sh(client, "curl -sS https://www.example.com/")).code == 0
    # the addresses and the other name that cilium-cli's connectivity test asks for
    assert (await lab.sh(client, "curl -sS https://1.1.1.1/ https://one.one.one.one/ https://k8s.io/")).code == 0
    selfsigned = await lab.sh(client, "curl -sS https://self-signed.example.com/")
    assert selfsigned.code == 60
    assert selfsigned.err.startswith("curl: (60) SSL certificate problem: self-signed certificate\nMore details here:")
    assert (await lab.sh(client, "curl -sSk https://self-signed.example.com/")).out == "self-signed\n"
    wrong = await lab.sh(client, "curl -sS https://wrong-name.example.com/")
    assert wrong.code == 60
    assert "no alternative certificate subject name matches target host name 'wrong-name.example.com'" in wrong.err
    assert (
        await lab.sh(client, "curl -sS --resolve api.stripe.com:443:198.51.100.11 https://api.stripe.com/healthcheck")
    ).out == "ok\n"


async def test_rotation(lab):
    outside = lab.internet()
    seen = set()
    for _ in range(20):
        code, records = outside.lookup("cdn.example.com.", "A")
        assert (code, len(records), {record.ttl for record in records}) == ("NOERROR", 3, {5})
        seen |= {record.value for record in records}
    assert len(seen) == 60


@pytest.mark.parametrize(
    ("name", "kind", "code", "values"),
    [
        ("www.example.com.", "A", "NOERROR", ["example.com.", "93.184.215.14"]),
        ("www.example.com.", "CNAME", "NOERROR", ["example.com."]),
        ("api.stripe.com.", "AAAA", "NOERROR", []),
        ("nosuch.example.com.", "A", "NXDOMAIN", []),
        ("com.", "A", "NOERROR", []),
        ("1.1.1.1.in-addr.arpa.", "PTR", "NOERROR", ["one.one.one.one."]),
    ],
)
async def test_lookup(lab, name, kind, code, values):
    assert (lambda found: (found[0], [record.value for record in found[1]]))(lab.internet().lookup(name, kind)) == (
        code,
        values,
    )


async def test_stream(lab, client):
    lab.dns()
    lab.internet()
    result = await lab.sh(client, "curl -sS -m 5 http://cdn.example.com/stream?seconds=60 | wc -l")
    assert result.out == "5\n"
    assert "curl: (28) Operation timed out after 5000 milliseconds with" in result.err


async def test_names_from_a_config_map(lab, client):
    lab.dns()
    outside = lab.internet()
    body = {"metadata": {"name": "outside-names", "namespace": "kube-system"}}
    lab.registry.create(
        "configmaps", {**body, "data": {"mine": "names: {shop.example.net: {a: [192.0.2.7], ttl: 20}}"}}
    )
    assert (await lab.sh(client, "curl -s -o /dev/null -w '%{http_code}' http://shop.example.net")).out == "301"
    changed = lab.registry.draft("configmaps", "outside-names", "kube-system")
    changed["data"]["mine"] = "names: {shop.example.net: {b: 1}}"
    lab.registry.update("configmaps", changed)
    assert outside.problem.startswith("ConfigMap kube-system/outside-names: names.shop.example.net: unknown field 'b'")


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "names: {a: 1}",
        "names: {a: {a: [x]}}",
        "names: {a: {ttl: -1}}",
        "names: {a: {cname: b, a: [1.1.1.1]}}",
        "{",
        "x: 1",
        "names: {a: {a: [1.1.1.9-1.1.1.1]}}",
        "servers: {s: {http: nope}}",
    ],
)
def test_bad_descriptions(text):
    with pytest.raises(OutsideError):
        parse_internet(text)


def test_course_names():
    names = load_internet().names
    assert {
        "api.stripe.com",
        "files.stripe.com",
        "cdn.example.com",
        "example.com",
        "one.one.one.one",
        "cilium.io",
    } <= set(names)
    assert len(names["cdn.example.com"].a) == 60


@pytest.mark.parametrize("name", ["api.stripe.com", "a.b", ""])
def test_client_hello_carries_sni(name):
    assert server_name(client_hello(name)) == (name or None)


def test_sni_of_other_bytes():
    assert server_name(b"GET / HTTP/1.1\r\n") is None
    assert server_name(b"") is None
    assert server_name(client_hello("example.com")[:60]) is None


def test_certificates():
    certificate = Certificate("x", ("*.example.com", "a.b"), "CA")
    assert certificate.covers("www.example.com")
    assert not certificate.covers("example.com")
    assert not certificate.covers("a.b.example.com")
