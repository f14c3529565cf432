"""The kind configuration against the types of kind's v1alpha4, and what programs' failures mean."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab_helpers.clusters.kind.configs import load_config, problems, write_config
from lab_helpers.clusters.kind.engines import _docker_info, _podman_info
from lab_helpers.clusters.kind.errors import KindError
from lab_helpers.clusters.kind.failures import explain
from lab_helpers.clusters.kind.preflights import _cgroup, _inotify, _memory

GOOD = load_config()


def changed(path: str, value: object) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    place: Any = document
    *parts, last = path.split(".")
    for part in parts:
        place = place[int(part)] if part.isdigit() else place.setdefault(part, {})
    place[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("networking.disableDefaultCni", True, "networking.disableDefaultCni: unknown field"),
        ("networking.disableDefaultCNI", "yes", "networking.disableDefaultCNI: expected true or false"),
        ("networking.kubeProxyMode", "off", "is not one of iptables, ipvs, nftables, none"),
        ("networking.kubeProxyMode", False, "expected text"),
        ("networking.apiServerPort", 70000, "70000 is not a port"),
        ("networking.apiServerPort", True, "expected a whole number"),
        ("networking.podSubnet", "10.0.0.0/99", "is not a subnet"),
        ("nodes.0.role", "master", "'master' is not control-plane or worker"),
        ("nodes.0.role", "worker", "at least one control-plane"),
        ("nodes.1.extraPortMappings", [{"hostPort": 1, "containerPort": 1, "protocol": "tcp"}], "TCP, UDP or SCTP"),
        ("nodes.1.extraMounts", [{"hostpath": "x"}], "extraMounts[0].hostpath: unknown field"),
        ("featureGates", {"X": "true"}, "featureGates.X: expected true or false"),
        ("apiVersion", "kind.sigs.k8s.io/v1alpha3", "kind.x-k8s.io/v1alpha4"),
        ("name", "Cilium_Labs", "only a-z"),
        ("nodes", {}, "nodes: expected a list"),
    ],
)
def test_what_kind_refuses(path: str, value: object, problem: str) -> None:
    found = list(problems(changed(path, value)))
    assert any(problem in one for one in found), found


def test_what_kind_takes(tmp_path: Path) -> None:
    assert list(problems(GOOD)) == []
    full = changed("nodes.1.extraPortMappings", [{"hostPort": 8080, "containerPort": 80, "listenAddress": "127.0.0.1"}])
    assert list(problems(full)) == []
    write_config(tmp_path / "kind" / "cluster.yaml", port=6444)
    written = yaml.safe_load((tmp_path / "kind" / "cluster.yaml").read_text(encoding="utf-8"))
    assert written["networking"]["apiServerPort"] == 6444
    assert written["name"] == "cilium-labs"


@pytest.mark.parametrize("text", ["nodes: [", "- a list", ""])
def test_a_broken_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(KindError):
        load_config(tmp_path / "x.yaml")


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("ERROR: failed to create cluster: running kind with rootless provider requires cgroup v2", "rootless"),
        ("Error: failed to start: too many open files", "inotify"),
        ("Bind for 127.0.0.1:6443 failed: port is already allocated", "port is taken"),
        ("toomanyrequests: You have reached your pull rate limit", "wants a pause"),
        ("write /var/lib/docker/tmp: no space left on device", "disk is full"),
        ('could not find a log line that matches "Reached target .*Multi-User System.*"', "did not start"),
        ("error during connect: this error may indicate that the docker daemon is not running", "does not answer"),
        ("Cannot connect to Podman. Please verify your connection to the Linux system", "does not answer"),
        ("something new", ""),
    ],
)
def test_words_and_their_meaning(words: str, meaning: str) -> None:
    said, cure = explain(words)
    assert meaning in said
    assert cure


def test_podman_is_understood() -> None:
    info = _podman_info(
        {
            "host": {
                "memTotal": 8 << 30,
                "cpus": 4,
                "cgroupVersion": "v2",
                "arch": "arm64",
                "kernel": "6.8",
                "distribution": {"distribution": "fedora"},
                "security": {"rootless": True},
            },
            "version": {"Version": "5.2.0"},
        }
    )
    assert (info.version, info.cgroup, info.rootless, info.memory) == ("5.2.0", "2", True, 8 << 30)


@pytest.mark.parametrize(
    ("watches", "instances", "levels"),
    [(524288, 512, ["ok", "ok"]), (65536, 128, ["note", "note"]), (4096, 64, ["bad", "bad"])],
)
def test_inotify(tmp_path: Path, watches: int, instances: int, levels: list[str]) -> None:
    (tmp_path / "max_user_watches").write_text(str(watches), encoding="ascii")
    (tmp_path / "max_user_instances").write_text(str(instances), encoding="ascii")
    info = _docker_info({"ServerVersion": "28.0.0", "OperatingSystem": "Debian"})._replace(local=True)
    found = list(_inotify(info, tmp_path))
    assert [one.level for one in found] == levels
    assert all("sysctl fs.inotify" in one.cure for one in found if one.level != "ok")
    assert [one.level for one in _inotify(info._replace(local=False), tmp_path)] == ["note"]


@pytest.mark.parametrize(("gib", "level"), [(2, "bad"), (4, "note"), (8, "ok")])
def test_memory(gib: int, level: str) -> None:
    info = _docker_info({"MemTotal": gib << 30, "NCPU": 4})
    assert [one.level for one in _memory(info)] == [level]


@pytest.mark.parametrize(
    ("version", "rootless", "level"), [("2", False, "ok"), ("1", False, "note"), ("1", True, "bad")]
)
def test_cgroups(version: str, rootless: bool, level: str) -> None:
    info = _docker_info({"CgroupVersion": version, "SecurityOptions": ["name=rootless"] if rootless else []})
    assert [one.level for one in _cgroup(info)] == [level]
