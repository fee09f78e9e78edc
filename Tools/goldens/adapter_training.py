#!/usr/bin/env python3
"""Trains adapters with PEFT + transformers for 20 steps and writes down every step.

    python Tools/goldens/adapter_training.py             # all
    python Tools/goldens/adapter_training.py llama-dora  # some

Data, schedule and what a step records are those of training.py, which wrote tokens.jsonl. Writes
under Tests/ApusTrainTests/Fixtures/adapters
  NAME/                   the adapter that training begins with, as PEFT writes it
  NAME/final.safetensors  every trained weight after the last step, by the names of that file
  NAME.json               what training.py writes, without samples of weights
"""

import json
import shutil
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

from adapters import ALL, disturb
from shared import TRAINING_FIXTURES, rounded, write_json
from training import DECAY, STEPS, WARM_UP, WINDOW, deviation, load, make_optimizer, train

ADAPTERS = TRAINING_FIXTURES / "adapters"
ADAMW = {"name": "adamw", "learning_rate": 2e-2, "betas": [0.9, 0.999], "epsilon": 1e-8}
# Folder, LoraConfig, a clipping norm that some steps reach, and LoRA+ (Hayou et al., 2024): the
# ratio of the rates of B and A, the rate of embeddings and the weight decay.
RUNS = {
    "llama-lora": ("llama-untied", dict(r=4, lora_alpha=8, target_modules=ALL), 1.85, None),
    "llama-dora": ("llama-tied", dict(
        r=4, lora_alpha=8, target_modules=ALL, use_dora=True), 4.7, None),
    "llama-saved": ("llama-biased", dict(
        r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "up_proj"], use_rslora=True,
        modules_to_save=["lm_head"], bias="lora_only"), 5.0, None),
    "llama-plus": ("llama-biased", dict(
        r=4, lora_alpha=8, target_modules=["q_proj", "down_proj", "embed_tokens"],
        modules_to_save=["lm_head"], bias="lora_only"), 5.0, (4.0, 5e-3, DECAY)),
}


def optimizer_of(model, plus):
    if plus is None:
        return make_optimizer(model, ADAMW)
    ratio, embedding, decay = plus
    return create_loraplus_optimizer(
        model, torch.optim.AdamW, lr=ADAMW["learning_rate"], loraplus_lr_ratio=ratio,
        loraplus_lr_embedding=embedding, loraplus_weight_decay=decay, betas=ADAMW["betas"],
        eps=ADAMW["epsilon"], foreach=False)


def run_in(dtype, name, lines):
    """The trained model and its steps, from the adapter of the folder."""
    base, _, clip, plus = RUNS[name]
    model = PeftModel.from_pretrained(load(base, dtype), ADAPTERS / name, is_trainable=True)
    model = model.to(dtype).train()
    return model, train(model, optimizer_of(model, plus), dtype, clip, lines)


def trained_weights(model):
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}


def make(name, lines):
    base, settings, clip, plus = RUNS[name]
    folder = ADAPTERS / name
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(5)
    model = get_peft_model(
        load(base, torch.float32), LoraConfig(task_type="CAUSAL_LM", **settings))
    disturb(model, seed=6)
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()

    model, steps = run_in(torch.float32, name, lines)
    exact_model, exact = run_in(torch.float64, name, lines)
    floor = deviation(steps, exact)
    weights, exact_weights = trained_weights(model), trained_weights(exact_model)
    distance = max((weights[key] - exact_weights[key]).abs().max().item() for key in weights)
    clipped = sum(step["grad_norm"] > clip for step in steps)
    losses = f"{steps[0]['loss']:.4f} -> {steps[-1]['loss']:.4f}"
    print(f"{name}: {losses}, {clipped} of {STEPS} steps clipped, "
          f"fp64 {floor:.1e}, weights {distance:.1e}")
    assert 0 < clipped < STEPS, "clipping must be active in some steps and idle in others"
    save_file(weights, folder / "final.safetensors")
    write_json(ADAPTERS / f"{name}.json", {
        "model": base, "compute_dtype": "float32", "optimizer": ADAMW, "loraplus": plus,
        "weight_decay": DECAY, "max_grad_norm": clip,
        "schedule": {"name": "cosine", "warmup_steps": WARM_UP, "total_steps": STEPS},
        "sequences_per_step": WINDOW, "float64_deviation": rounded(floor, 2),
        "float64_distance_of_weights": rounded(distance, 2), "steps": steps})


def main():
    text = (TRAINING_FIXTURES / "tokens.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    for name in sys.argv[1:] or RUNS:
        make(name, lines)


if __name__ == "__main__":
    main()
