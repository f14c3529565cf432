"""Programs by their output and exit code."""

from __future__ import annotations

import pytest

CASES = [
    ("printf 'b\\na\\nb\\n' | sort | uniq -c", "      1 a\n      2 b\n", 0),
    ("printf '10\\n9\\n' | sort -n; printf 'a 2\\nb 1\\n' | sort -k2", "9\n10\nb 1\na 2\n", 0),
    ("seq 3 | head -n 2; seq 5 | tail -2; seq 5 | tail -n +4", "1\n2\n4\n5\n4\n5\n", 0),
    ("echo hello | sed 's/l/L/g'", "heLLo\n", 0),
    ("printf 'a\\nb\\nc\\n' | sed -n '2p'; printf 'a\\nb\\nc\\n' | sed '/b/d'", "b\na\nc\n", 0),
    ("echo foo-bar | sed -E 's/(foo)-(bar)/\\2-\\1/'", "bar-foo\n", 0),
    ("printf 'x\\nyy\\n' | grep -c y; printf 'x\\n' | grep -q z; echo $?", "1\n1\n", 0),
    ("printf 'a1\\nb2\\n' | grep -oE '[0-9]+'; printf 'A\\n' | grep -i a", "1\n2\nA\n", 0),
    ("echo a:b:c | cut -d: -f1,3; echo abc | cut -c2-", "a:c\nbc\n", 0),
    ("echo abc | tr a-c A-C; echo aabb | tr -s ab; echo a1b2 | tr -d 0-9", "ABC\nab\nab\n", 0),
    ("seq 4 | xargs -n2 echo; echo a b | xargs -I{} echo [{}]", "1 2\n3 4\n[a b]\n", 0),
    ("echo x | tee /tmp/t >/dev/null; cat /tmp/t; wc -l < /tmp/t", "x\n1\n", 0),
    ("basename /a/b.txt .txt; dirname /a/b.txt", "b\n/a\n", 0),
    ("mkdir -p /tmp/d/e; touch /tmp/d/f; ls /tmp/d; rm -r /tmp/d; ls /tmp/d", "e\nf\n", 1),
    ("hostname; whoami; id -u; uname -s", "frontend\nroot\n0\nLinux\n", 0),
    ("timeout 2 sleep 10; echo $?", "124\n", 0),
    ("timeout 10 sleep 2; echo $?", "0\n", 0),
    ("date +%Y-%m-%d", "2026-01-01\n", 0),
    ("env -i A=1 env; printenv NOSUCH; echo $?", "A=1\n1\n", 0),
    (
        "test -f /etc/hosts && [ -d /etc ] && echo yes; which curl; which nosuch || echo none",
        "yes\n/usr/bin/curl\nnone\n",
        0,
    ),
    ("echo aGk= | base64 -d; printf hi | base64", "hiaGk=\n", 0),
    ("yes | head -n 2; echo ${?}", "y\ny\n0\n", 0),
    ("echo ab | grep -oE 'a|ab'; echo 'a b' | grep -w b; echo abc | grep -x b; echo $?", "ab\na b\n1\n", 0),
    ("echo café | grep -oE 'f.'; base64 -d <<</3gK | grep -c x", "fé\n1\n", 0),
    ("echo aa | grep '\\(a\\)\\1'; echo $?", "2\n", 0),
    ("[[ v1.20 =~ ^v([0-9]+)\\. ]] && echo yes", "yes\n", 0),
    ("x=a/b/c; echo ${x##*/} ${x%/*} ${x//[ac]/-} ${x/a/A} ${x/c/C}", "c a/b -/b/- A/b/c a/b/C\n", 0),
    ("case 'a b' in a\\ *) echo y;; esac; [[ x.y == *.? ]] && echo z", "y\nz\n", 0),
    ("awk 1", "", 127),
    ("echo a > /nodir/x", "", 1),
]


@pytest.mark.parametrize(("script", "out", "code"), CASES)
async def test_output(lab, client, script, out, code):
    result = await lab.sh(client, script)
    assert (result.out, result.code) == (out, code), result


LONG = "a" * 4000


@pytest.mark.parametrize(
    "script",
    [
        "echo $x | grep -E '^(a+)+$'",
        "echo $x | grep -E '(a|aa|a?)*c'",
        "echo $x | sed -E 's/^(a*)*b/y/'",
        "[[ $x =~ ^(a+)+$ ]]",
        "case $x in *a*a*a*a*a*a*a*a*c) echo no;; esac",
        "echo ${x//*a*a*a*a*a*a*c/y} | wc -c",
    ],
)
async def test_a_hostile_pattern_does_not_hold_up_the_others(lab, client, script):
    pytest.importorskip("re2", reason="without google-re2 Python's engine takes its place, which backtracks")
    result = await lab.sh(client, f"x={LONG}!; {script}")
    assert result.code in (0, 1)


async def test_dig(lab, client):
    lab.dns()
    lab.service("backend", "10.96.5.5", 8080)
    lab.internet()
    assert (await lab.sh(client, "dig +short backend.shop.svc.cluster.local")).out == "10.96.5.5\n"
    result = await lab.sh(client, "dig +noall +answer docs.cilium.io")
    assert (
        result.out
        == (
            "docs.cilium.io.\t\t30\tIN\tCNAME\treadthedocs.io.\n"
            "readthedocs.io.\t\t30\tIN\tA\t104.16.253.120\n"
            "readthedocs.io.\t\t30\tIN\tA\t104.16.254.120\n"
        )
        or "\tCNAME\treadthedocs.io." in result.out
    )
    whole = (await lab.sh(client, "dig nosuch.example.com")).out
    assert "status: NXDOMAIN" in whole
    assert ";; SERVER: 10.96.0.10#53(10.96.0.10) (UDP)\n" in whole
    lab.networks.blocked.add(("10.96.0.10", 53))
    result = await lab.sh(client, "dig +time=1 +tries=2 x")
    assert result.code == 9
    timed_out = ";; communications error to 10.96.0.10#53: timed out\n"
    assert result.out.startswith(f"{timed_out}{timed_out}\n; <<>> DiG ")
    assert result.out.endswith(" <<>> +time=1 +tries=2 x\n;; global options: +cmd\n;; no servers could be reached\n")
    short = await lab.sh(client, "dig @10.96.0.10 +short +time=1 +tries=1 x")
    assert short.out == f"{timed_out};; no servers could be reached\n"
    whole = await lab.sh(client, "dig @10.96.0.10 +time=1 +tries=1 x")
    assert " x\n; (1 server found)\n;; global options: +cmd\n" in whole.out


async def test_nslookup(lab, client):
    lab.dns()
    lab.service("backend", "10.96.5.5", 8080)
    lab.internet()
    assert (await lab.sh(client, "nslookup backend")).out == (
        "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10#53\n\n"
        "Name:\tbackend.shop.svc.cluster.local\nAddress: 10.96.5.5\n\n"
    )
    outside = await lab.sh(client, "nslookup example.com")
    assert (
        "Non-authoritative answer:\nName:\texample.com\nAddress: 93.184.215.14\nName:\texample.com\nAddress: 2606:"
        in outside.out
    )
    assert (await lab.sh(client, "nslookup api.stripe.com 1.1.1.1")).code == 0
    assert (
        await lab.sh(client, "nslookup 10.96.5.5")
    ).out == "5.5.96.10.in-addr.arpa\tname = backend.shop.svc.cluster.local.\n\n"
    alpine = lab.pod("alpine", "alpine:3.22", command=["sleep", "infinity"])
    busybox = await lab.sh(alpine, "nslookup backend.shop.svc.cluster.local")
    assert busybox.out.startswith(
        "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\nName:\tbackend.shop.svc.cluster.local\nAddress: 10.96.5.5\n"
    )
    assert (await lab.sh(alpine, "nslookup backend.shop")).code == 1, "BusyBox does not search names with a dot"


async def test_nc_and_ping(lab, client):
    other = lab.pod("other", command=["nc", "-lk", "-p", "9000"])
    await lab.clock.advance(0)
    ip = other["status"]["podIP"]
    assert (await lab.sh(client, f"nc -zv {ip} 9000")).err == f"Connection to {ip} 9000 port [tcp/*] succeeded!\n"
    refused = await lab.sh(client, f"nc -zv {ip} 9001")
    assert (refused.code, refused.err) == (
        1,
        f"nc: connect to {ip} ({ip}) port 9001 (tcp) failed: Connection refused\n",
    )
    assert (await lab.sh(client, "nc -zv -w 2 10.0.1.99 80")).code == 1
    await lab.sh(client, f"echo hello | nc -w 1 {ip} 9000")
    assert await lab.logs(other) == "hello\n"
    good = await lab.sh(client, f"ping -c 3 {ip}")
    assert good.code == 0
    assert "3 packets transmitted, 3 received, 0% packet loss, time 2" in good.out
    bad = await lab.sh(client, "ping -c 2 -W 1 10.0.1.99")
    assert bad.code == 1
    assert "2 packets transmitted, 0 received, 100% packet loss" in bad.out
    listing = await lab.sh(other, "ss -tln")
    assert "0.0.0.0:9000" in listing.out


async def test_wget(lab, client):
    lab.dns()
    lab.backend()
    alpine = lab.pod("alpine", "alpine", command=["sleep", "infinity"])
    assert (await lab.sh(alpine, "wget -qO- http://backend:8080/healthz")).out == '{"status": "ok"}\n'
    missing = await lab.sh(alpine, "wget -qO- backend:8080/x")
    assert (missing.code, missing.err) == (1, "wget: server returned error: HTTP/1.1 404 Not Found\n")
    slow = await lab.sh(alpine, "wget -T 2 -qO- 10.0.1.99")
    assert (slow.code, slow.err) == (1, "wget: download timed out\n")
    assert (await lab.sh(alpine, "wget -S -O /tmp/x backend:8080/admin; cat /tmp/x")).out.startswith('{"admin"')
    lab.internet()
    assert "bad address 'nosuch'" in (await lab.sh(alpine, "wget -qO- nosuch")).err


async def test_redis(lab, client):
    redis = lab.pod("redis", "redis:7-alpine")
    await lab.clock.advance(0)
    result = await lab.sh(
        redis, "redis-cli ping; redis-cli set a 1; redis-cli get a; redis-cli get b; redis-cli incr a; redis-cli nope x"
    )
    assert result.out == "PONG\nOK\n1\n\n2\nERR unknown command 'nope', with args beginning with: 'x' \n"
    assert "Ready to accept connections" in await lab.logs(redis)
    refused = await lab.sh(redis, "redis-cli -h 10.0.1.2 -t 1 ping")
    assert refused.err == "Could not connect to Redis at 10.0.1.2:6379: Connection refused\n"
    assert (
        await lab.sh(redis, "redis-cli set t x ex 5; redis-cli ttl t; sleep 6; redis-cli exists t")
    ).out == "OK\n5\n0\n"


async def test_servers(lab, client):
    nginx = lab.pod("web", "nginx:1.29")
    echo = lab.pod("echo", "hashicorp/http-echo", args=["-text=hello"])
    mock = lab.pod("mock", "quay.io/cilium/json-mock:v1.3.9")
    api = lab.pod("api", "registry.k8s.io/kube-apiserver:v1.34.2", command=["kube-apiserver", "--secure-port=6443"])
    await lab.clock.advance(0)
    assert "Welcome to nginx!" in (await lab.sh(client, f"curl -s {nginx['status']['podIP']}")).out
    assert (await lab.sh(client, f"curl -s {echo['status']['podIP']}:5678")).out == "hello\n"
    assert '"message"' in (await lab.sh(client, f"curl -s {mock['status']['podIP']}:8080/")).out
    assert (await lab.sh(client, f"curl -sk https://{api['status']['podIP']}:6443/healthz")).out == "ok"
    assert (await lab.sh(client, f"curl -s https://{api['status']['podIP']}:6443/healthz")).code == 60
    assert '"GET / HTTP/1.1" 200' in await lab.logs(nginx)
    assert (await lab.sh(client, f"curl -sS https://{nginx['status']['podIP']}:80/")).code == 35


async def test_tar_packs_and_unpacks(lab):
    pod = lab.pod("box", "busybox", command=["sleep", "infinity"])
    await lab.run(pod, "sh", "-c", "mkdir -p /data/sub; echo one > /data/a; echo two > /data/sub/b")
    assert (await lab.run(pod, "tar", "-cvf", "/tmp/x.tar", "-C", "/data", ".")).out.split() == [
        ".",
        "./a",
        "./sub",
        "./sub/b",
    ]
    listed = await lab.run(pod, "sh", "-c", "tar tf /tmp/x.tar | sort")
    assert listed.out.split() == ["./", "./a", "./sub/", "./sub/b"]
    assert (
        await lab.run(pod, "sh", "-c", "mkdir /new; tar cf - -C /data . | tar -xmf - -C /new; cat /new/sub/b")
    ).out == "two\n"
    assert "not found in archive" in (await lab.run(pod, "tar", "tf", "/tmp/x.tar", "nope")).err
    for words, why in (
        ((), "must specify one of"),
        (("-czf", "x", "y"), "not simulated"),
        (("-xf", "no"), "can't open"),
    ):
        assert why in (await lab.run(pod, "tar", *words)).err
