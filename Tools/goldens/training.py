#!/usr/bin/env python3
"""Trains the small models with PyTorch + transformers for 20 steps and writes down every step.

    python Tools/goldens/training.py               # all
    python Tools/goldens/training.py qwen3-adamw   # some

Reads the folders that models.py wrote. Writes under Tests/ApusTrainTests/Fixtures
  tokens.jsonl   80 sequences of 5 to 24 ids, some with labels of their own (-100 is not trained);
                 optimizer step s takes lines 4s to 4s+3
  NAME.json      the settings; per step the loss, the gradient norm before clipping, the learning
                 rate that the step used and the number of trained tokens; some final weights

The loss of a step is the sum of the token losses of its four sequences divided by the number of
trained tokens in them. Weight decay spares what HF Trainer spares: biases and norms; embeddings and
the head decay. `float64_deviation` is the largest relative distance of a loss from the same run in
double precision: what rounding alone can do, and so the floor of any bound.
"""

import copy
import json
import sys

import torch
from torch import nn
from transformers import Adafactor, AutoModelForCausalLM, get_cosine_schedule_with_warmup
from transformers.trainer_pt_utils import get_parameter_names

from lion import Lion
from shared import MODELS, TRAINING_FIXTURES, rounded, write_json

STEPS, WINDOW, WARM_UP, DECAY = 20, 4, 3, 0.1
VOCABULARY = 128
# The patterns of Trainer.get_decay_parameter_names in transformers 5.23.
SPARED = [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"]

ADAMW = {"name": "adamw", "learning_rate": 1e-2, "betas": [0.9, 0.999], "epsilon": 1e-8}
SGD = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9}
LION = {"name": "lion", "learning_rate": 4e-3, "betas": [0.9, 0.99]}
ADAFACTOR = {
    "name": "adafactor", "learning_rate": 1e-2, "decay_rate": -0.8, "clip_threshold": 1.0,
    "epsilon": [1e-30, 1e-3], "scale_parameter": False, "relative_step": False,
    "warmup_init": False}
# Folder, optimizer, compute dtype, and a clipping norm that some steps reach and others do not.
RUNS = {
    "llama-untied-adamw": ("llama-untied", ADAMW, "float32", 2.5),
    "llama-tied-adamw": ("llama-tied", ADAMW, "float32", 7.0),
    "gpt2-adamw": ("gpt2", ADAMW, "float32", 3.0),
    "qwen2-adamw": ("qwen2", ADAMW, "float32", 7.0),
    "qwen3-adamw": ("qwen3", ADAMW, "float32", 2.75),
    "llama-untied-sgd": ("llama-untied", SGD, "float32", 1.6),
    "llama-untied-lion": ("llama-untied", LION, "float32", 2.5),
    "llama-untied-adafactor": ("llama-untied", ADAFACTOR, "float32", 2.5),
    "llama-untied-adamw-bf16": ("llama-untied", ADAMW, "bfloat16", 2.5),
}


def make_tokens():
    """Sequences with a rule that can be learnt: three ids of four follow from the one before."""
    generator = torch.Generator().manual_seed(7)

    def number(low, high):
        return int(torch.randint(low, high, (1,), generator=generator))

    lines = []
    for index in range(STEPS * WINDOW):
        ids = [number(3, VOCABULARY)]
        while len(ids) < 5 + (index * 11) % 20:
            ids.append((5 * ids[-1] + 17) % VOCABULARY if number(0, 4) else number(3, VOCABULARY))
        line = {"input_ids": ids}
        if index % 3 == 1:  # a prompt that is not trained
            line["labels"] = [-100] * (len(ids) // 2) + ids[len(ids) // 2:]
        elif index % 7 == 3:  # a hole
            line["labels"] = ids[:2] + [-100] + ids[3:]
        lines.append(line)
    text = "\n".join(json.dumps(line) for line in lines) + "\n"
    TRAINING_FIXTURES.mkdir(parents=True, exist_ok=True)
    (TRAINING_FIXTURES / "tokens.jsonl").write_text(text)
    return lines


def window(lines, step):
    """Ids and labels [4, longest], padded on the right with id 0 that is not trained."""
    rows = lines[step * WINDOW:(step + 1) * WINDOW]
    longest = max(len(row["input_ids"]) for row in rows)
    ids = torch.zeros(WINDOW, longest, dtype=torch.long)
    labels = torch.full((WINDOW, longest), -100)
    for index, row in enumerate(rows):
        length = len(row["input_ids"])
        ids[index, :length] = torch.tensor(row["input_ids"])
        labels[index, :length] = torch.tensor(row.get("labels", row["input_ids"]))
    return ids, labels


def make_optimizer(model, settings):
    decayed = set(get_parameter_names(model, [nn.LayerNorm], SPARED))
    named = list(model.named_parameters())
    groups = [
        {"params": [p for n, p in named if n in decayed], "weight_decay": DECAY},
        {"params": [p for n, p in named if n not in decayed], "weight_decay": 0.0}]
    rate, name = settings["learning_rate"], settings["name"]
    if name == "adamw":
        return torch.optim.AdamW(
            groups, lr=rate, betas=settings["betas"], eps=settings["epsilon"], foreach=False)
    if name == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=settings["momentum"], foreach=False)
    if name == "lion":
        return Lion(groups, rate, settings["betas"])
    return Adafactor(groups, lr=rate, scale_parameter=False, relative_step=False)


class Compute:
    """The model that computes: the master itself, or a copy in fewer bits beside it."""

    def __init__(self, master, dtype):
        self.master = master
        self.copy = copy.deepcopy(master).to(dtype) if dtype == torch.bfloat16 else None

    def gradients(self, ids, labels):
        """Leaves the gradient of sum / trained tokens in the master; returns that loss."""
        model = self.copy or self.master
        if self.copy is not None:
            for low, high in zip(self.copy.parameters(), self.master.parameters(), strict=True):
                low.data.copy_(high.data)
                low.grad = None
        logits = model(input_ids=ids, use_cache=False).logits
        wide = logits if logits.dtype == torch.float64 else logits.float()
        loss = nn.functional.cross_entropy(
            wide[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="sum")
        loss = loss / (labels[:, 1:] != -100).sum()
        loss.backward()
        if self.copy is not None:
            for low, high in zip(self.copy.parameters(), self.master.parameters(), strict=True):
                high.grad = low.grad.float()
        return loss.item()


def load(folder, dtype):
    """The model of the masters: in fp32 where it computes in less."""
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    return AutoModelForCausalLM.from_pretrained(
        MODELS / folder, dtype=wide, attn_implementation="eager").train()


def train(master, optimizer, dtype, clip, lines):
    """Trains the model in place; returns what is recorded of each step."""
    compute = Compute(master, dtype)
    schedule = get_cosine_schedule_with_warmup(optimizer, WARM_UP, STEPS)
    steps = []
    for step in range(STEPS):
        ids, labels = window(lines, step)
        optimizer.zero_grad()
        loss = compute.gradients(ids, labels)
        norm = nn.utils.clip_grad_norm_(master.parameters(), clip, foreach=False)
        rate = schedule.get_last_lr()[0]
        optimizer.step()
        schedule.step()
        steps.append({
            "step": step + 1, "loss": rounded(loss, 9), "grad_norm": rounded(norm, 9),
            "learning_rate": rounded(rate, 12), "tokens": int((labels[:, 1:] != -100).sum())})
    return steps


def deviation(steps, exact):
    """The largest relative distance of a loss from that in double precision."""
    return max(abs(a["loss"] / b["loss"] - 1) for a, b in zip(steps, exact, strict=True))


def spared_names(model):
    decayed = set(get_parameter_names(model, [nn.LayerNorm], SPARED))
    return [n for n, _ in model.named_parameters() if n not in decayed]


def samples(model):
    """Six values of each parameter, at the flat indices 0, n, 2n ... 5n with n = count // 6.

    The key biases of GPT-2 are left out: softmax makes them meaningless, their gradient is rounding
    noise, and Adam turns noise into full steps.
    """
    values = {}
    for name, parameter in model.named_parameters():
        flat = parameter.detach().flatten()
        if not name.endswith("c_attn.bias"):
            values[name] = [rounded(v, 7) for v in flat[::flat.numel() // 6][:6]]
    return values


def make(run, lines):
    folder, settings, dtype, clip = RUNS[run]

    def run_in(dtype):
        model = load(folder, dtype)
        return model, train(model, make_optimizer(model, settings), dtype, clip, lines)

    model, steps = run_in(getattr(torch, dtype))
    floor = deviation(steps, run_in(torch.float64)[1])
    clipped = sum(step["grad_norm"] > clip for step in steps)
    losses = f"{steps[0]['loss']:.4f} -> {steps[-1]['loss']:.4f}"
    print(f"{run}: {losses}, {clipped} of {STEPS} steps clipped, fp64 {floor:.1e}")
    assert 0 < clipped < STEPS, "clipping must be active in some steps and idle in others"
    write_json(TRAINING_FIXTURES / f"{run}.json", {
        "model": folder, "compute_dtype": dtype, "optimizer": settings,
        "weight_decay": DECAY, "not_decayed": spared_names(model), "max_grad_norm": clip,
        "schedule": {"name": "cosine", "warmup_steps": WARM_UP, "total_steps": STEPS},
        "sequences_per_step": WINDOW, "float64_deviation": rounded(floor, 2),
        "steps": steps, "final_values": samples(model)})


def main():
    lines = make_tokens()
    for run in sys.argv[1:] or RUNS:
        make(run, lines)


if __name__ == "__main__":
    main()
