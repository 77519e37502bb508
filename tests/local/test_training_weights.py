"""Saved weights: the directory's format, and what is refused when a job goes on from one."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tunestep.local.training import lora, model, weights
from tunestep.local.training.faults import TrainingFault
from tunestep.local.training.model import ModelConfig

FIXTURE = Path(__file__).parents[1] / "fixtures" / "tiny_llama"
CONFIG = ModelConfig(hidden=24, depth=2, heads=4, inner=64, context=64)
NOT_ABOUT_WEIGHTS = {
    "attention_dropout",
    "initializer_range",
    "pretraining_tp",
    "transformers_version",
    "use_cache",
}
"""What transformers writes beside the shape; each has a default that changes no result."""


def test_what_is_saved_is_loaded_again(tmp_path: Path) -> None:
    params = model.fresh(CONFIG, 5)
    weights.save(tmp_path, params, CONFIG)
    loaded, config = weights.load(tmp_path)
    assert config == CONFIG
    assert all(np.array_equal(loaded[name], params[name]) for name in params)


def test_the_directory_says_what_transformers_own_says(tmp_path: Path) -> None:
    params = model.fresh(CONFIG, 5)
    weights.save(tmp_path, params, CONFIG)
    ours = json.loads((tmp_path / "config.json").read_text())
    theirs = json.loads((FIXTURE / "config.json").read_text())
    assert {name: ours.get(name) for name in theirs.keys() - NOT_ABOUT_WEIGHTS} == {
        name: value for name, value in theirs.items() if name not in NOT_ABOUT_WEIGHTS
    }
    reference = load_file(FIXTURE / "model.safetensors")
    saved = load_file(tmp_path / "model.safetensors")
    assert {name: (array.shape, array.dtype) for name, array in saved.items()} == {
        name: (array.shape, array.dtype) for name, array in reference.items()
    }


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def other_architecture(folder: Path) -> None:
    document = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(document | {"num_key_value_heads": 1}))


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def pickled_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x80\x04cos\nsystem\n")


def missing_array(folder: Path) -> None:
    arrays = load_file(folder / "model.safetensors")
    arrays.pop(model.FINAL_NORM)
    save_file(arrays, folder / "model.safetensors")


def half_precision(folder: Path) -> None:
    arrays = load_file(folder / "model.safetensors")
    save_file(
        {name: array.astype(np.float16) for name, array in arrays.items()}, folder / "model.safetensors"
    )


@pytest.mark.parametrize(
    "spoil",
    [broken_config, other_architecture, no_weights, pickled_weights, missing_array, half_precision],
)
def test_weights_of_another_kind_are_refused(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    weights.save(tmp_path, model.fresh(CONFIG, 5), CONFIG)
    spoil(tmp_path)
    with pytest.raises(TrainingFault, match="not the laptop's trainer's own"):
        weights.load(tmp_path)


def test_base_and_adapter_together_are_the_merged_weights(tmp_path: Path) -> None:
    params = model.fresh(CONFIG, 5)
    base = {name: array.copy() for name, array in params.items()}
    adapter = lora.LoraWeights(params, rank=2, scale=1.5, seed=0, wide=False)
    for name, array in adapter.variables.items():
        if ".lora_B" in name:
            array[...] = 0.01
    adapter.refresh()
    weights.save_adapter(tmp_path, adapter)
    settings = json.loads((tmp_path / "adapter_config.json").read_text())
    arrays = load_file(tmp_path / "adapter_model.safetensors")
    name = "model.layers.1.mlp.up_proj"
    change = (
        arrays[f"base_model.model.{name}.lora_B.weight"] @ arrays[f"base_model.model.{name}.lora_A.weight"]
    )
    merged = base[f"{name}.weight"] + settings["lora_alpha"] / settings["r"] * change
    assert np.allclose(merged, params[f"{name}.weight"], atol=1e-6)
    assert not np.array_equal(merged, base[f"{name}.weight"])
    assert set(settings["target_modules"]) == {
        *(f"{part}_proj" for part in "qkvo"),
        "gate_proj",
        "up_proj",
        "down_proj",
    }
