#!/usr/bin/env python3
"""Compare Apus's chat templates with jinja2, set up as `transformers` does it, byte for byte.

    swift build -c release --product apus-template-probe
    python Tools/checks/templates_agree.py [--probe .build/release/apus-template-probe] FOLDER...

Every *.jinja file of the folders is rendered for a corpus of conversations (tools, documents, systems,
empty turns, parts, reasoning, odd characters) with several options; the text, and the spans of
`{% generation %}` blocks, must be the same, and what one refuses the other must refuse. TRL's 72
templates lie in its package (trl/chat_templates); axolotl's 36 come with

    pip download --no-deps --no-binary :all: axolotl

Ends with code 1 and the first differences when something is not the same.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tools/goldens"))
from tokenizer_chat import CALL, CONVERSATIONS, TOKENS, TOOLS, chat_template_utils, turn  # noqa: E402

ODD = "\x00\x07\x1b[0m \u0085\u2028\u00a0 \ufeff e\u0301 ǅ ß İ 👩\u200d👧 \U0010ffff {{ x }} {% y %} {# z #} <|im_end|> </s> \\n \"'&<>"
PARTS = [{"type": "text", "text": " Look: "}, {"type": "image"}, {"type": "text", "text": ODD}]
SECOND = {"id": "call00002", "type": "function", "function": {"name": "time", "arguments": {"zone": "Europe/Köln", "list": [1, [2.5, None]]}}}
TEXT_CALL = {"id": "call00003", "type": "function", "function": {"name": "weather", "arguments": "{\"city\": \"x\"}"}}
DATE = {"type": "function", "function": {
    "name": "date", "description": "Several\nlines", "parameters": {"type": "object", "properties": {
        "a": {"type": ["string", "null"], "enum": ["x", "y"], "description": "d"}, "b": {"type": "array", "items": {"type": "number"}},
        "c": {"type": "object", "properties": {"z": {"type": "boolean"}}}, "d": {"anyOf": [{"type": "integer"}, {"type": "string"}]}},
        "required": ["a", "b"]}, "return": {"type": "string"}}}
DOCUMENTS = [{"title": "One <a>", "text": "Swifts\nfly."}, {"title": "Two", "text": ODD}]

CHATS = CONVERSATIONS + [
    [],
    [turn("system", ODD), turn("user", ODD), turn("assistant", ODD)],
    [turn("user", PARTS), turn("assistant", [{"type": "text", "text": "Seen."}])],
    [turn("system", [{"type": "text", "text": "sys"}]), turn("user", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])],
    [turn("user", "both"), turn("assistant", "", tool_calls=[{"id": "call00001", **CALL}, SECOND]), turn("tool", "20", name="weather", tool_call_id="call00001"), turn("tool", "12:00", name="time", tool_call_id="call00002"), turn("assistant", "Done."), turn("user", "ok")],
    [turn("user", "x"), turn("assistant", "I call", tool_calls=[TEXT_CALL]), turn("tool", {"t": 20}, tool_call_id="call00003")],
    [turn("user", "x"), turn("assistant", None, tool_calls=[SECOND]), turn("tool", [{"type": "text", "text": "r"}], tool_call_id="call00002")],
    [turn("developer", "dev"), turn("user", "u"), turn("assistant", "a", thinking="deep\n\n thoughts")],
    [turn("system", ""), turn("user", ""), turn("assistant", ""), turn("user", " "), turn("assistant", "\n")],
    [turn("user", "1"), turn("assistant", "<think>a</think>b", reasoning_content="c"), turn("user", "2"), turn("assistant", "</think>", reasoning="d"), turn("user", "3")],
    [turn("system", "s1"), turn("system", "s2"), turn("user", "u")],
    [turn("user", "a"), turn("user", "b")],
    [turn("user", "/no_think q"), turn("assistant", "r"), turn("user", "/think q")],
    [turn("nobody", "x"), turn("user", "y")],
    [turn("user", None)],
    [{"role": "user"}],
    [turn("user", "q")] + [turn("assistant", f"a{i}") if i % 2 == 0 else turn("user", f"q{i}") for i in range(12)],
]

OPTIONS = [
    {}, {"prompt": True}, {"tools": TOOLS}, {"tools": TOOLS + [DATE], "prompt": True, "variables": {"enable_thinking": False}},
    {"documents": DOCUMENTS, "prompt": True}, {"prompt": True, "variables": {"enable_thinking": True, "reasoning_effort": "high", "preserve_thinking": True, "thinking": True}},
    {"tools": [], "variables": {"reasoning_effort": "low", "custom_tools": None, "date_string": "1 Jan 2026", "builtin_tools": ["python"], "model_identity": "Apus", "xml_tools": TOOLS, "keep_past_thinking": True}},
]


def expected(source, messages, option):
    try:
        texts, spans = chat_template_utils.render_jinja_template(
            conversations=[messages], chat_template=source, return_assistant_tokens_mask=True,
            add_generation_prompt=option.get("prompt", False), tools=option.get("tools"),
            documents=option.get("documents"), **option.get("variables", {}), **TOKENS)
        return {"text": texts[0], "generated": spans[0]}
    except Exception as error:  # whatever a template may raise
        return {"error": f"{type(error).__name__}: {error}"}


def byte_spans(text, spans):
    """Spans of bytes; those that touch are one."""
    result = []
    for first, last in spans:
        first, last = len(text[:first].encode()), len(text[:last].encode())
        if result and result[-1][1] == first:
            result[-1][1] = last
        elif first < last:
            result.append([first, last])
    return result


def differences(path, probe):
    source = path.read_text(encoding="utf-8")
    cases = [(chat, option) for chat in CHATS for option in OPTIONS]
    requests = "".join(
        json.dumps({"template": source, "messages": chat, **option}) + "\n" for chat, option in cases)
    run = subprocess.run([probe, "render"], input=requests, capture_output=True, encoding="utf-8")
    answers = run.stdout.removesuffix("\n").split("\n")
    if run.returncode != 0 or len(answers) != len(cases):
        return [f"the probe ended with {run.returncode}: {run.stderr[-300:]}"], 0
    found, rendered = [], 0
    for (chat, option), line in zip(cases, answers):
        got, want = json.loads(line), expected(source, chat, option)
        where = f"chat {CHATS.index(chat)}, options {OPTIONS.index(option)}: "
        rendered += "text" in want
        if ("error" in got) != ("error" in want):
            found.append(where + f"{want.get('error', 'rendered')} | {got.get('error', 'rendered')}")
        elif "text" in want and got["text"] != want["text"]:
            place = next((i for i, (a, b) in enumerate(zip(want["text"], got["text"])) if a != b), -1)
            found.append(where + f"{want['text'][place - 20 : place + 20]!r} | {got['text'][place - 20 : place + 20]!r}")
        elif want.get("generated") and got["generated"] != byte_spans(want["text"], want["generated"]):
            found.append(where + f"spans {byte_spans(want['text'], want['generated'])} | {got['generated']}")
    return found, rendered


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--probe", default=str(ROOT / ".build/release/apus-template-probe"))
    options = parser.parse_args()
    paths = sorted(path for folder in options.folders for path in Path(folder).glob("*.jinja"))
    wrong = total = 0
    for path in paths:
        found, rendered = differences(path, options.probe)
        total += rendered
        wrong += bool(found)
        for line in found[:3]:
            print(f"{path.name}: {line}")
    print(f"{len(paths)} templates, {total} texts rendered alike; {wrong} templates differ")
    sys.exit(1 if wrong or not paths else 0)


if __name__ == "__main__":
    main()
