"""Load a folder that Apus saved and compare with the fixtures: proves that other tools read it.

Usage: python Tools/goldens/tokenizer_check.py FOLDER   (a tokenizer saved from SmolLM2's GGUF file)
"""
import json
import pathlib
import sys

from transformers import AutoTokenizer

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "Tests/ApusTokenizerTests/Fixtures"


def main():
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    cases = json.loads((FIXTURES / "smollm2-ids.json").read_text(encoding="utf-8"))
    wrong = [case["text"] for case in cases if tokenizer(case["text"])["input_ids"] != case["ids"]]
    chats = json.loads((FIXTURES / "chats.json").read_text(encoding="utf-8"))
    for case in chats["cases"]:
        if case["template"] != "smollm2" or "text" not in case:
            continue
        messages = chats["conversations"][case["conversation"]]
        prompt = chats["options"][case["options"]].get("add_generation_prompt", False)
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=prompt, tokenize=False)
        if text != case["text"]:
            wrong.append(text)
    print(type(tokenizer).__name__, "bos", tokenizer.bos_token, "eos", tokenizer.eos_token,
          "pad", tokenizer.pad_token, "cases", len(cases), "wrong", len(wrong))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
