"""Compare the speed of Apus and of the Rust library `tokenizers`; see Benchmarks/tokenizer."""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def reference(model, corpus, repeats):
    """The figures of `apus bench tokenizer` for the reference; the caller sets its number of threads."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(model) / "tokenizer.json"))
    with open(corpus, encoding="utf-8") as file:
        texts = [json.loads(line) for line in file]
    ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    size = sum(len(text.encode()) for text in texts)
    report = {"bytes": size, "tokens": sum(map(len, ids))}
    for name, body in {
        "encode": lambda: tokenizer.encode_batch_fast(texts),
        "encode_offsets": lambda: tokenizer.encode_batch(texts),
        "decode": lambda: tokenizer.decode_batch(ids, skip_special_tokens=False),
    }.items():
        runs = []
        for _ in range(repeats):
            begin, cpu = time.perf_counter(), time.process_time()
            body()
            runs.append((time.perf_counter() - begin, time.process_time() - cpu))
        seconds, cpu_seconds = min(runs)
        report[name] = {"mb_per_s": size / seconds / 1e6, "seconds": seconds, "cpu_seconds": cpu_seconds}
    return report


def run(command, threads):
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "true"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {result.returncode}: {result.stderr}")
    return json.loads(result.stdout)


def table(one, two, apus):
    size = apus["bytes"]
    assert (one["bytes"], one["tokens"]) == (size, apus["tokens"]), "not the same texts or tokens"
    rows = [
        ("encode, 1 thread", one["encode"], apus["encode"]),
        ("encode, 2 threads", two["encode"], apus["encode_threads"]),
        ("encode with offsets, 1 thread", one["encode_offsets"], apus["encode_offsets"]),
        ("decode, 1 thread", one["decode"], apus["decode"]),
    ]
    print(f"{size} bytes, {apus['tokens']} tokens; MB/s by the clock (by processor time)\n")
    print("| | tokenizers | Apus | ratio |\n| --- | --- | --- | --- |")
    for name, theirs, ours in rows:
        speeds = [
            f"{run['mb_per_s']:.1f} ({size / 1e6 / run['cpu_seconds']:.1f})" for run in (theirs, ours)
        ]
        ratio = ours["mb_per_s"] / theirs["mb_per_s"]
        cpu_ratio = theirs["cpu_seconds"] / ours["cpu_seconds"]
        print(f"| {name} | {speeds[0]} | {speeds[1]} | {ratio:.1f} ({cpu_ratio:.1f}) |")
    scaling = apus["encode_threads"]["mb_per_s"] / apus["encode"]["mb_per_s"]
    print(f"\nTwo threads of Apus are {scaling:.2f} times one.")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("model")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--apus", default=str(ROOT / ".build/release/apus"))
    parser.add_argument("--reference", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reference:
        print(json.dumps(reference(options.model, options.corpus, options.repeats)))
        return
    peer = [sys.executable, __file__, options.corpus, options.model, "--reference", "--repeats", str(options.repeats)]
    bench = [options.apus, "bench", "tokenizer", "--model", options.model, "--text", options.corpus]
    one = run(peer, 1)
    apus = run([*bench, "--threads", "2", "--repeats", str(options.repeats)], 1)
    table(one, run(peer, 2), apus)


if __name__ == "__main__":
    main()
