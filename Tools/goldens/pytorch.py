"""Writes Tests/ApusFormatsTests/Goldens/pytorch: files of torch.save and of Accelerate, and what is
in them.

Needs: torch, numpy, accelerate, safetensors.
"""

import argparse
import collections
import json
import pathlib
import pickle
import shutil
import tempfile
import zipfile

import accelerate
import numpy as np
import torch
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parents[2] / "Tests/ApusFormatsTests/Goldens/pytorch"


def tensors(newer):
    torch.manual_seed(5)
    base = torch.randn(4, 6)
    state = collections.OrderedDict(
        float32=base,
        tied=base,
        transposed=base.t(),
        column=base[:, 2],
        part=base[1:3],
        steps=torch.randn(3, 4, 5).permute(2, 0, 1)[::2],
        parameter=torch.nn.Parameter(torch.randn(3)),
        float64=torch.randn(3, dtype=torch.float64),
        float16=torch.randn(5).half(),
        bfloat16=torch.randn(2, 3).bfloat16(),
        int64=torch.tensor([-1, 1 << 40]),
        int32=torch.tensor([-7, 8], dtype=torch.int32),
        int16=torch.tensor([-7, 8], dtype=torch.int16),
        int8=torch.tensor([-7, 8], dtype=torch.int8),
        uint8=torch.tensor([7, 255], dtype=torch.uint8),
        bool=torch.tensor([True, False]),
        scalar=torch.tensor(2.5),
        empty=torch.zeros(0, 3),
    )
    if newer:
        state["float8"] = torch.randn(6).to(torch.float8_e4m3fn)
        state["float8 turned"] = torch.randn(2, 3).to(torch.float8_e5m2).t()
    state._metadata = {"": {"version": 1}}
    return state


def values():
    return {
        "none": None, "true": True, "int": 5, "negative": -300, "large": 1 << 40, "huge": 1 << 70,
        "float": 0.1, "text": "grüße", "bytes": b"\x00\xff", "empty bytes": b"",
        "list": [1, [2, 3]], "tuple": (1, 2, 3, 4), "set": {1}, "frozen": frozenset({2}),
        "ordered": collections.OrderedDict(b=1, a=2), "default": collections.defaultdict(int, a=1),
        "counter": collections.Counter("aab"), "size": torch.Size([2, 3]), 7: "seven",
        "numpy": np.arange(6, dtype=np.int32).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "numpy float": np.float32(0.5), "numpy int": np.int64(-3), "numpy bool": np.bool_(True),
        "dtype": torch.float32, "object": argparse.Namespace(rate=0.5, names=["a"]),
        "words": np.array(["a", "bc"]),
    }


def accelerate_state(folder):
    accelerate.utils.set_seed(3)
    accelerator = accelerate.Accelerator(cpu=True)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1, bias=False))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    model, optimizer, scheduler = accelerator.prepare(model, optimizer, scheduler)
    for _ in range(3):
        accelerator.backward(model(torch.ones(2, 3)).sum())
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
    with tempfile.TemporaryDirectory() as scratch:
        accelerator.save_state(scratch)
        for name in ["optimizer.bin", "scheduler.bin", "random_states_0.pkl"]:
            shutil.copy(pathlib.Path(scratch) / name, folder)
    moments = {
        f"{i}.{key}": value.contiguous().clone()
        for i, state in optimizer.state_dict()["state"].items() for key, value in state.items()
    }
    save_file(moments, folder / "optimizer.safetensors")


def deflate(source, target):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))


def sharded(folder):
    folder.mkdir()
    names = {"a.weight": torch.ones(2, 2), "b.weight": torch.arange(3.0)}
    files = [f"pytorch_model-{i:05d}-of-00002.bin" for i in (1, 2)]
    for (name, tensor), file in zip(names.items(), files):
        torch.save({name: tensor}, folder / file)
    index = {"metadata": {"total_size": 28}, "weight_map": dict(zip(names, files))}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2))


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    torch.save(tensors(True), OUT / "weights.bin")
    torch.save(tensors(False), OUT / "legacy.pt", _use_new_zipfile_serialization=False)
    deflate(OUT / "weights.bin", OUT / "deflated.pt")
    expected = {
        name: (value.detach().float() if value.is_floating_point() else value.detach())
        .contiguous().clone()
        for name, value in tensors(True).items()
    }
    save_file(expected, OUT / "weights.safetensors")
    for protocol in (2, 3, 4, 5):
        torch.save(values(), OUT / f"values-{protocol}.pt", pickle_protocol=protocol)
    (OUT / "plain.pkl").write_bytes(pickle.dumps(values(), protocol=5))
    loop = ["before"]
    loop.append(loop)
    torch.save({"loop": loop}, OUT / "loop.pt")
    accelerate_state(OUT)
    sharded(OUT / "sharded")


if __name__ == "__main__":
    main()
