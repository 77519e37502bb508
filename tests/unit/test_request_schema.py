import pytest

from tests.support.cases import document_of, load_cases
from tunestep import request_schema
from tunestep.request import Request


def test_file_and_type_are_in_step() -> None:
    assert request_schema.FILE.read_text(encoding="utf-8") == request_schema.text(), (
        "run: python -m tunestep.request_schema > tunestep/request.schema.json"
    )


def test_schema_names_every_field_and_forbids_others() -> None:
    request = request_schema.build()["$defs"]["Request"]
    assert list(request["properties"]) == list(Request.__struct_fields__)
    assert request["additionalProperties"] is False
    assert request["required"] == ["use_case", "technique", "base_model", "training_data"]


def test_schema_takes_only_false_for_no_tracking() -> None:
    tracking = request_schema.build()["$defs"]["Request"]["properties"]["mlflow"]["anyOf"]
    assert {"const": False} in tracking
    assert {"type": "boolean"} not in tracking


def test_an_editor_takes_every_captured_case_and_marks_common_mistakes() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(request_schema.build())
    validator = jsonschema.Draft202012Validator(request_schema.build())
    documents = [document_of(case) for case in load_cases()]
    assert [list(validator.iter_errors(document)) for document in documents] == [[]] * len(documents)
    mistakes = (
        {"techniqe": "SFT"},
        {"technique": "sft"},
        {"mlflow": True},
        {"sequence_length": "4k"},
        {"limits": {"max_runtime": "6 hours"}},
        {"reward": {"functon": "f"}},
        {"training_data": "https://host/x"},
        {"vpc": {"subnets": ["subnet-1"]}},
    )
    for mistake in mistakes:
        assert not validator.is_valid(documents[0] | mistake), mistake
