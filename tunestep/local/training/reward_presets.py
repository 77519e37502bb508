"""The service's preset rewards, as far as a laptop has an honest stand-in for them."""

from collections.abc import Sequence

from tunestep.local.training.data_rows import reference_text
from tunestep.local.training.faults import TrainingFault
from tunestep.local.training.final_answer import agrees
from tunestep.local.training.reward_contract import Asked, Verdict

_STAND_INS = {
    "gsm8k": "it compares the final answers as text",
    "prime_math": "it compares the final answers as text, where the service also takes equal expressions",
}


class PresetReward:
    """Final-answer exact match in place of a preset."""

    def __init__(self, preset: str) -> None:
        """Raises TrainingFault for a preset without a stand-in."""
        if preset not in _STAND_INS:
            raise TrainingFault(
                f"the preset reward {preset} cannot be tried on a laptop: it runs what the model writes as "
                f"code, which only the service does. Use {' or '.join(_STAND_INS)}, or a reward of your own."
            )
        self.title = f"a stand-in for the preset reward {preset} ({_STAND_INS[preset]})"

    def rate(self, samples: Sequence[Asked]) -> list[Verdict]:
        return [
            Verdict(float(agrees(sample.response, reference_text(sample.reference)))) for sample in samples
        ]
