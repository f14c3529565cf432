"""Running the connectivity test: what was asked for, in one namespace or several at once (cilium-cli connectivity)."""

import re
import threading
import time
from collections.abc import Sequence

from lab_helpers.tools.cilium.connectivity.catalogue import Test, build_tests
from lab_helpers.tools.cilium.connectivity.deploying import delete_namespace, deploy
from lab_helpers.tools.cilium.connectivity.deployments import HOST_PORT
from lab_helpers.tools.cilium.connectivity.features import Features
from lab_helpers.tools.cilium.connectivity.reports import Result, report, write_junit
from lab_helpers.tools.cilium.connectivity.speaking import Speaker
from lab_helpers.tools.cilium.connectivity.telescopes import open_telescope
from lab_helpers.tools.cilium.connectivity.trying import Trial
from lab_helpers.tools.cilium.errors import CiliumError, not_bundled
from lab_helpers.tools.cilium.sessions import Session
from lab_helpers.tools.cilium.versions import running_version
from lab_helpers.tools.goflags import Invocation

_MODES = ("disabled", "warning", "strict")


class Filters:
    """``--test``: expressions searched for in ``test/scenario``: one must match, and none of those with ``!``.

    So ``no-policies`` stands for all tests that begin like that, too, and ``no-policies/`` for that one.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._wanted: list[re.Pattern[str]] = []
        self._unwanted: list[re.Pattern[str]] = []
        for word in words:
            try:
                pattern = re.compile(word.removeprefix("!"))
            except re.error as error:
                raise CiliumError(f"test filter: error parsing regexp: {error}: `{word}`") from error
            (self._unwanted if word.startswith("!") else self._wanted).append(pattern)

    def asks_for(self, name: str) -> bool:
        """Is this ``test`` or ``test/scenario`` asked for?"""
        if any(pattern.search(name) for pattern in self._unwanted):
            return False
        return not self._wanted or any(pattern.search(name) for pattern in self._wanted)

    def skips(self, test: Test) -> bool:
        """Is nothing of the test asked for?"""
        names = [f"{test.name}/{scenario.name}" for scenario, _ in test.scenarios] or [f"{test.name}/"]
        return not any(self.asks_for(name) for name in names)


def run(call: Invocation) -> int:
    """The whole test; status 1 when a test failed. Raises CiliumError."""
    session = Session(call)
    flags = session.flags
    tests = build_tests(flags)
    if flags["list"]:
        for test in tests:
            session.say(test.name)
        return 0
    filters = Filters(flags["test"])
    concurrency = flags["test-concurrency"]
    if concurrency < 1:
        raise CiliumError(f"--test-concurrency: {concurrency} is too few: at least one namespace is needed")
    if flags["flow-validation"] not in _MODES:
        raise CiliumError(
            f"invalid value {flags['flow-validation']!r} for --flow-validation: use one of {', '.join(_MODES)}"
        )
    if flags["multi-cluster"]:
        raise not_bundled("--multi-cluster", "test each cluster by itself")
    namespaces = [f"{flags['test-namespace']}-{number}" for number in range(1, concurrency + 1)]
    if flags["cleanup"]:
        for namespace in namespaces:
            delete_namespace(session, namespace)
        return 0
    version = running_version(session)
    if not version:
        raise CiliumError('Connectivity test failed: unable to find Cilium: daemonsets.apps "cilium" not found')
    speaker = Speaker(session.out, timestamps=flags["timestamp"])
    suite = Suite(call, session, speaker, tests, filters, namespaces, version)
    try:
        return suite.run()
    except KeyboardInterrupt:
        suite.stop()
        speaker.say("❗ Interrupt received, cancelling tests...")
        raise CiliumError(
            f"Connectivity test interrupted: the policies of running tests are removed; {', '.join(namespaces)} "
            "stay for the next run (cilium connectivity test --cleanup removes them)"
        ) from None


class Suite:
    """One run."""

    def __init__(
        self,
        call: Invocation,
        session: Session,
        speaker: Speaker,
        tests: Sequence[Test],
        filters: Filters,
        namespaces: Sequence[str],
        version: str,
    ) -> None:
        self._call = call
        self._session = session
        self._speaker = speaker
        self._tests = tests
        self._filters = filters
        self._namespaces = namespaces
        self._version = version
        self._results: dict[str, Result] = {}
        self._failure: list[BaseException] = []
        self._over = threading.Event()
        wanted = session.flags["timeout"]
        self._deadline = time.monotonic() + wanted / 1e9 if wanted else float("inf")

    def stop(self) -> None:
        """Begin nothing more."""
        self._over.set()

    def run(self) -> int:
        """Deploy, test, report."""
        session, speaker = self._session, self._speaker
        config = session.find(f"/api/v1/namespaces/{session.namespace}/configmaps/cilium-config") or {}
        data = config.get("data") or {}
        if data.get("monitor-aggregation", "medium") != "none":
            speaker.say("ℹ️  Monitor aggregation detected, will skip some flow validation steps")
        stages = [
            deploy(session, speaker, namespace, HOST_PORT + number) for number, namespace in enumerate(self._namespaces)
        ]
        speaker.say("ℹ️  Skipping IPCache check")
        if session.flags["hubble"]:
            speaker.say("🔭 Enabling Hubble telescope...")
        features = Features(data, {"node-without-cilium": False, "multi-cluster": False, "--k8s-localhost-test": False})
        speaker.say(f"ℹ️  Cilium version: {self._version}")
        trials = []
        for number, (namespace, stage) in enumerate(zip(self._namespaces, stages, strict=True)):
            own = session if not number else Session(self._call)
            telescope = open_telescope(own, speaker, tell=not number)
            trials.append(Trial(own, namespace, stage, features, telescope, self._filters))
        try:
            for trial in trials:
                speaker.say(f"🏃[{trial.namespace}] Running {len(self._tests)} tests ...")
            self._together(trials, [test for test in self._tests if not test.alone])
            for test in self._tests:
                if test.alone:
                    self._one(trials[0], self._speaker, test)
        finally:
            for trial in trials:
                trial.close()
        if self._failure:
            raise self._failure[0]
        results = [self._results[test.name] for test in self._tests]
        if session.flags["junit-file"]:
            write_junit(session.flags["junit-file"], results, session.flags["junit-property"])
        return report(speaker, self._namespaces[0], results)

    def _together(self, trials: Sequence[Trial], tests: Sequence[Test]) -> None:
        """Tests in turns, each namespace its own."""
        if len(trials) == 1:
            for test in tests:
                self._one(trials[0], self._speaker, test)
            return
        turns = [tests[number :: len(trials)] for number in range(len(trials))]
        threads = [threading.Thread(target=self._turn, args=pair) for pair in zip(trials, turns, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)

    def _turn(self, trial: Trial, tests: Sequence[Test]) -> None:
        part = self._speaker.part()
        try:
            for test in tests:
                if self._over.is_set():
                    return
                self._one(trial, part, test)
                part.flush()
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            self._failure.append(error)
            self._over.set()

    def _one(self, trial: Trial, speaker: Speaker, test: Test) -> None:
        if time.monotonic() > self._deadline:
            raise CiliumError("Connectivity test failed: context deadline exceeded (--timeout)")
        position = f"[{self._tests.index(test) + 1}/{len(self._tests)}]"
        self._results[test.name] = trial.run(speaker, test, position)
