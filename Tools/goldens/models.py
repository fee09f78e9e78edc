#!/usr/bin/env python3
"""Writes small random HuggingFace model folders and what transformers computes with them.

    python Tools/goldens/models.py            # all
    python Tools/goldens/models.py qwen3 gpt2 # some
    python Tools/goldens/models.py --record   # what is computed with the folders that are there

Each folder under Tests/ApusModelsTests/Fixtures/models holds config.json, generation_config.json
and fp32 weights as `save_pretrained` writes them, and beside them
  expected.json         a token batch with labels (-100 is not trained), the mean loss, norm and
                        projections of each parameter's gradient, and a greedy continuation
  expected.safetensors  `logits` of the whole batch [2, 20, vocabulary]
"""

import copy
import json
import shutil
import sys

import torch
from safetensors.torch import save_file
from transformers import (
    AutoModelForCausalLM, Gemma2Config, Gemma3TextConfig, GenerationConfig, GPT2Config,
    GPTNeoXConfig, LlamaConfig, MistralConfig, MixtralConfig, Olmo2Config, Phi3Config, Qwen2Config,
    Qwen3Config, Qwen3MoeConfig, SmolLM3Config)

from shared import MODELS, randomize, rounded, summary, write_json

VOCABULARY = 128
SEQUENCE = 20
DECODER = dict(
    vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, intermediate_size=48, max_position_embeddings=64, rms_norm_eps=1e-5,
    bos_token_id=1, eos_token_id=2, attention_dropout=0.0)
NEOX = dict(
    vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
    intermediate_size=48, max_position_embeddings=64, bos_token_id=1, eos_token_id=2,
    attention_dropout=0.0, hidden_dropout=0.0)


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
    # Every second layer without rotation.
    "smollm3": SmolLM3Config(
        **DECODER, pad_token_id=0, no_rope_layer_interval=2, use_sliding_window=False,
        tie_word_embeddings=True),
    # Caps and the window low enough to matter; the scale of scores other than 1 / sqrt(head_dim).
    "gemma2": Gemma2Config(
        **DECODER, pad_token_id=0, head_dim=16, query_pre_attn_scalar=24, sliding_window=6,
        attn_logit_softcapping=4.0, final_logit_softcapping=12.0),
    "gemma3": Gemma3TextConfig(
        **{**DECODER, "num_hidden_layers": 3}, pad_token_id=0, head_dim=16,
        query_pre_attn_scalar=24, sliding_window=6, sliding_window_pattern=3),
    "phi3": Phi3Config(
        **DECODER, pad_token_id=0, sliding_window=6, resid_pdrop=0.0,
        rope_parameters={"rope_theta": 10000.0, "rope_type": "default",
                         "partial_rotary_factor": 0.5}),
    # The batch is longer than the original length: the long factors apply.
    "phi3-longrope": Phi3Config(
        **DECODER, pad_token_id=0, original_max_position_embeddings=8,
        rope_parameters={"rope_theta": 10000.0, "rope_type": "longrope",
                         "short_factor": [1.0, 1.1, 1.3, 1.5],
                         "long_factor": [1.5, 2.5, 4.0, 8.0],
                         "original_max_position_embeddings": 8}),
    "olmo2": Olmo2Config(**DECODER, pad_token_id=0, tie_word_embeddings=False),
    "gpt-neox": GPTNeoXConfig(
        **NEOX, rope_parameters={"rope_theta": 10000.0, "rope_type": "default",
                                 "partial_rotary_factor": 0.5}),
    "gpt-neox-sequential": GPTNeoXConfig(**NEOX, use_parallel_residual=False),
    "mixtral": MixtralConfig(
        **DECODER, num_local_experts=4, num_experts_per_tok=2, tie_word_embeddings=False),
    # The first layer dense, the second one with experts.
    "qwen3-moe": Qwen3MoeConfig(
        **DECODER, head_dim=16, moe_intermediate_size=24, num_experts=4, num_experts_per_tok=2,
        norm_topk_prob=True, mlp_only_layers=[0], tie_word_embeddings=False),
}
# Frequencies of dynamic scaling depend on the current length, so a cached continuation and an
# uncached one differ by design: no continuation is recorded.
WITHOUT_CONTINUATION = {"llama-rope-dynamic", "phi3-longrope"}


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


def file_gradients(model):
    """Summaries of gradients by the names of the file, where each expert's matrices stand alone."""
    is_mixtral = model.config.model_type == "mixtral"
    names = ("w1", "w3", "w2") if is_mixtral else ("gate_proj", "up_proj", "down_proj")
    gradients = {}
    for name, parameter in model.named_parameters():
        if is_mixtral:
            name = name.replace(".mlp.", ".block_sparse_moe.")
        if model.config.model_type == "gpt_neox":
            name = name.replace("lm_head.", "embed_out.")
        path, _, last = name.rpartition(".")
        if not path.endswith(".experts"):
            gradients[name] = summary(parameter.grad)
            continue
        for expert, gradient in enumerate(parameter.grad):
            parts = [gradient] if last == "down_proj" else gradient.chunk(2)
            titles = names[2:] if last == "down_proj" else names[:2]
            for title, part in zip(titles, parts, strict=True):
                gradients[f"{path}.{expert}.{title}.weight"] = summary(part)
    return gradients


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


def record(name, seed):
    """Writes what transformers computes with a folder."""
    folder = MODELS / name
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager").eval()
    ids, labels = batch(seed)
    output = model(input_ids=ids, labels=labels, use_cache=False)
    output.loss.backward()
    gradients = file_gradients(model)
    save_file({"logits": output.logits.detach().contiguous()}, folder / "expected.safetensors")
    expected = {
        "input_ids": ids.tolist(),
        "labels": labels.tolist(),
        "loss": rounded(output.loss),
        "gradients": gradients,
    }
    if name not in WITHOUT_CONTINUATION:
        expected["greedy"] = confident_continuation(model, seed)
    write_json(folder / "expected.json", expected)


def main():
    names = [name for name in sys.argv[1:] if name != "--record"]
    for name in names or CONFIGS:
        seed = 100 + list(CONFIGS).index(name)
        if "--record" not in sys.argv:
            make(name, seed)
        record(name, seed)


if __name__ == "__main__":
    main()
