"""Writes tests/fixtures/tiny_llama with transformers itself, the second opinion on our arithmetic.

    python tests/transformers/regenerate.py [FOLDER]

Needs requirements/transformers.txt in an environment of its own. What is written: a small random
LlamaForCausalLM (config.json, model.safetensors) and case.safetensors with token ids, a per-token
weight mask, the logits, the mean negative log-likelihood of the masked tokens and its gradient by
every parameter.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

FOLDER = Path(__file__).parents[1] / "fixtures" / "tiny_llama"
BATCH, LENGTH, ANSWER = 2, 20, 8


def small_model() -> transformers.LlamaForCausalLM:
    """Weights wide enough that attention and norms matter: a model at rest hides mistakes."""
    torch.manual_seed(7)
    config = transformers.LlamaConfig(
        vocab_size=261,
        hidden_size=24,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=6,
        max_position_embeddings=64,
        rms_norm_eps=1e-6,
        rope_theta=10000.0,
        tie_word_embeddings=True,
        initializer_range=0.25,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    model = transformers.LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.uniform_(0.5, 1.5)
    return model


def case(model: transformers.LlamaForCausalLM) -> dict[str, torch.Tensor]:
    """One batch, the second row shorter and right-padded, its loss and the gradients."""
    ids = torch.randint(5, 261, (BATCH, LENGTH))
    mask = torch.zeros(BATCH, LENGTH)
    ends = (LENGTH, LENGTH - 6)
    for row, end in enumerate(ends):
        ids[row, end:] = 0
        mask[row, end - ANSWER : end] = 1.0
    logits = model(input_ids=ids).logits
    logp = torch.log_softmax(logits[:, :-1], -1).gather(-1, ids[:, 1:, None])[..., 0]
    loss = -(logp * mask[:, 1:]).sum() / mask.sum()
    loss.backward()
    gradients = {f"gradient.{name}": weight.grad.clone() for name, weight in model.named_parameters()}
    return {
        "ids": ids.to(torch.int32),
        "mask": mask,
        "logits": logits.detach().clone(),
        "loss": loss.detach().reshape(1),
        **gradients,
    }


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model = small_model()
    save_file(case(model), folder / "case.safetensors")
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    origin = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__}
    (folder / "origin.json").write_text(json.dumps(origin, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
