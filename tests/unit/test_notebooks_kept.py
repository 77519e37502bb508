"""Each run keeps its rendering, and no rendering keeps a run from its record."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tests.support.cases import load_cases, load_world, plan_of
from tunestep.notebooks import keeping
from tunestep.plan_model import Plan
from tunestep.record_model import RunRecord

CASE = next(case for case in load_cases() if case["name"] == "sft_oss_lora_s3")


class Bucket:
    """Keeps what is put, or refuses it."""

    def __init__(self, refuses: bool = False) -> None:
        self.refuses, self.texts = refuses, dict[str, str]()

    def put_text(self, run_id: str, name: str, text: str, content_type: str) -> str:
        if self.refuses:
            raise PermissionError(name)
        self.texts[f"{run_id}/{name}"] = text
        return f"s3://bucket/{run_id}/{name}"


def kept(bucket: Bucket, plan: Plan | None, **fields: Any) -> tuple[dict[str, str], list[str]]:
    record = RunRecord(
        run_id="r", execution_arn="", stack="", region="", account="", outcome="FAILED", plan=plan, **fields
    )
    return keeping.put(SimpleNamespace(files=bucket), record)  # type: ignore[arg-type]


def planned(**changes: Any) -> Plan:
    plan = plan_of(CASE, load_world())
    approval = msgspec.structs.replace(plan.approval, needed=True)
    return msgspec.structs.replace(plan, approval=approval, **changes)


def test_notebook_script_and_metrics_are_stored_and_named() -> None:
    bucket = Bucket()
    request = {"hyperparameters": {"learning_rate": 0.25}}
    files, gaps = kept(bucket, planned(), request=request, approval={"state": "APPROVED"})
    assert gaps == []
    assert files == {
        "notebook": "s3://bucket/r/notebook.ipynb",
        "script": "s3://bucket/r/01_fine_tuning.py",
        "metrics_script": "s3://bucket/r/02_metrics.py",
    }
    script = bucket.texts["r/01_fine_tuning.py"]
    assert "ACCEPT_EULA = True\n" in script
    assert "trainer.hyperparameters.learning_rate = 0.25\n" in script


@pytest.mark.parametrize("state", ["DECLINED", "EXPIRED", "PENDING", None])
def test_a_run_that_nobody_approved_keeps_a_rendering_that_accepts_nothing(state: str | None) -> None:
    bucket = Bucket()
    kept(bucket, planned(), approval={"state": state} if state else None)
    assert "ACCEPT_EULA = False\n" in bucket.texts["r/01_fine_tuning.py"]


def test_a_run_without_a_plan_has_no_rendering() -> None:
    assert kept(Bucket(), None) == ({}, [])


def test_what_cannot_be_rendered_or_stored_is_a_gap() -> None:
    files, gaps = kept(Bucket(), planned(execution_role_arn=""))
    assert files == {}
    assert gaps[0].startswith("no notebook: RenderingFailed: code_templates/sft.py")
    files, gaps = kept(Bucket(refuses=True), planned())
    assert files == {}
    assert gaps == ["no notebook: PermissionError: notebook.ipynb"]
