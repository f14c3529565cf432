"""The images labs use, and which programs are in each (by the real images' package lists).

Programs are named here and imported when they first run, so that a cluster starts without them.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from lab_helpers.twin.containers.images import ImageCatalogue
from lab_helpers.twin.interfaces import Image, Process, Program
from lab_helpers.twin.objects.registry import Registry

__all__ = ["course_images", "resolve"]

_PACKAGE = "lab_helpers.twin.containers.programs"


def resolve(reference: str) -> Program:
    """The program ``module:name`` of this package's ``programs``."""
    module, _, name = reference.partition(":")
    found: Program = getattr(importlib.import_module(f"{_PACKAGE}.{module}"), name)
    return found


def _program(reference: str) -> Program:
    """A program that is imported when it first runs."""

    async def run(process: Process) -> int:
        return await resolve(reference)(process)

    run.__name__ = reference
    return run


def _refusing(names: str) -> dict[str, Program]:
    """Programs the real images have and the twin does not play."""
    return {name: _not_simulated(name) for name in names.split()}


def _not_simulated(name: str) -> Program:
    async def refuse(process: Process) -> int:
        await process.err(
            f"{name}: not simulated: the real image has this program, the embedded cluster does not play it\n"
        )
        return 127

    return refuse


COMMON: Mapping[str, Program] = {
    "[": _program("system:test"),
    "base64": _program("texts:base64"),
    "basename": _program("system:basename"),
    "cat": _program("texts:cat"),
    "chmod": _program("filing:chmod"),
    "cp": _program("filing:cp"),
    "cut": _program("columns:cut"),
    "date": _program("sleeping:date"),
    "dirname": _program("system:dirname"),
    "echo": _program("system:echo"),
    "egrep": _program("searching:grep"),
    "env": _program("system:env"),
    "false": _program("system:false"),
    "fgrep": _program("searching:grep"),
    "grep": _program("searching:grep"),
    "head": _program("texts:head"),
    "hostname": _program("system:hostname"),
    "id": _program("system:id_"),
    "kill": _program("system:kill"),
    "ls": _program("filing:ls"),
    "mkdir": _program("filing:mkdir"),
    "mv": _program("filing:mv"),
    "nproc": _program("system:nproc"),
    "printenv": _program("system:printenv"),
    "printf": _program("system:printf"),
    "ps": _program("system:ps"),
    "pwd": _program("system:pwd"),
    "rm": _program("filing:rm"),
    "rmdir": _program("filing:rmdir"),
    "sed": _program("editing:sed"),
    "seq": _program("texts:seq"),
    "sh": _program("sh:sh"),
    "sleep": _program("sleeping:sleep"),
    "sort": _program("columns:sort"),
    "tail": _program("texts:tail"),
    "tar": _program("archiving:tar"),
    "tee": _program("texts:tee"),
    "test": _program("system:test"),
    "timeout": _program("sleeping:timeout"),
    "touch": _program("filing:touch"),
    "tr": _program("columns:tr"),
    "true": _program("system:true"),
    "tty": _program("system:tty"),
    "uname": _program("system:uname"),
    "uniq": _program("columns:uniq"),
    "uptime": _program("system:uptime"),
    "wc": _program("texts:wc"),
    "which": _program("system:which"),
    "whoami": _program("system:whoami"),
    "xargs": _program("searching:xargs"),
    "yes": _program("texts:yes"),
    **_refusing("awk find df du free top vi less more gzip md5sum sha256sum ln dd od"),
}

BUSYBOX: Mapping[str, Program] = {
    **COMMON,
    "ash": _program("sh:sh"),
    "getent": _program("lookups:getent"),
    "ip": _program("network_state:ip"),
    "nc": _program("connecting:busybox_nc"),
    "netstat": _program("network_state:netstat"),
    "nslookup": _program("lookups:busybox_nslookup"),
    "ping": _program("connecting:ping"),
    "time": _program("sleeping:time"),
    "wget": _program("wget:wget"),
    **_refusing("telnet traceroute watch ifconfig route arping httpd"),
}

NETSHOOT: Mapping[str, Program] = {
    **BUSYBOX,
    "bash": _program("sh:bash"),
    "curl": _program("curl:curl"),
    "dig": _program("dig:dig"),
    "host": _program("lookups:host"),
    "nc": _program("connecting:nc"),
    "netcat": _program("connecting:nc"),
    "nslookup": _program("lookups:nslookup"),
    "ss": _program("network_state:ss"),
    "zsh": _program("sh:bash"),
    **_refusing(
        "jq tcpdump nmap mtr iperf iperf3 openssl"
        " socat strace grpcurl iptables nft tshark drill fping python3 conntrack"
    ),
}

DEBIAN: Mapping[str, Program] = {**COMMON, "bash": _program("sh:bash"), "getent": _program("lookups:getent")}

_CURL_ENTRYPOINT = b"""#!/bin/sh
# options and addresses are curl's; what is a program is run as it is
case "$1" in
-*) exec curl "$@" ;;
esac
if command -v "$1" >/dev/null; then
  exec "$@"
fi
exec curl "$@"
"""
ALPINE_FILES = {
    "/etc/os-release": b'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.22.2\nPRETTY_NAME="Alpine Linux v3.22"\n',
    "/etc/alpine-release": b"3.22.2\n",
    "/etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
}
NGINX_PAGE = (
    b"<!DOCTYPE html>\n<html>\n<head>\n<title>Welcome to nginx!</title>\n</head>\n<body>\n<h1>Welcome to nginx!</h1>\n"
    b"<p>This page is served by the embedded cluster's simulated nginx.</p>\n</body>\n</html>\n"
)

CONTROL_PLANE = {
    "etcd": (2379, 2380, 2381),
    "kube-apiserver": (6443,),
    "kube-controller-manager": (10257,),
    "kube-scheduler": (10259,),
}


def _control_plane(name: str, ports: tuple[int, ...]) -> Program:
    async def run(process: Process) -> int:
        from lab_helpers.twin.containers.programs.servers import control_plane

        return await control_plane(name, ports)(process)

    return run


def course_images(registry: Registry) -> ImageCatalogue:
    """A catalogue with every image of the course; the parts that play Cilium add theirs."""
    from lab_helpers.twin.containers.programs.coredns import coredns

    alpine_curl = {**BUSYBOX, "curl": _program("curl:curl")}
    redis_programs = {"redis-server": _program("redis:redis_server"), "redis-cli": _program("redis:redis_cli")}
    kafka_programs = {
        **BUSYBOX,
        "bash": _program("sh:bash"),
        "run": _program("kafka.serving:kafka_server"),
        "kafka-console-consumer.sh": _program("kafka.consuming:console_consumer"),
        "kafka-console-producer.sh": _program("kafka.producing:console_producer"),
        "kafka-topics.sh": _program("kafka.topics:topics_program"),
        **_refusing(
            "java kafka-acls.sh kafka-configs.sh kafka-consumer-groups.sh kafka-server-start.sh kafka-storage.sh"
        ),
    }
    catalogue = ImageCatalogue()
    for image in (
        Image("busybox", BUSYBOX, command=("sh",)),
        Image("alpine", BUSYBOX, command=("/bin/sh",), files=ALPINE_FILES),
        Image(
            "curlimages/curl",
            alpine_curl,
            entrypoint=("sh", "/entrypoint.sh"),
            command=("curl",),
            files={**ALPINE_FILES, "/entrypoint.sh": _CURL_ENTRYPOINT},
        ),
        Image(
            "quay.io/cilium/alpine-curl",
            {
                **alpine_curl,
                **{name: NETSHOOT[name] for name in ("bash", "dig", "host", "nslookup")},
                "pause": _program("sleeping:pause"),
            },
            command=("/bin/sh",),
            files=ALPINE_FILES,
        ),
        Image("nicolaka/netshoot", NETSHOOT, command=("zsh",), files={**ALPINE_FILES, "/root/": b""}),
        Image(
            "nginx",
            {**DEBIAN, "curl": _program("curl:curl"), "nginx": _program("servers:nginx")},
            command=("nginx", "-g", "daemon off;"),
            files={"/usr/share/nginx/html/index.html": NGINX_PAGE},
        ),
        Image(
            "python",
            {**BUSYBOX, "python3": _program("python:python3"), "python": _program("python:python3")},
            command=("python3",),
            files=ALPINE_FILES,
            env={"PYTHON_VERSION": "3.13.9"},
        ),
        Image(
            "redis",
            {**BUSYBOX, **redis_programs},
            command=("redis-server",),
            files=ALPINE_FILES,
            env={"REDIS_VERSION": "7.4.6"},
        ),
        Image("apache/kafka", kafka_programs, command=("/etc/kafka/docker/run",), files=ALPINE_FILES),
        Image("hashicorp/http-echo", {"http-echo": _program("servers:http_echo")}, entrypoint=("/http-echo",)),
        Image(
            "quay.io/cilium/json-mock",
            {**alpine_curl, "json-mock": _program("servers:json_mock"), "node": _program("servers:json_mock")},
            command=("json-mock",),
        ),
        Image("registry.k8s.io/pause", {"pause": _program("sleeping:pause")}, entrypoint=("/pause",)),
        Image("registry.k8s.io/coredns/coredns", {"coredns": coredns(registry)}, entrypoint=("/coredns",)),
    ):
        catalogue.add(image)
    for name, ports in CONTROL_PLANE.items():
        catalogue.add(Image(f"registry.k8s.io/{name}", {name: _control_plane(name, ports)}, command=(name,)))
    return catalogue
