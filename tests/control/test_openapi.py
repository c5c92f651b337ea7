"""The OpenAPI document is valid and matches the server: no route, method or parameter more or less."""

import re

import msgspec
import openapi_spec_validator
import pytest
from control_world import APP

from edge.control.access.roles import Permission
from edge.control.app import build_control_app
from edge.control.doors.table import OPERATIONS, encode_openapi
from edge.control.openapi import build_openapi


def document():
    return msgspec.json.decode(msgspec.json.encode(build_openapi(OPERATIONS)))


def test_the_document_is_valid_openapi_3_1():
    assert document()["openapi"] == "3.1.0"
    openapi_spec_validator.validate(document())


def test_the_document_has_every_route_of_the_server_and_no_other(world):
    app = build_control_app(world.ports())
    served = {(route.resource.canonical, route.method.lower()) for route in app.router.routes()}
    described = {(path, method) for path, methods in document()["paths"].items() for method in methods}
    assert described == served


def test_every_operation_has_its_own_name_and_a_summary():
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
    assert all(operation.summary for operation in OPERATIONS)


def test_every_variable_of_an_address_is_a_parameter():
    for path, methods in document()["paths"].items():
        for described in methods.values():
            in_path = {parameter["name"] for parameter in described["parameters"] if parameter["in"] == "path"}
            assert in_path == set(re.findall(r"{(\w+)}", path))


def test_every_change_takes_an_idempotency_key_and_reports_its_outcome():
    schemas = document()["components"]["schemas"]
    for operation in OPERATIONS:
        if operation.changes:
            described = document()["paths"][operation.path][operation.method.lower()]
            assert "Idempotency-Key" in {parameter["name"] for parameter in described["parameters"]}
            told = set(schemas[operation.answer.__name__]["required"])
            assert {"app", "revision", "changed"} <= told or operation.name == "create_token"


def test_every_operation_but_documents_requires_a_token():
    for path, methods in document()["paths"].items():
        for described in methods.values():
            is_open = path in ("/v1/openapi.json", "/v1/definitions")
            assert described["security"] == ([] if is_open else [{"token": []}])


def test_request_bodies_refuse_unknown_fields_but_for_what_a_newer_node_says_more():
    schemas = document()["components"]["schemas"]
    bodies = [(op, op.body.__name__) for op in OPERATIONS if op.body not in (None, msgspec.Raw)]
    of_nodes = {name for op, name in bodies if op.permission in (Permission.FOLLOW, Permission.SEND_HOME)}
    open_ones = {name for _, name in bodies if schemas[name].get("additionalProperties") is not False}
    assert of_nodes == open_ones and {"NodeReport", "AllSent", "KnownDocuments"} <= of_nodes


async def test_the_document_is_served_without_a_token(api):
    assert await api("GET", "/v1/openapi.json", by=None) == document()
    assert f"/v1/apps/{APP}" not in document()["paths"]


async def test_the_document_is_made_once(api):
    served = await api("GET", "/v1/openapi.json", by=None)
    assert served == document()
    before = encode_openapi.cache_info()
    await api("GET", "/v1/openapi.json", by=None)
    after = encode_openapi.cache_info()
    assert (after.misses, after.hits) == (before.misses, before.hits + 1)


@pytest.mark.parametrize("path", ["/v1/openapi.json", "/v1/apps", "/nothing"])
async def test_no_answer_names_the_software_behind_it(api, path):
    async with api.client.get(path) as response:
        assert "Server" not in response.headers
