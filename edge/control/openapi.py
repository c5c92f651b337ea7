"""The OpenAPI 3.1 document of the control API, built from the table of operations and the Structs that they name.

Nothing is described a second time here, so the document cannot differ from the server.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import msgspec

import edge
from edge.control.access.roles import GRANTED, OF_TEST_CHANNELS, Permission
from edge.control.calls import IDEMPOTENCY_KEY, IF_REVISION
from edge.control.operations import DRY_RUN, NEEDS_APPROVAL, NOT_TAKEN, RANGE, Operation
from edge.control.routes.apps import HISTORY_DEFAULT, HISTORY_LIMIT
from edge.control.routes.bundles import LIST_STATES
from edge.control.routes.devices import WHOLE_TIME, WITHIN
from edge.control.routes.explain import COUNTRY, FLAGS, TEXTS
from edge.control.routes.figures.asking import FIGURE_PARAMETERS
from edge.control.routes.insight.bundle_changes import FILES_DEFAULT, FILES_LIMIT
from edge.control.routes.rollouts import LISTED_DEFAULT, LISTED_LIMIT
from edge.control.shapes.approvals.approval_shapes import ProposalMadeAnswer
from edge.control.shapes.common import WHOLE_LIMIT, ErrorAnswer, NotTakenView
from edge.control.shapes.impact import ImpactView
from edge.domain.changes.commands import COMMAND_ID_LIMIT
from edge.regions.sharing.home import WAIT_LIMIT_SECONDS
from edge.regions.sharing.messages import EPOCH_LIMIT
from edge.telemetry.behaviour.news import PLACE_LIMIT
from edge.telemetry.spool.coming_segment import COMING_LIMIT_BYTES

_SCHEMAS = "#/components/schemas/{name}"
_DESCRIPTIONS = {
    400: "Unknown or repeated parameter, or a malformed device body",
    401: "Missing, unknown, revoked or expired token",
    403: "The token's role or app does not allow this",
    404: "Unknown app, or unknown within the app",
    408: "The body did not arrive in time",
    409: "The change conflicts with the current state",
    413: "The body is too large",
    429: "The token has uploaded too much that no bundle refers to",
    422: "Invalid request",
    500: "Internal error",
    503: "Temporarily unavailable; try again",
    507: "The disk is full or read-only; what does not write goes on",
}
_QUERY = {
    DRY_RUN: {
        "description": "answer or refuse as the change itself would, add its impact, and write nothing",
        "schema": {"type": "boolean", "default": False},
    },
    "every": {
        "description": "also what this node does not refuse: it goes on above what nodes that follow may have seen",
        "schema": {"type": "boolean", "default": False},
    },
    "server": {
        "description": "the keys of servers, and not those of apps' code",
        "schema": {"type": "boolean", "default": False},
    },
    "limit": {
        "description": "the largest number of entries to list, newest first",
        "schema": {"type": "integer", "minimum": 1, "maximum": HISTORY_LIMIT, "default": HISTORY_DEFAULT},
    },
    "until": {
        "description": "the number of the newest revision",
        "schema": {"type": "integer", "minimum": 1, "maximum": WHOLE_LIMIT},
    },
    "since_ms": {
        "description": "only what happened at this time or later, in milliseconds since the epoch",
        "schema": {"type": "integer", "minimum": 0, "maximum": WHOLE_LIMIT, "default": 0},
    },
    "until_ms": {
        "description": "only what happened before this time, in milliseconds since the epoch; 0: until now",
        "schema": {"type": "integer", "minimum": 0, "maximum": WHOLE_LIMIT, "default": 0},
    },
    "who": {"description": "only what this token or person did", "schema": {"type": "string", "maxLength": 256}},
    "what": {
        "description": "only these kinds, operations, codes or outcomes, separated by commas",
        "schema": {"type": "string", "maxLength": 256},
    },
    "refused": {
        "description": "only what was not done",
        "schema": {"type": "boolean", "default": False},
    },
    "cursor": {"description": "the next_page of the page before", "schema": {"type": "string", "maxLength": 512}},
    "digest": {
        "description": "the digest of the newest revision, as its head has it",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    },
    "before": {
        "description": "only revisions below this number",
        "schema": {"type": "integer", "minimum": 1, "maximum": WHOLE_LIMIT},
    },
    "after": {
        "description": "the next_page of the page before; of a feed, the number after which to begin",
        "schema": {"type": "string", "pattern": "^[0-9]{1,15}(-[0-9a-f-]{36})?$"},
    },
    "first": {
        "description": "how many entries to list; by default all",
        "schema": {"type": "integer", "minimum": 1, "maximum": WHOLE_LIMIT},
    },
    "session": {"description": "as the answer before said", "schema": {"type": "string", "maxLength": EPOCH_LIMIT}},
    "start": {"description": "names this start of the node", "schema": {"type": "string", "maxLength": EPOCH_LIMIT}},
    "place": {"description": "as the answer before said", "schema": {"type": "string", "maxLength": PLACE_LIMIT}},
    "heard": {
        "description": "the number up to which the answer before said that it goes",
        "schema": {"type": "integer", "minimum": 0, "maximum": WHOLE_LIMIT, "default": 0},
    },
    "wait": {
        "description": "seconds to wait for news, if there is none",
        "schema": {"type": "integer", "minimum": 0, "maximum": WAIT_LIMIT_SECONDS, "default": 0},
    },
    "older_than": {
        "description": "only bundles that are older than this version, the last one of the page before",
        "schema": {"type": "string"},
    },
    "find": {"description": "only versions that contain this", "schema": {"type": "string"}},
    "state": {"description": "only bundles in this state", "schema": {"type": "string", "enum": [*LIST_STATES]}},
    "than": {"description": "the version to compare with", "schema": {"type": "string"}},
    "files": {
        "description": "the largest number of files to list",
        "schema": {"type": "integer", "minimum": 0, "maximum": FILES_LIMIT, "default": FILES_DEFAULT},
    },
    "before_ms": {
        "description": "only events received before this time, in milliseconds since the epoch",
        "schema": {"type": "integer", "minimum": 1, "maximum": WHOLE_LIMIT},
    },
    "id_prefix": {
        "description": "only devices whose id begins with this",
        "schema": {"type": "string", "pattern": "^[0-9a-f-]{0,36}$"},
    },
    "runs": {"description": "only devices that run this bundle, or `builtin`", "schema": {"type": "string"}},
    "devices": {
        "description": "how many device ids to list per step",
        "schema": {"type": "integer", "minimum": 0, "maximum": LISTED_LIMIT, "default": LISTED_DEFAULT},
    },
    "format": {
        "description": "of the file: lines of JSON, or Apache Parquet",
        "schema": {"type": "string", "enum": ["ndjson", "parquet"], "default": "ndjson"},
    },
    WITHIN: {
        "description": "only what was withheld, reported or received within so many seconds; by default all",
        "schema": {"type": "integer", "minimum": 1, "maximum": WHOLE_TIME, "default": WHOLE_TIME},
    },
    **FIGURE_PARAMETERS,
    "offset": {
        "description": "where in the segment the body begins; it is taken if that is exactly the end of what is here",
        "schema": {"type": "integer", "minimum": 0, "maximum": COMING_LIMIT_BYTES, "default": 0},
    },
    "lost": {
        "description": "so many bytes from the offset on are damaged at the sender; the body has what follows",
        "schema": {"type": "integer", "minimum": 0, "maximum": COMING_LIMIT_BYTES, "default": 0},
    },
    "whole": {
        "description": "the segment ends where the body does",
        "schema": {"type": "boolean", "default": False},
    },
    COUNTRY: {
        "description": "two-letter country code, as a trusted proxy would send it",
        "schema": {"type": "string", "pattern": "^[A-Za-z]{2}$"},
    },
    **{
        name: {"description": "as in the body of a device's update check", "schema": {"type": "string"}}
        for name in TEXTS
    },
    **{
        name: {"description": "as in the body of a device's update check", "schema": {"type": "boolean"}}
        for name in FLAGS
    },
}


def build_openapi(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document as JSON values."""
    types = [
        ErrorAnswer,
        ImpactView,
        NotTakenView,
        ProposalMadeAnswer,
        *(kind for operation in operations for kind in (operation.answer, operation.body) if kind),
    ]
    schemas, components = msgspec.json.schema_components(types, ref_template=_SCHEMAS)
    for component in components.values():  # the docstrings of Structs, with the indentation of the code
        if "description" in component:
            component["description"] = inspect.cleandoc(component["description"])
    schema_of = {id(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _describe(operation, schema_of)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "Edge node control API", "version": edge.__version__},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _describe(operation: Operation, schema_of: dict[int, dict[str, Any]]) -> dict[str, Any]:
    media_type = operation.content_type.partition(";")[0]
    answer = schema_of[id(operation.answer)]
    if operation.changes:
        not_taken = {"type": "object", "properties": {NOT_TAKEN: schema_of[id(NotTakenView)]}}
        answer = {"allOf": [answer, _rehearsed(schema_of[id(ImpactView)]), not_taken]}
    success = {"description": "Done", "content": {media_type: {"schema": answer}}}
    failure = _json(schema_of[id(ErrorAnswer)])
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": _parameters(operation),
        "responses": {"200": success}
        | ({"206": success | {"description": "The rest, from where was asked"}} if operation.ranged else {})
        | ({"202": _waits(schema_of[id(ProposalMadeAnswer)])} if operation.changes else {})
        | {str(status): _failure(status, failure) for status in sorted(statuses_of(operation) - {200, 202, 206})},
        "security": [],
    }
    if operation.permission is not None:
        described["security"] = [{"token": []}]
        described["description"] = f"Roles: {_roles(operation)}."
        described["x-permission"] = operation.permission.value
        if operation.or_else:
            described["x-permission-or"] = sorted(each.value for each in operation.or_else)
    body = _body(operation, schema_of)
    return described | ({"requestBody": body} if body else {})


def _waits(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "Not made: the change waits for approval", "content": _json(schema)}


def statuses_of(operation: Operation) -> set[int]:
    """Every status that the operation may answer with."""
    statuses = {200, 400, 500, *operation.refusals} | ({206} if operation.ranged else set())
    if operation.permission is not None:
        statuses |= {401, 403, 503, 507}
    if operation.parts:
        statuses |= {404, 422}
    if operation.parameters:
        statuses.add(422)
    if operation.body is not None or operation.streams:
        statuses |= {408, 413, 422}
    if operation.changes or operation.takes_id:
        statuses |= {409, 413, 422}
    if operation.changes:
        statuses.add(202)
    return statuses


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    in_path = [_in_path(operation, name) for name in operation.parts]
    in_query = [{"name": name, "in": "query", "required": False, **_QUERY[name]} for name in operation.parameters]
    in_headers = [_idempotency_key()] if operation.changes or operation.takes_id else []
    in_headers += [_if_revision()] if operation.changes else []
    return [*in_path, *in_query, *in_headers, *([_range()] if operation.ranged else [])]


def _in_path(operation: Operation, name: str) -> dict[str, Any]:
    described: dict[str, Any] = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    if f"/channels/{{{name}}}" in operation.path:
        described["description"] = "percent-encoded: feature%2Flogin for the channel feature/login"
    return described


def _rehearsed(impact: dict[str, Any]) -> dict[str, Any]:
    """What a dry run adds to a change's answer. A rollback has an `impact` anyway, null if it changed nothing."""
    nullable = {"anyOf": [impact, {"type": "null"}]}
    return {
        "type": "object",
        "properties": {DRY_RUN: {"const": True}, "impact": nullable, NEEDS_APPROVAL: {"type": "string"}},
    }


def _idempotency_key() -> dict[str, Any]:
    return {
        "name": IDEMPOTENCY_KEY,
        "in": "header",
        "required": False,
        "description": "The id of this change: a repeat by the same token changes nothing and answers `changed: false`;"
        " another change with the same id is refused with 409 `command_id_used`",
        "schema": {"type": "string", "maxLength": COMMAND_ID_LIMIT, "pattern": "^[A-Za-z0-9._-]+$"},
    }


def _if_revision() -> dict[str, Any]:
    return {
        "name": IF_REVISION,
        "in": "header",
        "required": False,
        "description": "Change the app only if this is its latest revision, else 409 `somebody_was_faster`",
        "schema": {"type": "integer", "minimum": 0, "maximum": WHOLE_LIMIT},
    }


def _range() -> dict[str, Any]:
    return {
        "name": "Range",
        "in": "header",
        "required": False,
        "description": "From which byte on, as bytes=1024-; any other range is not looked at",
        "schema": {"type": "string", "pattern": RANGE.pattern},
    }


def _body(operation: Operation, schema_of: dict[int, dict[str, Any]]) -> dict[str, Any] | None:
    if operation.streams:
        described = f"At most {operation.body_limit_bytes} bytes"
        return {"required": True, "description": described, "content": {operation.streams: {}}}
    if operation.body is None:
        return None
    return {"required": True, "content": _json(schema_of[id(operation.body)])}


def _failure(status: int, content: dict[str, Any]) -> dict[str, Any]:
    return {"description": _DESCRIPTIONS[status], "content": content}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _roles(operation: Operation) -> str:
    """Those whose holders the door lets in."""
    opens = {operation.permission, *operation.or_else}
    if opens & OF_TEST_CHANNELS:
        opens.add(Permission.CHANGE_TEST_CHANNELS)
    return ", ".join(role.value for role, granted in GRANTED.items() if opens & granted)
