"""The images labs use, and which programs are in each (by the real images' package lists)."""

from __future__ import annotations

from collections.abc import Mapping

from lab_helpers.twin.containers.images import ImageCatalogue
from lab_helpers.twin.containers.programs import (
    connecting,
    filing,
    lookups,
    network_state,
    redis,
    searching,
    servers,
    sh,
    sleeping,
    system,
    texts,
)
from lab_helpers.twin.containers.programs.curl import curl
from lab_helpers.twin.containers.programs.dig import dig
from lab_helpers.twin.containers.programs.python import PYTHON_VERSION, python3
from lab_helpers.twin.containers.programs.wget import wget
from lab_helpers.twin.interfaces import Image, Program
from lab_helpers.twin.objects.registry import Registry

__all__ = ["course_images"]


def _refusing(names: str) -> dict[str, Program]:
    """Programs the real images have and the twin does not play."""
    return {name: filing.not_simulated(name) for name in names.split()}


COMMON: Mapping[str, Program] = {
    "[": system.test,
    "base64": texts.base64,
    "basename": system.basename,
    "cat": texts.cat,
    "chmod": filing.chmod,
    "cp": filing.cp,
    "cut": texts.cut,
    "date": sleeping.date,
    "dirname": system.dirname,
    "echo": system.echo,
    "egrep": searching.grep,
    "env": system.env,
    "false": system.false,
    "fgrep": searching.grep,
    "grep": searching.grep,
    "head": texts.head,
    "hostname": system.hostname,
    "id": system.id_,
    "kill": system.kill,
    "ls": filing.ls,
    "mkdir": filing.mkdir,
    "mv": filing.mv,
    "nproc": system.nproc,
    "printenv": system.printenv,
    "printf": system.printf,
    "ps": system.ps,
    "pwd": system.pwd,
    "rm": filing.rm,
    "rmdir": filing.rmdir,
    "sed": searching.sed,
    "seq": texts.seq,
    "sh": sh.sh,
    "sleep": sleeping.sleep,
    "sort": texts.sort,
    "tail": texts.tail,
    "tee": texts.tee,
    "test": system.test,
    "timeout": sleeping.timeout,
    "touch": filing.touch,
    "tr": texts.tr,
    "true": system.true,
    "tty": system.tty,
    "uname": system.uname,
    "uniq": texts.uniq,
    "uptime": system.uptime,
    "wc": texts.wc,
    "which": system.which,
    "whoami": system.whoami,
    "xargs": searching.xargs,
    "yes": texts.yes,
    **_refusing("awk find df du free top vi less more tar gzip md5sum sha256sum ln dd od"),
}

BUSYBOX: Mapping[str, Program] = {
    **COMMON,
    "ash": sh.sh,
    "getent": lookups.getent,
    "ip": network_state.ip,
    "nc": connecting.nc,
    "netstat": network_state.netstat,
    "nslookup": lookups.busybox_nslookup,
    "ping": connecting.ping,
    "time": sleeping.time,
    "wget": wget,
    **_refusing("telnet traceroute watch ifconfig route arping httpd"),
}

NETSHOOT: Mapping[str, Program] = {
    **BUSYBOX,
    "bash": sh.bash,
    "curl": curl,
    "dig": dig,
    "host": lookups.host,
    "netcat": connecting.nc,
    "nslookup": lookups.nslookup,
    "ss": network_state.ss,
    "zsh": sh.bash,
    **_refusing(
        "jq tcpdump nmap mtr iperf iperf3 openssl"
        " socat strace grpcurl iptables nft tshark drill fping python3 conntrack"
    ),
}

DEBIAN: Mapping[str, Program] = {**COMMON, "bash": sh.bash, "getent": lookups.getent}

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


def course_images(registry: Registry) -> ImageCatalogue:
    """A catalogue with every image of the course; the parts that play Cilium add theirs."""
    from lab_helpers.twin.dns.coredns import coredns

    alpine_curl = {**BUSYBOX, "curl": curl}
    redis_programs = {"redis-server": redis.redis_server, "redis-cli": redis.redis_cli}
    catalogue = ImageCatalogue()
    for image in (
        Image("busybox", BUSYBOX, command=("sh",)),
        Image("alpine", BUSYBOX, command=("/bin/sh",), files=ALPINE_FILES),
        Image("curlimages/curl", alpine_curl, entrypoint=("curl",), command=("--help",), files=ALPINE_FILES),
        Image(
            "quay.io/cilium/alpine-curl",
            {**alpine_curl, "dig": dig, "host": lookups.host, "bash": sh.bash, "nslookup": lookups.nslookup},
            command=("/bin/sh",),
            files=ALPINE_FILES,
        ),
        Image("nicolaka/netshoot", NETSHOOT, command=("zsh",), files={**ALPINE_FILES, "/root/": b""}),
        Image(
            "nginx",
            {**DEBIAN, "curl": curl, "nginx": servers.nginx},
            command=("nginx", "-g", "daemon off;"),
            files={"/usr/share/nginx/html/index.html": NGINX_PAGE},
        ),
        Image(
            "python",
            {**BUSYBOX, "python3": python3, "python": python3},
            command=("python3",),
            files=ALPINE_FILES,
            env={"PYTHON_VERSION": PYTHON_VERSION},
        ),
        Image(
            "redis",
            {**BUSYBOX, **redis_programs},
            command=("redis-server",),
            files=ALPINE_FILES,
            env={"REDIS_VERSION": redis.VERSION},
        ),
        Image("hashicorp/http-echo", {"http-echo": servers.http_echo}, entrypoint=("/http-echo",)),
        Image(
            "quay.io/cilium/json-mock",
            {**alpine_curl, "json-mock": servers.json_mock, "node": servers.json_mock},
            command=("json-mock",),
        ),
        Image("registry.k8s.io/pause", {"pause": sleeping.pause}, entrypoint=("/pause",)),
        Image("registry.k8s.io/coredns/coredns", {"coredns": coredns(registry)}, entrypoint=("/coredns",)),
    ):
        catalogue.add(image)
    for name, ports in CONTROL_PLANE.items():
        catalogue.add(Image(f"registry.k8s.io/{name}", {name: servers.control_plane(name, ports)}, command=(name,)))
    return catalogue
