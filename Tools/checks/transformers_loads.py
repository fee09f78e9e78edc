#!/usr/bin/env python3
"""Checks that transformers loads a model folder that Apus wrote, and that it computes.

    python Tools/checks/transformers_loads.py DIR [--gguf FILE] [--prompt TEXT]

Prints the greedy answer to the prompt. With --gguf the folder's tokens for a few texts and its
weights' names and shapes must equal those that transformers takes from that file (the values may
differ: the folder may hold a tuned model). Ends with code 1 and a reason when something is wrong.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # everything must come from the folder

import torch  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

TEXTS = ["Hello, world!", "  two  spaces\n\tand a tab", "naïve café 日本語 🙂", "x = 12345 // 67",
         "<|im_start|>user\nHi<|im_end|>\n"]


def fail(reason):
    print(f"transformers_loads: {reason}", file=sys.stderr)
    raise SystemExit(1)


def load(folder):
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except Exception as error:  # whatever stops transformers is the finding
        fail(f"{folder} does not load: {type(error).__name__}: {error}")
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report.get(what):
            fail(f"{folder}: {what.replace('_', ' ')}: {sorted(map(str, report[what]))[:8]}")
    return model.eval(), tokenizer


def compare(model, tokenizer, file):
    options = {"gguf_file": file.name}
    reference = AutoTokenizer.from_pretrained(file.parent, **options)
    for text in TEXTS:
        ours = tokenizer(text, add_special_tokens=False).input_ids
        theirs = reference(text, add_special_tokens=False).input_ids
        if ours != theirs:
            fail(f"{text!r} becomes {ours}, but {theirs} by {file.name}")
    messages = [{"role": "user", "content": "Hi"}]
    render = {"tokenize": False, "add_generation_prompt": True}
    if tokenizer.apply_chat_template(messages, **render) != reference.apply_chat_template(
            messages, **render):
        fail(f"the chat template differs from that of {file.name}")
    original = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **options)
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    expected = {name: tuple(value.shape) for name, value in original.state_dict().items()}
    if shapes != expected:
        fail(f"names or shapes differ: {sorted(set(shapes.items()) ^ set(expected.items()))[:8]}")
    for key in ("rope_parameters", "tie_word_embeddings", "eos_token_id", "bos_token_id"):
        ours, theirs = getattr(model.config, key), getattr(original.config, key)
        if ours != theirs:
            fail(f"config.json: {key} is {ours}, but {theirs} by {file.name}")


def answer(model, tokenizer, prompt):
    text = prompt
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True)
    inputs = tokenizer(text, return_tensors="pt", add_special_tokens=False)
    with torch.no_grad():
        logits = model(input_ids=inputs.input_ids).logits
    if not torch.isfinite(logits).all():
        fail("some logits are not finite")
    output = model.generate(
        input_ids=inputs.input_ids, attention_mask=inputs.attention_mask, max_new_tokens=40,
        do_sample=False)
    return tokenizer.decode(output[0, inputs.input_ids.shape[1]:], skip_special_tokens=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gguf", type=Path, help="the file that the model was tuned from")
    parser.add_argument("--prompt", default="Which planet is known as the red planet?")
    options = parser.parse_args()
    model, tokenizer = load(options.folder)
    if options.gguf:
        compare(model, tokenizer, options.gguf.resolve())
    print(f"{options.prompt}\n{answer(model, tokenizer, options.prompt)}")


if __name__ == "__main__":
    main()
