#!/usr/bin/env python3
"""Writes small random HuggingFace model folders and what transformers computes with them.

    python Tools/goldens/models.py            # all
    python Tools/goldens/models.py qwen3 gpt2 # some

Each folder under Tests/ApusModelsTests/Fixtures/models holds config.json, generation_config.json
and fp32 weights as `save_pretrained` writes them, and beside them
  expected.json         a token batch with labels (-100 is not trained), the mean loss, the norm of
                        each parameter's gradient, and a greedy continuation
  expected.safetensors  `logits` of the whole batch [2, 20, vocabulary]
"""

import copy
import json
import shutil
import sys

import torch
from safetensors.torch import save_file
from transformers import (
    AutoModelForCausalLM, GenerationConfig, GPT2Config, LlamaConfig, MistralConfig, Qwen2Config,
    Qwen3Config)

from shared import MODELS, randomize, rounded, write_json

VOCABULARY = 128
SEQUENCE = 20
DECODER = dict(
    vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, intermediate_size=48, max_position_embeddings=64, rms_norm_eps=1e-5,
    bos_token_id=1, eos_token_id=2, attention_dropout=0.0)


def llama(**changes):
    return LlamaConfig(**{**DECODER, "tie_word_embeddings": True, **changes})


def scaled(theta, **rope):
    return llama(max_position_embeddings=256, rope_parameters={"rope_theta": theta, **rope})


def llama3_scaled():
    """Of the four frequencies one is kept, one interpolated, two divided."""
    return scaled(
        500.0, rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=64)


CONFIGS = {
    "llama-untied": llama(tie_word_embeddings=False, rope_parameters={"rope_theta": 500000.0}),
    "llama-tied": llama(),
    "llama-sharded": llama(tie_word_embeddings=False),
    # config.json in the style that transformers 4 wrote
    "llama-old-config": llama3_scaled(),
    "llama-biased": llama(attention_bias=True, mlp_bias=True, head_dim=12),
    "llama-rope-llama3": llama3_scaled(),
    "llama-rope-linear": scaled(10000.0, rope_type="linear", factor=4.0),
    # The batch is longer than the trained length, so the frequencies do change.
    "llama-rope-dynamic": llama(
        max_position_embeddings=8,
        rope_parameters={"rope_theta": 10000.0, "rope_type": "dynamic", "factor": 2.0}),
    # theta and length put two of the four frequencies on the ramp
    "llama-rope-yarn": scaled(
        100.0, rope_type="yarn", factor=4.0, original_max_position_embeddings=64),
    "mistral": MistralConfig(
        **DECODER, head_dim=8, sliding_window=None, tie_word_embeddings=False),
    "mistral-sliding": MistralConfig(
        **DECODER, head_dim=8, sliding_window=6, tie_word_embeddings=True),
    "qwen2": Qwen2Config(**DECODER, use_sliding_window=False, tie_word_embeddings=True),
    "qwen3": Qwen3Config(
        **DECODER, head_dim=16, use_sliding_window=False, tie_word_embeddings=False),
    "gpt2": GPT2Config(
        vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=64, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=1, eos_token_id=2),
}
# Frequencies of dynamic scaling depend on the current length, so a cached continuation and an
# uncached one differ by design: no continuation is recorded.
WITHOUT_CONTINUATION = {"llama-rope-dynamic"}


def write_old_style(folder):
    """Rewrites config.json with `torch_dtype`, `rope_theta`, `rope_scaling` at the top level."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = rope
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.46.0"
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def batch(seed):
    """Ids [2, SEQUENCE] and labels; some labels, among them a row's last ones, are not trained."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, VOCABULARY, (2, SEQUENCE), generator=generator)
    labels = ids.clone()
    labels[0, :5] = -100
    labels[1, 9:11] = -100
    labels[1, 17:] = -100
    return ids, labels


def continuation(model, prompt, count=24):
    """Greedy ids by whole forward passes, and the smallest lead of a chosen token over the next."""
    ids, lead = list(prompt), float("inf")
    for _ in range(count):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
        best = logits.topk(2)
        lead = min(lead, float(best.values[0] - best.values[1]))
        ids.append(int(best.indices[0]))
    settings = GenerationConfig(max_new_tokens=count, do_sample=False, pad_token_id=0)
    model.generation_config = settings
    cached = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)))
    assert cached[0].tolist() == ids, "cached and uncached greedy decoding differ"
    return ids[len(prompt):], lead


def confident_continuation(model, seed):
    """A prompt whose continuation does not hang on the last digits of an fp32 logit."""
    for trial in range(50):
        generator = torch.Generator().manual_seed(seed + trial)
        prompt = torch.randint(3, VOCABULARY, (6,), generator=generator).tolist()
        ids, lead = continuation(model, prompt)
        if lead > 0.01:
            return {"prompt": prompt, "token_ids": ids, "smallest_lead": rounded(lead, 3)}
    raise SystemExit("no prompt with a clear continuation")


def make(name, seed):
    folder = MODELS / name
    shutil.rmtree(folder, ignore_errors=True)
    config = copy.deepcopy(CONFIGS[name])
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    randomize(model, seed)
    model.generation_config = GenerationConfig(bos_token_id=1, eos_token_id=2, pad_token_id=0)
    limit = "40KB" if name == "llama-sharded" else "1GB"
    model.save_pretrained(folder, max_shard_size=limit)
    if name == "llama-old-config":
        write_old_style(folder)

    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager").eval()
    ids, labels = batch(seed)
    output = model(input_ids=ids, labels=labels, use_cache=False)
    output.loss.backward()
    norms = {n: rounded(p.grad.norm()) for n, p in model.named_parameters()}
    save_file({"logits": output.logits.detach().contiguous()}, folder / "expected.safetensors")
    expected = {
        "input_ids": ids.tolist(),
        "labels": labels.tolist(),
        "loss": rounded(output.loss),
        "gradient_norms": norms,
    }
    if name not in WITHOUT_CONTINUATION:
        expected["greedy"] = confident_continuation(model, seed)
    write_json(folder / "expected.json", expected)


def main():
    for name in sys.argv[1:] or CONFIGS:
        make(name, seed=100 + list(CONFIGS).index(name))


if __name__ == "__main__":
    main()
