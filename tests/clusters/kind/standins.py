"""docker, kind and helm as far as the course uses them: they check arguments, remember what was made, fail on demand.

Run as ``standins.py <program> <arguments>``; STANDIN is the folder with ``state.json``, ``calls.jsonl`` and, to fail,
``fail``. Words and exit codes of failures are those of Docker 28, kind 0.33 and Helm 3.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path

FOLDER = Path(os.environ.get("STANDIN", "."))
STATE = FOLDER / "state.json"
NODES = ("cilium-labs-control-plane", "cilium-labs-worker", "cilium-labs-worker2")
NO_DAEMON = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


def read():
    return json.loads(STATE.read_text(encoding="utf-8"))


def write(state):
    STATE.write_text(json.dumps(state), encoding="utf-8")


def fails(name):
    path = FOLDER / "fail"
    return path.exists() and name in path.read_text(encoding="utf-8").split()


def fail(text, code=1):
    print(text, file=sys.stderr)
    return code


def option(words, name):
    return words[words.index(name) + 1]


def docker(words):
    state = read()
    if fails("no-daemon"):
        if words[0] == "info":
            print(json.dumps({"ServerErrors": [NO_DAEMON]}))
        return fail(NO_DAEMON)
    if fails("permission"):
        return fail(
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
        )
    match words:
        case ["info", "--format", "{{.DockerRootDir}}"]:
            print("/nowhere/docker")
        case ["info", "--format", "{{json .}}"]:
            memory = 2 << 30 if fails("little-memory") else 16 << 30
            kernel = os.uname().release if hasattr(os, "uname") else ""
            about = {
                "ServerVersion": "28.2.2",
                "MemTotal": memory,
                "NCPU": 4,
                "OperatingSystem": "Debian",
                "Name": "here",
            }
            print(json.dumps({**about, "CgroupVersion": "1" if fails("cgroup") else "2", "KernelVersion": kernel}))
        case ["ps", "--all", "--no-trunc", "--filter", label, "--format", "{{.ID}}\t{{.Names}}\t{{.State}}"]:
            for one in state["containers"]:
                if label.removeprefix("label=") in one["labels"]:
                    print(one["id"], one["name"], one["state"], sep="\t")
        case ["network", "inspect", name]:
            if name not in state["networks"]:
                return fail(f"Error response from daemon: network {name} not found")
            inside = {one["id"]: {} for one in state["containers"] if one["network"] == name}
            print(json.dumps([{"Name": name, "Containers": inside}]))
        case ["network", "rm", name]:
            state["networks"].remove(name)
            write(state)
        case ["image", "inspect", "--format", "{{.Id}}", image]:
            if image not in state["images"]:
                return fail(f"Error: No such image: {image}")
            print("sha256:1")
        case ["load", "--input", path]:
            state["images"] += Path(path).read_text(encoding="utf-8").split()
            write(state)
        case ["pull", *rest]:
            image = rest[-1]
            if fails("pull"):
                return fail(
                    f'Error response from daemon: Get "https://registry/v2/{image}": net/http: TLS handshake timeout'
                )
            state["images"].append(image)
            write(state)
        case ["save", "--output", path, *images]:
            missing = [image for image in images if image not in state["images"]]
            if missing:
                return fail(f"Error response from daemon: reference does not exist: {missing[0]}")
            Path(path).write_text("\n".join(images), encoding="utf-8")
        case ["create", *rest]:
            name = option(rest, "--name")
            if any(one["name"] == name for one in state["containers"]):
                return fail(f'Error response from daemon: Conflict. The container name "/{name}" is already in use')
            if fails("pull") and not any("python" in image for image in state["images"]):
                return fail(
                    "Error response from daemon: failed to resolve reference docker.io/library/python: not found"
                )
            labels = [rest[index + 1] for index, word in enumerate(rest) if word == "--label"]
            add(state, name, option(rest, "--network"), labels, "created")
            print("Unable to find image locally", file=sys.stderr)
            print(state["containers"][-1]["id"])
        case ["cp", source, target]:
            name, _, folder = target.partition(":")
            shutil.copytree(source, FOLDER / "copied" / name, dirs_exist_ok=True)
            assert folder.startswith("/")
        case ["start", *names]:
            for one in state["containers"]:
                if one["name"] in names:
                    one["state"] = "running"
            write(state)
        case ["exec", name, *command]:
            one = next((one for one in state["containers"] if one["name"] == name), None)
            if one is None or one["state"] != "running":
                return fail(f"Error response from daemon: container {name} is not running")
            if "--check" in command and fails("outside-silent"):
                return fail("outside: timed out")
            if command[:2] == ["sh", "-c"]:
                for line in command[2].split(" && "):
                    words = line.split()
                    assert words[:3] == ["ip", "route", "replace"]
                    state["routes"][f"{name} {words[3]}"] = option(words, "via")
                write(state)
        case ["logs", "--tail", _, _]:
            print("the address 198.51.100.10 cannot be added: Operation not permitted", file=sys.stderr)
        case ["inspect", "--format", "{{json .NetworkSettings.Networks}}", name]:
            one = next(one for one in state["containers"] if one["name"] == name)
            print(json.dumps({one["network"]: {"IPAddress": "172.18.0.5" if one["state"] == "running" else ""}}))
        case ["inspect", "--format", "{{.Id}}", name]:
            if not any(one["name"] == name for one in state["containers"]):
                return fail(f"Error: No such object: {name}")
        case ["rm", "--force", "--volumes", *ids]:
            state["containers"] = [one for one in state["containers"] if one["id"] not in ids]
            write(state)
        case _:
            return fail(f"docker: unknown command: {words}", 125)
    return 0


def add(state, name, network, labels, what):
    state["made"] += 1
    one = {"id": f"{state['made']:064x}", "name": name, "network": network, "labels": labels, "state": what}
    state["containers"].append(one)
    write(state)


def kind(words):
    state = read()
    match words:
        case ["version"]:
            print("kind v0.33.0 go1.26.4 linux/amd64")
        case ["create", "cluster", "--name", name, "--config", config, "--image", image, "--kubeconfig", kubeconfig]:
            assert os.environ["KIND_EXPERIMENTAL_PROVIDER"] == "docker"
            if any(one["name"] in NODES for one in state["containers"]):
                return fail(
                    f'ERROR: failed to create cluster: node(s) already exist for a cluster with the name "{name}"'
                )
            if fails("pull"):
                print(f" ✗ Ensuring node image ({image}) 🖼", file=sys.stderr)
                return fail(
                    f'ERROR: failed to create cluster: failed to pull image "{image}": command "docker pull" failed'
                    " with error: exit status 1"
                )
            if "kind" not in state["networks"]:
                state["networks"].append("kind")
            shutil.copyfile(config, FOLDER / "cluster.yaml")
            for node in NODES:
                add(state, node, "kind", [f"io.x-k8s.kind.cluster={name}"], "running")
                print(f" ✓ Preparing {node}", file=sys.stderr, flush=True)
                if fails("half"):
                    return fail(
                        'ERROR: failed to create cluster: failed to init node with kubeadm: command "docker exec'
                        ' init" failed with error: exit status 1'
                    )
                if fails("memory"):
                    return fail("ERROR: failed to create cluster: command failed with error: exit status 137")
                if fails("hang"):
                    (FOLDER / "hanging").write_text(str(os.getpid()), encoding="utf-8")
                    time.sleep(60)
            shutil.copyfile(os.environ["STANDIN_KUBECONFIG"], kubeconfig)
        case ["delete", "cluster", "--name", name, *_]:
            label = f"io.x-k8s.kind.cluster={name}"
            state["containers"] = [one for one in state["containers"] if label not in one["labels"]]
            write(state)
        case ["export", "kubeconfig", "--name", _, "--kubeconfig", kubeconfig]:
            shutil.copyfile(os.environ["STANDIN_KUBECONFIG"], kubeconfig)
        case ["load", "image-archive", path, "--name", _]:
            assert Path(path).is_file()
        case _:
            return fail(f"ERROR: unknown command {words}")
    return 0


def helm(words):
    match words:
        case ["version", "--short"]:
            print("v3.19.3+g5a7b1c2")
        case ["upgrade", "--install", "cilium", *rest]:
            assert os.environ["KUBECONFIG"].endswith("kubeconfig")
            assert Path(option(rest, "--values")).is_file()
            if fails("helm"):
                return fail("Error: context deadline exceeded")
            if fails("helm-offline"):
                return fail(
                    'Error: looks like "https://helm.cilium.io/" is not a valid chart repository or cannot be reached:'
                    ' "https://helm.cilium.io/index.yaml": dial tcp: lookup helm.cilium.io: no such host'
                )
            print('Release "cilium" has been upgraded. Happy Helming!')
        case ["pull", "cilium", "--repo", _, "--version", version, "--destination", folder]:
            (Path(folder) / f"cilium-{version}.tgz").write_bytes(b"chart")
        case ["template", "cilium", _, *rest]:
            assert Path(option(rest, "--values")).is_file()
            print('image: "quay.io/cilium/cilium:v1.20.2@sha256:' + "a" * 64 + '"')
            print("      image: quay.io/cilium/operator-generic:v1.20.2@sha256:" + "b" * 64)
        case _:
            return fail(f"Error: unknown command {words}")
    return 0


def other(words):
    del words
    print("v9.9.9")
    return 0


def main(program, arguments):
    with (FOLDER / "calls.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps([program, *arguments]) + "\n")
    return {"docker": docker, "kind": kind, "helm": helm}.get(program, other)(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
