"""``cilium-dbg policy …`` (cilium-dbg/cmd/policy_*.go)."""

from __future__ import annotations

import json

from lab_helpers.policy.configs import Version
from lab_helpers.policy.decisions import SelectorUse
from lab_helpers.policy.labels import Label
from lab_helpers.twin.agent.dbg.endpoints import find_endpoint
from lab_helpers.twin.agent.dbg.policymodels import entry_model
from lab_helpers.twin.agent.dbg.sessions import OUTPUT, Arguments, Command, CommandError, Session, table
from lab_helpers.twin.agent.endpoints import EndpointState

__all__ = ["COMMANDS"]


async def _get(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    repository = session.agent.repository
    rules = [entry_model(rule) for policy in repository.policies() for rule in policy.rules]
    if arguments.value("output"):
        await session.data(
            {"policy": json.dumps(rules, indent=2), "revision": repository.revision}, arguments.value("output")
        )
        return 0
    await session.out(f"{json.dumps(rules, indent=2)}\nRevision: {repository.revision}")
    return 0


def _label_arrays(use: SelectorUse) -> list[tuple[Label, ...]]:
    """The labels of the policies that use a selector, sorted, each policy once."""
    return sorted({tuple(sorted(user.labels, key=str)) for user in use.users}, key=str)


def _selector_rows(uses: tuple[SelectorUse, ...], *, verbose: bool) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = [("SELECTOR", "LABELS", "USERS", "IDENTITIES")]
    for use in uses:
        refs = sorted({user.policy for user in use.users})
        if verbose:
            labels = ", ".join(f"[{' '.join(map(str, array))}]" for array in _label_arrays(use))
        else:  # policies of the whole cluster have no namespace, and are not named
            labels = ",".join(f"{ref.namespace}/{ref.name}" for ref in refs if ref.namespace)
        numbers = list(use.identities)
        rows.append((use.text, labels, len(use.users), numbers[0] if numbers else ""))
        rows += [("", "", "", number) for number in numbers[1:]]
    return rows


async def _selectors(session: Session, arguments: Arguments) -> int:
    return await _print_selectors(session, arguments, session.agent.repository.selectors())


async def _subjects(session: Session, arguments: Arguments) -> int:
    return await _print_selectors(session, arguments, session.agent.repository.subject_selectors())


async def _print_selectors(session: Session, arguments: Arguments, uses: tuple[SelectorUse, ...]) -> int:
    session.need_agent()
    if arguments.value("output"):
        single = session.agent.settings.policy.version is Version.V1_19
        models = []
        for use in uses:
            arrays = [
                [{"key": label.key, "source": label.source, "value": label.value} for label in array]
                for array in _label_arrays(use)
            ]
            labels = arrays[0] if single and arrays else arrays
            model = {"identities": list(use.identities), "labels": labels, "selector": use.text}
            models.append({**model, "users": len(use.users)})
        await session.data(models, arguments.value("output"))
        return 0
    await session.out(table(_selector_rows(uses, verbose="verbose" in arguments.switches)))
    return 0


async def _wait(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    agent, clock = session.agent, session.agent.clock
    text = arguments.words[0]
    if not text.isdigit():
        raise CommandError(f"Error: invalid revision '{text}': strconv.ParseInt: parsing \"{text}\": invalid syntax")
    wanted, started = int(text), clock.monotonic()
    pause, fail, most = (
        _seconds(arguments, name, default) for name, default in (("sleep", 1), ("fail", 60), ("max", 360))
    )
    waited = False
    while True:
        ready, failed = 0, 0
        for endpoint in agent.endpoints.values():
            policy = endpoint.datapath.policy
            if policy is None or endpoint.state is EndpointState.NOT_READY:
                failed += 1
            elif policy.revision >= wanted and endpoint.state is EndpointState.READY:
                ready += 1
        needed, passed = len(agent.endpoints), clock.monotonic() - started
        if ready == needed:
            if waited:
                await session.out("")
            return 0
        if passed > fail and failed:
            raise CommandError(f"Error: \n{failed} endpoints have failed regeneration after {passed:.9g}s\n")
        if passed > most:
            raise CommandError(
                f"Error: \n{needed - ready} endpoints still not ready after {passed:.9g}s ({failed} failed)\n"
            )
        await session.process.out(
            f"\rWaiting for endpoints to run policy revision {wanted}: {ready}/{needed}              "
        )
        await clock.sleep(pause)
        waited = True


def _seconds(arguments: Arguments, name: str, default: int) -> int:
    text = arguments.value(name, str(default))
    if not text.isdigit():
        raise CommandError(
            f'Error: invalid argument "{text}" for a time in seconds: strconv.ParseInt: parsing "{text}": '
            "invalid syntax"
        )
    return int(text)


async def _revision(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    if arguments.words:
        endpoint = find_endpoint(session.agent, arguments.words[0])
        policy = endpoint.datapath.policy
        await session.out(str(policy.revision if policy is not None else 0))
        return 0
    await session.out(str(session.agent.repository.revision))
    return 0


_VERBOSE = {"-v": "verbose", "--verbose": "verbose"}
COMMANDS = (
    Command(("policy", "get"), "Display policy node information (deprecated)", _get, OUTPUT),
    Command(("policy", "selectors"), "Display cached information about selectors", _selectors, OUTPUT, _VERBOSE),
    Command(
        ("policy", "subject-selectors"),
        "Display cached information about subject selectors",
        _subjects,
        OUTPUT,
        _VERBOSE,
    ),
    Command(
        ("policy", "wait"),
        "Wait for all endpoints to have updated to a given policy revision",
        _wait,
        {"--max-wait-time": "max", "--fail-wait-time": "fail", "--sleep-time": "sleep"},
        arguments=(1, 1),
        usage="<revision>",
    ),
    Command(("policy", "revision"), "Display the policy revision", _revision, arguments=(0, 1)),
)
