"""Which recipe of a model the service will use, and the override spec that belongs to it.

The service picks the recipe itself from technique, PEFT and sequence length; this follows the choice
that the SageMaker Python SDK 3.27 makes, so that the right spec is validated against.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import msgspec

from tunestep.aws import Client
from tunestep.checks.calls import ask
from tunestep.hub import Absence
from tunestep.s3uri import S3Uri

TECHNIQUES = ("SFT", "DPO", "RLVR", "RLAIF")
MAX_SPEC_BYTES = 1024 * 1024

Recipe = dict[str, Any]
"""One entry of a hub document's RecipeCollection."""


class Choice(msgspec.Struct, frozen=True):
    """The recipe that will be used, and the subscription recipe whose options may also be set."""

    recipe: Recipe
    subscription: Recipe | None = None


class NoRecipe(msgspec.Struct, frozen=True):
    """Nothing fits. ``lacks`` says which part of the request; ``offers`` is what there is instead."""

    lacks: str
    offers: tuple[str, ...]


class Spec(msgspec.Struct, frozen=True):
    """An override spec as read, and the SHA-256 of its bytes."""

    options: dict[str, Any]
    sha256: str


def kilo_tokens(text: object) -> int | None:
    """``"4K"`` -> 4096 tokens; None for anything that is not such a text."""
    value = str(text or "").strip().upper()
    return int(value[:-1]) * 1024 if value[:-1].isdecimal() and value.endswith("K") else None


def choose(
    document: dict[str, Any], technique: str, peft: str, sequence_length: str | None
) -> Choice | NoRecipe:
    """Pick the recipe: technique, serverless template, exact sequence length, then PEFT.

    Recipes that need no subscription go first. ``peft`` is LORA or FULL.
    """
    usable = _usable(document)
    fitting = [recipe for recipe in usable if recipe.get("CustomizationTechnique") == technique]
    if not fitting:
        return NoRecipe("technique", offers(document))
    if sequence_length:
        asked = kilo_tokens(sequence_length)
        exact = [r for r in fitting if asked and kilo_tokens(r.get("SequenceLength")) == asked]
        if not exact:
            return NoRecipe("sequence_length", _lengths(fitting))
        fitting = exact
    fitting = [recipe for recipe in fitting if bool(recipe.get("Peft")) == (peft == "LORA")]
    if not fitting:
        return NoRecipe("peft", offers(document))
    free = [recipe for recipe in fitting if not recipe.get("IsSubscriptionModel")]
    paid = [recipe for recipe in fitting if recipe.get("IsSubscriptionModel")]
    chosen = (free or paid)[0]
    return Choice(chosen, paid[0] if paid and paid[0] is not chosen else None)


def offers(document: dict[str, Any]) -> tuple[str, ...]:
    """What a model can be fine-tuned with, in words: ``SFT with LORA``, ``DPO in full``."""
    words = [
        f"{recipe['CustomizationTechnique']} {'with LORA' if recipe.get('Peft') else 'in full'}"
        for recipe in _usable(document)
        if recipe.get("CustomizationTechnique") in TECHNIQUES
    ]
    return tuple(dict.fromkeys(words))


def spec_uri(recipe: Recipe, account: str) -> str:
    """S3 URI of the recipe's override spec, or empty; ``{customer_id}`` stands for the account."""
    return str(recipe.get("SmtjOverrideParamsS3Uri") or "").replace("{customer_id}", account)


def fetch_spec(s3: Client, uri: S3Uri) -> Spec | Absence:
    """Read an override spec of at most 1 MiB."""
    body = read_small(s3, uri, MAX_SPEC_BYTES)
    if isinstance(body, Absence):
        return body
    try:
        options = json.loads(body)
    except ValueError:
        options = None
    if not isinstance(options, dict):
        return Absence("refused", f"{uri} is not a JSON object")
    return Spec(options, hashlib.sha256(body).hexdigest())


def read_small(s3: Client, uri: S3Uri, limit: int) -> bytes | Absence:
    """The bytes of an object that must not be larger than ``limit`` bytes."""

    def fetch() -> dict[str, bytes]:
        return {"body": s3.get_object(Bucket=uri.bucket, Key=uri.key)["Body"].read(limit + 1)}

    answer = ask(fetch)
    if answer.problem:
        return Absence(answer.problem, answer.message)
    body = bytes(answer.data["body"])
    return body if len(body) <= limit else Absence("refused", f"{uri} is larger than {limit // 1024} KB")


def _usable(document: dict[str, Any]) -> list[Recipe]:
    recipes = document.get("RecipeCollection")
    entries: Iterable[Any] = recipes if isinstance(recipes, list) else []
    return [entry for entry in entries if isinstance(entry, dict) and entry.get("SmtjRecipeTemplateS3Uri")]


def _lengths(recipes: list[Recipe]) -> tuple[str, ...]:
    known = {str(recipe["SequenceLength"]) for recipe in recipes if recipe.get("SequenceLength")}
    return tuple(sorted(known, key=lambda text: kilo_tokens(text) or 0))
