"""The known formats: what each is for, and which one a row is in.

Sources: the schemas that sagemaker-train 1.27.0 registers data sets with (ai_registry/schemas), and the
Amazon Nova user guide (data preparation for SFT, DPO and reinforcement fine-tuning).
"""

from collections.abc import Collection
from typing import Any, NamedTuple

from tunestep.plan_model import Family, Technique

Row = dict[str, Any]


class Format(NamedTuple):
    """``fields`` describes a row in words; ``convertible`` names the formats it can be turned into."""

    name: str
    title: str
    techniques: tuple[Technique, ...]
    family: Family
    fields: str
    convertible: tuple[str, ...] = ()

    @property
    def purpose(self) -> str:
        """Technique and family in words, for findings."""
        models = "Nova models" if self.family == "nova" else "open-weights models"
        return f"{' and '.join(self.techniques)} on {models}"


_ALL = (
    Format(
        "prompt_completion",
        "prompt and completion",
        ("SFT",),
        "open-weights",
        "prompt and completion",
        ("chat", "nova_conversation"),
    ),
    Format(
        "chat",
        "chat messages",
        ("SFT",),
        "open-weights",
        "messages with role and content (a text)",
        ("prompt_completion", "nova_conversation"),
    ),
    Format(
        "preference",
        "preference",
        ("DPO",),
        "open-weights",
        "prompt, chosen and rejected, each a text or a list of messages",
        ("nova_preference",),
    ),
    Format(
        "rl",
        "reinforcement rows",
        ("RLVR", "RLAIF"),
        "open-weights",
        "prompt (a list of messages), data_source, ability and reward_model.ground_truth",
        ("nova_rl",),
    ),
    Format(
        "nova_conversation",
        "Nova conversation",
        ("SFT",),
        "nova",
        "schemaVersion, system and messages with content parts",
        ("chat", "prompt_completion"),
    ),
    Format(
        "nova_preference",
        "Nova preference",
        ("DPO",),
        "nova",
        "messages of which the last has candidates with a preferenceLabel",
        ("preference",),
    ),
    Format(
        "nova_rl",
        "Nova reinforcement rows",
        ("RLVR", "RLAIF"),
        "nova",
        "messages and reference_answer",
        ("rl",),
    ),
)
FORMATS: dict[str, Format] = {entry.name: entry for entry in _ALL}


def expected(technique: Technique, family: Family) -> tuple[str, ...]:
    """The names of the formats that a technique takes for a model family."""
    return tuple(entry.name for entry in _ALL if technique in entry.techniques and entry.family == family)


def detect(row: Row, wanted: Collection[str]) -> str:
    """The format a row is in, by its fields; empty when it is none.

    ``wanted`` settles what fields alone leave open: messages that end with a question are Nova
    reinforcement rows without an answer only where such rows are expected. A null counts as no field.
    """
    row = {name: value for name, value in row.items() if value is not None}
    if "messages" in row:
        return _detect_messages(row, wanted)
    if "chosen" in row or "rejected" in row:
        return "preference"
    if "completion" in row or ("input" in row and "output" in row) or ("query" in row and "response" in row):
        return "prompt_completion"
    if "prompt" in row:
        both = "prompt_completion" in wanted and "reward_model" not in row and "data_source" not in row
        return "prompt_completion" if both else "rl"
    return ""


def _detect_messages(row: Row, wanted: Collection[str]) -> str:
    messages = row["messages"]
    found = [entry for entry in messages if isinstance(entry, dict)] if isinstance(messages, list) else []
    if any(message.get("candidates") is not None for message in found):
        return "nova_preference"
    if "reference_answer" in row:
        return "nova_rl"
    nova = "schemaVersion" in row or isinstance(row.get("system"), list) or any(map(_has_parts, found))
    if nova:
        return "nova_conversation"
    if "nova_rl" in wanted and found and found[-1].get("role") != "assistant":
        return "nova_rl"
    return "chat"


def _has_parts(message: Row) -> bool:
    """Whether the content is parts as Nova writes them: keyed by their type, where others have a ``type``."""
    content = message.get("content")
    return isinstance(content, list) and any(
        isinstance(part, dict) and "type" not in part for part in content
    )
