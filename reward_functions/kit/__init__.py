"""The kit: write ``score(sample) -> Score`` and serve it.

    from reward_functions.kit import Sample, Score, serve

    def score(sample: Sample) -> Score:
        return Score(float(sample.response.strip() == sample.reference))

    handler = serve(score)

The kit reads both wire contracts and every form of content, keeps ids, order and count, gives each sample
and each batch a deadline that holds whatever the code does, and turns an exception into an outcome of its
own. Standard library only; works on Linux and macOS, in any thread, without /dev/shm.
"""

from reward_functions.kit.compose import Part, compose
from reward_functions.kit.config import options
from reward_functions.kit.serve import serve
from reward_functions.kit.types import Message, RewardError, Sample, Score, ToolCall

__all__ = ["Message", "Part", "RewardError", "Sample", "Score", "ToolCall", "compose", "options", "serve"]
