"""Compare saving and loading by PyTorch and by Apus; see Benchmarks/checkpoint."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp

ROOT = Path(__file__).resolve().parents[2]


def state_of(size):
    """Weights and both moments in fp32, cut like the state of `apus bench checkpoint`."""
    count = 3 * max(1, size // (3 << 24))
    elements = size // 4 // count
    return {f"layers.{i // 3}.{'wmv'[i % 3]}": torch.randn(elements) for i in range(count)}


def sync(path):
    """As Apus does: every file and the folder."""
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    for name in [*files, path if path.is_dir() else path.parent]:
        descriptor = os.open(name, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def forget(path):
    for name in [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]:
        descriptor = os.open(name, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def seconds(body):
    begin = time.perf_counter()
    body()
    return time.perf_counter() - begin


class TorchSave:
    """`torch.save` with `fsync`; loading makes new tensors, as it does there."""

    name = "torch.save"

    def __init__(self, state, folder):
        self.state, self.path = state, folder / "state.pt"

    def save(self):
        torch.save(self.state, self.path)
        sync(self.path)

    def load(self):
        torch.load(self.path, weights_only=True)

    pause = None


class DCP:
    """`torch.distributed.checkpoint` with its files synced; loads into tensors that are there."""

    name = "torch.distributed.checkpoint"

    def __init__(self, state, folder):
        self.state, self.path = state, folder / "dcp"
        self.target = {key: torch.empty_like(tensor) for key, tensor in state.items()}

    def save(self):
        shutil.rmtree(self.path, ignore_errors=True)
        dcp.save(self.state, storage_writer=dcp.FileSystemWriter(self.path, sync_files=True))
        sync(self.path)

    def load(self):
        dcp.load(self.target, checkpoint_id=self.path)

    def pause(self):
        shutil.rmtree(self.path, ignore_errors=True)
        begin = time.perf_counter()
        future = dcp.async_save(self.state, checkpoint_id=self.path)
        pause = time.perf_counter() - begin
        future.result()
        return pause


def measure(peer, repeats):
    times = {"save_s": [], "load_disk_s": [], "load_cache_s": [], "pause_s": []}
    for _ in range(repeats):
        times["save_s"].append(seconds(peer.save))
        forget(peer.path)
        times["load_disk_s"].append(seconds(peer.load))
        times["load_cache_s"].append(seconds(peer.load))
        if peer.pause:
            times["pause_s"].append(peer.pause())
    return {key: statistics.median(list) for key, list in times.items() if list}


def apus(program, folder, size, repeats):
    command = [program, "bench", "checkpoint", "--json", "--folder", str(folder)]
    command += ["--size", str(size // 10**6), "--repetitions", str(repeats)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {result.returncode}: {result.stderr}")
    return json.loads(result.stdout)


def table(size, rows, plain):
    rows = rows | {"plain files, memory copy": plain}
    print(f"{size / 1e9:.2f} GB of fp32 tensors, one process; GB/s and the share of plain files\n")
    print("| | save and sync | load from the disk | load from the cache | pause of a background save, s |")
    print("| --- | --: | --: | --: | --: |")
    for name, row in rows.items():
        cells = [
            f"{size / row[key] / 1e9:.2f} ({plain[key] / row[key]:.2f})"
            for key in ["save_s", "load_disk_s", "load_cache_s"]
        ]
        pause = f"{row['pause_s']:.3f} ({row['pause_s'] / plain['pause_s']:.2f})" if "pause_s" in row else ""
        print(f"| {name} | {' | '.join(cells)} | {pause} |")


def main():
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--size", type=int, default=1000, help="MB")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--apus", default=str(ROOT / ".build/release/apus"))
    options = parser.parse_args()
    size = options.size * 10**6
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        state = state_of(size)
        own = apus(options.apus, folder, size, options.repeats)
        rows = {"Apus": own}
        for kind in (TorchSave, DCP):
            peer = kind(state, Path(folder))
            rows[kind.name] = measure(peer, options.repeats)
            shutil.rmtree(peer.path, ignore_errors=True)
            peer.path.unlink(missing_ok=True)
    plain = {
        "save_s": own["plain_write_s"], "load_disk_s": own["plain_read_disk_s"],
        "load_cache_s": own["plain_read_cache_s"], "pause_s": own["copy_s"],
    }
    table(size, rows, plain)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
