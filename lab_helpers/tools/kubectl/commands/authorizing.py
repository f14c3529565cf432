"""``kubectl auth can-i`` and ``kubectl auth whoami`` (kubectl pkg/cmd/auth)."""

from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.errors import KubectlError, not_bundled
from lab_helpers.tools.kubectl.output.tables import Tabwriter
from lab_helpers.tools.kubectl.printing import add_output_flags, object_text
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest import NoResourceError


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "auth", short="Ask what you may do", example="kubectl auth can-i create cnp -n shop\nkubectl auth whoami"
    )
    ask = Command(
        "can-i VERB [TYPE | TYPE/NAME | NONRESOURCEURL]",
        short="Whether an action is allowed",
        example="# Create policies\nkubectl auth can-i create ciliumnetworkpolicies -n shop",
        run=_can_i,
    )
    ask.flags.bool("all-namespaces", False, "In every namespace", "A")
    ask.flags.bool("list", False, "Refused: rules are not listed here", hidden=True)
    ask.flags.bool("no-headers", False, "Accepted", hidden=True)
    ask.flags.bool("quiet", False, "Answer by the exit status only", "q")
    ask.flags.string("subresource", "", "SubResource such as pod/log or deployment/scale")
    who = Command("whoami", short="Who you are to the server", example="kubectl auth whoami", run=_whoami)
    add_output_flags(who.flags)
    command.add(ask, who)
    return command


def _can_i(invocation: Invocation) -> int:
    session = Session(invocation)
    flags = session.flags
    if flags["list"]:
        raise not_bundled("kubectl auth can-i --list", "ask for one action")
    if len(session.args) != 2:
        raise KubectlError(
            "you must specify two arguments: verb resource or verb resource/resourceName.\nSee 'kubectl auth can-i "
            "-h' for help and examples."
        )
    verb, what = session.args
    spec: dict[str, Any]
    if what.startswith("/"):
        spec = {"nonResourceAttributes": {"verb": verb, "path": what}}
    else:
        kind, _, name = what.partition("/")
        group, plural = "", kind
        if kind != "*":
            try:
                resource = session.catalogue.find(kind)
                group, plural = resource.group, resource.plural
                if not resource.namespaced and not flags["quiet"]:
                    session.complain(
                        f"Warning: resource '{plural}' is not namespace scoped"
                        + (f" in group '{group}'" if group else "")
                        + "\n"
                    )
            except NoResourceError:
                session.complain(f"Warning: the server doesn't have a resource type '{kind}'\n")
        spec = {
            "resourceAttributes": {
                "namespace": "" if flags["all-namespaces"] else session.namespace,
                "verb": verb,
                "group": group,
                "resource": plural,
                "subresource": flags["subresource"],
                "name": name,
            }
        }
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
    status = session.client.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review).get("status") or {}
    if not flags["quiet"]:
        answer = "yes" if status.get("allowed") else "no"
        if status.get("reason") and answer == "no":
            answer += f" - {status['reason']}"
        session.say(answer)
    return 0 if status.get("allowed") else 1


def _whoami(invocation: Invocation) -> int:
    session = Session(invocation)
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = session.client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    text = object_text(session)
    if text:
        session.out.write(text(answer))
        return 0
    user = (answer.get("status") or {}).get("userInfo") or {}
    table = Tabwriter(session.out)
    table.row(["ATTRIBUTE", "VALUE"])
    table.row(["Username", str(user.get("username", ""))])
    if user.get("uid"):
        table.row(["UID", str(user["uid"])])
    if user.get("groups"):
        table.row(["Groups", f"[{' '.join(user['groups'])}]"])
    for key, values in sorted((user.get("extra") or {}).items()):
        table.row([f"Extra: {key}", f"[{' '.join(values)}]"])
    table.flush()
    return 0
