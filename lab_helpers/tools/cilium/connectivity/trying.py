"""One test in one namespace: policies, actions, flows, verdict."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab_helpers.tools.cilium.connectivity.actions import Action, Outcome, attempt
from lab_helpers.tools.cilium.connectivity.catalogue import EXAMINATIONS, Test
from lab_helpers.tools.cilium.connectivity.examining import EXPECTED_DROPS, drops, log_errors
from lab_helpers.tools.cilium.connectivity.expectations import OK, Expectation
from lab_helpers.tools.cilium.connectivity.features import Features
from lab_helpers.tools.cilium.connectivity.flows import Telescope, lacking, of_action, shown
from lab_helpers.tools.cilium.connectivity.peers import Target
from lab_helpers.tools.cilium.connectivity.reports import Asks, Result
from lab_helpers.tools.cilium.connectivity.scenarios import Scenario, Stage
from lab_helpers.tools.cilium.connectivity.speaking import Speaker
from lab_helpers.tools.cilium.errors import CiliumError
from lab_helpers.tools.cilium.sessions import Session, pause
from lab_helpers.tools.rest import ApiError

_PARALLEL = 6
_SETTLING = 6
"""A policy that was just applied or removed needs a moment to reach every node: so often half a second is waited."""
_FLOWS_COME = 2.0
"""Seconds until the flows of an action are looked for in vain."""


class Trial:
    """A namespace with everything in it."""

    def __init__(
        self,
        session: Session,
        namespace: str,
        stage: Stage,
        features: Features,
        telescope: Telescope | None,
        filters: Asks,
    ) -> None:
        self.namespace = namespace
        self._session = session
        self._stage = stage
        self._features = features
        self._telescope = telescope
        self._filters = filters

    def close(self) -> None:
        """Let go of Relay."""
        if self._telescope is not None:
            self._telescope.close()

    def run(self, speaker: Speaker, test: Test, position: str) -> Result:
        """Run a test, or say why it is skipped."""
        reason = self._skipped(test)
        if reason:
            speaker.say(f"[=] [{self.namespace}] Skipping test [{test.name}] {position} ({reason})")
            return Result(test, (), 0.0, skipped=reason)
        speaker.say(f"[=] [{self.namespace}] Test [{test.name}] {position}")
        started = time.monotonic()
        if test.name in EXAMINATIONS:
            outcomes, unrun = self._examine(speaker, test), 0
        else:
            outcomes, unrun = self._try(speaker, test)
        return Result(test, tuple(outcomes), time.monotonic() - started, scenarios_skipped=unrun)

    def _skipped(self, test: Test) -> str:
        if self._filters.skips(test):
            return "skipped by user"
        missing = self._features.missing(test.needs)
        if missing:
            return missing
        if not test.decided:
            return "not part of the bundled connectivity test"
        if test.scenarios and all(self._features.missing(scenario.needs) for scenario, _ in test.scenarios):
            return self._features.missing(test.scenarios[0][0].needs)
        return ""

    # --- connections ---

    def _try(self, speaker: Speaker, test: Test) -> tuple[list[Outcome], int]:
        outcomes: list[Outcome] = []
        applied: list[str] = []
        unrun = 0
        begun = self._telescope.now() if self._telescope else None
        try:
            for policy in test.policies:
                applied.append(self._apply(policy))  # noqa: PERF401 - what was applied before a refusal is removed
            for scenario, expectation in test.scenarios:
                name = f"{test.name}/{scenario.name}"
                if self._features.missing(scenario.needs) or not self._filters.asks_for(name):
                    unrun += 1
                    continue
                if self._session.flags["verbose"]:
                    speaker.say(f"  [-] Scenario [{name}]")
                actions = list(self._actions(name, scenario, expectation))
                outcomes += self._validated(speaker, self._in_parallel(speaker, actions), begun)
        finally:
            for path in reversed(applied):
                self._remove(path)
        return outcomes, unrun

    def _actions(self, name: str, scenario: Scenario, expectation: Expectation) -> Iterator[Action]:
        for draft in scenario.drafts(self._stage):
            title = f"{name}/{draft.name}: {draft.source.shown} -> {draft.target.shown}"
            expected = expectation(draft.source, draft.target)
            yield Action(title, draft.source, draft.target, draft.command, expected)

    def _in_parallel(self, speaker: Speaker, actions: Sequence[Action]) -> list[Outcome]:
        over = threading.Event()
        pool = ThreadPoolExecutor(max_workers=_PARALLEL)
        outcomes = []
        try:
            for outcome in pool.map(lambda action: self._until_expected(action, over), actions):
                outcomes.append(outcome)
                if outcome.problem:
                    speaker.say(f"  [.] Action [{outcome.action.title}]")
                    speaker.say(f"  ❌ {outcome.problem}")
                else:
                    speaker.dot()
        finally:
            over.set()
            pool.shutdown(cancel_futures=True)
        return outcomes

    def _until_expected(self, action: Action, over: threading.Event) -> Outcome:
        outcome = attempt(self._session.client, action)
        for _ in range(max(_SETTLING, self._session.flags["retry"])):
            if not outcome.problem or over.is_set():
                break
            pause(0.5)
            outcome = attempt(self._session.client, action)
        return outcome

    def _apply(self, policy: dict[str, Any]) -> str:
        """Create a policy (or what it refers to) and return its path. Raises CiliumError when it is refused."""
        session = self._session
        resource = session.catalogue.of_kind(policy["apiVersion"], policy["kind"])
        name = policy["metadata"]["name"]
        path = resource.path(self.namespace, name)
        try:
            session.client.post(resource.path(self.namespace), policy)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise CiliumError(f"Connectivity test failed: applying policy {name}: {error}") from error
            session.client.delete(path)
            session.client.post(resource.path(self.namespace), policy)
        return path

    def _remove(self, path: str) -> None:
        try:
            self._session.client.delete(path)
        except ApiError as error:
            if error.code != 404:
                raise

    # --- flows ---

    def _validated(self, speaker: Speaker, outcomes: list[Outcome], begun: int | None) -> list[Outcome]:
        """The same outcomes, with what their flows lack: as a warning, or with ``strict`` as a problem."""
        if self._telescope is None:
            return outcomes
        flags = self._session.flags
        deadline = time.monotonic() + _FLOWS_COME
        while True:
            flows = self._telescope.since(begun, self.namespace)
            own = [of_action(one.action, one.said, flows) for one in outcomes]
            wrong = [[] if one.problem else lacking(one.action, mine) for one, mine in zip(outcomes, own, strict=True)]
            if not any(wrong) or time.monotonic() > deadline:
                break
            pause(0.1)
        judged = []
        for one, mine, lacks in zip(outcomes, own, wrong, strict=True):
            if lacks:
                text = f"flow validation failed for {one.action.title}: {'; '.join(lacks)}"
                speaker.say(f"  {'❌' if flags['flow-validation'] == 'strict' else '⚠️ '} {text}")
            if flags["print-flows"] or (lacks and flags["debug"]):
                speaker.say(f"  📄 Flow logs for {one.action.title}:")
                for line in shown(mine):
                    speaker.say(f"    {line}")
            strict = bool(lacks) and flags["flow-validation"] == "strict"
            judged.append(one._replace(problem="; ".join(lacks)) if strict else one)
        return judged

    # --- agents ---

    def _examine(self, speaker: Speaker, test: Test) -> list[Outcome]:
        flags = self._session.flags
        expected = [*EXPECTED_DROPS, *flags["expected-drop-reasons"]]
        found = drops(self._session, expected) if EXAMINATIONS[test.name] == "drops" else log_errors(self._session)
        target = Target(self._session.namespace, "")
        title = f"{test.name}/{test.name}: {self._session.namespace}"
        outcomes = [Outcome(Action(title, self._stage.clients[0], target, (), OK), problem) for problem in found]
        for outcome in outcomes:
            speaker.say(f"  ❌ {outcome.problem}")
        if not outcomes:
            speaker.dot()
            outcomes = [Outcome(Action(title, self._stage.clients[0], target, (), OK), "")]
        return outcomes
