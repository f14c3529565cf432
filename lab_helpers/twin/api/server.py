"""The API server: one request in, one answer out.

``ApiServer.respond`` routes a :class:`Call`; every StatusError becomes a ``Status``. Upgraded connections (exec,
attach, port-forward) are checked by ``connection`` and handled in ``streams``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from lab_helpers.twin.api.admission.installing import install_admissions
from lab_helpers.twin.api.authenticating import Tokens
from lab_helpers.twin.api.calls import Call
from lab_helpers.twin.api.crds.serving import CustomResources
from lab_helpers.twin.api.discovery import Discovery
from lab_helpers.twin.api.listing import Selection, list_page
from lab_helpers.twin.api.openapi import OpenApi
from lab_helpers.twin.api.presenting import Presenter
from lab_helpers.twin.api.requests import Query, Target, locate, media_types
from lab_helpers.twin.api.responses import Response, encode, failure, json_response, text_response
from lab_helpers.twin.api.reviews import answer_review, find_review
from lab_helpers.twin.api.schemas.catalog import Catalog
from lab_helpers.twin.api.streams.logs import log_response
from lab_helpers.twin.api.streams.pods import choose_container, require_node
from lab_helpers.twin.api.streams.proxying import proxy_response
from lab_helpers.twin.api.subresources import Subresources
from lab_helpers.twin.api.tables.columns import Printer
from lab_helpers.twin.api.tables.rendering import custom_printer, printer_for
from lab_helpers.twin.api.tracking import track_fields
from lab_helpers.twin.api.watching import watch_response
from lab_helpers.twin.api.writing import Writer, Written
from lab_helpers.twin.interfaces import Console
from lab_helpers.twin.objects.errors import StatusError, bad_request, method_not_allowed
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Object

__all__ = ["ApiServer"]

_LOG = logging.getLogger(__name__)
_HEALTH = ("/healthz", "/livez", "/readyz")
_PUBLIC = (*_HEALTH, "/version")
_NOT_FOUND = "404 page not found\n"


class ApiServer:
    """Answers requests from the registry."""

    def __init__(
        self, registry: Registry, workloads: Console, *, tokens: Tokens, version: Mapping[str, str], address: str
    ) -> None:
        self.registry = registry
        self.workloads = workloads
        self.tokens = tokens
        self._version = version
        self._discovery = Discovery(registry.kinds, address)
        self._catalog = Catalog(registry)
        self._writer = Writer(registry, self._catalog)
        self._openapi = OpenApi(registry.kinds, self._catalog, self._discovery, version["gitVersion"])
        self._subresources = Subresources(registry, self._catalog, tokens)
        install_admissions(registry)
        self._custom = CustomResources(registry, self._catalog)
        registry.admissions.append(self._custom.step)
        self._custom.start()
        registry.admissions.append(
            track_fields(
                lambda operation: self._catalog.shape(operation.kind, operation.api_version.rpartition("/")[2]),
                registry.clock,
            )
        )

    async def respond(self, call: Call) -> Response:
        """The answer; never raises for a bad request."""
        try:
            return await self._route(call)
        except StatusError as error:
            return failure(error)
        except Exception as error:  # noqa: BLE001 - a bug must answer 500, not end the connection
            _LOG.exception("%s %s failed", call.method, call.path)
            message = f"Internal error occurred: {type(error).__name__}: {error}"
            return failure(StatusError(500, "InternalError", message))

    def public(self, path: str) -> bool:
        """May be asked without a token."""
        return path in _PUBLIC or path.startswith(tuple(f"{name}/" for name in _HEALTH))

    async def _route(self, call: Call) -> Response:
        path = call.path.rstrip("/") or "/"
        if call.method in ("GET", "HEAD") and (found := self._document(call, path)) is not None:
            return found
        if (review := find_review(path)) is not None:
            if call.method != "POST":
                raise method_not_allowed()
            if review.kind == "Binding":
                return json_response(self._subresources.bind(call, path.split("/")[-2]), 201)
            return json_response(answer_review(review, call, self.tokens, self.registry.clock), 201)
        target = locate(self.registry.kinds, path)
        if target is None:
            return text_response(_NOT_FOUND, 404)
        if target.subresource not in ("", "status"):
            return await self._subresource(call, target)
        if target.subresource == "status" and not target.kind.has_status:
            return text_response(_NOT_FOUND, 404)
        response = self._collection(call, target) if not target.name else self._object(call, target)
        response.warnings += self._deprecation(target)
        return response

    async def _subresource(self, call: Call, target: Target) -> Response:
        registry = self.registry
        match (target.kind.resource, target.subresource):
            case ("pods", "log"):
                pod = registry.get("pods", target.name, target.namespace)
                return await log_response(call, pod, self.workloads, registry.clock)
            case ("pods" | "services" | "nodes", "proxy"):
                return await proxy_response(call, target, registry, self.workloads)
            case ("pods", "exec" | "attach" | "portforward"):
                self.connection(target, call.query)
                raise bad_request(
                    "Upgrade request required: this server takes WebSocket connections here, not SPDY ones"
                )
            case ("pods", "ephemeralcontainers"):
                return self._object(call, target)
        found = self._subresources.handle(call, target)
        return text_response(_NOT_FOUND, 404) if found is None else json_response(found[1], found[0])

    def connection(self, target: Target, query: Query) -> tuple[Object, str]:
        """The pod and container of an exec, attach or port-forward.

        Raises what the real server refuses before upgrading.
        """
        pod = self.registry.get("pods", target.name, target.namespace)
        container = ""
        if target.subresource != "portforward":
            container = choose_container(pod, query.text("container"))
        require_node(pod)
        if target.subresource == "exec" and not query.texts("command"):
            raise bad_request("you must specify at least one command for the container")
        return pod, container

    def locate(self, path: str) -> Target | None:
        """What a path leads to."""
        return locate(self.registry.kinds, path)

    def _document(self, call: Call, path: str) -> Response | None:
        """Everything that is not about objects."""
        if path == "/version":
            return json_response(self._version)
        if path.startswith(_HEALTH):
            return self._health(call, path)
        if path in ("/api", "/apis"):
            return self._api_root(call, core=path == "/api")
        if path == "/":
            return json_response({"paths": self._paths()})
        if path.startswith("/openapi/"):
            return self._schema_document(call, path)
        parts = path.strip("/").split("/")
        found: dict[str, Any] | None = None
        if parts[0] == "api" and len(parts) == 2:
            found = self._discovery.resources("", parts[1])
        elif parts[0] == "apis" and len(parts) == 2:
            found = self._discovery.group(parts[1])
        elif parts[0] == "apis" and len(parts) == 3:
            found = self._discovery.resources(parts[1], parts[2])
        return None if found is None else json_response(found)

    def _schema_document(self, call: Call, path: str) -> Response:
        if path == "/openapi/v3":
            return json_response(self._openapi.index())
        if path == "/openapi/v2":
            accept = call.headers.get("accept", "")
            if "json" not in accept and "proto-openapi.spec.v2@v1.0+protobuf" in accept:
                kind = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
                return Response(200, self._openapi.swagger_protobuf(), kind)
            return json_response(self._openapi.swagger())
        parts = path.removeprefix("/openapi/v3/").split("/")
        found = None
        if parts[0] == "api" and len(parts) == 2:
            found = self._openapi.document("", parts[1])
        elif parts[0] == "apis" and len(parts) == 3:
            found = self._openapi.document(parts[1], parts[2])
        if found is None:
            return text_response(_NOT_FOUND, 404)
        headers = {"Vary": "Accept"}
        if call.query.text("hash"):
            headers["Cache-Control"] = "public, immutable"
            headers["Expires"] = format_datetime(datetime.now(UTC) + timedelta(days=365), usegmt=True)
        return Response(200, found, headers=headers)

    def _health(self, call: Call, path: str) -> Response:
        if path not in _HEALTH:
            return text_response("ok") if path.endswith(("/ping", "/etcd", "/log")) else text_response(_NOT_FOUND, 404)
        if call.query.flag("verbose"):
            lines = ["[+]ping ok", "[+]log ok", "[+]etcd ok", f"{path[1:]} check passed", ""]
            return text_response("\n".join(lines))
        return text_response("ok")

    def _api_root(self, call: Call, *, core: bool) -> Response:
        for name, parameters in media_types(call.headers.get("accept", "")):
            if name == "application/json" and parameters.get("as") == "APIGroupDiscoveryList":
                version = parameters.get("v", "v2")
                if parameters.get("g") == "apidiscovery.k8s.io" and version in ("v2", "v2beta1"):
                    kind = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
                    body = encode(self._discovery.aggregated(core=core, version=version))
                    return Response(200, body, kind, headers={"Vary": "Accept"})
        return json_response(self._discovery.api_versions() if core else self._discovery.group_list())

    def _paths(self) -> list[str]:
        paths = ["/api", "/api/v1", "/apis"]
        for group, versions in self._discovery.groups().items():
            if group:
                paths += [f"/apis/{group}", *(f"/apis/{group}/{version}" for version in versions)]
        return sorted([*paths, *_HEALTH, "/openapi/v2", "/openapi/v3", "/version"])

    def _collection(self, call: Call, target: Target) -> Response:
        presenter = self._presenter(call, target)
        match call.method:
            case "GET" | "HEAD":
                selection = self._selection(call, target)
                if call.query.flag("watch"):
                    return watch_response(self.registry, target, call.query, selection, presenter)
                page = list_page(self.registry, target, call.query, selection)
                return json_response(presenter.many(page.items, page.metadata))
            case "POST" if target.namespace or not target.kind.namespaced:
                return self._written(self._writer.create(call, target), presenter)
            case "DELETE" if target.namespace or not target.kind.namespaced:
                items = self._writer.delete_collection(call, target, self._selection(call, target))
                metadata = {"resourceVersion": str(self.registry.storage.revision)}
                return json_response(presenter.many(items, metadata))
        raise method_not_allowed()

    def _object(self, call: Call, target: Target) -> Response:
        presenter = self._presenter(call, target)
        resource = target.kind.stored_as or target.kind.resource
        match call.method:
            case "GET" | "HEAD":
                if call.query.flag("watch"):
                    selection = self._selection(call, target)
                    return watch_response(self.registry, target, call.query, selection, presenter)
                return json_response(presenter.one(self.registry.get(resource, target.name, target.namespace)))
            case "PUT":
                return self._written(self._writer.replace(call, target), presenter)
            case "PATCH":
                return self._written(self._writer.patch(call, target), presenter)
            case "DELETE" if not target.subresource:
                item = self._writer.delete(call, target)
                return json_response(item if item["kind"] == "Status" else presenter.one(item))
        raise method_not_allowed()

    def _deprecation(self, target: Target) -> list[str]:
        version = self._catalog.version(target.kind, target.version) if target.kind.custom else None
        if not version or not version.get("deprecated"):
            return []
        return [version.get("deprecationWarning") or f"{target.api_version} {target.kind.kind} is deprecated"]

    def _written(self, written: Written, presenter: Presenter) -> Response:
        shown = presenter.one(written.item)
        return json_response(shown, 201 if written.created else 200, warnings=written.warnings)

    def _presenter(self, call: Call, target: Target) -> Presenter:
        return Presenter(call, target, self._printer, self.registry.clock)

    def _selection(self, call: Call, target: Target) -> Selection:
        version = self._catalog.version(target.kind, target.version) if target.kind.custom else None
        fields = (version or {}).get("selectableFields") or ()
        return Selection(call.query, target, tuple(entry["jsonPath"].lstrip(".") for entry in fields))

    def _printer(self, target: Target) -> Printer:
        if not target.kind.custom:
            return printer_for(target.kind.stored_as or target.kind.resource)
        version = self._catalog.version(target.kind, target.version)
        return custom_printer((version or {}).get("additionalPrinterColumns"))
