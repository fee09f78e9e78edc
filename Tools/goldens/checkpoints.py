"""Writes Tests/ApusCheckpointTests/Fixtures: small checkpoints of DeepSpeed (stages 0 to 3, two
ranks on the CPU) and of Accelerate's `save_state`, and beside each `expected.safetensors` with the
fp32 weights and Adam moments that the tools' own interfaces tell: `NAME`, `NAME#firstMoment`,
`NAME#secondMoment`.

Needs: torch, deepspeed, accelerate, safetensors.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

OUT = pathlib.Path(__file__).resolve().parents[2] / "Tests/ApusCheckpointTests/Fixtures"
# Stage, precision, whether some weights are frozen and some tied.
RUNS = [(0, "fp32", False), (1, "bf16", False), (2, "fp32", True), (3, "bf16", True)]


def make_model(is_special):
    import torch

    torch.manual_seed(0)

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = torch.nn.Linear(3, 5)
            self.b = torch.nn.Linear(5, 3, bias=False)
            self.c = torch.nn.Linear(3, 2)
            self.register_buffer("table", torch.arange(4.0))
            if is_special:
                self.frozen = torch.nn.Linear(3, 3)
                self.frozen.requires_grad_(False)
                self.tied = torch.nn.Linear(3, 5, bias=False)
                self.tied.weight = self.a.weight

        def forward(self, x):
            y = self.b(torch.tanh(self.a(x)))
            if is_special:
                y = self.b(torch.tanh(self.tied(self.frozen(y))))
            return self.c(y)

    return Model()


def groups(model):
    """Weights decay, biases do not: two groups, as trainers make them."""
    trained = [p for p in model.named_parameters() if p[1].requires_grad]
    return [
        {"params": [p for n, p in trained if n.endswith("weight")], "weight_decay": 0.1},
        {"params": [p for n, p in trained if not n.endswith("weight")], "weight_decay": 0.0},
    ]


def llama_groups(model):
    """As the HuggingFace trainer makes them: norms do not decay."""
    named = list(model.named_parameters())
    return [
        {"params": [p for n, p in named if "norm" not in n], "weight_decay": 0.1},
        {"params": [p for n, p in named if "norm" in n], "weight_decay": 0.0},
    ]


def deepspeed_rank(rank, stage, precision, is_special, folder):
    os.environ.update(
        DS_ACCELERATOR="cpu", RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2",
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(29610 + stage))
    import deepspeed
    import torch
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    # Its shared-memory collectives would have to be compiled.
    sys.modules["deepspeed.comm.torch"].build_shm_op = lambda: None
    deepspeed.init_distributed(dist_backend="gloo")
    configuration = {
        "train_batch_size": 4,
        "train_micro_batch_size_per_gpu": 2,
        "zero_optimization": {"stage": stage},
        "optimizer": {"type": "AdamW", "params": {"lr": 1e-2, "torch_adam": True}},
    }
    if precision == "bf16":
        configuration["bf16"] = {"enabled": True}
    if precision == "fp16":
        configuration["fp16"] = {"enabled": True, "initial_scale_power": 4}
    model = make_model(is_special)
    engine, *_ = deepspeed.initialize(
        model=model, model_parameters=groups(model), config=configuration)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    for step in range(3):
        x = torch.full((2, 3), step + 1.0 + rank).to(dtype)
        engine.backward(engine(x).float().pow(2).sum())
        engine.step()
    engine.save_checkpoint(folder, tag="global_step3")
    if stage == 0 and rank == 0:
        expected = {}
        for name, parameter in engine.module.named_parameters():
            state = engine.optimizer.state[parameter]
            expected[name] = parameter.detach().clone()
            expected[name + "#firstMoment"] = state["exp_avg"].clone()
            expected[name + "#secondMoment"] = state["exp_avg_sq"].clone()
        save_file(expected, pathlib.Path(folder) / "expected.safetensors")


def expect_sharded(folder, is_special):
    """DeepSpeed's own conversions: weights by zero_to_fp32, moments by ds_to_universal."""
    import torch
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint
    from safetensors.torch import save_file

    names = [name for name, _ in make_model(is_special).named_parameters()]
    weights = get_fp32_state_dict_from_zero_checkpoint(folder, "global_step3")
    expected = {name: weights[name].float().contiguous().clone() for name in names}
    with tempfile.TemporaryDirectory() as universal:
        subprocess.run(
            [sys.executable, "-m", "deepspeed.checkpoint.ds_to_universal", "--input_folder",
             f"{folder}/global_step3", "--output_folder", f"{universal}/out",
             "--num_extract_workers", "1", "--num_merge_workers", "1",
             "--inject_missing_state"],
            check=True, env={**os.environ, "DS_ACCELERATOR": "cpu"})
        for name in names:
            for key, kind in (("exp_avg", "firstMoment"), ("exp_avg_sq", "secondMoment")):
                path = pathlib.Path(universal) / "out/zero" / name / f"{key}.pt"
                if path.exists():
                    moment = torch.load(path, weights_only=False)
                    moment = moment["param"] if isinstance(moment, dict) else moment
                    expected[f"{name}#{kind}"] = moment.float().reshape(weights[name].shape).clone()
    save_file(expected, pathlib.Path(folder) / "expected.safetensors")


def make_accelerate(folder):
    import torch
    from accelerate import Accelerator
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    accelerator = Accelerator(cpu=True)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=11, hidden_size=8, intermediate_size=12, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True))
    optimizer = torch.optim.AdamW(llama_groups(model), lr=1e-2)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer)
    model, optimizer, schedule = accelerator.prepare(model, optimizer, schedule)
    for step in range(3):
        tokens = torch.arange(6).reshape(2, 3) + step
        accelerator.backward(model(tokens, labels=tokens).loss)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    accelerator.save_state(str(folder))
    expected = {}
    for name, parameter in accelerator.unwrap_model(model).named_parameters():
        state = optimizer.optimizer.state[parameter]
        expected[name] = parameter.detach().clone()
        expected[name + "#firstMoment"] = state["exp_avg"].clone()
        expected[name + "#secondMoment"] = state["exp_avg_sq"].clone()
    save_file(expected, folder / "expected.safetensors")


def main():
    import torch.multiprocessing

    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    for stage, precision, is_special in RUNS:
        with tempfile.TemporaryDirectory() as scratch:
            torch.multiprocessing.spawn(
                deepspeed_rank, (stage, precision, is_special, scratch), nprocs=2)
            if stage > 0:
                expect_sharded(scratch, is_special)
            for script in ("zero_to_fp32.py", "zero_to_torch.py"):
                (pathlib.Path(scratch) / script).unlink(missing_ok=True)
            shutil.copytree(scratch, OUT / f"deepspeed-{stage}-{precision}")
    make_accelerate(OUT / "accelerate")


if __name__ == "__main__":
    main()
