#!/usr/bin/env python3
"""Writes what transformers' logits processors and warpers make of a few vectors of logits.

    python Tools/goldens/sampling.py

The warpers are chosen and put in order by `generate` itself. null stands for minus infinity.
"""

import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from shared import MODEL_FIXTURES, MODELS, rounded, write_json

CASES = [
    {"temperature": 0.7},
    {"top_k": 5},
    {"top_p": 0.8},
    {"top_p": 0.05},
    {"min_p": 0.1},
    {"repetition_penalty": 1.3},
    {"temperature": 1.8, "top_k": 12, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.2},
]


def warped(model, case, logits, seen):
    settings = GenerationConfig(do_sample=True, **{"top_k": 0, **case})
    model.generation_config = GenerationConfig()
    settings, _ = model._prepare_generation_config(settings)
    processors = model._get_logits_processor(settings, input_ids_seq_length=len(seen))
    return processors(torch.tensor([seen]), logits[None].clone())[0]


def main():
    model = AutoModelForCausalLM.from_pretrained(MODELS / "llama-tied")
    generator = torch.Generator().manual_seed(7)
    logits = torch.randn(40, generator=generator) * 3
    # A tie at the edge of top_k = 5.
    order = logits.argsort(descending=True)
    logits[order[5]] = logits[order[4]]
    seen = [int(i) for i in order[[0, 3, 20, 39, 0]]]
    cases = []
    for case in CASES:
        scores = warped(model, case, logits, seen)
        kept = [None if torch.isinf(s) else rounded(s) for s in scores]
        cases.append({"options": case, "scores": kept})
        print(case, sum(s is not None for s in kept), "kept")
    write_json(MODEL_FIXTURES / "sampling.json", {
        "logits": [rounded(x) for x in logits], "seen": seen, "cases": cases})


if __name__ == "__main__":
    main()
