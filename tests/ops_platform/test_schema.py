"""The OpenAPI document that clients are generated from: whole and the same, however often it is asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from openapi_spec_validator import validate


@pytest.fixture
def documents(client: Client) -> list[bytes]:
    """Ten answers of one process."""
    return [client.get("/schema?format=json").content for _ in range(10)]


def test_every_answer_is_the_same_valid_document(documents: list[bytes]) -> None:
    assert len(set(documents)) == 1
    validate(json.loads(documents[-1]))


def test_every_reference_leads_somewhere(documents: list[bytes]) -> None:
    document = json.loads(documents[-1])

    def references(node: Any) -> Any:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known


def test_an_item_of_a_bulk_is_typed(documents: list[bytes]) -> None:
    schemas = json.loads(documents[0])["components"]["schemas"]
    item = schemas["BulkRecord"]
    assert item["required"] == ["message"]
    assert item["additionalProperties"] is False
    assert {"type": "array", "items": {"$ref": "#/components/schemas/BulkRecord"}} in schemas["RecordOrRecords"][
        "oneOf"
    ]


def test_a_problem_may_say_how_many_records_were_accepted_and_errors_left_out(documents: list[bytes]) -> None:
    problem = json.loads(documents[0])["components"]["schemas"]["Problem"]
    for name in ("accepted", "errors_omitted"):
        assert problem["properties"][name]["type"] == "integer"
        assert name not in problem.get("required", [])


def test_a_writer_is_answered_with_the_record_or_its_key(documents: list[bytes]) -> None:
    either = json.loads(documents[0])["components"]["schemas"]["RecordOrKey"]
    assert either == {"anyOf": [{"$ref": "#/components/schemas/Record"}, {"$ref": "#/components/schemas/RecordKey"}]}


def test_members_of_context_are_one_parameter_of_each_search(documents: list[bytes]) -> None:
    paths = json.loads(documents[0])["paths"]
    for end in ("", "histogram/", "facets/", "export/"):
        [parameter] = [each for each in paths[f"/system/logs/{end}"]["get"]["parameters"] if each["name"] == "context"]
        assert (parameter["in"], parameter["style"], parameter["explode"]) == ("query", "form", True)
        assert parameter["schema"]["type"] == "object"
        assert parameter["schema"]["additionalProperties"] == {"type": "string"}


def test_the_example_of_a_post_can_be_sent_again_and_again(documents: list[bytes]) -> None:
    content = json.loads(documents[0])["paths"]["/system/logs/"]["post"]["requestBody"]["content"]["application/json"]
    [example] = content["examples"].values()
    assert "message" in example["value"]
    assert "id" not in example["value"]


def test_it_says_under_which_license_and_where_it_is_served(documents: list[bytes]) -> None:
    document = json.loads(documents[0])
    assert document["info"]["license"]["name"] == "MIT"
    assert [server["url"] for server in document["servers"]] == ["/"]
    assert [tag["name"] for tag in document["tags"]] == ["system"]


def test_every_operation_names_the_problem_of_a_request_that_is_none(documents: list[bytes]) -> None:
    for methods in json.loads(documents[0])["paths"].values():
        for operation in methods.values():
            assert "/problems/bad-request" in operation["responses"]["400"]["x-problem-types"]


@pytest.mark.parametrize("name", ["NewRecord", "Problem"])
def test_the_names_of_the_contract_are_there(documents: list[bytes], name: str) -> None:
    assert name in json.loads(documents[0])["components"]["schemas"]
