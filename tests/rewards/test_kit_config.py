import json
from dataclasses import replace
from typing import Any

import pytest

from reward_functions.kit import Part, RewardError, Sample, Score, compose, options
from reward_functions.kit.config import MAX_CONFIG
from reward_functions.kit.try_out import sample

DEFAULTS = {"word": "a", "share": 0.5, "strict": False, "names": [], "anything": None}


def test_the_row_goes_before_the_function_which_goes_before_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    assert options(sample("x"), DEFAULTS) == DEFAULTS
    monkeypatch.setenv("REWARD_CONFIG", '{"word": "b", "share": 1}')
    assert options(sample("x"), DEFAULTS) == {**DEFAULTS, "word": "b", "share": 1.0}
    for place in ("metadata", "extra_info"):
        own: dict[str, Any] = {place: {"reward": {"word": "c"}}}
        assert options(sample("x", **own), DEFAULTS) == {**DEFAULTS, "word": "c", "share": 1.0}


def test_a_samples_own_options_replace_the_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARD_CONFIG", '{"word": "b"}')
    assert options(replace(sample("x"), options={}), DEFAULTS)["word"] == "a"


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ("[" * 20_000, "not JSON"),
        (" " * MAX_CONFIG + "{}", "characters; at most"),
        ('{"wrod": 1}', "no option 'wrod'; the options are: anything, names, share, strict, word"),
        ('{"word": 1}', "'word' is int, not str"),
        ('{"strict": 1}', "'strict' is int, not bool"),
        ('{"share": true}', "'share' is bool, not float"),
        ('{"names": {}}', "'names' is dict, not list"),
    ],
)
def test_configuration_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, config: str, says: str
) -> None:
    monkeypatch.setenv("REWARD_CONFIG", config)
    with pytest.raises(RewardError) as raised:
        options(sample("x"), DEFAULTS)
    assert says in str(raised.value)


def fixed(value: float, **metrics: float) -> Part:
    return Part(lambda _: Score(value, metrics, "so"))


def test_a_composition_is_the_weighted_mean_and_reports_its_parts() -> None:
    parts = {
        "a": replace(fixed(1.0, seen=3.0), weight=3),
        "b": fixed(0.0),
        "c": replace(fixed(0.5), weight=0),
    }
    combined = compose(parts)(sample("x"))
    assert combined.value == 0.75
    assert combined.rewards == {"a": 1.0, "b": 0.0, "c": 0.5}
    assert combined.metrics == {"a.seen": 3.0}
    assert combined.reason == "a: so; b: so; c: so"


def test_a_gate_that_is_not_passed_makes_the_whole_zero() -> None:
    gated = {"a": fixed(1.0), "b": replace(fixed(0.4), weight=0, gate=0.5)}
    assert compose(gated)(sample("x")).value == 0.0
    assert compose({**gated, "b": replace(gated["b"], gate=0.4)})(sample("x")).value == 1.0


def test_a_part_that_fails_fails_the_sample() -> None:
    def broken(_: Sample) -> Score:
        raise RewardError("no reference")

    with pytest.raises(RewardError, match="no reference"):
        compose({"a": fixed(1.0), "b": Part(broken)})(sample("x"))


@pytest.mark.parametrize("weights", [[0.0], [-1.0, 2.0], [float("nan")], [float("inf")], []])
def test_weights_that_make_no_mean_are_refused(weights: list[float]) -> None:
    with pytest.raises(RewardError):
        compose({str(index): replace(fixed(1.0), weight=weight) for index, weight in enumerate(weights)})


def test_config_is_json_as_the_settings_file_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARD_CONFIG", json.dumps({"anything": {"deep": [1]}}))
    assert options(sample("x"), DEFAULTS)["anything"] == {"deep": [1]}
