"""Writes Tests/ApusFormatsTests/Goldens/deepspeed: checkpoints of DeepSpeed, stages 1 and 3, two ranks
on the CPU, and the fp32 weights that its own `zero_to_fp32` finds in them.

Needs: torch, deepspeed, safetensors.
"""

import os
import pathlib
import shutil
import sys
import tempfile

OUT = pathlib.Path(__file__).resolve().parents[2] / "Tests/ApusFormatsTests/Goldens/deepspeed"


def train(rank, stage, folder):
    os.environ.update(
        DS_ACCELERATOR="cpu", RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2",
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(29510 + stage))
    import deepspeed
    import torch

    # Its shared-memory collectives would have to be compiled.
    sys.modules["deepspeed.comm.torch"].build_shm_op = lambda: None
    deepspeed.init_distributed(dist_backend="gloo")
    torch.manual_seed(0)

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = torch.nn.Linear(3, 5)
            self.b = torch.nn.Linear(5, 2, bias=False)
            self.register_buffer("table", torch.arange(4.0))

        def forward(self, x):
            return self.b(torch.tanh(self.a(x)))

    configuration = {
        "train_batch_size": 4,
        "train_micro_batch_size_per_gpu": 2,
        "optimizer": {"type": "AdamW", "params": {"lr": 1e-2, "torch_adam": True}},
        "scheduler": {"type": "WarmupLR", "params": {"warmup_num_steps": 5}},
        "zero_optimization": {"stage": stage},
        "bf16": {"enabled": True},
    }
    model = Model()
    engine, *_ = deepspeed.initialize(
        model=model, model_parameters=model.parameters(), config=configuration)
    for step in range(3):
        x = torch.full((2, 3), step + 1.0 + rank).bfloat16()
        engine.backward(engine(x).float().pow(2).sum())
        engine.step()
    engine.save_checkpoint(folder, tag="global_step3", client_state={"note": "hello"})


def main():
    import torch.multiprocessing
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint
    from safetensors.torch import save_file

    shutil.rmtree(OUT, ignore_errors=True)
    for stage in (1, 3):
        with tempfile.TemporaryDirectory() as scratch:
            torch.multiprocessing.spawn(train, (stage, scratch), nprocs=2)
            shutil.copytree(pathlib.Path(scratch) / "global_step3", OUT / f"stage{stage}")
            weights = get_fp32_state_dict_from_zero_checkpoint(scratch, "global_step3")
        weights = {name: tensor.contiguous().clone() for name, tensor in weights.items()}
        save_file(weights, OUT / f"stage{stage}" / "weights.safetensors")


if __name__ == "__main__":
    main()
