"""Hold the kit's answers against the SageMaker SDK's own verifier of reward functions.

    PYTHONPATH=. python tests/sdk/reward_contract.py

Needs an environment with ``sagemaker-train==1.27.0`` and nothing else, not even a test runner. The verifier
is given the templates as files, and rewards as Lambda functions whose client is answered here. A reward that
breaks the contract must be refused by it, or it proves nothing. Exit code 1 on any difference.
"""

import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.update(
    AWS_DEFAULT_REGION="us-west-2", AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing"
)

from sagemaker.train.common_utils import rlvr_reward_verifier as verifier

from reward_functions import exact_match, format, multiple_choice, tool_call
from reward_functions.kit import Sample, Score, serve
from reward_functions.kit.try_out import row

ROOT = Path(__file__).parents[2]
ARN = "arn:aws:lambda:us-west-2:111122223333:function:tunestep-SageMaker-reward-x"
# The SDK sends rows as they stand in the data set: without an assistant turn, often without an id.
RAW = [
    {"messages": [{"role": "user", "content": "6 * 7?"}], "reference_answer": "42"},
    {"prompt": [{"role": "user", "content": "6 * 7?"}], "reward_model": {"ground_truth": "42"}},
    {},
]
ROWS = [
    row("The answer is 42.", "42", id="right"),
    row([{"text": "41"}], {"answer": "42"}, id=7),
    row("sleep", "42"),
    row("exit", "42"),
    row("raise", "42"),
    row("\ud800", "\ud800", id="\ud800"),
]


def behave(sample: Sample) -> Score:
    if sample.response == "sleep":
        while True:
            pass
    if sample.response == "exit":
        os._exit(1)
    if sample.response == "raise":
        raise ValueError(sample.response)
    return Score(0.5, {"length": len(sample.response)}, "so", {"part": 0.5})


class Lambda:
    """A Lambda client whose one function is a handler, with JSON both ways as the service has it."""

    def __init__(self, handler: Callable[..., Any]) -> None:
        self._handler = handler

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: str) -> dict[str, Any]:  # noqa: N803
        assert (FunctionName, InvocationType) == (ARN, "RequestResponse")
        answer = self._handler(json.loads(Payload), None)
        return {"Payload": io.BytesIO(json.dumps(answer, ensure_ascii=False, allow_nan=False).encode())}


def verified(handler: Callable[..., Any], rows: list[Any], *, is_nova: bool) -> dict[str, Any]:
    with mock.patch.object(verifier.boto3, "client", lambda *_, **__: Lambda(handler)):
        result: dict[str, Any] = verifier.verify_reward_function(ARN, rows, is_nova=is_nova)
    return result


def cases() -> Iterator[tuple[str, Callable[[], Any], bool]]:
    """Name, what to run, and whether the verifier must accept it."""
    for is_nova, contract in ((False, "open-weights"), (True, "nova")):
        hostile = serve(behave, contract=contract, sample_deadline=0.25)  # type: ignore[arg-type]
        for rows, label in ((RAW, "raw rows"), (ROWS, "answered rows"), ([], "no rows")):
            yield f"{contract}: {label}", lambda h=hostile, r=rows, n=is_nova: verified(h, r, is_nova=n), True
        for reward in (exact_match, format, multiple_choice, tool_call):
            served = serve(reward.score, quick=reward.score, contract=contract)  # type: ignore[arg-type]
            label = f"{contract}: {reward.__name__.rpartition('.')[2]}"
            yield label, lambda h=served, n=is_nova: verified(h, RAW + ROWS, is_nova=n), True
        file = str(ROOT / "reward_functions" / "templates" / f"{contract.replace('-', '_')}.py")
        for rows, label in ((RAW, "raw rows"), (ROWS[:3], "answered rows")):
            yield (
                f"{contract}: its template, {label}",
                lambda f=file, r=rows, n=is_nova: verifier.verify_reward_function(f, r, is_nova=n),
                True,
            )
    yield "an answer without scores", lambda: verified(lambda *_: [{"id": 1}], RAW, is_nova=True), False
    yield "a bare list for open weights", lambda: verified(lambda *_: [], RAW, is_nova=False), False
    broken = serve(behave, contract="open-weights")
    yield "an event that is no batch", lambda: verified(lambda *_: broken({}), RAW, is_nova=False), False


def main() -> int:
    wrong = 0
    for name, run, accepted in cases():
        try:
            result = run()
            outcome = result["successful_samples"] == result["total_samples"]
            said = ""
        except ValueError as fault:
            outcome, said = False, str(fault).replace("\n", " ")
        wrong += outcome is not accepted
        if outcome is not accepted:
            print(f"{name}: {'accepted' if outcome else f'refused: {said}'}")
    print(f"reward contract against the SDK's verifier: {wrong or 'no'} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
