#!/usr/bin/env python3
"""One run of one incumbent, on each rank that its launcher starts; rank 0 prints `BENCH {json}`.

Not for people: Benchmarks/compare starts it. The keys are explained in Benchmarks/README.md.
"""

import argparse
import json
import os
import statistics
import time

import torch
from torch import distributed

from systems import SYSTEMS
from workload import SEQUENCE, sequence

WARM_UP = 3  # steps that the median leaves out


def peak_resident_mib():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 1)


def train(step, options, rank, world):
    """Losses of this rank, seconds of each step, and when the first step was done."""
    losses, seconds, first_done = [], [], None
    for number in range(options.steps):
        base = (number * world + rank) * options.batch
        ids = torch.tensor([sequence(base + row) for row in range(options.batch)])
        start = time.perf_counter()
        loss = step(ids)
        seconds.append(time.perf_counter() - start)
        first_done = first_done or time.time()
        losses.append(loss.double())
    return torch.stack(losses), seconds, first_done


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--system", choices=SYSTEMS, required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=1, help="sequences per rank and step")
    parser.add_argument("--local_rank", type=int, help="given by DeepSpeed's launcher")
    options = parser.parse_args()
    threads = int(os.environ["OMP_NUM_THREADS"])
    torch.set_num_threads(threads)

    step, note = SYSTEMS[options.system](options.weights, options.dtype, options.batch)
    rank, world = distributed.get_rank(), distributed.get_world_size()
    losses, seconds, first_done = train(step, options, rank, world)
    distributed.all_reduce(losses)
    peaks = [None] * world
    distributed.all_gather_object(peaks, peak_resident_mib())
    if rank == 0:
        median = statistics.median(seconds[WARM_UP:])
        print("BENCH " + json.dumps({
            "system": options.system, "dtype": options.dtype, "world": world, "threads": threads,
            "steps": options.steps, "tokens_per_s": world * options.batch * SEQUENCE / median,
            "step_s_median": median, "step_s_min": min(seconds[WARM_UP:]),
            "step_s_first": seconds[0], "hwm_mb": peaks, "first_step_at": first_done,
            "losses": (losses / world).tolist(), "note": note}), flush=True)
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
