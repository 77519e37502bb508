"""Raw errors become one of the named ones, with a cause that a person can read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunestep.errors import PUBLIC_NAMES
from tunestep.failures import named_error, status_error


def _lambda(kind: str, message: str) -> str:
    return json.dumps({"errorMessage": message, "errorType": kind, "stackTrace": ["  File secret.py"]})


@pytest.mark.parametrize(
    ("error", "cause", "name", "said"),
    [
        ("PlanChanged", _lambda("PlanChanged", "other data"), "PlanChanged", "other data"),
        ("PrerequisitesNotMet", "1 error", "PrerequisitesNotMet", "1 error"),
        ("TransientFault", _lambda("TransientFault", "slow"), "ServiceFault", "AWS kept failing: slow"),
        ("QuotaReached", _lambda("QuotaReached", "limit 1"), "ServiceFault", "No quota became free: limit 1"),
        ("KeyError", _lambda("KeyError", "'x'"), "ServiceFault", "KeyError: 'x'"),
        ("Lambda.Unknown", "exceeded memory", "ServiceFault", "Lambda.Unknown: exceeded memory"),
        ("States.TaskFailed", "", "ServiceFault", "no cause was given"),
        (None, None, "ServiceFault", "States.TaskFailed"),
        ("StoppedByUser", "[1, 2]", "StoppedByUser", "[1, 2]"),
        ("ServiceFault", '{"a": 1}', "ServiceFault", '{"a": 1}'),
    ],
)
def test_errors_are_named(error: str | None, cause: str | None, name: str, said: str) -> None:
    found, text = named_error({"Error": error, "Cause": cause}, "r1")
    assert found == name
    assert said in text
    assert "tunestep retry r1" in text
    assert "stackTrace" not in text
    assert "secret.py" not in text


def test_a_cause_that_already_names_a_command_gets_no_second_one() -> None:
    _, text = named_error({"Error": "PrerequisitesNotMet", "Cause": "Fix it: `tunestep run`."}, "r1")
    assert text == "Fix it: `tunestep run`."


@given(st.text(), st.text(max_size=6000))
def test_any_error_and_cause_end_in_a_public_name_and_a_bounded_cause(error: str, cause: str) -> None:
    name, text = named_error({"Error": error, "Cause": cause}, "r1")
    assert name in PUBLIC_NAMES
    assert 0 < len(text) <= 2048


@pytest.mark.parametrize(
    ("detail", "run", "name"),
    [
        ({"status": "ABORTED"}, {"status": "STARTED"}, "StoppedByUser"),
        ({"status": "ABORTED", "cause": "wrong data"}, {}, "StoppedByUser"),
        ({"status": "TIMED_OUT"}, {}, "ServiceFault"),
        ({"status": "FAILED", "error": "PlanChanged", "cause": "x"}, {}, "PlanChanged"),
        ({"status": "FAILED", "error": "States.Runtime", "cause": "x"}, {}, "ServiceFault"),
        ({"status": "FAILED", "error": "x"}, {"status": "STOPPING"}, "StoppedByUser"),
    ],
)
def test_the_end_of_an_execution_is_named(detail: dict[str, str], run: dict[str, str], name: str) -> None:
    assert status_error(detail, run, "r1")[0] == name
