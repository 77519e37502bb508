"""Hyperparameters that the real SageMaker SDK refuses are refused here, each at the right place."""

from typing import Any

import pytest

from tests.support.cases import hyperparameters_of, load_refusals, load_world

REFUSALS = load_refusals()
WORLD = load_world()


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case["name"])
def test_what_the_sdk_refuses_is_an_error_finding(case: dict[str, Any]) -> None:
    _, findings = hyperparameters_of(case, WORLD)
    assert [finding.severity for finding in findings] == ["error"]
    expected = "UNKNOWN_HYPERPARAMETER" if case["refused"] == "AttributeError" else "INVALID_VALUE"
    if "hyperparameters" in case["inputs"]:
        assert findings[0].code == expected
        assert findings[0].where.split(".")[2] in {*case["inputs"]["hyperparameters"], "max_response_length"}
    else:
        assert findings[0].where.startswith("$.reward.")
