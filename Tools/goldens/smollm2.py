#!/usr/bin/env python3
"""Greedy continuations of SmolLM2-135M-Instruct (Q4_1) by transformers, in fp32.

    python Tools/goldens/smollm2.py .models/SmolLM2-135M-Instruct.Q4_1.gguf

Also proves, from the file's own bytes, how its tensors become transformers' weights: the name map,
the order of the rows of the query and key projections, the tied head. The README beside the fixture
states these facts in words.
"""

import sys
from pathlib import Path

import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from transformers import AutoModelForCausalLM, AutoTokenizer

from shared import MODEL_FIXTURES, rounded, write_json

COUNT = 64
# Chosen so that no token of a continuation leads by less than 0.01: rounding must not decide.
PLAIN = [
    "The old lighthouse keeper climbed the stairs",
    "In the beginning, the computer was",
    "def fibonacci(n):\n    ",
]
CHATS = [
    [{"role": "user", "content": "Why is the sky blue?"}],
    [{"role": "system", "content": "You are a pirate."},
     {"role": "user", "content": "Name three colours of the rainbow."}],
]
BLOCK = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
OUTER = {
    "token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}


def transformers_name(name):
    if name in OUTER:
        return OUTER[name]
    _, layer, part, suffix = name.split(".")
    return f"model.layers.{layer}.{BLOCK[part]}.{suffix}"


def halves_first(rows, heads):
    """GGUF rotates neighbouring rows of a head as pairs, transformers row i with i + d/2."""
    count = rows.shape[0]
    pairs = rows.view(heads, count // heads // 2, 2, rows.shape[1])
    return pairs.transpose(1, 2).reshape(rows.shape)


def check_weights(file, model):
    """Every tensor of the file, dequantized and renamed here, equals transformers' weight."""
    state, config = model.state_dict(), model.config
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    reader = GGUFReader(file)
    for tensor in reader.tensors:
        ours = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())
        part = tensor.name.split(".")[-2]
        if part in heads:
            ours = halves_first(ours, heads[part])
        theirs = state[transformers_name(tensor.name)]
        assert torch.equal(ours, theirs), f"{tensor.name} differs"
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    print(f"{len(reader.tensors)} tensors equal, head tied to the embedding")


def continuation(model, ids, stop):
    """Up to COUNT greedy ids, ended by `stop` (included), and the smallest lead of a choice."""
    produced, lead, first = [], float("inf"), None
    with torch.no_grad():
        output = model(input_ids=torch.tensor([ids]), use_cache=True)
        while True:
            best = output.logits[0, -1].topk(5)
            first = first or [[int(i), rounded(v, 7)] for v, i in zip(*best, strict=True)]
            lead = min(lead, float(best.values[0] - best.values[1]))
            produced.append(int(best.indices[0]))
            if produced[-1] == stop or len(produced) == COUNT:
                return produced, lead, first
            output = model(
                input_ids=torch.tensor([[produced[-1]]]), use_cache=True,
                past_key_values=output.past_key_values)


def main():
    file = Path(sys.argv[1]).resolve()
    model = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    check_weights(file, model)
    cases = [{"text": text} for text in PLAIN] + [{"messages": chat} for chat in CHATS]
    for case in cases:
        if "messages" in case:
            case["text"] = tokenizer.apply_chat_template(
                case["messages"], tokenize=False, add_generation_prompt=True)
        case["prompt_ids"] = tokenizer(case["text"], add_special_tokens=False).input_ids
        ids, lead, first = continuation(model, case["prompt_ids"], tokenizer.eos_token_id)
        assert lead > 0.01, case["text"]
        case |= {"token_ids": ids, "continuation": tokenizer.decode(ids),
                 "smallest_lead": rounded(lead, 3), "first_top5": first}
        print(f"{lead:.4f} {len(ids)} {case['text']!r} -> {case['continuation']!r}")
    write_json(MODEL_FIXTURES / "smollm2-greedy.json", {
        "file": file.name, "stop_id": tokenizer.eos_token_id, "limit": COUNT, "cases": cases})


if __name__ == "__main__":
    main()
