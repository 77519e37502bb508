"""Weights as a directory that ``transformers`` loads, and back."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file

from tunestep.local.training import tokens
from tunestep.local.training.faults import TrainingFault
from tunestep.local.training.lora import LoraWeights
from tunestep.local.training.model import EMBEDDING, ModelConfig, Params, shapes

CONFIG, WEIGHTS = "config.json", "model.safetensors"
ADAPTER = "adapter"
"""Folder of the adapter, beside the merged weights."""
MAX_WEIGHTS_BYTES = 256 * 1024 * 1024
"""Largest weights file that a job goes on from."""

_PEFT_PREFIX = "base_model.model."


def save(folder: Path, params: Params, config: ModelConfig) -> None:
    """Writes ``config.json``, ``model.safetensors`` and a note on the tokens into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / CONFIG, to_document(config))
    save_file(_contiguous(params), folder / WEIGHTS, metadata={"format": "pt"})
    (folder / "TOKENS.txt").write_text(tokens.NOTE + "\n", encoding="utf-8")


def save_adapter(folder: Path, adapter: LoraWeights) -> None:
    """Writes the adapter alone, under the names and settings of PEFT's LoRA checkpoints."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = sorted({name.split(".")[-2] for name in adapter.variables if ".lora_" not in name})
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": None,
        "r": adapter.rank,
        "lora_alpha": adapter.scale * adapter.rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted({name.split(".")[-3] for name in adapter.variables if ".lora_" in name}),
        "modules_to_save": whole or None,
        "ensure_weight_tying": bool(whole),
    }
    _write_json(folder / "adapter_config.json", settings)
    arrays = {_PEFT_PREFIX + name: array for name, array in adapter.variables.items()}
    if whole:
        # Tied to the embedding, but PEFT looks for it under its own name too.
        arrays[_PEFT_PREFIX + "lm_head.weight"] = adapter.variables[EMBEDDING].copy()
    save_file(_contiguous(arrays), folder / "adapter_model.safetensors", metadata={"format": "pt"})


def load(folder: Path) -> tuple[Params, ModelConfig]:
    """Weights that :func:`save` wrote.

    Raises:
        TrainingFault: a file is missing, broken, or of another kind of model.
    """
    try:
        config = from_document(json.loads((folder / CONFIG).read_text(encoding="utf-8")))
        params = load_file(folder / WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise _foreign(type(error).__name__) from None
    expected = dict(shapes(config))
    if {name: array.shape for name, array in params.items()} != expected:
        raise _foreign("names or shapes differ from config.json")
    if any(array.dtype != np.float32 for array in params.values()):
        raise _foreign("not float32")
    return {name: params[name] for name in expected}, config


def _foreign(detail: str) -> TrainingFault:
    return TrainingFault(
        f"the source package's weights are not the laptop's trainer's own ({detail}); "
        "only a package trained on this laptop cloud can be gone on from."
    )


def to_document(config: ModelConfig) -> dict[str, Any]:
    """``config.json`` as LlamaForCausalLM reads it."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocabulary,
        "hidden_size": config.hidden,
        "intermediate_size": config.inner,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.heads,
        "head_dim": config.head_size,
        "hidden_act": "silu",
        "max_position_embeddings": config.context,
        "rms_norm_eps": config.eps,
        # transformers 4 reads the first, transformers 5 the second.
        "rope_theta": config.theta,
        "rope_parameters": {"rope_theta": config.theta, "rope_type": "default"},
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "pad_token_id": tokens.PAD,
        "eos_token_id": tokens.END,
        "bos_token_id": None,
        "torch_dtype": "float32",
        "dtype": "float32",
    }


def from_document(document: Mapping[str, Any]) -> ModelConfig:
    """The shape in a ``config.json`` that :func:`to_document` wrote; anything else is a ValueError."""
    config = ModelConfig(
        hidden=int(document["hidden_size"]),
        depth=int(document["num_hidden_layers"]),
        heads=int(document["num_attention_heads"]),
        inner=int(document["intermediate_size"]),
        context=int(document["max_position_embeddings"]),
        vocabulary=int(document["vocab_size"]),
        eps=float(document["rms_norm_eps"]),
        theta=float(document["rope_theta"]),
    )
    if to_document(config) != dict(document):
        raise ValueError("another architecture")
    return config


def _contiguous(params: Params) -> Params:
    return {name: np.ascontiguousarray(array) for name, array in params.items()}


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
