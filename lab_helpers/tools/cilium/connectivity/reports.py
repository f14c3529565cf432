"""Results of a run: the summary, and the JUnit form (cilium-cli connectivity/check/context.go)."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol
from xml.etree import ElementTree as ET

from lab_helpers.tools.cilium.connectivity.actions import Outcome
from lab_helpers.tools.cilium.connectivity.catalogue import Test
from lab_helpers.tools.cilium.connectivity.speaking import Speaker
from lab_helpers.tools.cilium.errors import CiliumError


class Asks(Protocol):
    """What ``--test`` asks for."""

    def asks_for(self, name: str) -> bool:
        """Is this ``test/scenario`` asked for?"""

    def skips(self, test: Test) -> bool:
        """Is nothing of the test asked for?"""


class Result(NamedTuple):
    """One test's: its outcomes, or why it was skipped."""

    test: Test
    outcomes: tuple[Outcome, ...]
    seconds: float
    skipped: str = ""
    scenarios_skipped: int = 0

    @property
    def failures(self) -> list[Outcome]:
        """Outcomes that were not as expected."""
        return [outcome for outcome in self.outcomes if outcome.problem]


def report(speaker: Speaker, namespace: str, results: Sequence[Result]) -> int:
    """The summary; raises CiliumError when a test failed."""
    ran = [result for result in results if not result.skipped]
    skipped, scenarios = len(results) - len(ran), sum(result.scenarios_skipped for result in ran)
    actions = sum(len(result.outcomes) for result in ran)
    failed = [result for result in ran if result.failures]
    speaker.say()
    if not failed:
        speaker.say(
            f"✅ [{namespace}] All {len(ran)} tests ({actions} actions) successful, {skipped} tests skipped, "
            f"{scenarios} scenarios skipped."
        )
        return 0
    wrong = sum(len(result.failures) for result in failed)
    speaker.say(f"📋 Test Report [{namespace}]")
    speaker.say(
        f"❌ {len(failed)}/{len(ran)} tests failed ({wrong}/{actions} actions), {skipped} tests skipped, {scenarios} "
        "scenarios skipped:"
    )
    for result in failed:
        speaker.say(f"Test [{result.test.name}]:")
        for outcome in result.failures:
            speaker.say(f"  🟥 {outcome.action.title}: {outcome.problem}")
            speaker.say(f"  ❌ {outcome.action.title}")
    raise CiliumError(f"[{namespace}] {len(failed)} tests failed")


def write_junit(path: str, results: Sequence[Result], properties: Sequence[str] = ()) -> None:
    """Write a JUnit file with one case for each test. `properties`: ``key=value``. Raises CiliumError."""
    ran = [result for result in results if not result.skipped]
    suite = ET.Element(
        "testsuite",
        {
            "name": "connectivity test",
            "package": "cilium",
            "tests": str(len(results)),
            "failures": str(sum(bool(result.failures) for result in ran)),
            "errors": "0",
            "skipped": str(len(results) - len(ran)),
            "time": f"{sum(result.seconds for result in results):.3f}",
        },
    )
    if properties:
        holder = ET.SubElement(suite, "properties")
        for text in properties:
            name, _, value = text.partition("=")
            ET.SubElement(holder, "property", {"name": name, "value": value})
    for result in results:
        state = "skipped" if result.skipped else "failed" if result.failures else "passed"
        about = {"name": result.test.name, "classname": "connectivity test", "status": state}
        case = ET.SubElement(suite, "testcase", {**about, "time": f"{result.seconds:.3f}"})
        if result.skipped:
            ET.SubElement(case, "skipped", {"message": f"{result.test.name} skipped: {result.skipped}"})
        elif result.failures:
            node = ET.SubElement(case, "failure", {"message": f"{result.test.name} failed", "type": "failure"})
            node.text = "\n".join(f"{outcome.action.title}: {outcome.problem}" for outcome in result.failures)
    root = ET.Element("testsuites", {key: suite.attrib[key] for key in ("tests", "failures", "time")})
    root.append(suite)
    ET.indent(root)
    try:
        Path(path).write_bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
    except OSError as error:
        raise CiliumError(f"writing to junit file {path} failed: {error.strerror or error}") from error
