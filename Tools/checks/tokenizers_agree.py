#!/usr/bin/env python3
"""Compare Apus with the reference library `tokenizers` over a corpus: ids, offsets, decoded text.

    python Tools/checks/tokenizers_agree.py CORPUS.jsonl [--work DIR] [--apus .build/release/apus]
        [--kinds NAME ...] [--gguf MODEL.gguf]

The tokenizers, one of every kind, are trained by the reference library on a share of the corpus and
kept in DIR. CORPUS.jsonl comes from text_corpus.py. With --gguf the vocabulary of a GGUF file is
compared too (byte-level, as SmolLM2's authors built it). Ends with code 1 and the first differences
when something is not the same.
"""

import argparse
import collections
import json
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers  # noqa: E402
from tokenizers import pre_tokenizers, processors, trainers  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tools/goldens"))
from tokenizer import CL100K, O200K, single_steps  # noqa: E402

ALPHABET = pre_tokenizers.ByteLevel.alphabet()
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def byte_level(normalizer, *steps, prefix=False, trim=True, regex=False, **options):
    tokenizer = Tokenizer(models.BPE(**options))
    if normalizer:
        tokenizer.normalizer = normalizer
    last = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, last])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=trim, add_prefix_space=prefix)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=32768, special_tokens=special, initial_alphabet=ALPHABET, show_progress=False)
    return tokenizer, trainer


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def gpt2():
    return byte_level(None, regex=True, trim=False)


def roberta():
    return byte_level(None, regex=True, prefix=True)


def smollm():
    return byte_level(None, pre_tokenizers.Digits(individual_digits=True), regex=True)


def llama3():
    return byte_level(None, split(CL100K.replace("DIGITS", r"\p{N}{1,3}")), ignore_merges=True)


def qwen2():
    return byte_level(normalizers.NFC(), split(CL100K.replace("DIGITS", r"\p{N}")), trim=False)


def gpt4o():
    return byte_level(None, split(O200K))


def deepseek():
    return byte_level(
        None, split(r"\p{N}{1,3}"), split(r"[一-龥\u3040-ゟ゠-ヿ]+"),
        split(r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
              r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"))


def fallback(normalizer, pre_tokenizer, decoder):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizer
    # Training needs words; the saved tokenizer may have none.
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoder
    trainer = trainers.BpeTrainer(
        vocab_size=16000, special_tokens=["<unk>", "<s>", "</s>", *BYTES], limit_alphabet=3000,
        show_progress=False)

    def finish(file):
        file["added_tokens"] = file["added_tokens"][:3]
        file["pre_tokenizer"] = json.loads(pre_tokenizer.__getstate__()) if pre_tokenizer else None
        file["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}
        return file

    return tokenizer, trainer, finish


def llama2():
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return fallback(normalizer, None, decoders.Sequence(steps))


def gemma():
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    return fallback(
        normalizers.Replace(" ", "▁"), pre_tokenizers.Split(" ", "merged_with_previous"),
        decoders.Sequence(steps))


def bert():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=20000, special_tokens=special, limit_alphabet=3000, show_progress=False)
    return tokenizer, trainer


def bert_cased():
    tokenizer, trainer = bert()
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    return tokenizer, trainer


def unigram(normalizer, pre_tokenizer):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    trainer = trainers.UnigramTrainer(
        vocab_size=8000, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False)
    return tokenizer, trainer


def sentencepiece_rules():
    """The character map that SentencePiece compiles for `nmt_nfkc`, as T5 and XLM-R have it."""
    import io

    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b c d e f g"] * 9), model_writer=model, vocab_size=20, minloglevel=2,
        hard_vocab_limit=False, normalization_rule_name="nmt_nfkc")
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    return normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)


def xlm_r():
    steps = normalizers.Sequence([sentencepiece_rules(), normalizers.Replace(Regex(" {2,}"), " ")])
    return unigram(steps, pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]))


def albert():
    steps = normalizers.Sequence(
        [normalizers.Replace("``", '"'), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()])
    return unigram(steps, pre_tokenizers.Metaspace())


def clip():
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    pattern = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pattern, "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("<|endoftext|>", 1), ("<|startoftext|>", 0), add_prefix_space=False)
    tokenizer.decoder = decoders.BPEDecoder(suffix="</w>")
    trainer = trainers.BpeTrainer(
        vocab_size=16000, special_tokens=["<|startoftext|>", "<|endoftext|>"], end_of_word_suffix="</w>",
        initial_alphabet=ALPHABET, show_progress=False)
    return tokenizer, trainer


def words():
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("contiguous")])
    return tokenizer, trainers.WordLevelTrainer(vocab_size=20000, special_tokens=["[UNK]"], show_progress=False)


KINDS = {
    f.__name__.replace("_", "-"): f
    for f in (gpt2, roberta, smollm, llama3, qwen2, gpt4o, deepseek, llama2, gemma, bert, bert_cased, xlm_r, albert, clip, words)
}


def scalar_texts():
    """Every scalar of the planes in use, between letters."""
    scalars = [*range(0xD800), *range(0xE000, 0xE010), *range(0xF900, 0x33480), *range(0xE0000, 0xE0200), 0x10FFFF]
    return ["".join(f"A{chr(s)}b " for s in scalars[i : i + 200]) for i in range(0, len(scalars), 200)]


def scalar_tokenizers():
    """Every normalizer and pre-tokenizer alone, also with SentencePiece's rules."""
    yield from single_steps().items()
    tokenizer = single_steps()["NFC"]
    tokenizer.normalizer = sentencepiece_rules()
    yield "Precompiled", tokenizer


def common(texts):
    """Without rare characters, which would fill a Unigram vocabulary."""
    counts = collections.Counter("".join(texts))
    rare = {ord(character): None for character, count in counts.items() if count < 4}
    return [text.translate(rare) for text in texts]


def trained(name, texts, folder):
    path = folder / name / "tokenizer.json"
    if not path.exists():
        tokenizer, trainer, *finish = KINDS[name]()
        texts = common(texts) if isinstance(trainer, trainers.UnigramTrainer) else texts
        tokenizer.train_from_iterator(texts, trainer)
        file = json.loads(tokenizer.to_str())
        file = finish[0](file) if finish else file
        tokenizer = Tokenizer.from_str(json.dumps(file))
        tokenizer.add_tokens([
            AddedToken("<s>", normalized=False), AddedToken("Ωord", single_word=True, normalized=True),
            AddedToken("<L>", lstrip=True, normalized=False), AddedToken("<R>", rstrip=True, normalized=False)])
        path.parent.mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(path))
    return Tokenizer.from_file(str(path)), path.parent


def from_gguf(path):
    """The byte-level tokenizer of a GGUF file as its authors built it."""
    import gguf

    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
    types = fields["tokenizer.ggml.token_type"].contents()
    tokenizer = Tokenizer(models.BPE({token: id for id, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = smollm()[0].pre_tokenizer
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True, add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([token for token, kind in zip(tokens, types) if kind == 3])
    return tokenizer


def apus(program, model, lines, *options):
    """What `apus tokenize` prints for each line."""
    run = subprocess.run(
        [program, "tokenize", "--model", str(model), "--threads", "2", *options],
        input="".join(line + "\n" for line in lines), capture_output=True, encoding="utf-8")
    if run.returncode != 0:
        sys.exit(f"apus tokenize {' '.join(options)} ended with {run.returncode}: {run.stderr}")
    return run.stdout.removesuffix("\n").split("\n")


def byte_offsets(text, offsets):
    """Offsets in characters as offsets in UTF-8 bytes."""
    if text.isascii():
        return offsets
    starts = [0]
    for character in text:
        starts.append(starts[-1] + len(character.encode()))
    return [(starts[first], starts[last]) for first, last in offsets]


def compare(name, tokenizer, model, texts, program):
    """Prints a line of the table and the first differences; returns how many there are."""
    different, tokens = [], 0
    for start in range(0, len(texts), 2000):
        block = texts[start : start + 2000]
        expected = tokenizer.encode_batch(block)
        lines = [json.dumps(text, ensure_ascii=False) for text in block]
        found = [json.loads(line) for line in apus(program, model, lines, "--json", "--offsets")]
        ids = [encoding.ids for encoding in expected]
        decoded = apus(program, model, [json.dumps(row) for row in ids], "--decode")
        reference = tokenizer.decode_batch(ids, skip_special_tokens=False)
        for text, want, got, back, known in zip(block, expected, found, decoded, reference, strict=True):
            tokens += len(want.ids)
            if got["ids"] != want.ids:
                place = next(
                    (i for i, (a, b) in enumerate(zip(want.ids, got["ids"])) if a != b),
                    min(len(want.ids), len(got["ids"])))
                where = byte_offsets(text, want.offsets)[place : place + 1]
                context = text.encode()[max(0, where[0][0] - 12) : where[0][1] + 12].decode(errors="replace") if where else ""
                different.append(("ids", text, f"token {place} near {context!r}", want.tokens[place : place + 4]))
            elif [tuple(pair) for pair in got["offsets"]] != (offsets := byte_offsets(text, want.offsets)):
                place = next(i for i, (a, b) in enumerate(zip(offsets, got["offsets"])) if a != tuple(b))
                different.append(("offsets", text, want.tokens[place], (offsets[place], got["offsets"][place])))
            if json.loads(back) != known:
                place = next((i for i, (a, b) in enumerate(zip(known, json.loads(back))) if a != b), -1)
                different.append(("decoded", text, known[max(0, place - 8) : place + 8], json.loads(back)[max(0, place - 8) : place + 8]))
    size = sum(len(text.encode()) for text in texts)
    print(f"| {name} | {tokenizer.get_vocab_size()} | {size} | {tokens} | {len(different)} |", flush=True)
    for what, text, *details in different[:5]:
        print("   ", what, repr(text[:60]), *map(repr, details), file=sys.stderr)
    return len(different)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("--work", default="tokenizers")
    parser.add_argument("--apus", default=str(ROOT / ".build/release/apus"))
    parser.add_argument("--kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--gguf")
    parser.add_argument("--scalars", action="store_true", help="also every scalar through single steps")
    parser.add_argument("--training-share", type=float, default=0.15)
    options = parser.parse_args()
    with open(options.corpus, encoding="utf-8") as file:
        texts = [json.loads(line) for line in file]
    share = texts[: int(len(texts) * options.training_share)]
    print("| tokenizer | tokens in it | bytes of text | tokens of text | texts that differ |")
    print("| --- | --- | --- | --- | --- |")
    wrong = 0
    for name in options.kinds:
        tokenizer, model = trained(name, share, Path(options.work))
        wrong += compare(name, tokenizer, model, texts, options.apus)
    for name, tokenizer in scalar_tokenizers() if options.scalars else []:
        folder = Path(options.work) / f"scalars-{name}"
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(folder / "tokenizer.json"))
        wrong += compare(name, tokenizer, folder, scalar_texts(), options.apus)
    if options.gguf:
        wrong += compare("gguf", from_gguf(options.gguf), options.gguf, texts, options.apus)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
