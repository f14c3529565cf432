"""``kubectl label`` and ``kubectl annotate`` (kubectl pkg/cmd/label, annotate)."""

import re
from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.options import add_file_flags
from lab_helpers.tools.kubectl.printing import Reporter, add_dry_run_flag, add_output_flags, dry_run, dry_run_query
from lab_helpers.tools.kubectl.selecting import Found, find
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest.clients import MERGE_PATCH


def build(name: str) -> Command:
    """The command for labels or for annotations."""
    thing = "label" if name == "label" else "annotation"
    command = Command(
        f"{name} [--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N",
        short=f"Change {thing}s",
        example=f"""# Set, replace, remove
kubectl {name} pod web team=a
kubectl {name} pod web team=b --overwrite
kubectl {name} pod web team-""",
        run=run,
    )
    flags = command.flags
    flags.bool("all", False, "Every object of the type in the namespace")
    flags.bool("all-namespaces", False, "In every namespace", "A")
    flags.string("field-selector", "", "Only objects whose fields match")
    add_file_flags(flags)
    flags.bool("list", False, f"Print the {thing}s")
    flags.bool("local", False, "Refused", hidden=True)
    flags.bool("overwrite", False, f"Replace {thing}s that exist")
    flags.string("resource-version", "", "Only if this is the object's version")
    flags.string("selector", "", "Only objects whose labels match", "l")
    flags.string("field-manager", f"kubectl-{name}", "Name of the manager that owns the fields")
    add_dry_run_flag(flags)
    add_output_flags(flags)
    return command


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """Words that name resources, and changes (the first change ends the names)."""
    for index, word in enumerate(words):
        if ("=" in word and not word.startswith("=")) or (word.endswith("-") and index > 0):
            return words[:index], words[index:]
    return words, []


def _changes(words: list[str], thing: str) -> tuple[dict[str, str], list[str]]:
    new: dict[str, str] = {}
    gone = []
    for word in words:
        key, equals, value = word.partition("=")
        if equals:
            if thing == "label" and not re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?", value):
                raise KubectlError(
                    f'invalid label value: "{value}": a valid label must be an empty string or consist of alphanumeric '
                    "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
                    "'MyValue',  or "
                    "'my_value',  or '12345', regex used for validation is "
                    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
                )
            new[key] = value
        elif word.endswith("-"):
            gone.append(word[:-1])
        else:
            raise KubectlError(f"unknown {thing} spec: {word}")
    both = [key for key in gone if key in new]
    if both:
        raise KubectlError(
            f"can not both modify and remove {'a label' if thing == 'label' else 'an annotation'} in the same command"
        )
    return new, gone


def run(invocation: Invocation) -> int:
    """Do it."""
    session = Session(invocation)
    label = session.path.endswith("label")
    thing, key = ("label", "labels") if label else ("annotation", "annotations")
    words, changes = _split(session.args)
    if not words and not session.flags["filename"]:
        raise KubectlError("one or more resources must be specified as <resource> <name> or <resource>/<name>")
    if not changes and not session.flags["list"]:
        raise KubectlError(f"at least one {thing} update is required")
    new, gone = _changes(changes, thing)
    reporter = Reporter(session)
    for item in find(session, words):
        if session.flags["list"] and not changes:
            _print(session, item, key)
            continue
        _change(session, item, key, new, gone, reporter)
    reporter.finish()
    return 0


def _print(session: Session, item: Found, key: str) -> None:
    for name, value in sorted(((item.body or {}).get("metadata", {}).get(key) or {}).items()):
        session.say(f"{name}={value}")


def _change(session: Session, item: Found, key: str, new: dict[str, str], gone: list[str], reporter: Reporter) -> None:
    body: dict[str, Any] = item.body or {}
    now: dict[str, str] = body["metadata"].get(key) or {}
    if not session.flags["overwrite"]:
        taken = [name for name, value in new.items() if name in now and now[name] != value]
        if taken and key == "labels":
            raise KubectlError(f"'{taken[0]}' already has a value ({now[taken[0]]}), and --overwrite is false")
        if taken:
            raise KubectlError(
                f"--overwrite is false but found the following declared annotation(s): '{taken[0]}' already has a "
                f"value ({now[taken[0]]})"
            )
    for name in gone:
        if name not in now:
            session.say(f'label "{name}" not found.' if key == "labels" else f'annotation "{name}" not found.')
    patch = {name: value for name, value in new.items() if now.get(name) != value}
    change: dict[str, Any] = {**patch, **{name: None for name in gone if name in now}}
    done = body
    if change and dry_run(session) != "client":
        query = {"fieldManager": session.flags["field-manager"], **dry_run_query(session)}
        meta: dict[str, Any] = {key: change}
        if session.flags["resource-version"]:
            meta["resourceVersion"] = session.flags["resource-version"]
        done = session.client.patch(item.path, {"metadata": meta}, MERGE_PATCH, **query)
    if key == "annotations":
        word = "annotated"
    elif not change:  # kubectl compares with what it is about to send, where labels are {} though there were none
        word = "not labeled" if now else "labeled"
    elif patch:
        word = "labeled"
    else:
        word = "unlabeled"
    reporter.tell(item.shown, word, done)
