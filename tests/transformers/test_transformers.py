"""What we train, loaded by transformers. Runs in an environment of requirements/transformers.txt."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tunestep.local.training import likelihood, lora, model, objectives, sampler, tokens, weights
from tunestep.local.training.loop import Recipe, train

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / "tests" / "fixtures" / "tiny_llama"
CONFIG = model.ModelConfig(hidden=64, depth=2, heads=4, inner=168, context=128)
RECIPE = Recipe(
    epochs=6,
    max_steps=None,
    batch_size=16,
    peak_rate=3e-3,
    warmup=0.1,
    schedule="cosine",
    weight_decay=0.0,
    clip=1.0,
    seed=1,
)


def exchanges(name: str) -> list[likelihood.Exchange]:
    lines = (ROOT / "examples" / "sft" / name).read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        (
            tokens.prompt_tokens([tokens.Turn("user", row["prompt"])], 160),
            tokens.answer_tokens(row["completion"], 64),
        )
        for row in rows
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, model.Params]:
    """A model trained by us with adapters, and the folder it was saved to."""
    params = model.fresh(CONFIG, 0)
    adapter = lora.LoraWeights(params, rank=8, scale=2.0, seed=0, wide=True)
    objective = objectives.Sft(exchanges("train.jsonl"))
    for _ in train(params, CONFIG, objective=objective, trainable=adapter, recipe=RECIPE):
        pass
    folder = tmp_path_factory.mktemp("model")
    weights.save(folder, params, CONFIG)
    return folder, params


def test_transformers_loads_our_weights_and_computes_the_same_logits(
    trained: tuple[Path, model.Params],
) -> None:
    folder, params = trained
    loaded, info = transformers.AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert type(loaded).__name__ == "LlamaForCausalLM"
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    batch = likelihood.collate(exchanges("validation.jsonl"))
    hidden, _ = model.forward(params, CONFIG, batch.ids)
    ours = (hidden @ params[model.EMBEDDING].T).reshape(*batch.ids.shape, -1)
    with torch.no_grad():
        theirs = loaded.eval()(input_ids=torch.tensor(batch.ids)).logits.numpy()
    real = batch.ids != tokens.PAD
    assert np.abs(ours - theirs)[real].max() < 1e-5 * max(1.0, np.abs(theirs).max())


def test_transformers_writes_the_same_text_greedily(trained: tuple[Path, model.Params]) -> None:
    folder, params = trained
    loaded = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    prompts = [prompt for prompt, _ in exchanges("validation.jsonl")]
    ours = sampler.sample(params, CONFIG, prompts, limit=24)
    for prompt, answer in zip(prompts, ours, strict=True):
        with torch.no_grad():
            written = loaded.generate(
                torch.tensor([prompt]),
                attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                do_sample=False,
                max_new_tokens=24,
            )
        assert written[0, len(prompt) :].tolist() == answer
    assert any("####" in tokens.decode(answer) for answer in ours)


@pytest.mark.parametrize("wide", [False, True])
def test_peft_makes_the_merged_model_from_base_and_adapter(tmp_path: Path, wide: bool) -> None:
    peft = pytest.importorskip("peft")
    params = model.fresh(CONFIG, 0)
    weights.save(tmp_path / "base", params, CONFIG)
    adapter = lora.LoraWeights(params, rank=4, scale=1.5, seed=0, wide=wide)
    random = np.random.default_rng(0)
    for array in adapter.variables.values():
        array[...] += 0.1 * random.standard_normal(array.shape).astype(array.dtype)
    adapter.refresh()
    weights.save_adapter(tmp_path / "adapter", adapter)
    ids = np.random.default_rng(1).integers(5, 261, (2, 12))
    base = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    with torch.no_grad():
        theirs = peft.PeftModel.from_pretrained(base, tmp_path / "adapter").eval()(torch.tensor(ids)).logits
    hidden, _ = model.forward(params, CONFIG, ids)
    ours = (hidden @ params[model.EMBEDDING].T).reshape(theirs.shape)
    assert np.abs(ours - theirs.numpy()).max() < 1e-5 * max(1.0, np.abs(ours).max())


def test_the_committed_fixture_is_what_transformers_computes_today(tmp_path: Path) -> None:
    runpy.run_path(str(Path(__file__).with_name("regenerate.py")))["write"](tmp_path)
    for name in ("case.safetensors", "model.safetensors"):
        committed, fresh = load_file(FIXTURE / name), load_file(tmp_path / name)
        assert committed.keys() == fresh.keys()
        for key, array in committed.items():
            assert np.allclose(array, fresh[key], rtol=1e-4, atol=1e-5), key
    assert (tmp_path / "config.json").read_text() == (FIXTURE / "config.json").read_text()
