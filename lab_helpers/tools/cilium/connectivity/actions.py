"""One attempt: a command in a pod, and whether its outcome is the expected one."""

from typing import NamedTuple

from lab_helpers.tools.cilium.connectivity.expectations import Expect
from lab_helpers.tools.cilium.connectivity.peers import Place, Target
from lab_helpers.tools.rest import Client, RestError
from lab_helpers.tools.rest.executing import execute


class Action(NamedTuple):
    """What is tried. `title` names it in the report."""

    title: str
    source: Place
    target: Target
    command: tuple[str, ...]
    expect: Expect


class Outcome(NamedTuple):
    """How it went; `problem` is "" when as expected; `said` is what curl printed, with its own port in it."""

    action: Action
    problem: str
    said: str = ""


def attempt(client: Client, action: Action) -> Outcome:
    """Run it once."""
    source, text = action.source, " ".join(action.command)
    try:
        done = execute(client, source.namespace, source.name, action.command, container=source.workload)
    except RestError as error:
        return Outcome(action, f'command "{text}" could not run: {error}')
    if done.message and not done.exit_code:
        return Outcome(action, done.message)
    said = done.stdout.strip()
    if done.exit_code in action.expect.codes:
        return Outcome(action, "", said)
    if 0 in action.expect.codes:
        complaints = (done.stderr or done.stdout).strip().splitlines()
        detail = f": {complaints[-1]}" if complaints else ""
        problem = f'command "{text}" failed: command failed with exit code {done.exit_code}{detail}'
    elif done.exit_code == 0:
        problem = f'command "{text}" succeeded while it should have failed: {said}'
    else:
        expected = action.expect.codes[0 if action.command[0] == "curl" else -1]
        problem = f'command "{text}" failed with unexpected exit code: {expected} (expected), found {done.exit_code}'
    return Outcome(action, problem, said)
