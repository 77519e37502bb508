"""What Slack's Web API refuses in a message or a dialog: fields it does not know, texts that are too long.

Source: docs.slack.dev/reference/block-kit (blocks, block elements, composition objects) and the pages of the
methods. Only the kinds that this product sends are known; another one is refused.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

MESSAGE_BLOCKS, DIALOG_BLOCKS = 50, 100

Check = Callable[[Any], None]


class Invalid(Exception):  # noqa: N818 - an answer, not a fault
    """What Slack would say in ``response_metadata.messages``."""


class Field(NamedTuple):
    """One member of an object."""

    check: Check
    needed: bool = False


def shape(fields: dict[str, Field], **fixed: str) -> Check:
    """An object with these members and no others; ``fixed`` are those with one possible value."""

    def check(value: Any) -> None:
        if not isinstance(value, dict):
            raise Invalid("must be an object")
        for name, only in fixed.items():
            if value.get(name) != only:
                raise Invalid(f"{name} must be {only}")
        if unknown := set(value) - set(fields) - set(fixed):
            raise Invalid(f"unknown field {sorted(unknown)[0]}")
        for name, field in fields.items():
            if name not in value:
                if field.needed:
                    raise Invalid(f"missing required field {name}")
                continue
            try:
                field.check(value[name])
            except Invalid as fault:
                raise Invalid(f"{name}: {fault}") from None

    return check


def text(limit: int, least: int = 1) -> Check:
    def check(value: Any) -> None:
        if not isinstance(value, str):
            raise Invalid("must be a string")
        if not least <= len(value) <= limit:
            raise Invalid(f"must have {least} to {limit} characters and has {len(value)}")

    return check


def several(one: Check, most: int) -> Check:
    def check(value: Any) -> None:
        if not isinstance(value, list) or not 1 <= len(value) <= most:
            raise Invalid(f"must be a list of 1 to {most}")
        for index, item in enumerate(value):
            try:
                one(item)
            except Invalid as fault:
                raise Invalid(f"[{index}] {fault}") from None

    return check


def _flag(value: Any) -> None:
    if not isinstance(value, bool):
        raise Invalid("must be true or false")


def _number(value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 3000:
        raise Invalid("must be a number from 0 to 3000")


def _one_of(*allowed: str) -> Check:
    def check(value: Any) -> None:
        if value not in allowed:
            raise Invalid(f"must be one of {', '.join(allowed)}")

    return check


def _plain(limit: int) -> Check:
    return shape({"text": Field(text(limit), True), "emoji": Field(_flag)}, type="plain_text")


def _any_text(limit: int) -> Check:
    marked = shape({"text": Field(text(limit), True), "verbatim": Field(_flag)}, type="mrkdwn")
    unmarked = _plain(limit)

    def check(value: Any) -> None:
        (marked if isinstance(value, dict) and value.get("type") == "mrkdwn" else unmarked)(value)

    return check


def _by_type(kinds: dict[str, dict[str, Field]]) -> Check:
    checks = {name: shape(fields, type=name) for name, fields in kinds.items()}

    def check(value: Any) -> None:
        kind = value.get("type") if isinstance(value, dict) else None
        if kind not in checks:
            raise Invalid(f"unsupported type {kind}")
        checks[kind](value)

    return check


_CONFIRM = shape(
    {
        "title": Field(_plain(100), True),
        "text": Field(_any_text(300), True),
        "confirm": Field(_plain(30), True),
        "deny": Field(_plain(30), True),
        "style": Field(_one_of("primary", "danger")),
    }
)
_BUTTON: dict[str, Field] = {
    "text": Field(_plain(75), True),
    "action_id": Field(text(255)),
    "url": Field(text(3000)),
    "value": Field(text(2000)),
    "style": Field(_one_of("primary", "danger")),
    "confirm": Field(_CONFIRM),
}
_INPUT: dict[str, Field] = {
    "action_id": Field(text(255)),
    "multiline": Field(_flag),
    "min_length": Field(_number),
    "max_length": Field(_number),
    "placeholder": Field(_plain(150)),
}
_STYLE = Field(shape({name: Field(_flag) for name in ("bold", "italic", "strike", "code")}))
_RICH = {
    "text": {"text": Field(text(3000), True), "style": _STYLE},
    "link": {"url": Field(text(3000), True), "text": Field(text(3000)), "style": _STYLE},
}
"""Slack names no limits of rich text; these are those of a section."""
_RICH_TEXT = _by_type(
    {
        "rich_text_section": {"elements": Field(several(_by_type(_RICH), 50), True)},
        "rich_text_preformatted": {"elements": Field(several(_by_type(_RICH), 50), True)},
    }
)
_BLOCK_ID = Field(text(255))
_BLOCKS: dict[str, dict[str, Field]] = {
    "header": {"text": Field(_plain(150), True), "block_id": _BLOCK_ID},
    "section": {"text": Field(_any_text(3000), True), "block_id": _BLOCK_ID},
    "context": {"elements": Field(several(_any_text(3000), 10), True), "block_id": _BLOCK_ID},
    "actions": {"elements": Field(several(_by_type({"button": _BUTTON}), 25), True), "block_id": _BLOCK_ID},
    "rich_text": {"elements": Field(several(_RICH_TEXT, 50), True), "block_id": _BLOCK_ID},
}
_INPUT_BLOCK: dict[str, Field] = {
    "label": Field(_plain(2000), True),
    "element": Field(_by_type({"plain_text_input": _INPUT}), True),
    "block_id": _BLOCK_ID,
    "optional": Field(_flag),
}

_MESSAGE_BLOCKS = several(_by_type(_BLOCKS), MESSAGE_BLOCKS)
_VIEW = shape(
    {
        "title": Field(_plain(24), True),
        "submit": Field(_plain(24)),
        "close": Field(_plain(24)),
        "callback_id": Field(text(255)),
        "private_metadata": Field(text(3000)),
        "blocks": Field(several(_by_type({**_BLOCKS, "input": _INPUT_BLOCK}), DIALOG_BLOCKS), True),
    },
    type="modal",
)
_MESSAGE: dict[str, Field] = {
    "channel": Field(text(255), True),
    "text": Field(text(40_000), True),
    "blocks": Field(_MESSAGE_BLOCKS),
}

METHODS: dict[str, Check] = {
    "auth.test": shape({}),
    "chat.postMessage": shape(
        {
            **_MESSAGE,
            "thread_ts": Field(text(40)),
            "reply_broadcast": Field(_flag),
            "mrkdwn": Field(_flag),
            "unfurl_links": Field(_flag),
            "unfurl_media": Field(_flag),
        }
    ),
    "chat.postEphemeral": shape({**_MESSAGE, "user": Field(text(40), True), "thread_ts": Field(text(40))}),
    "chat.update": shape({**_MESSAGE, "ts": Field(text(40), True)}),
    "views.open": shape({"trigger_id": Field(text(255), True), "view": Field(_VIEW, True)}),
}


def check(method: str, arguments: Any) -> None:
    """Raises Invalid with the path of what is wrong, KeyError for a method that is not here."""
    METHODS[method](arguments)
    blocks = arguments.get("blocks") or (arguments.get("view") or {}).get("blocks") or []
    check_view_submit(arguments.get("view"))
    _unique(_ids(blocks, "block_id"))
    _unique([id_ for block in blocks for id_ in _ids(block.get("elements", []), "action_id")])


def check_view(view: Any) -> None:
    """A dialog as Slack takes it, from views.open or in an answer to a submission. Raises Invalid."""
    _VIEW(view)
    check_view_submit(view)


def check_view_submit(view: Any) -> None:
    if view and "submit" not in view and any(block["type"] == "input" for block in view["blocks"]):
        raise Invalid("view: submit is needed with an input")


def _ids(things: Iterable[Any], name: str) -> list[str]:
    return [thing[name] for thing in things if isinstance(thing, dict) and name in thing]


def _unique(ids: list[str]) -> None:
    if len(set(ids)) != len(ids):
        raise Invalid("an id appears twice")
