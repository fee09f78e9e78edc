#!/usr/bin/env python3
"""Trains a small model with `apus train`, exports its checkpoint and loads that in transformers.

    python Tools/goldens/exports.py [--apus .build/debug/apus]

Ends with a reason and code 1 unless, in fp32, bf16 and fp16 and in shards of 8 kB,

- transformers takes every tensor of the export and misses none,
- the weights are the checkpoint's (the model's that the run wrote at its end) rounded as PyTorch
  rounds,
- and the logits in fp32 are those of the run's own folder; in 16 bits as near as rounding allows.

Writes Tests/ApusTrainTests/Fixtures/export: the checkpoint, and `logits.safetensors` with what
transformers computes of each export. ExportTests compares Apus with these.
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from shared import ROOT, TRAINING_FIXTURES, randomize

OUT = TRAINING_FIXTURES / "export"
STEP = 4
TOKENS = [[3, 20, 117, 90, 5, 61, 127, 44]]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
RECIPE = f"""
base_model: model
datasets: [{{path: tokens.jsonl, ds_type: json, type: input_ids}}]
sequence_len: 32
micro_batch_size: 2
max_steps: {STEP}
save_steps: {STEP}
learning_rate: 1e-2
sharding: optimizer
ranks: 2
threads_per_rank: 1
"""


def run(folder, *command):
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}")


def load(folder):
    """The model in fp32, whatever it is stored in."""
    model, report = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True)
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report.get(what):
            raise SystemExit(f"{folder}: {what}: {sorted(map(str, report[what]))}")
    return model.eval()


def logits(model):
    with torch.no_grad():
        return model(torch.tensor(TOKENS)).logits


def train(scratch, apus, precision):
    config = LlamaConfig(
        vocab_size=128, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=False)
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    randomize(model, 5)
    model.save_pretrained(scratch / "model")
    shutil.copy(TRAINING_FIXTURES / "tokens.jsonl", scratch)
    is_short = str(precision != "fp32").lower()
    (scratch / "r.yaml").write_text(f"{RECIPE}bf16: {is_short}\noutput_dir: {precision}\n")
    run(scratch, apus, "train", "r.yaml")
    return scratch / precision


def check(scratch, apus, run_folder):
    """The logits of each export."""
    own = load(run_folder)
    stored = next(iter(AutoModelForCausalLM.from_pretrained(run_folder).parameters())).dtype
    found = {}
    for name, dtype in DTYPES.items():
        export = scratch / f"{run_folder.name}-{name}"
        run(scratch, apus, "checkpoint", "export", run_folder, "--to", "hf", export,
            "--dtype", name, "--max-shard-size", "8kB")
        shards = len(list(export.glob("model-*.safetensors")))
        if shards < 3:
            raise SystemExit(f"{export}: {shards} shards")
        model = load(export)
        # A run in 16 bits writes less than its checkpoint holds.
        if dtype == stored or stored == torch.float32:
            for (key, value), (_, wanted) in zip(
                    model.named_parameters(), own.named_parameters()):
                if not torch.equal(value, wanted.to(dtype).float()):
                    raise SystemExit(f"{export}: {key} is not what the run wrote, rounded")
        found[name] = logits(model)
        off = (found[name] - logits(own)).abs().max().item()
        exact = dtype == stored
        print(f"{run_folder.name} run, {name} export in {shards} shards: logits differ by "
              f"{off:.2g} (largest {found[name].abs().max():.3g})")
        if not off <= (0 if exact else 0.1):
            raise SystemExit(f"{export}: the logits are not the model's")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--apus", type=Path, default=ROOT / ".build/debug/apus")
    apus = parser.parse_args().apus.resolve()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        check(scratch, apus, train(scratch, apus, "bf16"))
        trained = train(scratch, apus, "fp32")
        found = check(scratch, apus, trained)
        shutil.rmtree(OUT, ignore_errors=True)
        shutil.copytree(trained / f"checkpoint-{STEP}", OUT / f"checkpoint-{STEP}")
        save_file({k: v.contiguous() for k, v in found.items()}, OUT / "logits.safetensors")


if __name__ == "__main__":
    main()
