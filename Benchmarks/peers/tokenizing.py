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


def row(name, one, two, apus):
    """A row of the table: MB/s by processor time, ratios, and how two threads compare to one by the clock."""
    size = apus["bytes"]
    assert (one["bytes"], one["tokens"]) == (size, apus["tokens"]), f"{name}: not the same texts or tokens"
    cells = [name]
    for part in ("encode", "encode_offsets", "decode"):
        theirs, ours = (size / 1e6 / report[part]["cpu_seconds"] for report in (one, apus))
        cells += [f"{theirs:.1f}", f"{ours:.1f}", f"**{ours / theirs:.1f}**"]
    theirs = two["encode"]["mb_per_s"] / one["encode"]["mb_per_s"]
    ours = apus["encode_threads"]["mb_per_s"] / apus["encode"]["mb_per_s"]
    return "| " + " | ".join([*cells, f"{theirs:.2f}", f"{ours:.2f}"]) + " |"


HEADER = """| tokenizer | ids: `tokenizers` | Apus | ratio | with offsets: `tokenizers` | Apus | ratio | decode: `tokenizers` | Apus | ratio | 2 threads: `tokenizers` | Apus |
| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("models", nargs="+", help="folders with a tokenizer.json")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--apus", default=str(ROOT / ".build/release/apus"))
    parser.add_argument("--reference", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reference:
        print(json.dumps(reference(options.models[0], options.corpus, options.repeats)))
        return
    print(f"{Path(options.corpus).name}, MB/s of processor time on one thread; two threads against one by the clock\n")
    print(HEADER)
    for model in options.models:
        repeats = ["--repeats", str(options.repeats)]
        peer = [sys.executable, __file__, options.corpus, model, "--reference", *repeats]
        bench = [options.apus, "bench", "tokenizer", "--model", model, "--text", options.corpus, "--threads", "2"]
        one, apus = run(peer, 1), run([*bench, *repeats], 1)
        print(row(Path(model).name, one, run(peer, 2), apus), flush=True)


if __name__ == "__main__":
    main()
