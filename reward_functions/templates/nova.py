"""A starting point: 1 when the answer after "Answer:" is the reference, for Nova models.

Copy it (``tunestep reward new NAME``), write your own ``score``, and try it on your rows with
``tunestep reward test NAME --data FILE``. Running the file scores the two rows at its end.

Inputs: the response; a reference text, or an object with ``answer``. A row without a reference is an error,
not a score of 0: raise RewardError whenever a sample cannot be judged.

>>> from reward_functions.kit.try_out import sample
>>> score(sample("6 * 7 is 42.\\nAnswer: 42", "42")).value
1.0
>>> score(sample("Answer: 41", "42")).value
0.1
"""

import json

from reward_functions.kit import RewardError, Sample, Score, serve
from reward_functions.kit.answers import expected, plain, visible
from reward_functions.kit.try_out import row

MARK = "Answer:"
FORMAT_SHARE = 0.1
"""What keeping the format earns, right or wrong; keep such shares small, or the model learns only these."""


def score(sample: Sample) -> Score:
    """The verdict on one sample; it sees the whole conversation in ``sample.messages``."""
    if sample.reference is None:
        raise RewardError("the row has no reference_answer")
    lines = [line.strip() for line in visible(sample.response).splitlines()]
    marked = [line.removeprefix(MARK) for line in lines if line.startswith(MARK)]
    if len(marked) != 1:
        return Score(0.0, reason=f"{len(marked)} lines start with {MARK}")
    correct = float(plain(marked[0]) == plain(expected(sample.reference)))
    value = FORMAT_SHARE + (1 - FORMAT_SHARE) * correct
    return Score(value, metrics={"answer_lines": 1.0}, rewards={"correct": correct}, reason="answer found")


handler = serve(score, contract="nova")

# The name that the SageMaker SDK looks for when it is given a file.
lambda_handler = handler


if __name__ == "__main__":
    rows = [row("6 * 7 is 42.\nAnswer: 42", "42", id="right"), row("Answer: 41", "42", id="wrong")]
    print(json.dumps(handler(rows), indent=2))
