#!/usr/bin/env python3
"""Runs the systems in turn, several times, on this machine, and writes a Markdown table.

    Benchmarks/compare [--systems accelerate-ddp apus] [--repeats 3] [--sizes small] ...
    Benchmarks/compare --matrix    every stage of sharding, two sizes, two dtypes
"""

import argparse
import glob
import itertools
import json
import os
import platform
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from workload import SEQUENCE, SIZES, VOCABULARY, write_weights

HERE = Path(__file__).resolve().parent
RANKS = 2
INCUMBENTS = ["accelerate-ddp", "torch-fsdp2", "deepspeed-1", "deepspeed-2", "deepspeed-3"]
# By ZeRO's stage, which is what the rows of other systems are called too.
SHARDING = {"apus": "none", "apus-1": "optimizer", "apus-2": "gradients", "apus-3": "parameters"}


def command(system, case, options, weights, port):
    """The command line that a user of the system would type, and its environment."""
    size, dtype = case
    common = ["--weights", str(weights), "--dtype", dtype, "--steps", str(options.steps)]
    if system in SHARDING:
        shape = [f"--{name}={value}" for name, value in SIZES[size].items()]
        return [options.apus, "bench", "train", *shape, f"--vocabulary={VOCABULARY}",
                f"--sequence={SEQUENCE}", f"--ranks={RANKS}", f"--sharding={SHARDING[system]}",
                *common], {}
    script = [str(HERE / "train.py"), "--system", system, *common]
    if system == "accelerate-ddp":
        # `--cpu --num_processes 2` would start one process; the torchrun path with a CPU
        # accelerator gives two.
        launcher = ["accelerate", "launch", "--multi_gpu", f"--num_processes={RANKS}",
                    "--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no",
                    "--num_cpu_threads_per_process=1", f"--main_process_port={port}"]
        return launcher + script, {"ACCELERATE_USE_CPU": "true"}
    if system == "torch-fsdp2":
        return ["torchrun", f"--nproc_per_node={RANKS}", f"--master_port={port}", *script], {}
    return ["deepspeed", f"--num_gpus={RANKS}", f"--master_port={port}", *script], {
        "DS_ACCELERATOR": "cpu"}


def machine_seconds():
    """CPU seconds that the whole machine has spent working since it started."""
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _wait, irq, softirq = map(int, stat.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def own_seconds():
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usage)


def parse(text):
    """The JSON object of the last line that is one, with or without the peers' mark."""
    for line in reversed(text.splitlines()):
        line = line.removeprefix("BENCH ")
        if line.startswith("{") and '"losses"' in line:
            return json.loads(line)
    return None


def build_operators(work):
    """Lets DeepSpeed compile its CPU operators before anything is timed."""
    os.environ.setdefault("TORCH_EXTENSIONS_DIR", str(work / "extensions"))
    build = ("from deepspeed.accelerator import get_accelerator as a\n"
             "for name in ('FusedAdamBuilder', 'ShareMemCommBuilder'):\n"
             "    a().create_op_builder(name).load()")
    subprocess.run([sys.executable, "-c", build], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "DS_ACCELERATOR": "cpu"})


def supervise(arguments, environment, log, limit):
    """What the command printed, and its exit code."""
    # A group of its own, so that a run past its limit takes its ranks along.
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=log, text=True,
                          start_new_session=True) as process:
        try:
            return process.communicate(timeout=limit)[0], process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise SystemExit(f"compare: not done after {limit} s; see {log.name}\n"
                             f"  {' '.join(arguments)}") from None


def run(system, case, options, weights, log):
    port = random.randint(20000, 60000)
    arguments, extra = command(system, case, options, weights, port)
    environment = {**os.environ, **extra, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1",
                   "TRANSFORMERS_VERBOSITY": "error"}
    machine, own, start = machine_seconds(), own_seconds(), time.time()
    try:
        output, code = supervise(arguments, environment, log, options.limit)
    finally:
        # DeepSpeed never unlinks its shared-memory buffers; dozens of runs would fill the memory.
        for left in glob.glob(f"/dev/shm/deepspeed_*_{os.getuid()}_*{port}*"):
            os.unlink(left)
    wall = time.time() - start
    result = parse(output)
    if code or result is None:
        log.write(output)
        raise SystemExit(
            f"compare: {system} ended with code {code} and "
            f"{'a' if result else 'no'} result; see {log.name}\n  {' '.join(arguments)}")
    others = (machine_seconds() - machine - (own_seconds() - own)) / wall
    if "first_step_at" in result:
        result["launch_to_first_step_s"] = result["first_step_at"] - start
    return {**result, "system": system, "size": case[0], "others_cores": max(0.0, others)}


def speed(runs):
    return statistics.median(one["tokens_per_s"] for one in runs)


def peak(runs):
    return statistics.median(max(one["hwm_mb"]) for one in runs)


def row(name, runs, reference):
    def median(key):
        return statistics.median(one[key] for one in runs)

    losses = runs[0]["losses"]
    apart = max(abs(a - b) for a, b in zip(losses, reference, strict=True))
    others = max(one["others_cores"] for one in runs)
    return [
        name, f"{speed(runs):.0f}", f"{1000 * median('step_s_median'):.0f}",
        f"{1000 * min(one['step_s_min'] for one in runs):.0f}", f"{peak(runs):.0f}",
        f"{median('launch_to_first_step_s'):.1f}", f"{losses[0]:.5f}", f"{losses[-1]:.5f}",
        f"{apart:.1e}", f"{others:.2f}"]


HEAD = ["system", "tokens/s", "step ms", "fastest step ms", "peak MiB per rank",
        "launch to first step s", "first loss", "last loss", "largest loss difference",
        "cores used by others"]


def ratios(results):
    """Apus beside the best of the others at each stage: FSDP2 stands beside all of them."""
    lines = []
    for stage in (1, 2, 3):
        own = results.get(f"apus-{stage}")
        others = [results[name] for name in (f"deepspeed-{stage}", "torch-fsdp2")
                  if name in results]
        if own and others:
            faster = speed(own) / max(map(speed, others))
            smaller = peak(own) / min(map(peak, others))
            lines.append([f"{stage}", f"{faster:.2f}", f"{smaller:.2f}"])
    if not lines:
        return ""
    head = [["stage", "tokens/s over the fastest other", "peak memory over the smallest other"],
            ["---:"] * 3]
    return "\n" + "\n".join("| " + " | ".join(cells) + " |" for cells in head + lines) + "\n"


def table(results, case, options):
    size, dtype = case
    reference = results[options.systems[0]][0]["losses"]
    lines = [HEAD, ["---"] + ["--:"] * (len(HEAD) - 1)]
    lines += [row(name, runs, reference) for name, runs in results.items()]
    shape = ", ".join(f"{k} {v}" for k, v in SIZES[size].items())
    title = (f"{size} ({shape}, vocabulary {VOCABULARY}), {dtype}, sequence "
             f"{SEQUENCE}, 1 sequence per rank, {RANKS} ranks x 1 thread, {options.steps} steps, "
             f"medians of {options.repeats} alternating runs, {platform.machine()}, "
             f"{os.cpu_count()} cores. Loss differences are against {options.systems[0]}.")
    rows = "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"
    return title + "\n\n" + rows + ratios(results)


def compare(case, options, work):
    """All systems in turn on one size and dtype; the table."""
    weights = work / case[0]
    write_weights(case[0], weights)
    results = {system: [] for system in options.systems}
    with open(work / "compare.log", "a") as log, open(work / "results.jsonl", "a") as kept:
        for repeat in range(options.repeats):
            for system in options.systems:
                result = run(system, case, options, weights, log)
                results[system].append(result)
                kept.write(json.dumps(result) + "\n")
                print(f"{' '.join(case)} {repeat + 1}/{options.repeats} {system}: "
                      f"{result['tokens_per_s']:.0f} tokens/s, "
                      f"others {result['others_cores']:.2f}", file=sys.stderr)
    return table(results, case, options)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", nargs="+", choices=[*INCUMBENTS, *SHARDING],
                        default=["accelerate-ddp", "apus"])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["small"])
    parser.add_argument("--dtypes", nargs="+", choices=["fp32", "bf16"], default=["fp32"])
    parser.add_argument("--matrix", action="store_true",
                        help="all systems, small and medium, fp32 and bf16")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=int, default=600, help="seconds for one run")
    parser.add_argument("--apus", default=str(HERE.parents[1] / ".build/release/apus"))
    parser.add_argument("--out", type=Path, help="a file for the table, beside printing it")
    options = parser.parse_args()
    if options.matrix:
        options.systems = [*INCUMBENTS, *SHARDING]
        options.sizes, options.dtypes = ["small", "medium"], ["fp32", "bf16"]
    work = Path(os.environ.get("PEER_WORK", Path(tempfile.gettempdir()) / "apus-bench"))
    work.mkdir(parents=True, exist_ok=True)
    (work / "compare.log").unlink(missing_ok=True)
    if any(system.startswith("deepspeed") for system in options.systems):
        build_operators(work)
    tables = []
    for case in itertools.product(options.sizes, options.dtypes):
        tables.append(compare(case, options, work))
        print(tables[-1])
        if options.out:
            options.out.write_text("\n".join(tables))


if __name__ == "__main__":
    main()
