"""One attempt: a command in a pod, and whether its outcome is the expected one."""

from typing import Any, NamedTuple

from lab_helpers.tools.cilium.connectivity.deployments import PORT
from lab_helpers.tools.rest import Client, RestError
from lab_helpers.tools.rest.executing import execute

_TIMED_OUT = 28


class Place(NamedTuple):
    """A pod that takes part: its workload, own name, namespace and address."""

    workload: str
    name: str
    namespace: str
    ip: str

    @property
    def shown(self) -> str:
        """``cilium-test-1/client-… (10.0.1.5)``."""
        return f"{self.namespace}/{self.name} ({self.ip})"


class Action(NamedTuple):
    """What is tried. `title` names it in the report; `works` is the expectation."""

    title: str
    source: Place
    command: tuple[str, ...]
    works: bool


class Outcome(NamedTuple):
    """How it went; `problem` is "" when as expected."""

    action: Action
    problem: str


def place_of(pod: dict[str, Any], workload: str) -> Place:
    """The place of a pod."""
    meta = pod["metadata"]
    return Place(workload, meta["name"], meta["namespace"], str((pod.get("status") or {}).get("podIP") or ""))


def curl(url: str, connect_seconds: float, seconds: float) -> tuple[str, ...]:
    """curl as the real test calls it."""
    return (
        "curl", "--silent", "--fail", "--show-error", "--output", "/dev/null",
        "-w", r"%{local_ip}:%{local_port} -> %{remote_ip}:%{remote_port} = %{response_code}\n",
        "--connect-timeout", f"{connect_seconds:g}", "--max-time", f"{seconds:g}", url,
    )  # fmt: skip


def ping(address: str, seconds: float) -> tuple[str, ...]:
    """One echo request."""
    return ("ping", "-c", "1", "-W", f"{max(1, round(seconds))}", "-w", f"{max(1, round(seconds))}", address)


def web_url(address: str, path: str = "/") -> str:
    """The URL of a server."""
    return f"http://{address}:{PORT}{path}"


def attempt(client: Client, action: Action) -> Outcome:
    """Run it once."""
    try:
        done = execute(
            client, action.source.namespace, action.source.name, action.command, container=action.source.workload
        )
    except RestError as error:
        return Outcome(action, f'command "{" ".join(action.command)}" could not run: {error}')
    if done.message and not done.exit_code:
        return Outcome(action, done.message)
    if action.works and done.exit_code:
        said = (done.stderr or done.stdout).strip().splitlines()
        detail = f": {said[-1]}" if said else ""
        return Outcome(
            action,
            f'command "{" ".join(action.command)}" failed: command failed with exit code {done.exit_code}{detail}',
        )
    expected = (_TIMED_OUT,) if action.command[0] == "curl" else (1,)
    if not action.works and done.exit_code not in expected:
        if done.exit_code == 0:
            return Outcome(
                action,
                f'command "{" ".join(action.command)}" succeeded while it should have failed: {done.stdout.strip()}',
            )
        return Outcome(
            action,
            f'command "{" ".join(action.command)}" failed with unexpected exit code: {expected[0]} (expected), '
            f"found {done.exit_code}",
        )
    return Outcome(action, "")
