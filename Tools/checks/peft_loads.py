#!/usr/bin/env python3
"""Checks that PEFT loads an adapter that Apus wrote, and that a merged model computes the same.

    python Tools/checks/peft_loads.py ADAPTER --base DIR [--merged DIR]

With --merged the logits of the folder that `apus adapter merge` wrote, by transformers, must equal
those of base and adapter, by PEFT, within 1e-5 of the largest. Ends with code 1 and a reason when
something is wrong.
"""

import argparse
import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # everything must come from the folders

import torch  # noqa: E402
from peft import PeftModel  # noqa: E402
from peft.utils import get_peft_model_state_dict  # noqa: E402
from safetensors import safe_open  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402


def fail(reason):
    print(f"peft_loads: {reason}", file=sys.stderr)
    raise SystemExit(1)


def load(folder):
    model, report = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True)
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report.get(what):
            fail(f"{folder}: {what.replace('_', ' ')}: {sorted(map(str, report[what]))[:8]}")
    return model.eval()


def logits(model, ids):
    with torch.no_grad():
        return model(input_ids=ids).logits


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("adapter")
    parser.add_argument("--base", required=True)
    parser.add_argument("--merged")
    options = parser.parse_args()
    base = load(options.base)
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, base.config.vocab_size, (2, 24), generator=generator)
    before = logits(base, ids)
    model = PeftModel.from_pretrained(base, options.adapter).eval()
    with safe_open(f"{options.adapter}/adapter_model.safetensors", "pt") as file:
        names = set(file.keys())
    known = set(get_peft_model_state_dict(model, save_embedding_layers=False))
    if names != known:
        fail(f"only the file or only PEFT's model has {sorted(names ^ known)[:8]}")
    adapted = logits(model, ids)
    change = (adapted - before).abs().max().item()
    if change == 0:
        fail("the adapter changes nothing")
    print(f"{len(names)} tensors; logits change by up to {change:.3g}")
    if options.merged:
        distance = (logits(load(options.merged), ids) - adapted).abs().max() / adapted.abs().max()
        print(f"merged and adapted logits differ by {distance:.2g} of the largest")
        if not distance < 1e-5:
            fail("the merged model computes something else")


if __name__ == "__main__":
    main()
