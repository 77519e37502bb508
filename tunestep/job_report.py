"""What the laptop's trainer reports of a reinforcement job, beside its model; AWS writes no such file."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from tunestep.aws import Client
from tunestep.s3uri import parse

FILE = "report.json"
MAX_BYTES = 1024 * 1024
MAX_SAMPLES, MAX_WARNINGS, MAX_METRICS = 6, 8, 6
MAX_TEXT = 240
"""Longest prompt, answer, name or warning that is passed on, in characters."""


def read(s3: Client, job: Mapping[str, Any]) -> dict[str, Any]:
    """The report's part for people, capped: ``samples``, ``warnings``, ``exact_match``, ``reward``,
    ``length`` and ``rewarded_by``, each only if it is there. Empty without a report: nothing needs one.

    ``job`` is DescribeTrainingJob's answer.
    """
    root = f"{job['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job['TrainingJobName']}/output/{FILE}"
    try:
        place = parse(root)
        body = s3.get_object(Bucket=place.bucket, Key=place.key)["Body"].read(MAX_BYTES + 1)
        report = msgspec.json.decode(body, type=dict[str, Any])
    except (BotoCoreError, ClientError, ValueError, RecursionError):
        return {}
    return summary(report)


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """What is passed on of a report, whatever stands in it."""
    found = {
        "samples": [_sample(entry) for entry in _list(report.get("samples"), MAX_SAMPLES)],
        "warnings": [_text(entry) for entry in _list(report.get("warnings"), MAX_WARNINGS)],
        "rewarded_by": _text(report.get("rewarded_by")),
        "exact_match": _numbers(report.get("exact_match"), 3),
        "reward": _ends(report.get("reward")),
        "length": _ends(report.get("length")),
    }
    return {name: value for name, value in found.items() if value}


def _sample(entry: Any) -> dict[str, Any]:
    fields = entry if isinstance(entry, dict) else {}
    prompt = fields.get("prompt")
    return {
        "rank": _text(fields.get("rank")),
        # A question stands at the end of its prompt.
        "prompt": prompt[-MAX_TEXT:] if isinstance(prompt, str) else "",
        "answer": _text(fields.get("answer")),
        "score": _number(fields.get("score")),
        "metrics": _numbers(fields.get("metrics"), MAX_METRICS),
    }


def _list(value: Any, most: int) -> list[Any]:
    return value[:most] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _numbers(value: Any, most: int) -> dict[str, float]:
    pairs = list(value.items())[:most] if isinstance(value, dict) else []
    return {_text(name): number for name, entry in pairs if (number := _number(entry)) is not None}


def _ends(value: Any) -> list[float]:
    """First and last value."""
    numbers = [number for entry in _list(value, 2) if (number := _number(entry)) is not None]
    return numbers if len(numbers) == 2 else []
