"""Words that name resources: ``pods``, ``pods,svc``, ``pod NAME…``, ``TYPE/NAME …``, ``all`` (cli-runtime's resource
builder).
"""

from typing import Any, NamedTuple

from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest.discovery import Resource

_ONE_FORM = (
    "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form "
    "(e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'"
)


class Wanted(NamedTuple):
    """A resource type and the names asked for; no names: all that match the selectors."""

    resource: Resource
    names: tuple[str, ...] = ()


class Found(NamedTuple):
    """One existing object, or one named that may not exist (`body` None)."""

    resource: Resource
    namespace: str
    name: str
    body: dict[str, Any] | None = None
    source: str = ""

    @property
    def path(self) -> str:
        """The object's URL path."""
        return self.resource.path(self.namespace, self.name)

    @property
    def shown(self) -> str:
        """``deployment.apps/web``."""
        return f"{self.resource.singular_name}/{self.name}"


def types(session: Session, word: str) -> list[Resource]:
    """The types a comma-separated word names; categories such as ``all`` are spread out. Raises NoResourceError."""
    out = []
    for part in word.split(","):
        if not part:
            raise KubectlError("the resource type must not be empty")
        category = session.catalogue.category(part) if "." not in part else []
        out += category or [session.catalogue.find(part)]
    return list(dict.fromkeys(out))


def wanted(session: Session, words: list[str]) -> list[Wanted]:
    """What the words ask for. Raises KubectlError, NoResourceError."""
    if not any("/" in word for word in words):
        resources = types(session, words[0])
        return [Wanted(resource, tuple(words[1:])) for resource in resources]
    if "/" not in words[0] or not all("/" in word for word in words):
        raise KubectlError(_ONE_FORM)
    out: list[Wanted] = []
    for word in words:
        kind, _, name = word.partition("/")
        if "/" in name:
            raise KubectlError("arguments in resource/name form may not have more than one slash")
        if not kind or not name or "," in kind:
            raise KubectlError("arguments in resource/name form must have a single resource and name")
        out.append(Wanted(session.catalogue.find(kind), (name,)))
    return out


def selectors(session: Session) -> dict[str, str]:
    """The label and field selectors as query parameters."""
    query = {}
    if session.flag("selector"):
        query["labelSelector"] = session.flag("selector")
    if session.flag("field-selector"):
        query["fieldSelector"] = session.flag("field-selector")
    return query


def check_words(session: Session, words: list[str]) -> None:
    """Refuse names beside selectors, and names across all namespaces."""
    named = any("/" in word for word in words) or len(words) > 1
    if named and session.flag("selector"):
        raise KubectlError("name cannot be provided when a selector is specified")
    if named and session.flag("all"):
        raise KubectlError("setting 'all' parameter but found a non empty selector. ")
    if named and session.everywhere:
        raise KubectlError("a resource cannot be retrieved by name across all namespaces")


def items_of(listing: dict[str, Any], resource: Resource) -> list[dict[str, Any]]:
    """The objects of a list answer, each with its apiVersion and kind."""
    return [{"apiVersion": resource.api_version, "kind": resource.kind, **item} for item in listing.get("items") or []]


def find(session: Session, words: list[str], *, nothing: str = "") -> list[Found]:
    """Fetch every object that the words, ``-f`` and selectors mean. Raises ApiError for the first that does not exist.

    `nothing` is the complaint when neither words nor files are given.
    """
    if session.flag("filename") or session.flag("kustomize"):
        from lab_helpers.tools.kubectl.manifests import manifests

        return [
            Found(entry.resource, entry.namespace, entry.name, session.client.get(entry.path), entry.source)
            for entry in manifests(session)
        ]
    if not words:
        raise KubectlError(nothing or NOTHING_NAMED)
    check_words(session, words)
    out = []
    for want in wanted(session, words):
        namespace = session.namespace if want.resource.namespaced else ""
        if want.names:
            for name in want.names:
                body = session.client.get(want.resource.path(namespace, name))
                out.append(Found(want.resource, namespace, name, body))
            continue
        query = selectors(session)
        if not query and not session.everywhere and not session.flag("all", True):
            raise KubectlError(NO_NAME)
        path = want.resource.path("" if session.everywhere else namespace)
        for item in items_of(session.client.list_all(path, query), want.resource):
            meta = item["metadata"]
            out.append(Found(want.resource, str(meta.get("namespace") or ""), str(meta["name"]), item))
    return out


NOTHING_NAMED = """You must provide one or more resources by argument or filename.
Example resource specifications include:
   '-f rsrc.yaml'
   '--filename=rsrc.json'
   '<resource> <name>'
   '<resource>'"""

NO_NAME = "resource(s) were provided, but no name was specified"
