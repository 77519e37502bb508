"""JSON Schema: 1 when the response is one JSON document that the schema accepts; else 0.

Formula: ``value = 1 if valid(document) and (no value expected or document == expected) else 0``. The document
is the content of the response's fenced blocks (two different ones score 0), or the whole response. Prose
around bare JSON, repeated keys, NaN and infinity are not JSON. Formats (date, email, uri, ...) are checked,
patterns run in a linear-time engine, and references resolve inside the schema only: nothing is ever fetched
or opened.

Inputs: the response; a reference that is the schema (an object, or its JSON text), or
``{"schema": {...}, "expected": ...}``. Configuration (REWARD_CONFIG, or ``metadata.reward`` of a row):
  schema: one schema for every row;
  compare (false): with ``schema`` configured, the reference is the value that the document must equal.

A reference that is no schema (not JSON, invalid, too large, with a reference to elsewhere or a pattern
outside of the linear subset) is an error, not a score of 0.

>>> from reward_functions.kit.try_out import sample
>>> schema = {"type": "object", "required": ["age"], "properties": {"age": {"type": "integer", "minimum": 0}}}
>>> score(sample('{"age": 42}', schema)).value
1.0
>>> score(sample('{"age": -1}', schema)).reason
'not accepted: properties/age/minimum'
"""

import functools
import json
from collections.abc import Mapping
from typing import Any, NoReturn

import jsonschema_rs

from reward_functions.kit import RewardError, Sample, Score, options, serve
from reward_functions.kit.json_text import NotJson, documents, load, shallow

OPTIONS: Mapping[str, Any] = {"schema": None, "compare": False}
MAX_SCHEMA = 65_536
"""Longest schema, in characters of JSON."""

_NONE = object()


def score(sample: Sample) -> Score:
    """See the module's text."""
    schema, expected = _wanted(sample)
    validator = _validator(schema)
    try:
        stated = documents(sample.response)
    except NotJson as fault:
        return Score(0.0, reason=f"no JSON document: {fault}")
    if len(stated) > 1:
        return Score(0.0, reason="two different JSON documents")
    refused = next(iter(validator.iter_errors(stated[0])), None)
    if refused is not None:
        return Score(0.0, {"valid": 0.0}, f"not accepted: {'/'.join(map(str, refused.schema_path))}")
    if expected is not _NONE and not _equal(stated[0], expected):
        return Score(0.0, {"valid": 1.0}, "accepted, but not the expected value")
    return Score(1.0, {"valid": 1.0}, "accepted")


def _wanted(sample: Sample) -> tuple[str, object]:
    """The schema as JSON text, and the value expected, if any."""
    chosen = options(sample, OPTIONS)
    reference: Any = sample.reference
    if isinstance(reference, str) and (chosen["schema"] is None or chosen["compare"]):
        try:
            reference = load(reference)
        except NotJson as fault:
            raise RewardError(f"the reference is {fault}") from None
    if chosen["schema"] is not None:
        return _text(chosen["schema"]), reference if chosen["compare"] else _NONE
    if isinstance(reference, dict) and isinstance(reference.get("schema"), dict | bool):
        return _text(reference["schema"]), reference.get("expected", _NONE)
    return _text(reference), _NONE


def _text(schema: object) -> str:
    if not isinstance(schema, dict | bool):
        raise RewardError("the reference is no JSON Schema (an object, or JSON text of one)")
    if not shallow(schema):
        raise RewardError("the schema is nested too deep")
    text = json.dumps(schema, sort_keys=True)
    if len(text) > MAX_SCHEMA:
        raise RewardError(f"the schema has {len(text)} characters; at most {MAX_SCHEMA}")
    return text


def _retrieve(uri: str) -> NoReturn:
    raise LookupError("references outside of the schema are not resolved")


@functools.lru_cache(maxsize=256)
def _validator(schema: str) -> Any:
    try:
        return jsonschema_rs.validator_for(
            json.loads(schema),
            retriever=_retrieve,
            pattern_options=jsonschema_rs.RegexOptions(),
            validate_formats=True,
        )
    except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as fault:
        raise RewardError("the reference is no usable JSON Schema", str(fault).partition("\n")[0]) from None


def _equal(left: object, right: object) -> bool:
    """Equality of JSON values: true is not 1, but 1 is 1.0."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return left == right


handler = serve(score)
