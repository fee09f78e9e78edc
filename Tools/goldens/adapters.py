#!/usr/bin/env python3
"""Writes LoRA adapters of the small models, and what PEFT computes with them.

    python Tools/goldens/adapters.py            # all
    python Tools/goldens/adapters.py gpt2-dora  # some
    python Tools/goldens/adapters.py --record   # what is computed with the folders that are there

Reads the folders that models.py wrote. Each folder under Tests/ApusModelsTests/Fixtures/adapters
holds adapter_config.json and adapter_model.safetensors as `save_pretrained` writes them, with random
factors, and beside them
  expected.json         the base model, the mean loss of its batch, norm and projections of each
                        trained parameter's gradient by the names of the adapter's file
  expected.safetensors  `logits` of the batch; `merged.NAME`: some weights after merge_and_unload
"""

import json
import shutil
import sys

import torch
from bitsandbytes import functional
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from shared import MODEL_FIXTURES, MODELS, rounded, summary, write_json

ADAPTERS = MODEL_FIXTURES / "adapters"
ALL = "all-linear"

CASES = {
    "llama-lora": ("llama-untied", dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"])),
    "llama-dora": ("llama-biased", dict(
        r=4, lora_alpha=6, target_modules=ALL, use_dora=True, use_rslora=True)),
    "qwen3-patterns": ("qwen3", dict(
        r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "down_proj", "self_attn.o_proj"],
        exclude_modules=["layers.0.mlp.down_proj"], rank_pattern={"k_proj": 2, "^model.*q_proj": 6},
        alpha_pattern={"o_proj": 3})),
    "qwen3-expression": ("qwen3", dict(
        r=2, lora_alpha=2, target_modules=r".*\.1\..*(gate|up)_proj")),
    "llama-layers": ("llama-tied", dict(
        r=2, target_modules=["q_proj", "up_proj"], layers_to_transform=[1])),
    "gpt2-dora": ("gpt2", dict(
        r=4, target_modules=["c_attn", "c_fc"], use_dora=True, bias="lora_only")),
    "gpt2-default": ("gpt2", dict(r=4, lora_alpha=16)),
    "qwen2-biases": ("qwen2", dict(r=2, target_modules=["o_proj"], bias="all")),
    "llama-lora-bias": ("llama-biased", dict(
        r=2, lora_alpha=6, target_modules=["v_proj", "up_proj"], lora_bias=True)),
    "llama-embedding": ("llama-tied", dict(
        r=4, lora_alpha=2, target_modules=["embed_tokens", "q_proj"])),
    "llama-embedding-dora": ("llama-untied", dict(
        r=4, lora_alpha=2, target_modules=["embed_tokens"], use_dora=True)),
    "llama-head": ("llama-untied", dict(r=4, lora_alpha=2, target_modules=["lm_head", "o_proj"])),
    "llama-head-dora": ("llama-tied", dict(
        r=4, lora_alpha=2, target_modules=["lm_head", "o_proj"], use_dora=True)),
    "llama-head-bias": ("llama-untied", dict(
        r=4, lora_alpha=2, target_modules=["lm_head"], lora_bias=True)),
    "llama-mica": ("llama-untied", dict(
        r=4, lora_alpha=2, target_modules=["q_proj", "embed_tokens"], init_lora_weights="mica")),
    "llama-tokens": ("llama-tied", dict(
        r=2, target_modules=["q_proj"], trainable_token_indices=list(range(20, 60)))),
    "llama-tokens-tables": ("llama-untied", dict(
        r=2, target_modules=["q_proj"],
        trainable_token_indices={"embed_tokens": list(range(60)), "lm_head": [7, 99, 4]})),
    "gpt2-tokens": ("gpt2", dict(
        r=2, target_modules=["c_attn"], trainable_token_indices=list(range(60, 9, -1)))),
    "gemma3-tokens": ("gemma3", dict(
        r=2, target_modules=["q_proj"], trainable_token_indices=list(range(20, 60)))),
    "gemma3-embedding-dora": ("gemma3", dict(
        r=2, target_modules=["embed_tokens", "v_proj"], use_dora=True)),
    "mixtral-experts": ("mixtral", dict(
        r=2, lora_alpha=6, target_modules=["q_proj"],
        target_parameters=["mlp.experts.gate_up_proj", "mlp.experts.down_proj"])),
    "qwen3-moe-experts-down": ("qwen3-moe", dict(
        r=2, target_modules=[], target_parameters=["experts.down_proj"])),
    "qwen3-moe-experts-up": ("qwen3-moe", dict(
        r=2, target_modules=["v_proj"], target_parameters=["gate_up_proj"], use_rslora=True)),
    "mixtral-experts-router": ("mixtral", dict(
        r=2, target_modules=["q_proj"],
        target_parameters=["mlp.gate.weight", "experts.gate_up_proj"])),
    "llama-replicated": ("llama-untied", dict(
        r=2, target_modules=["q_proj", "down_proj"], layer_replication=[[0, 2], [1, 2], [0, 1]])),
    "llama-tied-update": ("llama-tied", dict(
        r=2, lora_alpha=6, target_modules=["q_proj", "lm_head"], ensure_weight_tying=True)),
    "llama-tied-saved": ("llama-tied", dict(
        r=2, target_modules=["q_proj"], modules_to_save=["embed_tokens"],
        ensure_weight_tying=True)),
    "llama-saved": ("llama-tied", dict(
        r=2, target_modules=["v_proj"], modules_to_save=["embed_tokens", "lm_head"])),
    "llama-pissa": ("llama-untied", dict(
        r=4, lora_alpha=2, target_modules=["q_proj"], init_lora_weights="pissa")),
    "llama-olora": ("llama-untied", dict(
        r=4, lora_alpha=2, target_modules=["k_proj"], init_lora_weights="olora")),
    "gemma2-all": ("gemma2", dict(r=2, target_modules=ALL)),
    "phi3-all": ("phi3", dict(r=2, target_modules=ALL)),
    "gpt-neox-all": ("gpt-neox", dict(r=2, target_modules=ALL)),
    "mixtral": ("mixtral", dict(r=2, target_modules=["q_proj", "o_proj"])),
}


# Also beside weights in 4 bits.
QUANTIZED = {"llama-lora", "llama-dora"}

# Of the models that encoders.py wrote: their heads are trained whole.
CLASSIFIERS = {
    "bert-classifier": ("bert", dict(r=2, target_modules=["query", "value"])),
    "roberta-classifier": ("roberta", dict(r=2, target_modules=ALL, use_dora=True)),
    "llama-classifier": ("llama", dict(r=2, target_modules=ALL)),
}


def disturb(model, seed):
    """Trained parameters far from their beginning, so that nothing can be forgotten unnoticed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            noise = torch.randn(parameter.shape, generator=generator)
            if "magnitude" in name:
                parameter.mul_(1 + 0.2 * noise)
            elif "lora_" in name:
                parameter.add_(0.1 * noise)
            else:
                parameter.add_(0.1 * noise)


def gradients(model):
    """Gradients of what is trained, by the names of the adapter's file."""
    every = dict(model.named_parameters(remove_duplicate=False))
    names = {}
    for name, tensor in get_peft_model_state_dict(
            model, state_dict=every, save_embedding_layers=False).items():
        names.setdefault(id(tensor), name)
    found = {names[id(parameter)]: parameter.grad for parameter in model.parameters()
             if parameter.requires_grad and id(parameter) in names}
    assert len(found) == sum(p.requires_grad for p in model.parameters())
    # The factors of a tied head are those of the embedding in the same memory, but gradients are
    # not: the two parts of one gradient.
    embedding = "base_model.model.model.embed_tokens.lora_embedding_"
    for own, other in (("A", "B"), ("B", "A")):
        if f"{embedding}{other}" in found and model.peft_config["default"].ensure_weight_tying:
            twin = found.pop(f"base_model.model.lm_head.lora_{own}.weight")
            found[f"{embedding}{other}"] = found[f"{embedding}{other}"] + twin.T
    return found


def loader(base):
    return lambda: AutoModelForCausalLM.from_pretrained(
        MODELS / base, dtype=torch.float32, attn_implementation="eager").eval()


def make(name, seed):
    base, settings = CASES[name]
    folder, load = ADAPTERS / name, loader(base)
    shutil.rmtree(folder, ignore_errors=True)
    config = LoraConfig(**{"task_type": "CAUSAL_LM", **settings})
    torch.manual_seed(seed)
    model = get_peft_model(load(), config)
    disturb(model, seed)
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()


def record(name):
    """Writes what PEFT computes with a folder."""
    base, folder = CASES[name][0], ADAPTERS / name
    load = loader(base)
    # What somebody gets who loads the files, not what was in memory before.
    model = PeftModel.from_pretrained(load(), folder, is_trainable=True).eval()

    batch = json.loads((MODELS / base / "expected.json").read_text())
    ids, labels = torch.tensor(batch["input_ids"]), torch.tensor(batch["labels"])
    output = model(input_ids=ids, labels=labels, use_cache=False)
    output.loss.backward()
    trained = gradients(model)
    tensors = {"logits": output.logits.detach().contiguous()}
    before = {k: v for k, v in load().state_dict().items()}
    # A tied head would change with its embedding.
    if not any(k in name for k in ("embedding", "saved", "tokens", "head-bias", "head-dora", "mica", "experts", "tied",
                                    "replicated")):
        merged = PeftModel.from_pretrained(load(), folder).merge_and_unload().state_dict()
        changed = [k for k, v in merged.items() if k in before and not torch.equal(v, before[k])]
        for key in changed[:2] + changed[-1:]:
            tensors[f"merged.{key}"] = merged[key].contiguous()
    save_file(tensors, folder / "expected.safetensors")
    write_json(folder / "expected.json", {
        "base": base,
        "loss": rounded(output.loss),
        "gradients": {key: summary(value) for key, value in trained.items()},
    })


def held_in_nf4(weight):
    """What bitsandbytes' codes and scales of blocks of 64 stand for.

    Its own decoding is wrong on the CPU where columns are no whole blocks (0.50.2).
    """
    codes, state = functional.quantize_4bit(weight, blocksize=64, quant_type="nf4")
    pairs = codes.flatten().int()
    numbers = state.code[torch.stack([pairs >> 4, pairs & 15], dim=1).flatten()]
    return (numbers.reshape(-1, 64) * state.absmax[:, None]).reshape(weight.shape)


def record_quantized(name):
    """Writes what PEFT computes with an adapter beside weights that were held in 4 bits."""
    base = CASES[name][0]
    model = loader(base)()
    with torch.no_grad():
        for path, layer in model.named_modules():
            if isinstance(layer, torch.nn.Linear) and path != "lm_head":
                layer.weight.copy_(held_in_nf4(layer.weight))
    model = PeftModel.from_pretrained(model, ADAPTERS / name, is_trainable=True).eval()
    batch = json.loads((MODELS / base / "expected.json").read_text())
    ids, labels = torch.tensor(batch["input_ids"]), torch.tensor(batch["labels"])
    output = model(input_ids=ids, labels=labels, use_cache=False)
    output.loss.backward()
    folder = MODEL_FIXTURES / "quantized-adapters" / name
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"logits": output.logits.detach().contiguous()}, folder / "expected.safetensors")
    write_json(folder / "expected.json", {
        "base": base, "loss": rounded(output.loss),
        "gradients": {key: summary(value) for key, value in gradients(model).items()}})


def make_classifier(name, seed):
    """The same of a classifier, with its logits alone."""
    base, settings = CLASSIFIERS[name]
    source = MODEL_FIXTURES / "classifiers" / base
    folder = MODEL_FIXTURES / "classifier-adapters" / name
    shutil.rmtree(folder, ignore_errors=True)

    def load():
        return AutoModelForSequenceClassification.from_pretrained(
            source, dtype=torch.float32, attn_implementation="eager").eval()

    torch.manual_seed(seed)
    model = get_peft_model(load(), LoraConfig(task_type="SEQ_CLS", **settings))
    disturb(model, seed)
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()
    model = PeftModel.from_pretrained(load(), folder).eval()
    expected = json.loads((source / "expected.json").read_text())
    batch = {key: torch.tensor(expected[key])
             for key in ("input_ids", "attention_mask", "token_type_ids") if key in expected}
    with torch.no_grad():
        logits = model(**batch).logits
    save_file({"logits": logits.contiguous()}, folder / "expected.safetensors")
    write_json(folder / "expected.json", {"base": base})


def main():
    wanted = [name for name in sys.argv[1:] if name != "--record"]
    for index, name in enumerate(CASES):
        if wanted and name not in wanted:
            continue
        if "--record" not in sys.argv:
            make(name, seed=300 + index)
        record(name)
        if name in QUANTIZED:
            record_quantized(name)
    for index, name in enumerate(CLASSIFIERS):
        if "--record" not in sys.argv and (not wanted or name in wanted):
            make_classifier(name, seed=400 + index)


if __name__ == "__main__":
    main()
