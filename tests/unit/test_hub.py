from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.planning import QWEN, Desk, prepared_account
from tests.support.world_clients import Refused
from tunestep import hub, recipes
from tunestep.checks.calls import ask
from tunestep.errors import ServiceFault, TransientFault
from tunestep.recipes import Choice, NoRecipe, Spec
from tunestep.s3uri import S3Uri


@pytest.fixture(scope="module")
def account() -> Iterator[Desk]:
    with prepared_account() as prepared:
        yield prepared


@pytest.fixture
def desk(account: Desk) -> Desk:
    account.reset()
    account.clients.calls.clear()
    return account


def test_model_names_are_listed_over_all_pages(desk: Desk) -> None:
    names = hub.list_model_names(desk.clients.sagemaker)
    assert QWEN in names
    assert len(names) == sum("/Model/" in key for key in desk.world["hub"])
    assert len([call for call in desk.clients.calls if call.operation == "ListHubContents"]) > 1


def test_a_refused_listing_brings_no_names_and_no_error(desk: Desk) -> None:
    def refuse(_: Any) -> dict[str, Any]:
        raise Refused("AccessDeniedException")

    desk.clients.overrides["ListHubContents"] = refuse
    assert hub.list_model_names(desk.clients.sagemaker) == []


@pytest.mark.parametrize(
    ("asked", "best"),
    [
        ("huggingface-reasoning-qwen3-8", "huggingface-reasoning-qwen3-8b"),
        ("Huggingface-Reasoning-Qwen3-8B", "huggingface-reasoning-qwen3-8b"),
        ("qwen3", "huggingface-reasoning-qwen3-8b"),
        ("amazon.nova-2-lite", "amazon.nova-2-lite-v1"),
    ],
)
def test_nearest_names_are_found_by_spelling_and_by_part(asked: str, best: str) -> None:
    known = ["meta-textgeneration-llama-3-8b", "huggingface-reasoning-qwen3-8b", "amazon.nova-2-lite-v1"]
    assert hub.nearest(asked, known)[0] == best


def test_nothing_like_it_brings_no_suggestion() -> None:
    assert hub.nearest("zzz", ["huggingface-reasoning-qwen3-8b"]) == []


def recipe(name: str, technique: str = "SFT", **more: Any) -> dict[str, Any]:
    return {"Name": name, "CustomizationTechnique": technique, "SmtjRecipeTemplateS3Uri": "s3://b/t"} | more


DOCUMENT = {
    "RecipeCollection": [
        recipe("hyperpod only", Peft="LORA", SmtjRecipeTemplateS3Uri=None),
        recipe("subscription", Peft="LORA", IsSubscriptionModel=True, SequenceLength="32K"),
        recipe("short", Peft="LORA", SequenceLength="4K"),
        recipe("long", Peft="LORA", SequenceLength="32K"),
        recipe("full", SequenceLength="4K"),
        recipe("dpo", "DPO", Peft="LORA", IsSubscriptionModel=True, SequenceLength="8K"),
        recipe("other", "MTRL", Peft="LORA"),
    ]
}


@pytest.mark.parametrize(
    ("technique", "peft", "length", "expected", "subscription"),
    [
        ("SFT", "LORA", None, "short", "subscription"),
        ("SFT", "LORA", "32K", "long", "subscription"),
        ("SFT", "LORA", "4K", "short", None),
        ("SFT", "FULL", None, "full", None),
        ("DPO", "LORA", None, "dpo", None),
    ],
)
def test_recipes_are_chosen_as_the_sdk_chooses(
    technique: str, peft: str, length: str | None, expected: str, subscription: str | None
) -> None:
    chosen = recipes.choose(DOCUMENT, technique, peft, length)
    assert isinstance(chosen, Choice)
    assert chosen.recipe["Name"] == expected
    assert (chosen.subscription or {}).get("Name") == subscription


@pytest.mark.parametrize(
    ("technique", "peft", "length", "lacks", "offered"),
    [
        ("RLVR", "LORA", None, "technique", ("SFT with LORA", "SFT in full", "DPO with LORA")),
        ("SFT", "LORA", "128K", "sequence_length", ("4K", "32K")),
        ("SFT", "FULL", "32K", "peft", ("SFT with LORA", "SFT in full", "DPO with LORA")),
        ("DPO", "FULL", None, "peft", ("SFT with LORA", "SFT in full", "DPO with LORA")),
    ],
)
def test_a_choice_that_fails_says_what_there_is(
    technique: str, peft: str, length: str | None, lacks: str, offered: tuple[str, ...]
) -> None:
    assert recipes.choose(DOCUMENT, technique, peft, length) == NoRecipe(lacks, offered)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(JSON, st.sampled_from(["SFT", "RLVR"]), st.sampled_from(["LORA", "FULL"]))
def test_any_recipe_collection_gives_a_choice_or_a_reason(collection: Any, technique: str, peft: str) -> None:
    outcome = recipes.choose({"RecipeCollection": collection}, technique, peft, "4K")
    assert isinstance(outcome, Choice | NoRecipe)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("4K", 4096), ("128k", 131072), ("K", None), ("", None), (None, None), ("4", None), ("xK", None)],
)
def test_sequence_lengths_are_read_strictly(text: Any, tokens: int | None) -> None:
    assert recipes.kilo_tokens(text) == tokens


def test_customer_id_in_a_spec_uri_is_the_account() -> None:
    entry = {"SmtjOverrideParamsS3Uri": "s3://arn:aws:s3:r:{customer_id}:accesspoint/x-{customer_id}/k"}
    assert recipes.spec_uri(entry, "1111") == "s3://arn:aws:s3:r:1111:accesspoint/x-1111/k"


def test_a_spec_larger_than_the_cap_is_refused(desk: Desk) -> None:
    desk.put("s3://my-data-bucket/big.json", '{"a": "' + "x" * recipes.MAX_SPEC_BYTES + '"}')
    answer = recipes.fetch_spec(desk.clients.s3, S3Uri("my-data-bucket", "big.json"))
    assert not isinstance(answer, Spec)
    assert "larger than 1024 KB" in answer.message


@pytest.mark.parametrize("text", ["", "not json", "[1]", '{"a": '])
def test_a_spec_that_is_no_object_is_refused(desk: Desk, text: str) -> None:
    desk.put("s3://my-data-bucket/spec.json", text)
    answer = recipes.fetch_spec(desk.clients.s3, S3Uri("my-data-bucket", "spec.json"))
    assert not isinstance(answer, Spec)
    assert answer.problem == "refused"


@pytest.mark.parametrize(
    ("code", "status", "problem"),
    [
        ("ResourceNotFound", 400, "absent"),
        ("AccessDeniedException", 400, "denied"),
        ("SomethingElse", 403, "denied"),
        ("ValidationException", 400, "refused"),
    ],
)
def test_refusals_are_told_apart(desk: Desk, code: str, status: int, problem: str) -> None:
    def refuse(_: Any) -> dict[str, Any]:
        raise Refused(code, "no", status)

    desk.clients.overrides["DescribeMlflowApp"] = refuse
    assert ask(desk.clients.sagemaker.describe_mlflow_app, Arn="arn:aws:sagemaker:x").problem == problem


@pytest.mark.parametrize(
    ("code", "status", "raised"),
    [
        ("ThrottlingException", 400, TransientFault),
        ("InternalFailure", 500, TransientFault),
        ("Whatever", 503, TransientFault),
        ("ExpiredTokenException", 400, ServiceFault),
    ],
)
def test_what_is_not_about_the_request_is_raised(
    desk: Desk, code: str, status: int, raised: type[Exception]
) -> None:
    def refuse(_: Any) -> dict[str, Any]:
        raise Refused(code, "no", status)

    desk.clients.overrides["DescribeMlflowApp"] = refuse
    with pytest.raises(raised):
        ask(desk.clients.sagemaker.describe_mlflow_app, Arn="arn:aws:sagemaker:x")
