"""A deployed reward function, called through the Lambda API in the training loop."""

import json
from collections.abc import Iterator, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from tunestep.aws import Client, error_code
from tunestep.certify.contract import explain
from tunestep.local.training import reward_contract
from tunestep.local.training.reward_contract import Asked, Contract, RewardFault, Verdict

MAX_BATCH = 64
"""Most answers of one call."""
MAX_BYTES = 4 * 1024 * 1024
"""Most bytes of one call and of its answer (a synchronous invocation carries 6 MB)."""


class LambdaReward:
    """Rates answers by invoking ``function_arn``."""

    def __init__(self, client: Client, function_arn: str, contract: Contract) -> None:
        self._client, self._arn, self._contract = client, function_arn, contract
        self.title = f"the reward function {function_arn} ({contract} contract)"

    def rate(self, samples: Sequence[Asked]) -> list[Verdict]:
        """The verdicts on ``samples``, in their order.

        Raises:
            RewardFault: the function failed, or its answer breaks the contract.
        """
        verdicts: list[Verdict] = []
        for batch in _batches(samples):
            try:
                answer = self._invoke(json.dumps(reward_contract.event(batch)).encode())
                verdicts += reward_contract.read(answer, [sample.id for sample in batch], self._contract)
            except RewardFault as fault:
                name = self._arn.rpartition(":")[2]
                raise RewardFault(f"The reward function {name} cannot be trained on: {fault}") from None
        return verdicts

    def _invoke(self, payload: bytes) -> bytes:
        try:
            answer = self._client.invoke(FunctionName=self._arn, Payload=payload)
            body: bytes = answer["Payload"].read(MAX_BYTES + 1)
        except ClientError as error:
            raise RewardFault(f"Lambda refused to invoke it: {error_code(error)}.") from None
        except BotoCoreError as error:
            raise RewardFault(f"it could not be invoked: {type(error).__name__}.") from None
        if len(body) > MAX_BYTES:
            raise RewardFault(f"its answer is larger than {MAX_BYTES} bytes.")
        if answer.get("FunctionError"):
            raise RewardFault(f"it failed: {_function_error(body)}")
        return body


def _function_error(body: bytes) -> str:
    failed = explain(body)
    return f"{failed.kind}: {failed.said}" if failed.said else failed.kind


def _batches(samples: Sequence[Asked]) -> Iterator[list[Asked]]:
    """``samples`` in order, in calls within both limits."""
    batch: list[Asked] = []
    size = 0
    for sample in samples:
        length = len(json.dumps(reward_contract.event([sample])))
        if length > MAX_BYTES:
            raise RewardFault(f"the row of answer {sample.id} is too large for a call of {MAX_BYTES} bytes.")
        if batch and (len(batch) == MAX_BATCH or size + length > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(sample)
        size += length
    if batch:
        yield batch
