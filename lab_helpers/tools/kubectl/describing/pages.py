"""A page being written: indented lines whose tabs become aligned columns, and the pieces that all kinds share."""

from collections.abc import Mapping, Sequence
from typing import Any

from lab_helpers.tools.kubectl.output.ages import age, long_time
from lab_helpers.tools.kubectl.output.tables import aligned

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_LONGEST = 140


class Page:
    """Lines with tabs between cells; `flush` ends the block whose columns are aligned together."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._lines: list[str] = []

    def line(self, level: int, text: str) -> None:
        """A line, two spaces deeper for each level."""
        self._lines.append("  " * level + text)

    def raw(self, text: str) -> None:
        """Text with its own line ends."""
        self._lines += text.split("\n")[:-1] if text.endswith("\n") else text.split("\n")

    def flush(self) -> None:
        """Align what was written since the last flush."""
        self._done += aligned([line.split("\t") for line in self._lines])
        self._lines = []

    def text(self) -> str:
        """The whole page."""
        self.flush()
        return "".join(f"{line}\n" for line in self._done)

    def unaligned(self) -> str:
        """What was written since the last flush, tabs and all."""
        return "".join(f"{line}\n" for line in self._lines)

    def labels(self, title: str, labels: Mapping[str, str] | None) -> None:
        """``key=value`` lines below each other."""
        if not labels:
            self.line(0, f"{title}:\t<none>")
            return
        for index, key in enumerate(sorted(labels)):
            self.line(0, f"{title if index == 0 else ''}{':' if index == 0 else ''}\t{key}={labels[key]}")

    def annotations(self, title: str, annotations: Mapping[str, str] | None) -> None:
        """``key: value`` lines; long values below their key, shortened. The last applied configuration is left out."""
        shown = {key: value for key, value in (annotations or {}).items() if key != _LAST_APPLIED}
        if not shown:
            self.line(0, f"{title}:\t<none>")
            return
        for index, key in enumerate(sorted(shown)):
            head = f"{title}:\t" if index == 0 else "\t"
            value = shown[key].removesuffix("\n")
            if len(value) + len(key) + 2 > _LONGEST or "\n" in value:
                self.line(0, f"{head}{key}:")
                for part in value.split("\n"):
                    self.line(0, "\t  " + (part if len(part) <= _LONGEST - 2 else part[: _LONGEST - 2] + "..."))
            else:
                self.line(0, f"{head}{key}: {value}")

    def head(self, body: Mapping[str, Any], *, namespace: bool = True) -> None:
        """Name and namespace."""
        self.line(0, f"Name:\t{body['metadata']['name']}")
        if namespace:
            self.line(0, f"Namespace:\t{body['metadata'].get('namespace', '')}")

    def tags(self, body: Mapping[str, Any]) -> None:
        """Labels and annotations."""
        self.labels("Labels", body["metadata"].get("labels"))
        self.annotations("Annotations", body["metadata"].get("annotations"))

    def controller(self, body: Mapping[str, Any]) -> None:
        """``Controlled By``, if something does."""
        for owner in body["metadata"].get("ownerReferences") or []:
            if owner.get("controller"):
                self.line(0, f"Controlled By:\t{owner['kind']}/{owner['name']}")

    def conditions(self, status: Mapping[str, Any]) -> None:
        """Type, status and reason of each condition."""
        conditions = status.get("conditions") or []
        if conditions:
            self.line(0, "Conditions:")
            self.line(1, "Type\tStatus\tReason")
            self.line(1, "----\t------\t------")
            for item in conditions:
                self.line(1, f"{item.get('type')} \t{item.get('status')}\t{item.get('reason', '')}")

    def events(self, events: Sequence[Mapping[str, Any]] | None) -> None:
        """The events section; None: not asked for."""
        if events is None:
            return
        if not events:
            self.line(0, "Events:\t<none>")
            return
        self.flush()
        self.line(0, "Events:")
        self.line(1, "Type\tReason\tAge\tFrom\tMessage")
        self.line(1, "----\t------\t----\t----\t-------")
        for event in sorted(events, key=_moment):
            source = (event.get("source") or {}).get("component") or event.get("reportingComponent") or ""
            message = str(event.get("message") or "").strip()
            self.line(1, f"{event.get('type')}\t{event.get('reason')}\t{interval(event)}\t{source}\t{message}")


def _moment(event: Mapping[str, Any]) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def interval(event: Mapping[str, Any]) -> str:
    """``5s``, or ``5s (x3 over 2m)`` for repeated events."""
    first = age(event.get("eventTime") or event.get("firstTimestamp"))
    series = event.get("series")
    if series:
        return f"{age(series.get('lastObservedTime'))} (x{series.get('count')} over {first})"
    if int(event.get("count") or 0) > 1:
        return f"{age(event.get('lastTimestamp'))} (x{event['count']} over {first})"
    return first


def selector_text(selector: Mapping[str, Any] | None) -> str:
    """A LabelSelector as metav1.FormatLabelSelector writes it."""
    if not selector or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        return "<none>"
    parts = []
    for key, value in (selector.get("matchLabels") or {}).items():
        parts.append((key, f"{key}={value}"))
    for item in selector.get("matchExpressions") or []:
        key, values = item["key"], ",".join(sorted(item.get("values") or []))
        text = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        parts.append((key, text[item["operator"]]))
    return ",".join(text for _, text in sorted(parts, key=lambda part: part[0]))


def labels_text(labels: Mapping[str, str] | None) -> str:
    """``a=1,b=2`` or ``<none>``."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or "<none>"


def created(body: Mapping[str, Any]) -> str:
    """The creation time, long."""
    return long_time(body["metadata"].get("creationTimestamp"))
