"""Running the connectivity test: deploy, wait, try, report (cilium-cli connectivity/check)."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab_helpers.tools.cilium.connectivity.actions import Action, Outcome, Place, attempt, curl, ping, place_of, web_url
from lab_helpers.tools.cilium.connectivity.catalogue import CLIENT_TO_CLIENT, POD_TO_POD, TESTS, Expectation, Test
from lab_helpers.tools.cilium.connectivity.deployments import PARTS, PORT, deployment, service
from lab_helpers.tools.cilium.connectivity.reports import Result, write_junit
from lab_helpers.tools.cilium.errors import CiliumError
from lab_helpers.tools.cilium.sessions import Session, pause
from lab_helpers.tools.cilium.versions import running_version
from lab_helpers.tools.goflags import Invocation
from lab_helpers.tools.rest import ApiError

_PATIENCE = 300.0
_ATTEMPTS = 4


def run(call: Invocation) -> int:
    """The whole test; status 1 when a test failed. Raises CiliumError."""
    session = Session(call)
    flags = session.flags
    if flags["test-concurrency"] != 1:
        raise CiliumError("--test-concurrency: the bundled connectivity test runs in one namespace; use 1")
    namespace = f"{flags['test-namespace']}-1"
    if flags["cleanup"]:
        _delete_namespace(session, namespace)
        return 0
    chosen = _filters(flags["test"])
    version = running_version(session)
    if not version:
        raise CiliumError('Connectivity test failed: unable to find Cilium: daemonsets.apps "cilium" not found')
    started = time.monotonic()
    _deploy(session, namespace)
    places = _places(session, namespace)
    session.say("ℹ️  Skipping IPCache check")
    session.say("🔭 Enabling Hubble telescope...")
    session.say("ℹ️  Flow validation is not part of the bundled connectivity test: connections alone decide")
    session.say(f"ℹ️  Cilium version: {version}")
    session.say(f"🏃[{namespace}] Running {len(TESTS)} tests ...")
    results = []
    for number, test in enumerate(TESTS, 1):
        if flags["timeout"] and time.monotonic() - started > flags["timeout"] / 1e9:
            raise CiliumError("Connectivity test failed: context deadline exceeded")
        results.append(_run_one(session, namespace, places, test, number, chosen))
    if flags["junit-file"]:
        write_junit(flags["junit-file"], results)
    return _report(session, namespace, results)


def _filters(words: list[str]) -> tuple[list[re.Pattern[str]], list[re.Pattern[str]]]:
    wanted: list[re.Pattern[str]] = []
    unwanted: list[re.Pattern[str]] = []
    for word in words:
        try:
            (unwanted if word.startswith("!") else wanted).append(re.compile(word.removeprefix("!")))
        except re.error as error:
            raise CiliumError(f"test filter: error parsing regexp: {error}: `{word}`") from error
    return wanted, unwanted


def _asked_for(test: Test, chosen: tuple[list[re.Pattern[str]], list[re.Pattern[str]]]) -> bool:
    wanted, unwanted = chosen
    names = [test.name, *(f"{test.name}/{scenario}" for scenario, _ in test.scenarios)]
    if any(pattern.search(test.name) for pattern in unwanted):
        return False
    return not wanted or any(pattern.search(name) for pattern in wanted for name in names)


# --- deployment ---


def _deploy(session: Session, namespace: str) -> None:
    cluster = session.client.target.context or "default"
    flags = session.flags
    session.say("ℹ️  Monitor aggregation detected, will skip some flow validation steps")
    if flags["force-deploy"]:
        session.say(f"🔥 [{cluster}] Deleting connectivity check deployments...")
        _delete_namespace(session, namespace)
    if session.find(f"/api/v1/namespaces/{namespace}") is None:
        session.say(f"✨ [{cluster}] Creating namespace {namespace} for connectivity check...")
        body = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": namespace, "labels": {"app.kubernetes.io/name": "cilium-cli"}},
        }
        session.client.post("/api/v1/namespaces", body)
    nodes = session.client.get("/api/v1/nodes").get("items") or []
    workers = [
        node
        for node in nodes
        if not any(taint.get("effect") == "NoSchedule" for taint in node["spec"].get("taints") or [])
    ]
    parts = [part for part in PARTS if part.near is not False or (len(workers) > 1 and not flags["single-node"])]
    for part in parts:
        if part.server:
            session.say(f"✨ [{cluster}] Deploying {part.name} service...")
            _create(session, f"/api/v1/namespaces/{namespace}/services", service(part))
        word = part.name.removeprefix("echo-")
        session.say(f"✨ [{cluster}] Deploying {word} deployment...")
        body = deployment(part, flags["curl-image"], flags["json-mock-image"])
        _create(session, f"/apis/apps/v1/namespaces/{namespace}/deployments", body)
    for part in sorted(parts, key=lambda one: one.name):
        session.say(f"⌛ [{cluster}] Waiting for deployment {namespace}/{part.name} to become ready...")
        _wait_ready(session, namespace, part.name)


def _create(session: Session, path: str, body: dict[str, Any]) -> None:
    try:
        session.client.post(path, body)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise


def _wait_ready(session: Session, namespace: str, name: str) -> None:
    from lab_helpers.tools.kubectl.following import follow_object

    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    for body in follow_object(session.client, path, name, _PATIENCE):
        if body is None:
            break
        state = body.get("status") or {}
        seen = state.get("observedGeneration", 0) >= body["metadata"].get("generation", 0)
        if seen and state.get("availableReplicas", 0) >= body["spec"].get("replicas", 1):
            return
    raise CiliumError(
        f"Connectivity test failed: timeout reached waiting for deployment {namespace}/{name} to become ready"
    )


def _places(session: Session, namespace: str) -> list[Place]:
    out = []
    for part in PARTS:
        pods = session.pods(f"name={part.name}", namespace)
        out += [place_of(pod, part.name) for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    return out


def _delete_namespace(session: Session, namespace: str) -> None:
    from lab_helpers.tools.kubectl.vanishing import wait_until_gone

    try:
        session.client.delete(f"/api/v1/namespaces/{namespace}", {"propagationPolicy": "Background"})
    except ApiError as error:
        if error.code != 404:
            raise
        return
    wait_until_gone(
        session.client, session.catalogue.find("namespaces"), "", namespace, "", time.monotonic() + _PATIENCE
    )


# --- one test ---


def _actions(session: Session, test: Test, scenario: str, works: Expectation, places: list[Place]) -> Iterator[Action]:
    connect, whole = session.flags["connect-timeout"] / 1e9, session.flags["request-timeout"] / 1e9
    clients = [place for place in places if place.workload.startswith("client")]
    servers = [place for place in places if place.workload.startswith("echo")]
    targets = clients if scenario == CLIENT_TO_CLIENT else servers
    pairs = [(source, target) for source in clients for target in targets if source != target]
    for number, (source, target) in enumerate(pairs):
        if scenario == CLIENT_TO_CLIENT:
            kind, command, shown = (
                "ping-ipv4",
                ping(target.ip, connect),
                f"{target.namespace}/{target.name} ({target.ip}:0)",
            )
        elif scenario == POD_TO_POD:
            kind, command = "curl-ipv4", curl(web_url(target.ip), connect, whole)
            shown = f"{target.namespace}/{target.name} ({target.ip}:{PORT})"
        else:
            kind, command = "curl", curl(web_url(target.workload), connect, whole)
            shown = f"{target.namespace}/{target.workload} ({target.workload}.{target.namespace}:{PORT})"
        title = f"{test.name}/{scenario}/{kind}-{number}: {source.shown} -> {shown}"
        yield Action(title, source, command, works(source.workload, target.workload))


def _run_one(session: Session, namespace: str, places: list[Place], test: Test, number: int, chosen: Any) -> Result:
    position = f"[{number}/{len(TESTS)}]"
    if not _asked_for(test, chosen):
        session.say(f"[=] [{namespace}] Skipping test [{test.name}] {position} (skipped by user)")
        return Result(test, (), 0.0, "skipped by user")
    if not test.scenarios:
        session.say(f"[=] [{namespace}] Skipping test [{test.name}] {position} (skipped by condition)")
        return Result(test, (), 0.0, "skipped by condition")
    session.say(f"[=] [{namespace}] Test [{test.name}] {position}")
    started = time.monotonic()
    outcomes: list[Outcome] = []
    applied: list[str] = []
    try:
        for policy in test.policies:
            path = _apply(session, namespace, policy)
            applied.append(path)
        for scenario, works in test.scenarios:
            actions = list(_actions(session, test, scenario, works, places))
            with ThreadPoolExecutor(max_workers=6) as pool:
                for outcome in pool.map(lambda action: _until_expected(session, action), actions):
                    outcomes.append(outcome)
                    session.out.write(
                        "."
                        if not outcome.problem
                        else f"\n  [.] Action [{outcome.action.title}]\n  ❌ {outcome.problem}\n"
                    )
                    session.out.flush()
    finally:
        for path in reversed(applied):
            _remove(session, path)
    session.say()
    return Result(test, tuple(outcomes), time.monotonic() - started)


def _until_expected(session: Session, action: Action) -> Outcome:
    """Try again for a moment: a policy that was just applied or removed needs time to reach every node."""
    outcome = attempt(session.client, action)
    for _ in range(_ATTEMPTS - 1):
        if not outcome.problem:
            break
        pause(0.5)
        outcome = attempt(session.client, action)
    return outcome


def _apply(session: Session, namespace: str, policy: dict[str, Any]) -> str:
    """Create a policy and return its path. Raises CiliumError when it is refused."""
    resource = session.catalogue.of_kind(policy["apiVersion"], policy["kind"])
    name = policy["metadata"]["name"]
    path = resource.path(namespace, name)
    try:
        session.client.post(resource.path(namespace), policy)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise CiliumError(f"Connectivity test failed: applying policy {name}: {error}") from error
        session.client.delete(path)
        session.client.post(resource.path(namespace), policy)
    return path


def _remove(session: Session, path: str) -> None:
    try:
        session.client.delete(path)
    except ApiError as error:
        if error.code != 404:
            raise


# --- report ---


def _report(session: Session, namespace: str, results: list[Result]) -> int:
    ran = [result for result in results if not result.skipped]
    skipped = len(results) - len(ran)
    actions = sum(len(result.outcomes) for result in ran)
    failed = [result for result in ran if result.failures]
    session.say()
    if not failed:
        session.say(
            f"✅ [{namespace}] All {len(ran)} tests ({actions} actions) successful, {skipped} tests skipped, 0 "
            "scenarios skipped."
        )
        return 0
    wrong = sum(len(result.failures) for result in failed)
    session.say(f"📋 Test Report [{namespace}]")
    session.say(
        f"❌ {len(failed)}/{len(ran)} tests failed ({wrong}/{actions} actions), {skipped} tests skipped, 0 scenarios "
        "skipped:"
    )
    for result in failed:
        session.say(f"Test [{result.test.name}]:")
        for outcome in result.failures:
            session.say(f"  🟥 {outcome.action.title}: {outcome.problem}")
            session.say(f"  ❌ {outcome.action.title}")
    raise CiliumError(f"[{namespace}] {len(failed)} tests failed")
