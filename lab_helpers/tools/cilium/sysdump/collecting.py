"""Collecting a sysdump through the Kubernetes API: objects, logs, what agents say, and their flows."""

import datetime as dt
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from lab_helpers.tools.cilium.errors import CiliumError
from lab_helpers.tools.cilium.sessions import Session
from lab_helpers.tools.cilium.sysdump.archives import Archive
from lab_helpers.tools.cilium.sysdump.contents import BUGTOOL, LISTINGS, LOGGED, SINGLES, Listing, Single
from lab_helpers.tools.cilium.versions import CLI_VERSION
from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.rest import ApiError, RestError
from lab_helpers.tools.rest.executing import execute

_STAMP = "<ts>"


def build() -> list[Command]:
    """The command."""
    command = Command(
        "sysdump",
        short="Collects information required to troubleshoot issues with Cilium and Hubble",
        long="Collect objects, logs, the agents' state and flows into one zip file.",
        example="""# Everything, into cilium-sysdump-<date>-<time>.zip
cilium sysdump

# One node, fewer flows, a name of one's own
cilium sysdump --node-list cilium-labs-worker --hubble-flows-count 100 --output-filename trouble-<ts>

# Only objects
cilium sysdump --quick""",
        run=_sysdump,
    )
    flags = command.flags
    flags.bool("debug", False, "Show debug messages", "d")
    flags.number("hubble-flows-count", 10_000, "Number of Hubble flows to collect (0: none)")
    flags.duration("hubble-flows-timeout", 5_000_000_000, "Timeout for collecting Hubble flows")
    flags.number("logs-limit-bytes", 1_073_741_824, "The limit on the number of bytes to retrieve when collecting logs")
    flags.duration("logs-since-time", 31_536_000_000_000_000, "How far back in time to go when collecting logs")
    flags.strings("node-list", [], "Comma-separated list of node names to collect logs, state and flows from")
    flags.string(
        "output-filename", f"cilium-sysdump-{_STAMP}", f"The name of the file, without .zip; {_STAMP} is the time"
    )
    flags.bool("quick", False, "Skip logs, bugtool and flows")
    flags.number("worker-count", 4, "The number of workers to use")
    return [command]


class Task(NamedTuple):
    """One thing to collect; ``title`` is said when it begins."""

    title: str
    run: Callable[[Session], None]


def _sysdump(call: Invocation) -> int:
    session = Session(call)
    flags = session.flags
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H%M%S")
    path = Path(flags["output-filename"].replace(_STAMP, stamp).removesuffix(".zip") + ".zip")
    session.say(f"🔍 Collecting sysdump with cilium-cli version: {CLI_VERSION} (bundled with cilium-labs)")
    _known_nodes(session)
    if session.workload("daemonsets", "cilium") is None:
        session.say(
            f"⚠️  Cilium is not installed in namespace {session.namespace}: only Kubernetes objects are collected"
        )
    else:
        session.say(f'🔮 Detected Cilium installation in namespace: "{session.namespace}"')
        session.say(f'ℹ️  Using default Cilium Helm release name: "{session.release}"')
    try:
        with Archive(path) as archive:
            problems = _collect(call, session, list(_tasks(session, archive, stamp)))
            if problems:
                archive.add(f"cilium-sysdump-errors-{stamp}.txt", "".join(f"{line}\n" for line in problems))
            session.say("🗳 Compiling sysdump")
            files = archive.files
    except KeyboardInterrupt:
        raise CiliumError("sysdump interrupted: nothing was written") from None
    for line in problems:
        session.say(f"⚠️  {line}")
    size = path.stat().st_size / 1024
    session.say(f"✅ The sysdump has been saved to {path.absolute()} ({files} files, {size:.0f} KiB)")
    return 0


def _known_nodes(session: Session) -> None:
    names = {item["metadata"]["name"] for item in session.client.get("/api/v1/nodes").get("items") or []}
    unknown = [name for name in session.flags["node-list"] if name not in names]
    if unknown:
        raise CiliumError(f"--node-list: there is no node {', '.join(unknown)}; known: {', '.join(sorted(names))}")


def _collect(call: Invocation, first: Session, tasks: list[Task]) -> list[str]:
    """Run all tasks, several at a time, each worker with a connection of its own; what could not be collected."""
    problems: list[str] = []
    own = threading.local()

    def one(task: Task) -> None:
        session: Session | None = getattr(own, "session", None)
        if session is None:
            session = own.session = Session(call)
        first.say(f"🔍 Collecting {task.title}")
        try:
            task.run(session)
        except RestError as error:
            problems.append(f"{task.title}: {error}")

    with ThreadPoolExecutor(max_workers=max(1, first.flags["worker-count"])) as pool:
        try:
            for _ in pool.map(one, tasks):
                pass
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return problems


def _tasks(session: Session, archive: Archive, stamp: str) -> Iterator[Task]:
    yield Task("Kubernetes version", lambda own: archive.add(f"kubernetes-version-{stamp}.txt", _version(own)))
    for listing in LISTINGS:
        yield Task(listing.title, _listing(archive, stamp, listing))
    for single in SINGLES:
        yield Task(single.title, _single(archive, stamp, single))
    yield Task("Helm values", lambda own: _values(own, archive, stamp))
    if session.flags["quick"]:
        return
    nodes = set(session.flags["node-list"])
    for title, selector in LOGGED:
        for pod in session.pods(selector):
            if not nodes or pod["spec"].get("nodeName") in nodes:
                yield Task(f"logs from {title} pod {pod['metadata']['name']}", _logs(archive, stamp, pod))
    for pod in session.pods("k8s-app=cilium"):
        name, node = pod["metadata"]["name"], pod["spec"].get("nodeName")
        if nodes and node not in nodes:
            continue
        yield Task(f"bugtool output from {name}", _bugtool(archive, stamp, name))
        if session.flags["hubble-flows-count"] > 0:
            yield Task(f"Hubble flows from {name}", _flows(archive, stamp, name))


def _version(session: Session) -> str:
    found = session.client.get("/version")
    return f"{found.get('gitVersion', 'unknown')} {found.get('platform', '')}\n"


def _root(group: str) -> str:
    return f"/apis/{group}" if "/" in group else f"/api/{group}"


def _yaml(value: Any) -> str:
    from lab_helpers.tools.kubectl.output.yamltexts import yaml_text

    text: str = yaml_text(value)
    return text if text.endswith("\n") else text + "\n"


def _listing(archive: Archive, stamp: str, listing: Listing) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        try:
            found = session.client.list_all(f"{_root(listing.group)}/{listing.plural}", {})
        except ApiError as error:
            if error.code == 404:  # this cluster does not have the kind
                return
            raise
        archive.add(f"{listing.file}-{stamp}.yaml", _yaml(found))

    return run


def _single(archive: Archive, stamp: str, single: Single) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        path = f"{_root(single.group)}/namespaces/{session.namespace}/{single.plural}/{single.name}"
        found = session.find(path)
        if found is not None:
            archive.add(f"{single.file}-{stamp}.yaml", _yaml(found))

    return run


def _values(session: Session, archive: Archive, stamp: str) -> None:
    from lab_helpers.tools.helm.errors import HelmError

    try:
        release = session.helm.storage.last(session.release)
    except HelmError:
        return
    archive.add(f"cilium-helm-values-{stamp}.yaml", _yaml(release.config))


def _logs(archive: Archive, stamp: str, pod: dict[str, Any]) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        name = pod["metadata"]["name"]
        flags = session.flags
        limits = {"limitBytes": flags["logs-limit-bytes"], "sinceSeconds": max(1, flags["logs-since-time"] // 10**9)}
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{name}/log"
        for state in (pod.get("status") or {}).get("containerStatuses") or []:
            container = state["name"]
            text = session.client.text(path, container=container, timestamps=True, **limits)
            archive.add(f"logs-{name}-{container}-{stamp}.log", text)
            if state.get("restartCount"):
                try:
                    text = session.client.text(path, container=container, timestamps=True, previous=True, **limits)
                except ApiError:
                    continue
                archive.add(f"logs-{name}-{container}-{stamp}-prev.log", text)

    return run


def file_name(command: str) -> str:
    """``cilium-dbg-status---verbose.md`` of ``cilium-dbg status --verbose``."""
    return re.sub(r"[^A-Za-z0-9-]", "-", command) + ".md"


def _bugtool(archive: Archive, stamp: str, pod: str) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        for command in BUGTOOL:
            done = execute(session.client, session.namespace, pod, command.split(), container="cilium-agent")
            text = f"# {pod}:\n#### {command}\n\n```\n{done.stdout}{done.stderr}```\n"
            if done.exit_code:
                text += f"\n> Error while running '{command}': exit status {done.exit_code}\n"
            archive.add(f"cilium-bugtool-{pod}-{stamp}/cmd/{file_name(command)}", text)

    return run


def _flows(archive: Archive, stamp: str, pod: str) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        flags = session.flags
        seconds, count = f"{flags['hubble-flows-timeout'] / 1e9:g}", str(flags["hubble-flows-count"])
        command = ("timeout", seconds, "hubble", "observe", "--last", count, "-o", "jsonpb")
        done = execute(session.client, session.namespace, pod, command, container="cilium-agent")
        archive.add(f"hubble-flows-{pod}-{stamp}.json", done.stdout)
        if done.exit_code:
            archive.add(f"hubble-observe-{pod}-{stamp}.log", done.stderr)

    return run
