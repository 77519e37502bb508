"""The short way to moto's tables comes to what moto itself comes to, whatever is written."""

from typing import Any

import boto3
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.ground import REGION, Ground
from tunestep.runs import Runs

NAMES = st.sampled_from(["state", "actor", "count", "map"])
VALUES = st.one_of(
    st.text("aé'\n", max_size=4),
    st.integers(-(10**12), 10**12),
    st.booleans(),
    st.none(),
    st.lists(st.integers(0, 9), max_size=3),
    st.dictionaries(st.sampled_from("xy"), st.text("b", max_size=2), max_size=2),
)
UPDATES = st.fixed_dictionaries(
    {
        "changes": st.dictionaries(NAMES, VALUES, max_size=3),
        "defaults": st.dictionaries(NAMES, VALUES, max_size=2),
        "remove": st.sets(NAMES, max_size=2),
        "condition": st.sampled_from(["", "attribute_exists(#pk)", "attribute_not_exists(#state)"]),
    }
)


def carried_out(runs: Runs, update: dict[str, Any]) -> Any:
    """What is returned, or the code of the refusal."""
    taken = set(update["changes"])
    defaults = {name: value for name, value in update["defaults"].items() if name not in taken}
    remove = tuple(sorted(update["remove"] - taken - set(defaults)))
    try:
        return runs.update(
            "run", "RUN", update["changes"], defaults=defaults, remove=remove, condition=update["condition"]
        )
    except ClientError as fault:
        return fault.response["Error"]["Code"]


@settings(max_examples=60)
@given(st.lists(UPDATES, min_size=1, max_size=6))
def test_updates_leave_and_answer_what_moto_s_own_way_does(
    common_ground: Ground, updates: list[dict[str, Any]]
) -> None:
    common_ground.clear()
    shorter = Runs(common_ground.clients.dynamodb, common_ground.table)
    told = [carried_out(shorter, update) for update in updates], shorter.get("run", "RUN")
    common_ground.clear()
    longer = Runs(boto3.client("dynamodb", region_name=REGION), common_ground.table)
    assert told == ([carried_out(longer, update) for update in updates], longer.get("run", "RUN"))


def test_a_read_answers_what_was_written(common_ground: Ground) -> None:
    common_ground.clear()
    runs = Runs(common_ground.clients.dynamodb, common_ground.table)
    item = {"pk": "run", "sk": "RUN", "list": [1, {"a": None}], "text": "é", "yes": True}
    assert runs.put_new(item) and not runs.put_new(item)
    assert runs.get("run", "RUN") == item and runs.get("run", "JOB") is None
