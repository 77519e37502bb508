"""A judge model as reward: each answer in the judge's prompt, asked through Bedrock's Converse."""

import json
import math
import re
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from tunestep.aws import Client, error_code
from tunestep.local.training import reward_contract
from tunestep.local.training.reward_contract import Asked, Metric, RewardFault, Verdict
from tunestep.prompts.render import TemplateFault, render

MAX_TOKENS = 1024
"""Most tokens of a judge's answer."""
MAX_REMEMBERED = 20_000
"""Most judged texts whose score is kept: an equal text is not asked about twice."""

_UNREADABLE = Verdict(0.0, (Metric("error", 1.0, "Metric"),), failed=True)
_OBJECT = re.compile(r'\{[^{}]*"score"[^{}]*\}')
_WORDS = re.compile(
    r"\b(?:score|rating)\W{0,4}(-?\d{1,6}(?:\.\d{1,6})?)(?:\s*(?:/|out of)\s*(\d{1,6}))?", re.IGNORECASE
)


class JudgeReward:
    """Rates answers by asking ``model``, with ``template`` taking ``prompt`` and ``response``."""

    def __init__(self, client: Client, model: str, template: str, template_name: str) -> None:
        self._client, self._model, self._template = client, model, template
        self._scores: dict[str, Verdict] = {}
        self.title = (
            f"the judge {model} with the prompt {template_name}; on a laptop a stand-in answers "
            "for the judge, by counting words"
        )

    def rate(self, samples: Sequence[Asked]) -> list[Verdict]:
        """The verdicts on ``samples``, in their order; unreadable judgements are failed ones.

        Raises:
            RewardFault: the prompt cannot be rendered or the judge cannot be asked.
        """
        rows = [
            {"prompt": reward_contract.question(sample), "response": sample.response} for sample in samples
        ]
        try:
            texts = render(self._template, rows).texts
        except TemplateFault as fault:
            raise RewardFault(f"The judge's prompt cannot be used: {fault}.") from None
        if len(texts) != len(samples):
            raise RewardFault("The judge's prompt includes other templates; put their text into it.")
        return [self._judged(text) for text in texts]

    def _judged(self, text: str) -> Verdict:
        if text not in self._scores:
            value = read_score(self._ask(text))
            if len(self._scores) >= MAX_REMEMBERED:
                self._scores.clear()
            self._scores[text] = _UNREADABLE if value is None else Verdict(value)
        return self._scores[text]

    def _ask(self, text: str) -> str:
        try:
            answer = self._client.converse(
                modelId=self._model,
                messages=[{"role": "user", "content": [{"text": text}]}],
                inferenceConfig={"maxTokens": MAX_TOKENS, "temperature": 0.0},
            )
            return "\n".join(part.get("text", "") for part in answer["output"]["message"]["content"])
        except ClientError as error:
            raise RewardFault(f"The judge {self._model} refuses to be asked: {error_code(error)}.") from None
        except (BotoCoreError, KeyError, TypeError, AttributeError) as error:
            name = type(error).__name__
            raise RewardFault(f"The judge {self._model} could not be asked: {name}.") from None


def read_score(text: str) -> float | None:
    """The score a judge ends with: a JSON object's ``score``, or a number after that word.

    ``7/10`` and ``7 out of 10`` count as 0.7; a number without a scale counts as it is. None if there is
    no finite number.
    """
    for found in reversed(_OBJECT.findall(text)):
        try:
            value = json.loads(found)["score"]
        except ValueError:
            continue
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    spoken = _WORDS.findall(text)
    if not spoken:
        return None
    number, scale = spoken[-1]
    return float(number) / float(scale) if scale and float(scale) else float(number)
