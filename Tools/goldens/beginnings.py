#!/usr/bin/env python3
"""Begins adapters by data with PEFT and writes down what they begin as.

    python Tools/goldens/beginnings.py          # all
    python Tools/goldens/beginnings.py eva      # some

Reads the models that models.py wrote and the samples of tokens.jsonl, four at a time in their order.
Writes under Tests/ApusTrainTests/Fixtures/beginnings
  NAME/                    the adapter before its first step, as PEFT writes it: EVA's ranks and
                           alphas are in its adapter_config.json
  NAME/expected.safetensors  some frozen weights beside it that are no longer those of the model
  NAME/expected.json         the base model, and the configuration before data was seen
"""

import json
import shutil
import sys

import torch
from peft import LoraConfig, get_peft_model, initialize_lora_eva_weights
from peft.tuners.lora.config import CordaConfig, EvaConfig, LoraGAConfig
from peft.tuners.lora.corda import preprocess_corda
from peft.tuners.lora.loraga import preprocess_loraga
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from shared import MODELS, TRAINING_FIXTURES, write_json

BEGINNINGS = TRAINING_FIXTURES / "beginnings"
WINDOW = 4
GRADIENT_WINDOWS = 6
KEYS = ("r", "lora_alpha", "target_modules", "rank_pattern", "alpha_pattern", "use_dora",
        "use_rslora", "init_lora_weights", "eva_config", "corda_config", "lora_ga_config")
# CorDA and LoRA-GA find no layers by "all-linear".
ALL = [f"{name}_proj" for name in ("q", "k", "v", "o", "gate", "up", "down")]


def eva(**settings):
    return dict(init_lora_weights="eva", eva_config=EvaConfig(**settings))


def corda(**settings):
    return dict(init_lora_weights="corda", corda_config=CordaConfig(**settings))


def lora_ga(**settings):
    return dict(init_lora_weights="lora_ga", lora_ga_config=LoraGAConfig(**settings))


# Folder and LoraConfig. Where singular vectors are found by random directions, the ranks are such
# that these span all there is; EVA's come from a seed of its own.
CASES = {
    "eva": ("llama-untied", dict(r=4, lora_alpha=8, target_modules=ALL, **eva(tau=0.9))),
    "eva-all-tokens": ("llama-untied", dict(
        r=3, lora_alpha=6, target_modules=["q_proj", "v_proj", "down_proj", "lm_head"],
        rank_pattern={"down_proj": 5}, alpha_pattern={"v_proj": 4}, use_rslora=True,
        **eva(rho=1.5, tau=0.9, use_label_mask=False, adjust_scaling_factors=False))),
    # PEFT whitens directions once for each layer that shares them.
    "eva-whitened": ("gpt2", dict(
        r=4, target_modules=["c_attn", "c_proj"], use_dora=True,
        **eva(tau=0.9, whiten=True))),
    "corda": ("llama-untied", dict(r=4, lora_alpha=8, target_modules=ALL, **corda())),
    "corda-kpm": ("gpt2", dict(
        r=4, lora_alpha=6, target_modules=["c_attn", "c_fc"], use_dora=True,
        **corda(corda_method="kpm"))),
    "lora-ga": ("llama-untied", dict(r=8, lora_alpha=16, target_modules=ALL, **lora_ga())),
    "lora-ga-alternating": ("gpt2", dict(
        r=8, lora_alpha=4, target_modules=["c_attn", "c_proj"], use_rslora=True,
        **lora_ga(direction="ArBr", scale="unit"))),
    "lora-ga-descent": ("llama-untied", dict(
        r=8, lora_alpha=4, target_modules=["v_proj", "lm_head"],
        **lora_ga(direction="A2rBr", scale="gd_scale"))),
    "lora-ga-weight": ("llama-untied", dict(
        r=16, lora_alpha=16, target_modules=["q_proj"],
        **lora_ga(direction="ArBr", scale="weight_svd"))),
}


def samples():
    """Tokens and labels; nothing predicts the first token of a sample."""
    lines = (TRAINING_FIXTURES / "tokens.jsonl").read_text().splitlines()
    for line in map(json.loads, lines):
        ids = line["input_ids"]
        labels = line.get("labels", ids)
        yield torch.tensor([ids]), torch.tensor([[-100] + labels[1:]])


def batches():
    """Padded batches, as a data loader gives them."""
    every = list(samples())
    for start in range(0, len(every), WINDOW):
        rows = every[start:start + WINDOW]
        longest = max(ids.shape[1] for ids, _ in rows)

        def padded(tensors, value):
            return torch.cat([torch.nn.functional.pad(t, (0, longest - t.shape[1]), value=value)
                              for t in tensors])

        yield {
            "input_ids": padded([ids for ids, _ in rows], 0),
            "attention_mask": padded([torch.ones_like(ids) for ids, _ in rows], 0),
            "labels": padded([labels for _, labels in rows], -100),
        }


def load(base):
    return AutoModelForCausalLM.from_pretrained(
        MODELS / base, dtype=torch.float32, attn_implementation="eager").eval()


def begin(model, config):
    """The adapted model."""
    kind = config.init_lora_weights
    if kind == "eva":
        model = get_peft_model(model, config)
        initialize_lora_eva_weights(model, list(batches()), show_progress_bar=False)
        return model
    if kind == "corda":
        preprocess_corda(model, config, lambda: [model(input_ids=ids) for ids, _ in samples()])
        return get_peft_model(model, config)
    windows = list(batches())[:GRADIENT_WINDOWS]
    trained = sum((batch["labels"] != -100).sum().item() for batch in windows)

    def step():
        # PEFT takes the mean over the calls: every token counts the same here.
        for batch in windows:
            mean = model(**batch).loss
            share = (batch["labels"] != -100).sum().item() / trained
            (mean * share * len(windows)).backward()

    preprocess_loraga(model, config, step)
    return get_peft_model(model, config)


def make(name):
    base, settings = CASES[name]
    folder = BEGINNINGS / name
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(9)
    before = load(base).state_dict()
    config = LoraConfig(task_type="CAUSAL_LM", **settings)
    asked = {key: sorted(value) if isinstance(value, set) else value
             for key, value in config.to_dict().items() if key in KEYS}
    model = begin(load(base), config)
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()
    changed = {}
    for key, value in model.base_model.model.state_dict().items():
        key = key.replace(".base_layer", "")
        if key in before and not torch.equal(value, before[key]):
            changed[key] = value.detach().contiguous().clone()
    some = sorted(changed)[:2] + sorted(changed)[-1:]
    save_file({key: changed[key] for key in some}, folder / "expected.safetensors")
    write_json(folder / "expected.json", {"base": base, "asked": asked})
    ranks = model.peft_config["default"].rank_pattern
    print(f"{name}: {len(changed)} weights changed, ranks {ranks}")


def main():
    for name in sys.argv[1:] or CASES:
        make(name)


if __name__ == "__main__":
    main()
