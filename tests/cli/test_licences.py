"""``tunestep licences`` reads a stack's acceptances by the stack's own settings."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cli.in_process import tunestep
from tests.support.run_world import ACCOUNT, REGION, World, world
from tests.unit.test_evidence import agreed, approval
from tunestep import settings
from tunestep.cli import licences
from tunestep.cli.target import Target
from tunestep.settings import Approval, Settings


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


@pytest.mark.parametrize(("window", "state"), [("1d", "expired"), ("3d", "valid")])
def test_how_long_an_acceptance_counts_says_the_stack_and_not_the_folder(
    w: World, window: str, state: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (datetime.now(UTC) - timedelta(days=2)).isoformat(timespec="seconds")
    made = w.context.evidence.record(approval(agreed(), decided_at=before))
    deployed = settings.to_json(Settings(approval=Approval(policy_window=window)))
    w.lambda_stub.add_response(
        "get_function_configuration",
        {"Environment": {"Variables": {"TUNESTEP_SETTINGS": deployed}}},
        {"FunctionName": "tunestep-request-approval"},
    )
    clients: Any = w.context.clients
    target = Target(stack="tunestep", region=REGION, account=ACCOUNT, clients=clients, flag="")
    monkeypatch.setattr(licences, "open_target", lambda **_: target)
    (entry,) = json.loads(tunestep(capsys, "licences", "--stack", "tunestep", "--json").out)
    assert (entry["evidence_id"], entry["state"]) == (made, state)
