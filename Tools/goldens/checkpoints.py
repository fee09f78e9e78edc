"""Writes Tests/ApusCheckpointTests/Fixtures: small checkpoints of DeepSpeed (stages 0 to 3, two
ranks on the CPU), of Accelerate's `save_state` and of torch.distributed.checkpoint, and beside each
`expected.safetensors` with the fp32 weights and Adam moments that the tools' own interfaces tell:
`NAME`, `NAME#firstMoment`, `NAME#secondMoment`.

Needs: torch, deepspeed, accelerate, transformers, safetensors, and a C++ compiler for DeepSpeed's
own Adam.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "Tests/ApusCheckpointTests/Fixtures"
MODELS = ROOT / "Tests/ApusModelsTests/Fixtures/models"
# Stage, precision, and what is special: `tied` has tied and frozen weights, `fused` DeepSpeed's own
# Adam, which lays the weights of a group end to end, `aligned` gaps between parameters.
RUNS = [
    (0, "fp32", ""), (1, "bf16", ""), (2, "fp32", "tied"), (3, "bf16", "tied"),
    (0, "fp16", "tied"), (0, "fp16", "fused"), (0, "bf16", ""),
    (1, "fp16", ""), (2, "fp16", "tied"), (3, "fp16", ""), (2, "fp16", "aligned"),
]


def make_model(is_tied):
    import torch

    torch.manual_seed(0)

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = torch.nn.Linear(3, 5)
            self.b = torch.nn.Linear(5, 3, bias=False)
            self.c = torch.nn.Linear(3, 2)
            self.register_buffer("table", torch.arange(4.0))
            if is_tied:
                self.frozen = torch.nn.Linear(3, 3)
                self.frozen.requires_grad_(False)
                self.tied = torch.nn.Linear(3, 5, bias=False)
                self.tied.weight = self.a.weight

        def forward(self, x):
            y = self.b(torch.tanh(self.a(x)))
            if is_tied:
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


def deepspeed_rank(rank, stage, precision, special, folder):
    os.environ.update(
        DS_ACCELERATOR="cpu", RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2",
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(29610 + stage))
    import deepspeed
    import torch
    from deepspeed.accelerator import get_accelerator
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    # Its shared-memory collectives would have to be compiled.
    sys.modules["deepspeed.comm.torch"].build_shm_op = lambda: None
    # Without fast fp16 DeepSpeed refuses it; PyTorch computes it on any CPU.
    get_accelerator().is_fp16_supported = lambda: True
    deepspeed.init_distributed(dist_backend="gloo")
    configuration = {
        "train_batch_size": 4,
        "train_micro_batch_size_per_gpu": 2,
        "zero_optimization": {"stage": stage},
        "optimizer": {"type": "AdamW", "params": {"lr": 1e-2}},
    }
    if special == "aligned":
        configuration["zero_optimization"].update(
            parameter_alignment=True, round_robin_gradients=True)
    if special != "fused":
        configuration["optimizer"]["params"]["torch_adam"] = True
    if precision == "bf16":
        configuration["bf16"] = {"enabled": True}
    if precision == "fp16":
        configuration["fp16"] = {"enabled": True, "initial_scale_power": 4}
    model = make_model(special == "tied")
    engine, *_ = deepspeed.initialize(
        model=model, model_parameters=groups(model), config=configuration)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    for step in range(3):
        x = torch.full((2, 3), step + 1.0 + rank).to(dtype)
        engine.backward(engine(x).float().pow(2).sum())
        engine.step()
    engine.save_checkpoint(folder, tag="global_step3")
    if stage == 0 and rank == 0:
        names = {id(p): name for name, p in engine.module.named_parameters()}
        expected = {
            name: p.detach().clone() for name, p in engine.module.named_parameters()}
        for parameter, master, state in unsharded(engine.optimizer, precision):
            name = names[id(parameter)]
            expected[name] = master.detach().clone()
            expected[name + "#firstMoment"] = state["exp_avg"].clone()
            expected[name + "#secondMoment"] = state["exp_avg_sq"].clone()
        save_file(expected, pathlib.Path(folder) / "expected.safetensors")


def unsharded(optimizer, precision):
    """Each parameter with its fp32 master and its moments, in their own shape."""
    if precision == "fp32":
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                yield parameter, parameter, optimizer.state[parameter]
    elif hasattr(optimizer, "fp32_groups"):
        for parameters, masters in zip(optimizer.fp16_groups, optimizer.fp32_groups):
            for parameter, master in zip(parameters, masters):
                yield parameter, master, optimizer.optimizer.state[master]
    else:
        for parameters, flat in zip(optimizer.fp16_groups, optimizer.fp32_groups_flat):
            state = optimizer.optimizer.state[flat]
            start = 0
            for parameter in parameters:
                part = slice(start, start + parameter.numel())
                start = part.stop
                yield parameter, flat[part].view_as(parameter), {
                    key: state[key][part].view_as(parameter) for key in ("exp_avg", "exp_avg_sq")}


def expect_sharded(folder, is_tied, universal):
    """DeepSpeed's own conversions: weights by zero_to_fp32, moments by ds_to_universal, which
    writes the folder `universal`."""
    import torch
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint
    from safetensors.torch import save_file

    names = [name for name, _ in make_model(is_tied).named_parameters()]
    weights = get_fp32_state_dict_from_zero_checkpoint(folder, "global_step3")
    expected = {name: weights[name].float().contiguous().clone() for name in names}
    subprocess.run(
        [sys.executable, "-m", "deepspeed.checkpoint.ds_to_universal", "--input_folder",
         f"{folder}/global_step3", "--output_folder", universal / "global_step3",
         "--num_extract_workers", "1", "--num_merge_workers", "1", "--inject_missing_state"],
        check=True, env={**os.environ, "DS_ACCELERATOR": "cpu"})
    for name in names:
        for key, kind in (("exp_avg", "firstMoment"), ("exp_avg_sq", "secondMoment")):
            path = universal / "global_step3/zero" / name / f"{key}.pt"
            if path.exists():
                moment = torch.load(path, weights_only=False)
                moment = moment["param"] if isinstance(moment, dict) else moment
                expected[f"{name}#{kind}"] = moment.float().reshape(weights[name].shape).clone()
    save_file(expected, universal / "expected.safetensors")
    save_file(expected, pathlib.Path(folder) / "expected.safetensors")


def tiny_model(family, layers=2):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

    torch.manual_seed(0)
    sizes = {"vocab_size": 11, "hidden_size": 8, "num_hidden_layers": layers,
             "num_attention_heads": 2}
    if family == "llama":
        sizes.update(intermediate_size=12, num_key_value_heads=1, tie_word_embeddings=True)
    if family == "bert":
        sizes.update(intermediate_size=12, max_position_embeddings=16)
    if family == "gpt2":
        sizes = {"vocab_size": 11, "n_embd": 8, "n_layer": layers, "n_head": 2, "n_positions": 16}
    kind = AutoModelForSequenceClassification if family == "bert" else AutoModelForCausalLM
    return kind.from_config(AutoConfig.for_model(family, **sizes))


def train(model, optimizer, backward, schedule=None):
    import torch

    for step in range(3):
        tokens = torch.arange(6).reshape(2, 3) + step
        labels = tokens[:, 0] % 2 if hasattr(model, "classifier") else tokens
        backward(model(tokens, labels=labels).loss)
        optimizer.step()
        if schedule:
            schedule.step()
        optimizer.zero_grad()


def make_accelerate(folder, family, is_grouped, is_safe):
    import torch
    from accelerate import Accelerator
    from safetensors.torch import save_file
    from transformers.trainer_pt_utils import get_parameter_names

    accelerator = Accelerator(cpu=True)
    model = tiny_model(family)
    parameters = model.parameters()
    if is_grouped:
        # The HuggingFace trainer's groups: norms and biases do not decay.
        decayed = get_parameter_names(
            model, [torch.nn.LayerNorm],
            [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"])
        named = list(model.named_parameters())
        parameters = [
            {"params": [p for n, p in named if n in decayed], "weight_decay": 0.1},
            {"params": [p for n, p in named if n not in decayed], "weight_decay": 0.0},
        ]
    optimizer = torch.optim.AdamW(parameters, lr=1e-2)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer)
    model, optimizer, schedule = accelerator.prepare(model, optimizer, schedule)
    train(model, optimizer, accelerator.backward, schedule)
    accelerator.save_state(str(folder), safe_serialization=is_safe)
    expected = {}
    for name, parameter in accelerator.unwrap_model(model).named_parameters():
        state = optimizer.optimizer.state[parameter]
        expected[name] = parameter.detach().clone()
        expected[name + "#firstMoment"] = state["exp_avg"].clone()
        expected[name + "#secondMoment"] = state["exp_avg_sq"].clone()
    save_file(expected, folder / "expected.safetensors")


def make_alike(folder):
    """A state of DeepSpeed's stage 0 as it may be, though not made by it: of two equal weights one
    is trained, and nothing says which."""
    import torch

    weight = torch.arange(6.0).reshape(2, 3)
    states = {key: torch.ones(2, 3) for key in ("exp_avg", "exp_avg_sq")}
    state = {
        "module": {"a.weight": weight.half(), "b.weight": weight.half()}, "buffer_names": [],
        "global_steps": 1, "ds_version": "0.19.8",
        "optimizer": {
            "fp32_groups": [[weight]],
            "optimizer_state_dict": {
                "state": {0: {"step": 1, **states}}, "param_groups": [{"params": [0]}]}},
    }
    folder.mkdir(parents=True)
    torch.save(state, folder / "mp_rank_00_model_states.pt")


def make_trainer(folder, family):
    """A checkpoint of the HuggingFace trainer, without what tells of the machine."""
    from transformers import Trainer, TrainingArguments

    samples = [{"input_ids": [i % 5 + k for k in range(6)], "labels": [i % 5 + k for k in range(6)]}
               for i in range(8)]
    with tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(
            model=tiny_model(family), train_dataset=samples,
            args=TrainingArguments(
                output_dir=scratch, max_steps=3, save_steps=3, use_cpu=True, report_to=[],
                weight_decay=0.1, learning_rate=1e-2, per_device_train_batch_size=2,
                disable_tqdm=True))
        trainer.train()
        shutil.copytree(
            f"{scratch}/checkpoint-3", folder,
            ignore=shutil.ignore_patterns("training_args.bin", "rng_state*"))
    states = getattr(trainer.optimizer, "optimizer", trainer.optimizer).state
    named = dict(trainer.model.named_parameters())
    expect_named(
        {name: parameter.detach() for name, parameter in named.items()},
        {name: states[parameter] for name, parameter in named.items()}, folder)
    if family == "llama":
        continue_trainer(folder)


def continue_trainer(folder):
    """Three more steps of PyTorch's from the checkpoint: loss and gradient norm of each."""
    import json

    import torch
    from transformers import AutoModelForCausalLM
    from transformers.trainer_pt_utils import get_parameter_names

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    decayed = get_parameter_names(
        model, [torch.nn.LayerNorm],
        [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"])
    named = list(model.named_parameters())
    optimizer = torch.optim.AdamW([
        {"params": [p for n, p in named if n in decayed]},
        {"params": [p for n, p in named if n not in decayed]}])
    optimizer.load_state_dict(torch.load(folder / "optimizer.pt", weights_only=True))
    steps = []
    tokens = torch.tensor([[1, 2, 3, 4, 5, 6]] * 2)
    for _ in range(3):
        for group in optimizer.param_groups:
            group["lr"] = 1e-2
        loss = model(tokens, labels=tokens).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        steps.append({"loss": loss.item(), "grad_norm": norm.item()})
    (folder / "continued.json").write_text(json.dumps(steps) + "\n")


def fsdp_rank(rank, folder):
    """FSDP2 of PyTorch; Accelerate does without on a CPU, but its functions save what they are
    given. `dcp` is one folder of torch.distributed.checkpoint for both, with columns sharded."""
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1",
        MASTER_PORT="29620")
    import torch
    import torch.distributed.checkpoint as dcp
    from accelerate import Accelerator
    from accelerate.utils import FullyShardedDataParallelPlugin
    from accelerate.utils.fsdp_utils import save_fsdp_model, save_fsdp_optimizer
    from torch.distributed.checkpoint.state_dict import (
        StateDictOptions, get_model_state_dict, get_optimizer_state_dict)
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import Shard

    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    os.chdir(folder)  # metadata tells where it was written
    for name in ("accelerate-fsdp", "dcp"):
        model = tiny_model("llama", layers=1)
        place = None
        if name == "dcp":
            place = lambda p: Shard(1) if p.ndim == 2 and p.shape[1] % 2 == 0 else None  # noqa
        for layer in model.model.layers:
            fully_shard(layer, shard_placement_fn=place)
        fully_shard(model, shard_placement_fn=place)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        train(model, optimizer, lambda loss: loss.backward())
        if name == "dcp":
            state = {
                "model": get_model_state_dict(model),
                "optimizer": get_optimizer_state_dict(model, optimizer)}
            dcp.save(state, storage_writer=dcp.FileSystemWriter(name))
        else:
            for kind, suffix in (("SHARDED_STATE_DICT", ""), ("FULL_STATE_DICT", "-whole")):
                plugin = FullyShardedDataParallelPlugin(fsdp_version=2, state_dict_type=kind)
                save_fsdp_model(plugin, accelerator, model, name + suffix)
                save_fsdp_optimizer(plugin, accelerator, optimizer, model, name + suffix)
        whole = StateDictOptions(full_state_dict=True, cpu_offload=True)
        weights = get_model_state_dict(model, options=whole)
        states = get_optimizer_state_dict(model, optimizer, options=whole)
        if rank == 0:  # which alone has them
            expect_named(weights, states["state"], name)
            if name != "dcp":
                expect_named(weights, states["state"], name + "-whole")
    torch.distributed.barrier()


def expect_named(weights, states, folder):
    from safetensors.torch import save_file

    expected = {}
    for name, state in states.items():
        expected[name] = weights[name].clone()
        expected[name + "#firstMoment"] = state["exp_avg"].clone()
        expected[name + "#secondMoment"] = state["exp_avg_sq"].clone()
    save_file(expected, pathlib.Path(folder) / "expected.safetensors")


def make_orders(path):
    """The order of the parameters in the models of transformers."""
    import json

    from transformers import (
        AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM,
        AutoModelForSequenceClassification)

    orders = {}
    for name in ("gemma3", "gpt-neox", "llama-biased", "llama-untied", "olmo2", "phi3", "qwen3"):
        config = AutoConfig.from_pretrained(MODELS / name)
        model = AutoModelForCausalLM.from_config(config)
        orders[name] = [parameter for parameter, _ in model.named_parameters()]
    orders["gpt2"] = [name for name, _ in tiny_model("gpt2").named_parameters()]
    small = {"vocab_size": 11, "num_hidden_layers": 1, "num_attention_heads": 2,
             "hidden_size": 8, "intermediate_size": 8}
    for family in ("bert", "roberta", "distilbert"):
        sizes = small
        if family == "distilbert":
            sizes = {"vocab_size": 11, "dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 8}
        config = AutoConfig.for_model(family, **sizes)
        for kind in (AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification):
            names = [name for name, _ in kind.from_config(config).named_parameters()]
            orders[f"{family}-{kind.__name__}"] = names
    path.write_text(json.dumps(orders, indent=0) + "\n")


def main():
    import torch.multiprocessing

    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    for stage, precision, special in RUNS:
        with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory() as universal:
            torch.multiprocessing.spawn(
                deepspeed_rank, (stage, precision, special, scratch), nprocs=2)
            if stage > 0:
                expect_sharded(scratch, special == "tied", pathlib.Path(universal))
                if (stage, precision) in ((2, "fp32"), (3, "bf16")):
                    shutil.copytree(universal, OUT / f"universal-{stage}")
            for script in ("zero_to_fp32.py", "zero_to_torch.py"):
                (pathlib.Path(scratch) / script).unlink(missing_ok=True)
            name = f"deepspeed-{stage}-{precision}"
            name += f"-{special}" if special in ("fused", "aligned") else ""
            shutil.copytree(scratch, OUT / name)
    make_alike(OUT / "alike-0-fp16")
    make_accelerate(OUT / "accelerate", "llama", True, True)
    make_accelerate(OUT / "accelerate-gpt2", "gpt2", False, True)
    make_accelerate(OUT / "accelerate-bert", "bert", True, True)
    make_accelerate(OUT / "accelerate-bin", "llama", False, False)
    make_trainer(OUT / "trainer-gpt2", "gpt2")
    make_trainer(OUT / "trainer-llama", "llama")
    torch.multiprocessing.spawn(fsdp_rank, (str(OUT),), nprocs=2)
    make_orders(OUT / "orders.json")


if __name__ == "__main__":
    main()
