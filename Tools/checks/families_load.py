#!/usr/bin/env python3
"""Checks that transformers loads what Apus writes, for every family and every head.

    python Tools/checks/families_load.py [--probe .build/debug/apus-model-probe]

Apus loads each folder of Tests/ApusModelsTests/Fixtures and writes it again: as it is, those with a
head for sequences with that head, and the backbones of encoders and decoders alone, as embedders
are. transformers must load each without a missing or unexpected weight and compute the logits that
the fixture recorded; for backbones, the hidden states of the fixture's own folder. Ends with code 1
and what differs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch  # noqa: E402
import transformers as t  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

t.logging.set_verbosity_error()
t.logging.disable_progress_bar()
FIXTURES = Path(__file__).resolve().parents[2] / "Tests/ApusModelsTests/Fixtures"
EMBEDDED = [FIXTURES / "encoders" / name for name in ("bert", "roberta", "distilbert")] + [
    FIXTURES / "models" / name for name in ("qwen3", "gemma3", "llama-tied")]
AUTO = {"models": t.AutoModelForCausalLM, "encoders": t.AutoModelForMaskedLM,
        "classifiers": t.AutoModelForSequenceClassification}


def load(auto, folder, ignored=()):
    model, report = auto.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        names = [name for name in map(str, report.get(what) or []) if not name.startswith(ignored)]
        if names:
            raise ValueError(f"{what.replace('_', ' ')}: {sorted(names)[:6]}")
    return model.eval()


def batch(fixture):
    expected = json.loads((fixture / "expected.json").read_text())
    keys = ("input_ids", "attention_mask", "token_type_ids")
    return {key: torch.tensor(expected[key]) for key in keys if key in expected}


def differ(found, expected):
    """A reason, where the largest difference is more than rounding."""
    if found.shape != expected.shape:
        return f"shape {tuple(found.shape)} instead of {tuple(expected.shape)}"
    error, size = (found - expected).abs().max().item(), expected.abs().max().item()
    return f"differs by {error:.1e}" if not error <= max(1e-5, 2e-6 * size) else None


def check(kind, fixture, folder):
    # An untied head of BERT has a second bias, which nothing uses.
    ignored = ("cls.predictions.bias",) if fixture.name == "bert-untied" else ()
    model, inputs = load(AUTO[kind], folder, ignored), batch(fixture)
    with torch.no_grad():
        logits = model(**inputs).logits
    if kind == "encoders":
        logits = logits[inputs["attention_mask"].bool()]
    return differ(logits, load_file(fixture / "expected.safetensors")["logits"])


def check_backbone(fixture, folder):
    # Apus's embedders take hidden states: they have no pooler.
    ignored = ("pooler",)
    inputs = batch(fixture)
    with torch.no_grad():
        found = load(t.AutoModel, folder, ignored)(**inputs).last_hidden_state
        expected = t.AutoModel.from_pretrained(
            fixture, dtype=torch.float32, attn_implementation="eager").eval()(**inputs)
    return differ(found, expected.last_hidden_state)


def write(probe, kind, out, folders):
    done = subprocess.run([probe, kind, out, *folders], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"apus-model-probe: {done.stdout}{done.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--probe", default=".build/debug/apus-model-probe")
    options = parser.parse_args()
    failed = count = 0
    with tempfile.TemporaryDirectory() as out:
        for kind, probed in (("models", "model"), ("encoders", "model"),
                             ("classifiers", "classifier"), ("embedders", "embedder")):
            fixtures = EMBEDDED if kind == "embedders" else sorted((FIXTURES / kind).iterdir())
            target = Path(out) / kind
            target.mkdir()
            write(options.probe, probed, target, fixtures)
            for fixture in fixtures:
                folder = target / probed / fixture.name
                try:
                    reason = (check_backbone(fixture, folder) if kind == "embedders"
                              else check(kind, fixture, folder))
                except Exception as error:  # whatever stops transformers is the finding
                    reason = f"{type(error).__name__}: {error}"
                print(f"{kind}/{fixture.name}: {reason or 'loads, and computes the same'}")
                failed += bool(reason)
                count += 1
    print(f"{count - failed} of {count} folders")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
