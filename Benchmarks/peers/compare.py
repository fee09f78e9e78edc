#!/usr/bin/env python3
"""Runs the systems in turn, several times, on this machine, and writes a Markdown table.

    Benchmarks/compare [--systems accelerate-ddp apus] [--repeats 3] [--size small] ...
"""

import argparse
import glob
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


def command(system, options, weights, port):
    """The command line that a user of the system would type, and its environment."""
    common = ["--weights", str(weights), "--dtype", options.dtype, "--steps", str(options.steps)]
    if system == "apus":
        shape = [f"--{name}={value}" for name, value in SIZES[options.size].items()]
        return [options.apus, "bench", "train", *shape, f"--vocabulary={VOCABULARY}",
                f"--sequence={SEQUENCE}", f"--ranks={RANKS}", *common], {}
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


def run(system, options, weights, log):
    port = random.randint(20000, 60000)
    arguments, extra = command(system, options, weights, port)
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
    return {**result, "system": system, "others_cores": max(0.0, others)}


def row(name, runs, reference):
    def median(key):
        return statistics.median(one[key] for one in runs)

    losses = runs[0]["losses"]
    apart = max(abs(a - b) for a, b in zip(losses, reference, strict=True))
    peak = statistics.median(max(one["hwm_mb"]) for one in runs)
    others = max(one["others_cores"] for one in runs)
    return [
        name, f"{median('tokens_per_s'):.0f}", f"{1000 * median('step_s_median'):.0f}",
        f"{1000 * min(one['step_s_min'] for one in runs):.0f}", f"{peak:.0f}",
        f"{median('launch_to_first_step_s'):.1f}", f"{losses[0]:.5f}", f"{losses[-1]:.5f}",
        f"{apart:.1e}", f"{others:.2f}"]


HEAD = ["system", "tokens/s", "step ms", "fastest step ms", "peak MiB per rank",
        "launch to first step s", "first loss", "last loss", "largest loss difference",
        "cores used by others"]


def table(results, options):
    reference = results[options.systems[0]][0]["losses"]
    lines = [HEAD, ["---"] + ["--:"] * (len(HEAD) - 1)]
    lines += [row(name, runs, reference) for name, runs in results.items()]
    shape = ", ".join(f"{k} {v}" for k, v in SIZES[options.size].items())
    title = (f"{options.size} ({shape}, vocabulary {VOCABULARY}), {options.dtype}, sequence "
             f"{SEQUENCE}, 1 sequence per rank, {RANKS} ranks x 1 thread, {options.steps} steps, "
             f"medians of {options.repeats} alternating runs, {platform.machine()}, "
             f"{os.cpu_count()} cores. Loss differences are against {options.systems[0]}.")
    return title + "\n\n" + "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", nargs="+", choices=[*INCUMBENTS, "apus"],
                        default=["accelerate-ddp", "apus"])
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=int, default=600, help="seconds for one run")
    parser.add_argument("--apus", default=str(HERE.parents[1] / ".build/release/apus"))
    parser.add_argument("--out", type=Path, help="a file for the table, beside printing it")
    options = parser.parse_args()
    work = Path(os.environ.get("PEER_WORK", Path(tempfile.gettempdir()) / "apus-bench"))
    weights = work / options.size
    work.mkdir(parents=True, exist_ok=True)
    write_weights(options.size, weights)
    if any(system.startswith("deepspeed") for system in options.systems):
        build_operators(work)
    results = {system: [] for system in options.systems}
    with open(work / "compare.log", "w") as log, open(work / "results.jsonl", "a") as kept:
        for repeat in range(options.repeats):
            for system in options.systems:
                result = run(system, options, weights, log)
                results[system].append(result)
                kept.write(json.dumps(result) + "\n")
                print(f"{repeat + 1}/{options.repeats} {system}: {result['tokens_per_s']:.0f} "
                      f"tokens/s, others {result['others_cores']:.2f}", file=sys.stderr)
    text = table(results, options)
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
