"""Results of a run, and their JUnit form."""

from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from lab_helpers.tools.cilium.connectivity.actions import Outcome
from lab_helpers.tools.cilium.connectivity.catalogue import Test


class Result(NamedTuple):
    """One test's: its outcomes, or why it was skipped."""

    test: Test
    outcomes: tuple[Outcome, ...]
    seconds: float
    skipped: str = ""

    @property
    def failures(self) -> list[Outcome]:
        """Outcomes that were not as expected."""
        return [outcome for outcome in self.outcomes if outcome.problem]


def write_junit(path: str, results: list[Result]) -> None:
    """Write a JUnit file with one case for each test."""
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
    for result in results:
        case = ET.SubElement(
            suite,
            "testcase",
            {"name": result.test.name, "classname": "connectivity test", "time": f"{result.seconds:.3f}"},
        )
        if result.skipped:
            ET.SubElement(case, "skipped", {"message": result.skipped})
        elif result.failures:
            node = ET.SubElement(case, "failure", {"message": f"{result.test.name} failed", "type": "failure"})
            node.text = "\n".join(f"{outcome.action.title}: {outcome.problem}" for outcome in result.failures)
    root = ET.Element("testsuites", suite.attrib)
    root.append(suite)
    ET.indent(root)
    Path(path).write_bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
