#!/usr/bin/env python3
"""Checks the GGUF files that Apus writes: with the `gguf` package, with llama.cpp itself, and
against the files of llama.cpp's own converter.

    python Tools/checks/llama_cpp_agrees.py --apus .build/release/apus [FAMILY ...]
        [--converter DIR]   a source tree of llama.cpp

Makes a small random model with a tokenizer for each family, exports it, and compares
  - logits of llama.cpp with those of transformers, and the tokens of a few texts,
  - the greedy continuation by Apus out of the GGUF file with that by transformers,
  - with --converter every tensor and every value of the metadata with the converter's file.
llama.cpp is asked through the Python package llama_cpp; without it, that part is left out, which is
said. Ends with code 1 and a list of what differs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import gguf  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers as t  # noqa: E402

t.logging.set_verbosity_error()
t.logging.disable_progress_bar()
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers  # noqa: E402
from tokenizers import trainers  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "goldens"))
from shared import randomize  # noqa: E402

TEXTS = ["the red planet is the fourth planet", "x = 12345 // 67\n\n", "naïve café 日本語 🙂",
         "  two  spaces\tand a tab", "It's I'LL DON'T <|end|> done"]
CORPUS = ["the red planet is the fourth planet", "it's 2024, they'll say", "naïve café x = 1 + 2"] * 20
CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
WORDS = 320
DECODER = dict(
    vocab_size=WORDS, hidden_size=64, num_hidden_layers=4, num_attention_heads=4,
    num_key_value_heads=2, intermediate_size=96, max_position_embeddings=256, rms_norm_eps=1e-5,
    bos_token_id=0, eos_token_id=1, pad_token_id=None, attention_dropout=0.0)
NEOX = {key: DECODER[key] for key in DECODER if key not in ("num_key_value_heads", "rms_norm_eps")}
NEOX |= dict(hidden_dropout=0.0, rope_parameters={
    "rope_theta": 10000.0, "rope_type": "default", "partial_rotary_factor": 0.5})
PHI3 = DECODER | dict(pad_token_id=0, sliding_window=None, resid_pdrop=0.0)


def rope(**values):
    return dict(rope_parameters={"rope_theta": 10000.0, **values})


FAMILIES = {
    "llama": (t.LlamaConfig(**DECODER), "llama"),
    "llama-biased": (t.LlamaConfig(**DECODER, attention_bias=True, head_dim=32), "llama3"),
    "llama3": (t.LlamaConfig(**{**DECODER, "max_position_embeddings": 131072}, **rope(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=8192)), "llama3"),
    "mistral": (t.MistralConfig(**DECODER, sliding_window=None), "llama"),
    "mixtral": (t.MixtralConfig(
        **DECODER, num_local_experts=4, num_experts_per_tok=2, sliding_window=None), "llama"),
    "qwen2": (t.Qwen2Config(**DECODER, tie_word_embeddings=True), "qwen2"),
    "qwen2-yarn": (t.Qwen2Config(**DECODER, **rope(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=64)), "qwen2"),
    "qwen3": (t.Qwen3Config(**DECODER, head_dim=32), "qwen2"),
    "qwen3-moe": (t.Qwen3MoeConfig(
        **DECODER, head_dim=32, moe_intermediate_size=32, num_experts=8, num_experts_per_tok=3,
        norm_topk_prob=True), "qwen2"),
    "smollm3": (t.SmolLM3Config(**DECODER | dict(pad_token_id=0)), "smaug"),
    "phi3": (t.Phi3Config(**PHI3), "llama"),
    "phi4-partial": (t.Phi3Config(**PHI3, **rope(
        rope_type="default", partial_rotary_factor=0.5)), "gpt-4o"),
    # llama.cpp takes the short factors where its context, at least 256, is no longer than trained.
    "phi3-longrope": (t.Phi3Config(**PHI3 | dict(max_position_embeddings=512) | rope(
        rope_type="longrope", short_factor=[1.0, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0],
        long_factor=[1.5, 2, 2.5, 3, 4, 5, 6, 8.0], original_max_position_embeddings=256),
        original_max_position_embeddings=256), "llama"),
    "olmo2": (t.Olmo2Config(**DECODER | dict(pad_token_id=0)), "dbrx"),
    "gemma2": (t.Gemma2Config(
        **DECODER | dict(pad_token_id=0), head_dim=32, query_pre_attn_scalar=32,
        sliding_window=8, attn_logit_softcapping=6.0, final_logit_softcapping=12.0), "gemma"),
    "gemma3": (t.Gemma3TextConfig(
        **DECODER | dict(pad_token_id=0, num_hidden_layers=7), head_dim=32,
        query_pre_attn_scalar=32, sliding_window=8), "gemma"),
    "gemma3-pattern": (t.Gemma3TextConfig(
        **DECODER | dict(pad_token_id=0), head_dim=32, query_pre_attn_scalar=32,
        sliding_window=8, sliding_window_pattern=2), "gemma"),
    "gpt2": (t.GPT2Config(
        vocab_size=WORDS, n_embd=64, n_layer=3, n_head=4, n_positions=256, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=1), "gpt2"),
    "gpt-neox": (t.GPTNeoXConfig(**NEOX), "neox"),
    "gpt-neox-sequential": (t.GPTNeoXConfig(**NEOX, use_parallel_residual=False), "neox"),
}
# The name that the converter would find by the hash of a published tokenizer.
PRE = {"llama3": "llama-bpe", "smaug": "smaug-bpe", "dbrx": "smaug-bpe", "gpt2": "gpt-2",
       "neox": "olmo"}


def byte_level(kind):
    tokenizer = Tokenizer(models.BPE(ignore_merges=kind == "llama3"))
    if kind in ("gpt2", "neox"):
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        pattern = CL100K % ("" if kind == "qwen2" else "{1,3}")
        if kind == "gpt-4o":
            marks = r"\p{Lm}\p{Lo}\p{M}"
            tail = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
            pattern = (
                rf"[^\r\n\p{{L}}\p{{N}}]?[\p{{Lu}}\p{{Lt}}{marks}]*[\p{{Ll}}{marks}]+{tail}"
                rf"|[^\r\n\p{{L}}\p{{N}}]?[\p{{Lu}}\p{{Lt}}{marks}]+[\p{{Ll}}{marks}]*{tail}"
                r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    if kind in ("qwen2", "neox"):
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|begin|>", "<|end|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def sentence_piece(kind):
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    letters = sorted({letter for text in CORPUS for letter in text.replace(" ", "▁")})
    vocab = {token: id for id, token in enumerate(["<s>", "</s>", "<unk>", *bytes_, *letters])}
    merges = []
    for pair in [("t", "h"), ("th", "e"), ("▁", "the"), ("p", "l"), ("a", "n")]:
        vocab["".join(pair)] = len(vocab)
        merges.append(pair)
    tokenizer = Tokenizer(models.BPE(
        vocab, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    steps = [normalizers.Replace(" ", "▁")]
    if kind == "llama":
        steps.insert(0, normalizers.Prepend("▁"))
    tokenizer.normalizer = normalizers.Sequence(steps)
    tail = [decoders.Strip(" ", 1, 0)] if kind == "llama" else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *tail])
    tokenizer.add_special_tokens(["<s>", "</s>", "<unk>"])
    return tokenizer


def make(folder, config, kind):
    torch.manual_seed(11)
    model = t.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    randomize(model, 11)
    model.save_pretrained(folder)
    pieces = kind in ("llama", "gemma")
    tokenizer = sentence_piece(kind) if pieces else byte_level(kind)
    ends = ("<s>", "</s>") if pieces else ("<|begin|>", "<|end|>")
    fast = t.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=ends[0], eos_token=ends[1])
    fast.save_pretrained(folder)
    return model, fast


class LlamaCpp:
    """Logits and tokens by llama.cpp, everything in fp32 and without flash attention."""

    def __init__(self, path):
        import llama_cpp as c
        self.c = c
        if not getattr(LlamaCpp, "ready", False):
            self.silence = c.llama_log_callback(lambda *_: None)
            LlamaCpp.ready = self.silence
            c.llama_log_set(self.silence, None)
            c.llama_backend_init()
        self.model = c.llama_model_load_from_file(
            str(path).encode(), c.llama_model_default_params())
        if not self.model:
            raise ValueError("llama.cpp does not load the file")
        self.vocab = c.llama_model_get_vocab(self.model)

    def logits(self, ids):
        c = self.c
        options = c.llama_context_default_params()
        options.n_ctx, options.n_batch, options.n_ubatch = 64, 64, 64
        options.type_k = options.type_v = c.GGML_TYPE_F32
        options.flash_attn_type = c.LLAMA_FLASH_ATTN_TYPE_DISABLED
        options.n_threads = options.n_threads_batch = 1
        context = c.llama_init_from_model(self.model, options)
        batch = c.llama_batch_init(len(ids), 0, 1)
        batch.n_tokens = len(ids)
        for place, id in enumerate(ids):
            batch.token[place], batch.pos[place], batch.logits[place] = id, place, 1
            batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
        if c.llama_decode(context, batch):
            raise ValueError("llama.cpp does not compute")
        rows = [np.ctypeslib.as_array(c.llama_get_logits_ith(context, place), (WORDS,)).copy()
                for place in range(len(ids))]
        c.llama_batch_free(batch)
        c.llama_free(context)
        return np.stack(rows)

    def tokens(self, text):
        data = text.encode()
        buffer = (self.c.llama_token * (2 * len(data) + 8))()
        count = self.c.llama_tokenize(
            self.vocab, data, len(data), buffer, len(buffer), False, True)
        return list(buffer[:count])

    def close(self):
        self.c.llama_model_free(self.model)


def has_llama_cpp():
    try:
        import llama_cpp  # noqa: F401
        return True
    except ImportError:
        return False


def convert(converter, folder, out, kind):
    """By llama.cpp's own converter, which is told the name of how text is split."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    # It asks for settings that transformers no longer writes.
    if config["model_type"] == "gpt2":
        config["n_ctx"] = config["n_positions"]
    if config["model_type"] == "gpt_neox":
        config["rotary_pct"] = config["rope_parameters"]["partial_rotary_factor"]
    path.write_text(json.dumps(config))
    program = (
        "import sys, runpy\n"
        f"sys.path[:0] = [{str(converter)!r}, {str(converter / 'gguf-py')!r}]\n"
        "from conversion.base import TextModel\n"
        f"TextModel.get_vocab_base_pre = lambda self, tokenizer: {PRE.get(kind, kind)!r}\n"
        f"sys.argv = ['convert', {str(folder)!r}, '--outtype', 'f32', '--outfile', {str(out)!r}]\n"
        f"runpy.run_path({str(converter / 'convert_hf_to_gguf.py')!r}, run_name='__main__')\n")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    return None


def compare_files(ours, theirs):
    a, b = gguf.GGUFReader(ours), gguf.GGUFReader(theirs)
    tensors = [{tensor.name: tensor for tensor in reader.tensors} for reader in (a, b)]
    for name in sorted(set(tensors[0]) ^ set(tensors[1])):
        yield f"tensor {name} is only in {'ours' if name in tensors[0] else 'the converter'}'s file"
    for name in sorted(set(tensors[0]) & set(tensors[1])):
        x, y = (group[name].data for group in tensors)
        if x.shape != y.shape or np.abs(x.astype(np.float64) - y).max() > 1e-6 * np.abs(y).max():
            yield f"tensor {name} differs"
    skip = ("GGUF.", "general.", "tokenizer.ggml.scores", "tokenizer.ggml.token_type")
    for key, field in b.fields.items():
        if key.startswith(skip):
            continue
        if key not in a.fields:
            yield f"{key} = {str(field.contents())[:60]} is missing"
        elif (found := a.fields[key].contents()) != (expected := field.contents()):
            if isinstance(expected, list):
                pairs = [pair for pair in zip(found, expected) if pair[0] != pair[1]][:3]
                sizes = f"{len(found)} values", f"{len(expected)}"
                found, expected = zip(*pairs) if pairs else sizes
            yield f"{key} is {str(found)[:80]} instead of {str(expected)[:80]}"


def check(name, options, folder):
    config, kind = FAMILIES[name]
    model, tokenizer = make(folder, config, kind)
    path = folder / "model.gguf"
    done = subprocess.run(
        [options.apus, "export", "--type", "f32", str(folder), str(path)], capture_output=True,
        text=True)
    if done.returncode:
        return [f"apus export: {done.stderr.strip()}"], ""
    problems, notes = [], []
    gguf.GGUFReader(path)
    ids = torch.randint(3, 280, (1, 40), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = model(ids).logits[0].numpy()
    if has_llama_cpp():
        llama = LlamaCpp(path)
        found = llama.logits(ids[0].tolist())
        error = float(np.abs(found - expected).max() / np.abs(expected).max())
        same = float((found.argmax(-1) == expected.argmax(-1)).mean())
        notes.append(f"logits {error:.1e}, likeliest {same:.0%}")
        # llama.cpp reads GELU out of a table of half precision.
        bound = 5e-3 if "gelu" in json.dumps(config.to_dict()) else 1e-4
        if error > bound:
            problems.append(f"logits differ by {error:.1e} of the largest")
        for text in TEXTS:
            ours = tokenizer(text, add_special_tokens=False).input_ids
            if llama.tokens(text) != ours:
                problems.append(f"{text!r} becomes {llama.tokens(text)} instead of {ours}")
        llama.close()
    problems += apus_answer(options, path, model, tokenizer)
    if options.converter:
        theirs = folder / "converter.gguf"
        failure = convert(options.converter, folder, theirs, kind)
        if failure:
            notes.append(f"converter: {failure}")
        else:
            differences = list(compare_files(path, theirs))
            notes.append(f"converter: {len(differences)} differences")
            notes += ["\n    " + text for text in differences]
    return problems, ", ".join(notes)


def apus_answer(options, path, model, tokenizer):
    done = subprocess.run(
        [options.apus, "generate", "--model", str(path), "--prompt", TEXTS[0], "--json",
         "--max-new-tokens", "12", "--temperature", "0", "--threads", "1"],
        capture_output=True, text=True)
    if done.returncode:
        return [f"apus generate: {done.stderr.strip()}"]
    found = json.loads(done.stdout.strip().splitlines()[-1])["token_ids"]
    reader = gguf.GGUFReader(path)
    first = reader.fields.get("tokenizer.ggml.add_bos_token")
    prompt = tokenizer(TEXTS[0], add_special_tokens=False).input_ids
    if first is not None and first.contents():
        prompt = [tokenizer.bos_token_id, *prompt]
    with torch.no_grad():
        answer = model.generate(
            torch.tensor([prompt]), max_new_tokens=12, do_sample=False, pad_token_id=0)
    expected = answer[0, len(prompt):].tolist()
    return [] if found == expected else [f"apus continues {found}, transformers {expected}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", default=list(FAMILIES))
    parser.add_argument("--apus", default=".build/release/apus")
    parser.add_argument("--converter", type=Path, help="a source tree of llama.cpp")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not has_llama_cpp():
        print("llama_cpp is not installed: nothing is computed with llama.cpp")
    failed = 0
    for name in options.families:
        with tempfile.TemporaryDirectory() as folder:
            problems, notes = check(name, options, Path(folder))
        print(f"{name}: {'; '.join(problems) if problems else 'agrees'} ({notes})", flush=True)
        failed += bool(problems)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
