"""The part of the settings that says what all runs of a month may use, and those of one tag."""

from typing import Annotated

import msgspec

from tunestep.durations import PATTERN

_Tag = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A[A-Za-z0-9 _.:/=+@-]{1,128}\Z",
        description="1 to 128 letters, digits, spaces and _ . : / = + @ -",
    ),
]


class Allowance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The most of tokens, of the jobs' time and of US dollars; what is left out has no limit."""

    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_runtime: (
        Annotated[str, msgspec.Meta(pattern=PATTERN, description="a duration like 90s, 45m, 6h or 3d")] | None
    ) = None
    max_cost_usd: Annotated[float, msgspec.Meta(gt=0)] | None = None


NOTHING_SET = Allowance()


class TagAllowances(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What one run may use, and all runs that begin in one month (UTC) together."""

    per_run: Allowance = NOTHING_SET
    per_month: Allowance = NOTHING_SET


class ListedValue(TagAllowances, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A value of a tag that has a budget of its own."""

    value: _Tag


class TagBudget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The budgets by a tag of the request.

    ``others`` is one pot for all values that are not listed and for runs without the tag, so that nobody
    gets a new budget by thinking of a new value. It has to be said, ``{}`` for no limit.
    """

    tag: _Tag
    values: tuple[ListedValue, ...] = ()
    others: TagAllowances


class Budgets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all runs of the stack may use in a month, and what those of single tags may.

    What one run of the stack may use stands in ``limits`` and ``max_runtime``.
    """

    per_month: Allowance = NOTHING_SET
    tags: Annotated[tuple[TagBudget, ...], msgspec.Meta(max_length=5)] = ()


def ambiguous(budgets: Budgets) -> str:
    """What stands twice among the tags and their values, with its path; empty when nothing does."""
    tags = [budget.tag for budget in budgets.tags]
    for index, budget in enumerate(budgets.tags):
        if tags.index(budget.tag) != index:
            return f"the tag {budget.tag!r} at `$.budgets.tags[{index}]` has its budgets already"
        values = [listed.value for listed in budget.values]
        for place, value in enumerate(values):
            if values.index(value) != place:
                return f"the value {value!r} at `$.budgets.tags[{index}].values[{place}]` is listed already"
    return ""
