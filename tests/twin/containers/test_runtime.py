"""The runtime's contract: starting, ending, logs, exec, probes, forwarding, files and variables."""

from __future__ import annotations

import asyncio

import pytest

from lab_helpers.twin.interfaces import ConnectionFailed


async def test_unknown_image_backs_off(lab):
    pod = lab.pod("x", "example.com/nope:1")
    state = lab.state(pod)
    assert (state.running, state.reason) == (False, "ErrImagePull")
    assert state.message.startswith(
        'the twin cannot play image "example.com/nope:1": it knows alpine, apache/kafka, busybox, '
    )
    await lab.clock.advance(11)
    assert lab.state(pod).reason == "ImagePullBackOff"


@pytest.mark.parametrize(
    "image", ["nginx", "docker.io/library/nginx:1.29", "nginx@sha256:00", "index.docker.io/library/nginx"]
)
async def test_image_names(lab, image):
    pod = lab.pod("x", image)
    await lab.clock.advance(0)
    assert lab.state(pod).running


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--version"], "curl 8."),
        (["curl", "--version"], "curl 8."),
        (["sh", "-c", "echo as it is"], "as it is\n"),
        (["http://10.0.1.99:1"], "% Total"),
    ],
)
async def test_curls_image_runs_programs_too(lab, arguments, said):
    pod = lab.pod("x", "curlimages/curl", args=arguments)
    await lab.clock.advance(200)
    assert (await lab.logs(pod)).lstrip().startswith(said)


async def test_end_and_restart(lab):
    seen = []
    lab.runtime.on_change(seen.append)
    pod = lab.pod("job", "busybox", command=["sh", "-c", "echo run $RANDOMLESS; exit 3"])
    await lab.clock.advance(0)
    state = lab.state(pod)
    assert (state.running, state.exit_code, state.reason) == (False, 3, "Error")
    assert lab.key(pod) in seen
    lab.runtime.start(pod, "job", ip="10.0.1.2")
    await lab.clock.advance(0)
    assert await lab.logs(pod, previous=True) == "run\n"


async def test_missing_program(lab, client):
    pod = lab.pod("x", "busybox", command=["nope"])
    state = lab.state(pod)
    assert (state.reason, state.exit_code) == ("StartError", 128)
    assert 'exec: "nope": executable file not found in $PATH' in state.message
    result = await lab.run(client, "nope")
    assert result.code == 126
    assert result.message == (
        'OCI runtime exec failed: exec failed: unable to start container process: exec: "nope": '
        "executable file not found in $PATH: unknown"
    )
    with pytest.raises(LookupError):
        await lab.run(pod, "sh")


async def test_stop_kills_loops(lab, client):
    lab.pod("busy", "busybox", command=["sh", "-c", "while true; do :; done"])
    busy = lab.registry.get("pods", "busy", "shop")
    await lab.clock.advance(1)
    assert lab.state(busy).running
    await lab.runtime.stop(lab.key(busy), grace=30)
    assert lab.runtime.states(lab.key(busy)) == []
    task = asyncio.create_task(lab.run(client, "sh", "-c", "while :; do sleep 1; done"))
    await lab.clock.advance(5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await lab.sh(client, "ps | grep -c '[s]leep 1$'")).out == "0\n"


async def test_sigterm_trap(lab):
    pod = lab.pod("t", "busybox", command=["sh", "-c", "trap 'echo bye; exit 0' TERM; sleep 1000"])
    log = asyncio.create_task(lab.logs(pod, follow=True))
    await lab.clock.advance(1)
    await lab.runtime.stop(lab.key(pod), grace=10)
    assert await log == "bye\n"


async def test_logs(lab):
    pod = lab.pod("t", "busybox", command=["sh", "-c", "for i in 1 2 3; do echo $i; sleep 10; done; printf end"])
    await lab.clock.advance(15)
    assert await lab.logs(pod) == "1\n2\n"
    assert await lab.logs(pod, tail=1) == "2\n"
    assert await lab.logs(pod, since=5.0) == "2\n"
    assert await lab.logs(pod, tail=1, timestamps=True) == "2026-01-01T00:00:10Z 2\n"
    assert await lab.logs(pod, limit_bytes=3) == "1\n2"
    follower = asyncio.create_task(lab.logs(pod, follow=True, tail=0))
    await lab.clock.advance(30)
    assert await follower == "3\nend\n"
    with pytest.raises(LookupError, match="previous terminated container"):
        await lab.logs(pod, previous=True)


async def test_logs_are_bounded(lab):
    pod = lab.pod("t", "busybox", command=["sh", "-c", "yes 0123456789012345678901234567890123456789 | head -n 60000"])
    while lab.state(pod).running:  # noqa: ASYNC110 - its end is heard by nobody else
        await asyncio.sleep(0.01)
    assert 900_000 < len(await lab.logs(pod)) <= 1024 * 1024


async def test_environment_and_volumes(lab):
    lab.service("backend", "10.96.5.5", 8080)
    lab.registry.create(
        "configmaps", {"metadata": {"name": "c", "namespace": "shop"}, "data": {"a.txt": "one\n", "KEY": "v"}}
    )
    lab.registry.create("secrets", {"metadata": {"name": "s", "namespace": "shop"}, "data": {"pw": "c2VjcmV0"}})
    pod = lab.pod(
        "x",
        "busybox",
        command=["sleep", "infinity"],
        env=[
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "URL", "value": "http://$(IP):80 $$(IP) $(NOPE)"},
            {"name": "PW", "valueFrom": {"secretKeyRef": {"name": "s", "key": "pw"}}},
            {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        ],
        envFrom=[{"configMapRef": {"name": "c"}, "prefix": "C_"}],
        volumeMounts=[
            {"name": "config", "mountPath": "/config"},
            {"name": "secret", "mountPath": "/secret", "readOnly": True},
            {"name": "tmp", "mountPath": "/data"},
            {"name": "all", "mountPath": "/all"},
            {"name": "config", "mountPath": "/one/file.txt", "subPath": "a.txt"},
        ],
        volumes=[
            {"name": "config", "configMap": {"name": "c"}},
            {"name": "secret", "secret": {"secretName": "s"}},
            {"name": "tmp", "emptyDir": {}},
            {
                "name": "all",
                "projected": {
                    "sources": [
                        {"configMap": {"name": "c", "items": [{"key": "a.txt", "path": "sub/a"}]}},
                        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
                    ]
                },
            },
        ],
        labels={"app": "x"},
    )
    await lab.clock.advance(0)
    ip = pod["status"]["podIP"]
    result = await lab.sh(pod, "echo $IP $URL $PW $LABEL $C_KEY $BACKEND_SERVICE_HOST $BACKEND_PORT_8080_TCP")
    assert result.out == f"{ip} http://{ip}:80 $(IP) $(NOPE) secret x v 10.96.5.5 tcp://10.96.5.5:8080\n"
    result = await lab.sh(pod, "cat /config/a.txt /one/file.txt /secret/pw; echo; cat /all/sub/a /all/name; ls /config")
    assert result.out == "one\none\nsecret\none\nx" + "KEY\na.txt\n"
    assert (
        await lab.sh(pod, "echo x > /config/a.txt")
    ).err == "sh: can't create /config/a.txt: Read-only file system\n"
    assert (await lab.sh(pod, "echo kept > /data/f; cat /data/f")).out == "kept\n"
    changed = lab.registry.draft("configmaps", "c", "shop")
    changed["data"]["a.txt"] = "two\n"
    lab.registry.update("configmaps", changed)
    assert (await lab.sh(pod, "cat /config/a.txt /one/file.txt")).out == "two\none\n"


async def test_missing_sources(lab):
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "nope", "key": "k"}}}]
    pod = lab.pod("a", "busybox", env=env)
    assert (lab.state(pod).reason, lab.state(pod).message) == (
        "CreateContainerConfigError",
        'configmap "nope" not found',
    )
    mounts, volumes = [{"name": "v", "mountPath": "/v"}], [{"name": "v", "configMap": {"name": "nope"}}]
    pod = lab.pod("b", "busybox", volumeMounts=mounts, volumes=volumes)
    assert lab.state(pod).reason == "ContainerCreating"
    assert lab.state(pod).message == 'MountVolume.SetUp failed for volume "v" : configmap "nope" not found'


async def test_dns_policies(lab):
    host = lab.pod("h", hostNetwork=True)
    default = lab.pod("d", dnsPolicy="Default")
    own = lab.pod(
        "o",
        dnsPolicy="None",
        dnsConfig={"nameservers": ["1.1.1.1"], "searches": ["a.b"], "options": [{"name": "ndots", "value": "2"}]},
    )
    await lab.clock.advance(0)
    assert (await lab.sh(host, "cat /etc/resolv.conf; hostname")).out.startswith("nameserver 172.18.0.1\n")
    assert "nameserver 172.18.0.1" in (await lab.sh(default, "cat /etc/resolv.conf")).out
    assert (await lab.sh(own, "cat /etc/resolv.conf")).out == "search a.b\nnameserver 1.1.1.1\noptions ndots:2\n"


async def test_probes(lab):
    backend = lab.backend()
    await lab.clock.advance(0)

    async def probe(**spec):
        return await lab.finish(asyncio.create_task(lab.runtime.probe(backend, "backend", spec)))

    ip = backend["status"]["podIP"]
    assert await probe(httpGet={"path": "/healthz", "port": 8080}) == (True, '{"status": "ok"}\n')
    assert await probe(httpGet={"path": "/nope", "port": 8080}) == (False, "HTTP probe failed with statuscode: 404")
    refused = (False, f'Get "http://{ip}:81/": dial tcp {ip}:81: connect: connection refused')
    assert await probe(httpGet={"port": 81}) == refused
    assert await probe(tcpSocket={"port": 8080}) == (True, "")
    assert await probe(tcpSocket={"port": 81}) == (False, f"dial tcp {ip}:81: connect: connection refused")
    assert await probe(exec={"command": ["sh", "-c", "echo no; exit 1"]}) == (False, "no\n")
    assert (await probe(exec={"command": ["sleep", "9"]}, timeoutSeconds=2))[0] is False
    lab.networks.blocked.add((ip, 8080))
    late = await probe(httpGet={"path": "/healthz", "port": 8080})
    assert late == (
        False,
        f'Get "http://{ip}:8080/healthz": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
    )


async def test_port_forward(lab):
    backend = lab.backend()
    await lab.clock.advance(0)
    stream = await lab.runtime.port_forward(lab.key(backend), 8080)
    await stream.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    data = b""
    while chunk := await stream.read():
        data += chunk
    assert data.endswith(b'{"status": "ok"}\n')
    with pytest.raises(ConnectionFailed):
        await lab.runtime.port_forward(lab.key(backend), 81)


async def test_sidecars_share_the_network_and_volumes(lab):
    pod = lab.pod("two")
    await lab.clock.advance(0)
    other = {**pod["spec"]["containers"][0], "name": "side", "command": ["nc", "-lk", "-p", "7"]}
    pod = lab.registry.draft("pods", "two", "shop")
    pod["spec"]["containers"].append(other)
    lab.runtime.start(pod, "side", ip=pod["status"]["podIP"])
    await lab.clock.advance(0)
    assert (await lab.sh(pod, "nc -z 127.0.0.1 7 && netstat -tln")).out.count("0.0.0.0:7 ") == 1
    assert [state.name for state in lab.runtime.states(lab.key(pod))] == ["two", "side"]


async def test_interactive_shell(lab, client):
    keys = b"echo hi\rx=4\recho $x\x7fx\rfor i in 1 2; do\recho n$i\rdone\rnope\rexit 3\r"
    result = await lab.run(client, "sh", stdin=keys, tty=True)
    assert result.code == 3
    echo, _, output = result.out.partition("exit 3\r\n")
    assert echo == "/ # echo hi\r\nx=4\r\necho $x\b \bx\r\nfor i in 1 2; do\r\necho n$i\r\ndone\r\nnope\r\n"
    assert output == "hi\r\n/ # / # 4\r\n/ # > > n1\r\nn2\r\n/ # sh: nope: not found\r\n/ # "


async def test_interrupt(lab, client):
    async def keys():
        yield b"sleep 1000\r"
        await lab.clock.sleep(5)
        yield b"\x03"
        await lab.clock.sleep(5)
        yield b"echo $?\r"
        await lab.clock.sleep(5)
        yield b"\x04"

    out = bytearray()

    async def collect(data):
        out.extend(data)

    task = asyncio.create_task(
        lab.runtime.execute(
            lab.key(client), "frontend", ["bash"], stdin=keys(), tty=True, stdout=collect, stderr=collect
        )
    )
    result = await lab.finish(task)
    assert result.exit_code == 0
    assert b"^C\r\nfrontend:/# echo $?\r\n130\r\n" in out


async def test_interrupted_ping_prints_statistics(lab, client):
    async def keys():
        await lab.clock.sleep(2.5)
        yield b"\x03"
        await lab.clock.sleep(100)

    out = bytearray()

    async def collect(data):
        out.extend(data)

    task = asyncio.create_task(
        lab.runtime.execute(
            lab.key(client), "frontend", ["ping", "10.0.1.2"], stdin=keys(), tty=True, stdout=collect, stderr=collect
        )
    )
    assert (await lab.finish(task)).exit_code == 0
    assert b"packet loss" in out


async def test_stdin_script(lab, client):
    result = await lab.run(client, "sh", stdin=b"echo a\nif true; then\necho b\nfi\ncat\nrest\n")
    assert (result.out, result.code) == ("a\nb\nrest\n", 0)
    assert (await lab.run(client, "cat", stdin=b"x")).out == "x"
