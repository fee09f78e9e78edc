#!/usr/bin/env python3
"""Writes what transformers' `generate` makes of generation_config.json settings, greedily.

    python Tools/goldens/generation.py

Tests/ApusModelsTests/Fixtures/generation.json: for some small models and settings the prompts (one
batch, padded on the left) and the new ids of each row, up to and with the token that ended it. Only
settings whose choices do not hang on the last digits of an fp32 logit are kept.
"""

import json

import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from shared import MODEL_FIXTURES, MODELS, write_json

PROMPTS = [[5, 17, 99, 23, 64], [31, 8], [110, 56, 20, 9, 9, 41, 77, 3, 4]]
SETTINGS = [
    {"max_new_tokens": 16, "repetition_penalty": 1.3},
    {"max_new_tokens": 24, "no_repeat_ngram_size": 2},
    {"max_new_tokens": 24, "no_repeat_ngram_size": 1},
    {"max_length": 20},
    {"max_new_tokens": 16, "suppress_tokens": [90, 100, 17, 64, 33]},
    {"max_new_tokens": 16, "eos_token_id": [20, 40, 60, 80, 100, 120], "min_new_tokens": 5},
    {"max_new_tokens": 20, "eos_token_id": [77, 100], "repetition_penalty": 1.15,
     "no_repeat_ngram_size": 3},
]


def generate(model, settings):
    longest = max(map(len, PROMPTS))
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in PROMPTS])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in PROMPTS])
    config = GenerationConfig(**{"do_sample": False, "pad_token_id": 0, "eos_token_id": 2,
                                 **settings})
    output = model.generate(
        ids, attention_mask=mask, generation_config=config, return_dict_in_generate=True,
        output_scores=True)
    rows, lead = [], float("inf")
    stops = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    for row, sequence in enumerate(output.sequences[:, longest:].tolist()):
        end = next((i + 1 for i, token in enumerate(sequence) if token in stops), len(sequence))
        rows.append(sequence[:end])
        for scores in output.scores[:end]:
            best = scores[row].topk(2).values
            lead = min(lead, float(best[0] - best[1]))
    return rows, lead


def main():
    cases = []
    for name in ("llama-tied", "qwen3", "gpt2", "gemma2"):
        model = AutoModelForCausalLM.from_pretrained(
            MODELS / name, dtype=torch.float32, attn_implementation="eager").eval()
        for settings in SETTINGS:
            rows, lead = generate(model, settings)
            if lead > 1e-3:
                cases.append({"model": name, "settings": settings, "token_ids": rows})
    print(f"{len(cases)} cases")
    write_json(MODEL_FIXTURES / "generation.json", {"prompts": PROMPTS, "cases": cases})


if __name__ == "__main__":
    main()
