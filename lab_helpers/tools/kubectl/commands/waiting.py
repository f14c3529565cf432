"""``kubectl wait`` (kubectl pkg/cmd/wait)."""

import time
from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.following import follow_object
from lab_helpers.tools.kubectl.options import add_file_flags
from lab_helpers.tools.kubectl.output import jsonpaths
from lab_helpers.tools.kubectl.printing import Reporter, add_output_flags
from lab_helpers.tools.kubectl.selecting import NOTHING_NAMED, Found, check_words, find, wanted
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.kubectl.vanishing import wait_until_gone
from lab_helpers.tools.rest import ApiError, kubectl_text


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "wait ([-f FILENAME] | resource.group/resource.name | resource.group [(-l label | --all)]) "
        "[--for=create|--for=delete|--for condition=available|--for=jsonpath='{}'[=value]]",
        short="Wait until objects meet a condition",
        example="""# Until a pod is ready
kubectl wait --for=condition=Ready pod/frontend -n shop --timeout=60s

# Until every node is
kubectl wait --for=condition=Ready nodes --all

# Until a field has a value
kubectl wait --for=jsonpath='{.status.phase}'=Running pod/frontend

# Until it is gone
kubectl wait --for=delete pod/frontend""",
        run=run,
    )
    flags = command.flags
    flags.bool("all", False, "Every object of the type in the namespace")
    flags.bool("all-namespaces", False, "In every namespace", "A")
    flags.string("field-selector", "", "Only objects whose fields match")
    add_file_flags(flags)
    flags.array("for", [], "create, delete, condition=NAME[=VALUE] or jsonpath='{…}'[=VALUE]")
    flags.bool("local", False, "Refused", hidden=True)
    flags.string("selector", "", "Only objects whose labels match", "l")
    flags.duration("timeout", 30_000_000_000, "How long to wait; 0: look once; negative: a week")
    add_output_flags(flags)
    return command


class _Condition:
    """``condition=NAME[=VALUE]``."""

    def __init__(self, text: str) -> None:
        self.name, _, value = text.partition("=")
        self.value = value or "true"

    def met(self, body: dict[str, Any]) -> bool:
        for item in (body.get("status") or {}).get("conditions") or []:
            if str(item.get("type", "")).lower() != self.name.lower():
                continue
            seen, now = item.get("observedGeneration"), body["metadata"].get("generation", 0)
            if seen is not None and seen < now:
                return False
            return str(item.get("status", "")).lower() == self.value.lower()
        return False


class _JsonPath:
    """``jsonpath={…}[=VALUE]``."""

    def __init__(self, text: str) -> None:
        end = text.rfind("}")
        if text.startswith("{") and end >= 0:
            path, rest = text[: end + 1], text[end + 1 :]
        else:
            path, equals, value = text.partition("=")
            rest = f"={value}" if equals else ""
        if rest and not rest.startswith("="):
            raise KubectlError(
                "jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3 or "
                "--for=jsonpath='{.status.readyReplicas}'"
            )
        self.value: str | None = rest[1:].strip("'\"") if rest else None
        if rest and not self.value:
            raise KubectlError(
                "jsonpath wait has to have a value after equal sign, like --for=jsonpath='{.status.readyReplicas}'=3"
            )
        self.path = jsonpaths.parse_path(jsonpaths.relaxed(path))

    def met(self, body: dict[str, Any]) -> bool:
        try:
            found = jsonpaths.evaluate(self.path, body, body, False)
        except jsonpaths.JsonPathError:
            return False
        if self.value is None:
            return bool(found)
        if len(found) > 1:
            raise KubectlError("given jsonpath expression matches more than one value")
        if found and isinstance(found[0], (dict, list)):
            raise KubectlError("jsonpath leads to a nested object or list which is not supported")
        shown = (
            ""
            if not found or found[0] is None
            else str(found[0]).lower()
            if isinstance(found[0], bool)
            else str(found[0])
        )
        return shown == self.value


def _test(text: str) -> _Condition | _JsonPath | str:
    if text.lower() in ("delete", "create"):
        return text.lower()
    if text.startswith("condition="):
        return _Condition(text.removeprefix("condition="))
    if text.startswith("jsonpath="):
        return _JsonPath(text.removeprefix("jsonpath="))
    raise KubectlError(f'unrecognized condition: "{text}"')


def _named(session: Session) -> list[Found]:
    """Objects named by words, whether they exist or not."""
    check_words(session, session.args)
    out = []
    for want in wanted(session, session.args):
        namespace = session.namespace if want.resource.namespaced else ""
        out += [Found(want.resource, namespace, name) for name in want.names]
    return out


def run(invocation: Invocation) -> int:
    """Do it."""
    session = Session(invocation)
    flags = session.flags
    texts = flags["for"] or [""]
    tests = [_test(text) for text in texts]
    if not session.args and not flags["filename"]:
        raise KubectlError(NOTHING_NAMED)
    seconds = flags["timeout"] / 1e9
    if seconds < 0:
        seconds = 7 * 24 * 3600.0
    deadline = time.monotonic() + seconds
    found = _named(session) if tests[0] in ("delete", "create") and session.args else []
    failed = []
    if not found:
        if "delete" in tests:
            try:
                found = find(session, session.args)
            except ApiError as error:
                if error.reason != "NotFound":
                    raise
                return 0
        else:
            found = find(session, session.args)
        if not found:
            if tests == ["delete"]:
                return 0
            raise KubectlError("no matching resources found")
    reporter = Reporter(session)
    for item in found:
        try:
            met = [_wait(session, item, test, deadline) for test in tests]
            if all(met):
                reporter.tell(item.shown, "condition met", item.body or {})
        except (KubectlError, ApiError) as error:
            failed.append(error)
    reporter.finish()
    for failure in failed:
        text = failure.line if isinstance(failure, KubectlError) else kubectl_text(failure)
        session.complain(text.removeprefix("error: ") if len(failed) > 1 else text)
    return 1 if failed else 0


def _wait(session: Session, item: Found, test: "_Condition | _JsonPath | str", deadline: float) -> bool:
    """Wait for one object; False when it was to vanish and was not there. Raises KubectlError when time is over."""
    shown = f"{item.resource.plural}/{item.name}"
    once = session.flags["timeout"] == 0
    late = KubectlError(f"condition not met for {shown}" if once else f"timed out waiting for the condition on {shown}")
    if not once and time.monotonic() >= deadline:
        raise late
    collection = item.resource.path(item.namespace)
    if test == "delete":
        try:
            uid = str(session.client.get(item.path)["metadata"].get("uid", ""))
        except ApiError as error:
            if error.reason != "NotFound":
                raise
            return False
        wait_until_gone(session.client, item.resource, item.namespace, item.name, uid, deadline)
        return True
    left = max(0.0, deadline - time.monotonic())
    for body in follow_object(session.client, collection, item.name, left):
        if body is None:
            if test == "create":
                continue
            raise ApiError(
                {
                    "reason": "NotFound",
                    "code": 404,
                    "message": f'{item.resource.full_name} "{item.name}" not found',
                }
            )
        if test == "create" or (not isinstance(test, str) and test.met(body)):
            return True
    raise late
