"""Rows, files and hyperparameters: what is taken, and what every fault says."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunestep.local.training import data_files, data_rows, examples, tokens
from tunestep.local.training.data_files import parse_lines, split_lines
from tunestep.local.training.data_rows import Example, RuleBroken, parse_dpo, parse_sft
from tunestep.local.training.faults import BadRow, TrainingFault
from tunestep.local.training.hyperparameters import map_values
from tunestep.local.training.tokens import Turn

CONFORMANCE = Path(__file__).parents[1] / "conformance"
USER = {"role": "user", "content": "2+2?"}
ASSISTANT = {"role": "assistant", "content": "4"}
NOVA_USER = {"role": "user", "content": [{"text": "2+2?"}]}


def line(row: Any) -> bytes:
    return json.dumps(row).encode()


ASK = (Turn("user", "2+2?"),)


@pytest.mark.parametrize(
    ("row", "example"),
    [
        ({"prompt": "2+2?", "completion": "4"}, Example(ASK, ("4",))),
        ({"prompt": [USER], "completion": [ASSISTANT]}, Example(ASK, ("4",))),
        ({"input": "2+2?", "output": "4"}, Example(ASK, ("4",))),
        ({"query": "2+2?", "response": "4"}, Example(ASK, ("4",))),
        ({"messages": [USER, ASSISTANT, USER]}, Example(ASK, ("4",))),
        (
            {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [{"id": 1}]}]},
            Example(ASK, ('[{"id":1}]',)),
        ),
        (
            {"messages": [USER, {"role": "tool", "content": "r"}, ASSISTANT]},
            Example((*ASK, Turn("tool", "r")), ("4",)),
        ),
        ({"messages": [USER, ASSISTANT]}, Example(ASK, ("4",))),
        (
            {"messages": [{"role": "system", "content": "s"}, USER, ASSISTANT]},
            Example((Turn("system", "s"), *ASK), ("4",)),
        ),
        (
            {
                "schemaVersion": "bedrock-conversation-2024",
                "system": [{"text": "s"}],
                "messages": [NOVA_USER, {"role": "assistant", "content": [{"text": "4"}]}],
            },
            Example((Turn("system", "s"), *ASK), ("4",)),
        ),
        (
            {"messages": [{"role": "user", "content": [{"image": {}}, {"text": "2+2?"}]}, ASSISTANT]},
            Example(ASK, ("4",)),
        ),
        (
            {"messages": [USER, ASSISTANT, USER, {"role": "assistant", "content": "5"}]},
            Example((*ASK, Turn("assistant", "4"), *ASK), ("5",)),
        ),
    ],
)
def test_sft_rows_of_every_format_become_one_example(row: Any, example: Example) -> None:
    assert parse_sft(line(row)) == example


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "2+2?", "chosen": "4", "rejected": "5"},
        {"prompt": [USER], "chosen": [ASSISTANT], "rejected": [{"role": "assistant", "content": "5"}]},
        {"chosen": [USER, ASSISTANT], "rejected": [USER, {"role": "assistant", "content": "5"}]},
        {
            "prompt": "2+2?",
            "chosen": [USER, ASSISTANT],
            "rejected": [USER, {"role": "assistant", "content": "5"}],
        },
        {
            "schemaVersion": "bedrock-conversation-2024",
            "messages": [
                NOVA_USER,
                {
                    "role": "assistant",
                    "candidates": [
                        {"content": [{"text": "5"}], "preferenceLabel": "non-preferred"},
                        {"content": [{"text": "4"}], "preferenceLabel": "preferred"},
                    ],
                },
            ],
        },
    ],
)
def test_dpo_rows_of_every_format_put_the_better_answer_first(row: Any) -> None:
    assert parse_dpo(line(row)) == Example(ASK, ("4", "5"))


@pytest.mark.parametrize(
    ("technique", "raw", "rule"),
    [
        ("SFT", b"{", "is not JSON"),
        ("SFT", b'{"prompt": "\xff", "completion": "a"}', "is not JSON"),
        ("SFT", b"[" * 100_000, "is not JSON"),
        ("SFT", b"[]", "is not a JSON object"),
        ("SFT", b"null", "is not a JSON object"),
        ("SFT", b"{}", 'needs "prompt" and "completion"'),
        ("SFT", line({"prompt": "a"}), 'needs "prompt" and "completion"'),
        ("SFT", line({"prompt": 1, "completion": "a"}), '"prompt" must be a list'),
        ("SFT", line({"prompt": "a", "completion": None}), '"completion" must be a list'),
        ("SFT", line({"prompt": "a", "completion": " "}), '"completion" has no text'),
        ("SFT", line({"prompt": "a", "completion": [USER]}), "must be the assistant's"),
        ("SFT", line({"messages": []}), "at least one message"),
        ("SFT", line({"messages": [1]}), "a message must be a JSON object"),
        ("SFT", line({"messages": [USER]}), "must have an assistant message"),
        ("SFT", line({"messages": [ASSISTANT]}), "needs a message before"),
        ("SFT", line({"messages": [{"role": ["x"], "content": "a"}, ASSISTANT]}), '"role" must be'),
        ("SFT", line({"messages": [{"role": "user", "content": [1]}, ASSISTANT]}), "must be a JSON object"),
        ("SFT", line({"messages": [{"role": "user", "content": [{"text": 1}]}, ASSISTANT]}), "a string"),
        ("SFT", line({"messages": [{"role": "user", "content": [{"image": {}}]}, ASSISTANT]}), "no text"),
        ("DPO", line({"prompt": "a", "chosen": "b"}), 'needs "chosen" and "rejected"'),
        ("DPO", line({"chosen": "a", "rejected": "b"}), 'needs "prompt"'),
        ("DPO", line({"chosen": [ASSISTANT], "rejected": [ASSISTANT]}), "needs a message before"),
        (
            "DPO",
            line({"chosen": [USER, ASSISTANT], "rejected": [USER, USER, ASSISTANT]}),
            "the same conversation",
        ),
        ("DPO", line({"messages": [USER, ASSISTANT]}), 'with "candidates"'),
        (
            "DPO",
            line({"messages": [USER, {"role": "assistant", "candidates": [{"preferenceLabel": "best"}]}]}),
            '"preferenceLabel" must be',
        ),
        (
            "DPO",
            line(
                {
                    "messages": [
                        USER,
                        {
                            "role": "assistant",
                            "candidates": [{"preferenceLabel": "preferred", "content": "a"}] * 2,
                        },
                    ]
                }
            ),
            'one "preferred" and one "non-preferred"',
        ),
    ],
)
def test_a_bad_row_names_file_line_and_rule(technique: str, raw: bytes, rule: str) -> None:
    good = {
        "SFT": line({"prompt": "a", "completion": "b"}),
        "DPO": line({"prompt": "a", "chosen": "b", "rejected": "c"}),
    }
    text = b"\n".join([good[technique], b"", raw, good[technique]])
    with pytest.raises(BadRow) as caught:
        list(parse_lines("s3://b/t.jsonl", [text], technique))
    assert str(caught.value).startswith("s3://b/t.jsonl line 3: ")
    assert rule in str(caught.value)


def test_a_fault_never_repeats_content() -> None:
    secret = "MRN-4711"
    rows = [
        {"prompt": secret, "completion": 5},
        {"messages": [{"role": secret, "content": secret}, ASSISTANT]},
        {secret: secret},
    ]
    for row in rows:
        with pytest.raises(RuleBroken) as caught:
            parse_sft(line(row))
        assert secret not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "text", "candidates", "preferenceLabel", "messages", "system", "prompt"]
            ),
            inner | st.sampled_from(["user", "assistant", "preferred", "non-preferred"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)
ROWS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("messages", "prompt", "completion", "chosen", "rejected", "system"), JSON)
)


@given(st.one_of(ROWS.map(line), st.binary(max_size=60), JSON.map(line)), st.sampled_from(["SFT", "DPO"]))
def test_hostile_rows_are_an_example_or_a_broken_rule_and_nothing_else(raw: bytes, technique: str) -> None:
    try:
        example = data_rows.PARSERS[technique](raw)
    except RuleBroken:
        return
    assert example.answers
    assert all(answer.strip() for answer in example.answers)
    for prompt, answer in examples.exchanges([example]):
        assert 0 < len(prompt) <= 162
        assert 0 < len(answer) <= 64


@given(st.lists(st.binary(max_size=12)), st.integers(1, 5))
def test_lines_do_not_depend_on_how_they_arrive(lines: list[bytes], size: int) -> None:
    clean = [one.replace(b"\n", b"x") for one in lines]
    text = b"\n".join(clean)
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    arrived = list(split_lines(chunks))
    expected = clean[:-1] if clean and not clean[-1] else clean
    assert arrived == expected


def test_a_line_without_end_is_refused_before_it_fills_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_files, "MAX_LINE", 100)
    read = 0

    def endless() -> Any:
        nonlocal read
        while True:
            read += 64
            yield b"x" * 64

    with pytest.raises(BadRow, match=r"line 1: is longer than 100 bytes"):
        list(parse_lines("f", endless(), "SFT"))
    assert read <= 256


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    raw = b"\xef\xbb\xbf" + line({"prompt": "a", "completion": "b"}) + b"\r\n"
    assert len(list(parse_lines("f", [raw], "SFT"))) == 1


@given(st.text())
def test_text_survives_its_tokens(text: str) -> None:
    plain = text.encode("utf-8", "ignore").decode()
    assert tokens.decode(tokens.encode(plain)) == plain


def test_long_prompts_keep_their_tail_and_long_answers_their_start() -> None:
    prompt = tokens.prompt_tokens([Turn("user", "a" * 300 + "end?")], 160)
    assert (len(prompt), tokens.decode(prompt)[-4:]) == (162, "end?")
    assert tokens.answer_tokens("abc", 2) == tokens.encode("ab")
    notes = examples.cut_notes([Example((Turn("user", "a" * 300),), ("b" * 64,))])
    assert len(notes) == 2


def test_rows_held_out_for_validation_are_not_trained_on() -> None:
    rows = [Example(ASK, (str(number),)) for number in range(50)]
    split = examples.split(rows, None, 0.1, seed=1)
    assert (len(split.train), len(split.validation)) == (45, 5)
    assert {one.answers for one in (*split.train, *split.validation)} == {one.answers for one in rows}
    assert examples.split(rows[:1], None, 0.1, seed=1).train == rows[:1]


def test_hyperparameters_keep_their_meaning_and_the_rate_is_mapped_aloud() -> None:
    asked = {"max_epochs": "4", "global_batch_size": "8", "learning_rate": "0.0001", "lora_rank": "64"}
    mapped = map_values(asked | {"lora_alpha": "128", "odd_knob": "7"}, technique="SFT", lora=True)
    assert (mapped.recipe.epochs, mapped.recipe.batch_size, mapped.recipe.peak_rate) == (4, 8, 3e-3)
    assert (mapped.rank, mapped.scale) == (16, 2.0)
    told = "\n".join(mapped.statement)
    for part in ("max_epochs: 4 (as asked)", "asked: 0.0001", "lora_rank: 16 in fact", "odd_knob: not used"):
        assert part in told


@pytest.mark.parametrize("name", ["max_epochs", "global_batch_size", "weight_decay", "seed", "lora_rank"])
@pytest.mark.parametrize("value", ["x", "nan", "inf", "-1", "1e99", "[1]"])
def test_a_hyperparameter_that_is_no_number_in_bounds_is_named(name: str, value: str) -> None:
    with pytest.raises(TrainingFault, match=f"hyperparameter {name} must"):
        map_values({name: value}, technique="SFT", lora=True)


@pytest.mark.parametrize(
    ("asked", "length"),
    [
        ({}, (3, None)),
        ({"max_steps": "10"}, (10, 10)),
        ({"max_steps": "10", "max_epochs": "2"}, (2, 10)),
        ({"max_epochs": ""}, (3, None)),
    ],
)
def test_epochs_and_steps_end_a_run_as_the_recipe_counts(
    asked: dict[str, str], length: tuple[int, int | None]
) -> None:
    recipe = map_values(asked, technique="SFT", lora=False).recipe
    assert (recipe.epochs, recipe.max_steps) == length


def test_every_captured_request_can_be_mapped() -> None:
    captured = json.loads((CONFORMANCE / "create_training_job.json").read_text())
    kinds = [
        (case["create_training_job"], case["create_training_job"]["ServerlessJobConfig"]) for case in captured
    ]
    for request, serverless in kinds:
        technique = serverless["CustomizationTechnique"]
        if technique in {"SFT", "DPO"}:
            map_values(request["HyperParameters"], technique=technique, lora=serverless.get("Peft") == "LORA")


class Hub:
    """A SageMaker client that knows one registered dataset."""

    def __init__(self, document: str) -> None:
        self._document = document

    def describe_hub_content(self, **names: str) -> dict[str, str]:
        assert names == {
            "HubName": "HUB",
            "HubContentType": "DataSet",
            "HubContentName": "ds",
            "HubContentVersion": "1.0.0",
        }
        return {"HubContentDocument": self._document}


def dataset_channel(arn: str) -> dict[str, Any]:
    return {"ChannelName": "train", "DataSource": {"DatasetSource": {"DatasetArn": arn}}}


def test_a_registered_dataset_is_read_where_its_hub_says() -> None:
    channel = dataset_channel("arn:aws:sagemaker:us-west-2:1:hub-content/HUB/DataSet/ds/1.0.0")
    hub = Hub('{"DatasetS3Bucket": "b", "DatasetS3Prefix": "p/x.jsonl"}')
    assert data_files.channel_location(channel, lambda: hub) == data_files.Location("b", "p/x.jsonl")
    for document in ("{", "[]", "{}"):
        with pytest.raises(TrainingFault, match="cannot be resolved"):
            data_files.channel_location(channel, lambda document=document: Hub(document))
    with pytest.raises(TrainingFault, match="cannot be resolved"):
        data_files.channel_location(dataset_channel("arn:odd"), lambda: hub)
