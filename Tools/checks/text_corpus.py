#!/usr/bin/env python3
"""Make a corpus for tokenizer checks and benchmarks from text that lies about.

    python Tools/checks/text_corpus.py FOLDER... --out CORPUS.jsonl [--megabytes 24]

Every FOLDER is one source (a language, a program): its files are searched for text: translations
(.po, .mo, LibreOffice's .xcd), manual pages and other documents (also .gz), source code. Sources get
equal shares of the corpus; made text joins them (emoji, digits, control characters, scalars of every
block, repaired invalid UTF-8, strings that are hard on tokenizers). The result holds one JSON string
a line. On Debian, sources for twenty languages and more are to be had with

    apt-get download manpages-{de,fr,es,ru,ja,zh,pl,it,uk,el,vi,pt-br} \\
        libreoffice-l10n-{ar,hi,th,ko,he,ta,bn,ka,am,fa,tr,zh-tw,km}
    for d in *.deb; do dpkg-deb -x $d sources/${d%%_*}; done
"""

import argparse
import gettext
import gzip
import html
import json
import random
import re
import sys
from pathlib import Path

PROSE = {".txt", ".md", ".rst", ".html", ".tex"}
CODE = {".py", ".c", ".h", ".cpp", ".js", ".swift", ".rs", ".sh", ".css", ".json", ".jinja"}
MANUAL = re.compile(r"\.\d\w*$")


def paragraphs(path):
    """The texts of one file; none for a file that holds no text."""
    raw = path.read_bytes()
    name = path.name
    if name.endswith(".gz"):
        raw, name = gzip.decompress(raw), name[:-3]
    suffix = Path(name).suffix
    if suffix == ".mo":
        with path.open("rb") as file:
            catalog = gettext.GNUTranslations(file)._catalog
        yield "\n".join(text for text in catalog.values() if isinstance(text, str))
    elif suffix == ".po":
        found = re.findall(r'^msgstr(?:\[\d\])? ((?:".*"\n)+)', raw.decode("utf-8", "replace"), re.M)
        yield "\n".join(re.sub(r'"\n?"?|\\n', " ", text).strip() for text in found)
    elif suffix == ".xcd":
        found = re.findall(r"<value[^>]*>([^<]+)</value>", raw.decode("utf-8", "replace"))
        yield "\n".join(html.unescape(text) for text in found if any(c > "\x7f" for c in text))
    elif suffix in PROSE or suffix in CODE or MANUAL.search(name):
        yield from re.split(r"\n\n\n", raw.decode("utf-8", "replace"))


def pieces(text, generator):
    """Cuts a text into documents of a line to a few pages."""
    start = 0
    while start < len(text):
        length = generator.choice([40, 200, 1000, 4000, 12000])
        yield text[start : start + length]
        start += length


def source(folder, wanted, generator):
    files = sorted(p for p in Path(folder).rglob("*") if p.is_file() and not p.is_symlink())
    generator.shuffle(files)
    seen, size = set(), 0
    for path in files:
        try:
            texts = list(paragraphs(path))
        except (OSError, UnicodeError, EOFError):
            continue
        for text in texts:
            for piece in pieces(text, generator):
                if piece in seen:
                    continue
                seen.add(piece)
                size += len(piece.encode())
                yield piece
                if size >= wanted:
                    return
    print(f"{folder}: only {size} of {wanted} bytes", file=sys.stderr)


BLOCKS = [
    (0x20, 0x7F), (0xA0, 0x250), (0x2B0, 0x370), (0x370, 0x530), (0x590, 0x700), (0x900, 0xE00),
    (0xE00, 0x1100), (0x1100, 0x1200), (0x1E00, 0x2000), (0x2000, 0x2C00), (0x3000, 0x3400),
    (0x4E00, 0x9FFF), (0xA640, 0xAC00), (0xAC00, 0xD7A4), (0xE000, 0xE100), (0xF900, 0x10000),
    (0x10000, 0x11000), (0x1D400, 0x1D800), (0x1F1E6, 0x1FAFF), (0x20000, 0x20400), (0xE0100, 0xE01F0),
]
PARTS = [
    "'s", "'LL", "'ſ", "I'd", " ", "  ", "\t", "\n", "\r\n", "\n\n", "\u00a0", "\u2028", "\u3000", "\u200b",
    "\u200d", "\ufeff", "\ufe0f", "\u0301", "\u0323", "\u0345", "\u1100\u1161\u11a8", "\u0e33", "\u0f73", "ǅ",
    "ﬁ", "ß", "İ", "ς", "Σ", "0", "12", "½", "٣", "𝟙", "Ⅷ", "<s>", "</s>", "<unk>", "<|endoftext|>", "<0x0A>",
    "[UNK]", "##", "▁", "Ġ", "Ċ", "_", "-", "...", "!?", "\\", "\"", "{", "}}", "//", "👍🏽", "👩\u200d👩\u200d👧", "🇩🇪",
    "\x00", "\x1b[0m", "\x7f", "\x85", "\ufffd", "\ue000", "\U0010ffff", "\ud7ff", "a", "B", "the", " the", "été",
]


def made(wanted, generator):
    size = 0
    while size < wanted:
        kind = generator.randrange(7)
        length = generator.choice([1, 3, 20, 200])
        if kind == 0:
            low, high = generator.choice(BLOCKS)
            text = "".join(chr(generator.randrange(low, high)) for _ in range(length))
        elif kind == 1:
            text = "".join(chr(generator.randrange(*generator.choice(BLOCKS))) for _ in range(length))
        elif kind in (2, 3):
            text = "".join(generator.choice(PARTS) for _ in range(length))
        elif kind == 4:
            text = generator.randbytes(length).decode("utf-8", "replace")
        elif kind == 5:
            text = " ".join(str(generator.randrange(10 ** generator.randrange(1, 20))) for _ in range(length))
        else:
            text = generator.choice(PARTS) * generator.choice([2, 30, 400])
        size += len(text.encode())
        yield text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--out", required=True)
    parser.add_argument("--megabytes", type=float, default=24)
    options = parser.parse_args()
    generator = random.Random(1234)
    total = int(options.megabytes * 1e6)
    share = int(total * 0.96 / len(options.folders))
    texts = [text for folder in options.folders for text in source(folder, share, generator)]
    texts += made(total - share * len(options.folders), generator)
    generator.shuffle(texts)
    with open(options.out, "w", encoding="utf-8") as file:
        for text in texts:
            file.write(json.dumps(text, ensure_ascii=False) + "\n")
    size = sum(len(text.encode()) for text in texts)
    print(f"{options.out}: {len(texts)} texts, {size} bytes, {len(options.folders)} sources")


if __name__ == "__main__":
    main()
