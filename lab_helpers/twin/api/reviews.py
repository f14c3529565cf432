"""Questions to the API server: who am I, may I (always yes), is this token valid."""

from __future__ import annotations

from typing import Any

from lab_helpers.twin.api.authenticating import Tokens, User
from lab_helpers.twin.api.bodies import decode_body
from lab_helpers.twin.api.calls import Call
from lab_helpers.twin.api.discovery import REVIEWS, Review
from lab_helpers.twin.clock import Clock
from lab_helpers.twin.objects.errors import bad_request

__all__ = ["answer_review", "find_review"]

_ALLOWED = "the twin stores RBAC objects and does not enforce them: every authenticated user may do everything"


def find_review(path: str) -> Review | None:
    """The review a path creates (``/apis/authorization.k8s.io/v1/selfsubjectaccessreviews``)."""
    parts = path.strip("/").split("/")
    if parts[:3] == ["api", "v1", "namespaces"] and len(parts) == 5 and parts[4] == "bindings":
        parts = ["apis", "", *parts[1:]]
    if parts[:1] != ["apis"] or len(parts) not in (4, 6) or parts[2] != "v1":
        return None
    if len(parts) == 6 and parts[3] != "namespaces":
        return None
    plural, namespaced = parts[-1], len(parts) == 6
    found = (r for r in REVIEWS if (r.group, r.plural, r.namespaced) == (parts[1], plural, namespaced))
    return next(found, None)


def answer_review(review: Review, call: Call, tokens: Tokens, clock: Clock) -> dict[str, Any]:
    """The review object with its status filled in."""
    body = dict(decode_body(call.body, call.content_type))
    if body.get("kind", review.kind) != review.kind:
        raise bad_request(f'{body["kind"]} in version "v1" cannot be handled as a {review.kind}')
    answer = {**body, "kind": review.kind, "apiVersion": f"{review.group}/v1"}
    answer.setdefault("metadata", {"creationTimestamp": None})
    match review.kind:
        case "SelfSubjectReview":
            answer["status"] = {"userInfo": call.user.info()}
        case "TokenReview":
            answer["status"] = _token_status((body.get("spec") or {}).get("token", ""), tokens, clock)
        case "SelfSubjectRulesReview":
            answer["status"] = {
                "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
                "incomplete": False,
            }
        case _:
            answer["status"] = {"allowed": True, "reason": _ALLOWED}
    return answer


def _token_status(token: str, tokens: Tokens, clock: Clock) -> dict[str, Any]:
    user: User | None = tokens.user(token, clock.now())
    if user is None:
        return {"user": {}, "error": "invalid bearer token"}
    return {"authenticated": True, "user": user.info()}
