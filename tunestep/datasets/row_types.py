"""The rows of the known formats as types, strict enough that what msgspec decodes needs few more checks.

Fields typed None stand for those that would make the row one of another format. The types named ``Alone``
allow no other fields than the format's (and an id): what they decode is text in UTF-8, but for what they
hold as ``msgspec.Raw``.
"""

from typing import Annotated, Any, Literal

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1)]


class Message(msgspec.Struct, gc=False):
    role: Literal["system", "user", "assistant", "tool"]
    content: Text
    candidates: None = None


class ChatRow(msgspec.Struct, gc=False):
    messages: list[Message]
    system: str | None = None
    schemaVersion: None = None  # noqa: N815 - the format's own name
    reference_answer: None = None


class MessageAlone(Message, gc=False, forbid_unknown_fields=True):
    pass


class ChatAlone(ChatRow, gc=False, forbid_unknown_fields=True, kw_only=True):
    messages: list[MessageAlone]  # type: ignore[assignment]
    id: str | int | None = None


class PromptCompletionRow(msgspec.Struct, gc=False):
    prompt: Text
    completion: Text
    messages: None = None
    chosen: None = None
    rejected: None = None


class PairAlone(PromptCompletionRow, gc=False, forbid_unknown_fields=True):
    id: str | int | None = None


class PreferenceRow(msgspec.Struct, gc=False):
    prompt: Text | list[Message]
    chosen: Text | list[Message]
    rejected: Text | list[Message]
    messages: None = None


class PreferenceAlone(PreferenceRow, gc=False, forbid_unknown_fields=True, kw_only=True):
    prompt: Text | list[MessageAlone]  # type: ignore[assignment]
    chosen: Text | list[MessageAlone]  # type: ignore[assignment]
    rejected: Text | list[MessageAlone]  # type: ignore[assignment]
    id: str | int | None = None


class Reward(msgspec.Struct, gc=False):
    ground_truth: Any = None


class RlRow(msgspec.Struct, gc=False):
    prompt: Text | list[Message]
    reward_model: Reward
    data_source: str = ""
    ability: str = ""
    messages: None = None
    chosen: None = None
    rejected: None = None
    completion: None = None
    input: None = None
    query: None = None


class RewardAlone(Reward, gc=False, forbid_unknown_fields=True):
    style: str = ""


class RlAlone(RlRow, gc=False, forbid_unknown_fields=True, kw_only=True):
    """``extra_info`` holds whatever a data set's author thought of: it is not looked into."""

    prompt: Text | list[MessageAlone]  # type: ignore[assignment]
    reward_model: RewardAlone
    extra_info: msgspec.Raw = msgspec.Raw()
    id: str | int | None = None


class Part(msgspec.Struct, gc=False):
    text: Text


class NovaMessage(msgspec.Struct, gc=False):
    role: Literal["user", "assistant"]
    content: Annotated[list[Part], msgspec.Meta(min_length=1)]
    candidates: None = None


class NovaConversationRow(msgspec.Struct, gc=False):
    schemaVersion: Literal["bedrock-conversation-2024"]  # noqa: N815
    messages: list[NovaMessage]
    system: Annotated[list[Part], msgspec.Meta(min_length=1)] | msgspec.UnsetType = msgspec.UNSET
    reference_answer: None = None


class Candidate(msgspec.Struct, gc=False):
    content: Annotated[list[Part], msgspec.Meta(min_length=1)]
    preferenceLabel: Literal["preferred", "non-preferred"]  # noqa: N815


class NovaTurn(msgspec.Struct, gc=False):
    role: Literal["user", "assistant"]
    content: Annotated[list[Part], msgspec.Meta(min_length=1)] | msgspec.UnsetType = msgspec.UNSET
    candidates: list[Candidate] | msgspec.UnsetType = msgspec.UNSET


class NovaPreferenceRow(msgspec.Struct, gc=False):
    schemaVersion: Literal["bedrock-conversation-2024"]  # noqa: N815
    messages: list[NovaTurn]
    system: Annotated[list[Part], msgspec.Meta(min_length=1)] | msgspec.UnsetType = msgspec.UNSET


class NovaRlRow(msgspec.Struct, gc=False):
    messages: list[Message]
    reference_answer: Any
