"""One function per incumbent: it wraps the model its own way and returns the training step.

A step takes token ids [batch, sequence] and returns this rank's loss: forward, backward, clipping,
optimizer. Each system is used as its documentation tells its users to.
"""

import torch
from transformers import LlamaForCausalLM

from workload import BETAS, CLIP, DECAY, EPSILON, LEARNING_RATE


def _load(folder):
    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, use_cache=False).train()


def _adamw(model):
    return torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, betas=BETAS, eps=EPSILON, weight_decay=DECAY,
        fused=True)


def accelerate_ddp(folder, dtype, batch):
    from accelerate import Accelerator
    accelerator = Accelerator(cpu=True, mixed_precision="bf16" if dtype == "bf16" else "no")
    model = _load(folder)
    model, optimizer = accelerator.prepare(model, _adamw(model))

    def step(ids):
        loss = model(input_ids=ids, labels=ids).loss
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    return step, str(accelerator.distributed_type)


def torch_fsdp2(folder, dtype, batch):
    from torch import distributed
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
    distributed.init_process_group("gloo")
    mesh = distributed.init_device_mesh("cpu", (distributed.get_world_size(),))
    policy = MixedPrecisionPolicy()
    if dtype == "bf16":
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    model = _load(folder)
    for layer in [*model.model.layers, model]:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    optimizer = _adamw(model)

    def step(ids):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    return step, "fully_shard per block"


def _deepspeed(stage):
    def make(folder, dtype, batch):
        import deepspeed
        deepspeed.init_distributed()
        config = {
            "train_micro_batch_size_per_gpu": batch,
            "gradient_clipping": CLIP,
            "zero_optimization": {"stage": stage},
            "optimizer": {"type": "AdamW", "params": {
                "lr": LEARNING_RATE, "betas": list(BETAS), "eps": EPSILON,
                "weight_decay": DECAY}},
            "bf16": {"enabled": dtype == "bf16"},
            "steps_per_print": 1 << 30,
        }
        if stage == 3:
            # While this object lives, from_pretrained builds the model in shards.
            from transformers.integrations import HfDeepSpeedConfig
            sharded_loading = HfDeepSpeedConfig(config)
            assert sharded_loading.is_zero3()
        model = _load(folder)
        engine, optimizer, _, _ = deepspeed.initialize(
            model=model, model_parameters=model.parameters(), config=config)

        def step(ids):
            loss = engine(input_ids=ids, labels=ids).loss
            engine.backward(loss)
            engine.step()
            return loss.detach()

        return step, type(optimizer).__name__

    return make


SYSTEMS = {
    "accelerate-ddp": accelerate_ddp,
    "torch-fsdp2": torch_fsdp2,
    "deepspeed-1": _deepspeed(1),
    "deepspeed-2": _deepspeed(2),
    "deepspeed-3": _deepspeed(3),
}
