#!/usr/bin/env python3
"""Writes small random encoders and sequence classifiers, and what transformers computes with them.

    python Tools/goldens/encoders.py             # all
    python Tools/goldens/encoders.py bert-masked # some

Each folder under Tests/ApusModelsTests/Fixtures/NAME's kind (`encoders` with a head for masked
tokens, `classifiers` with one for sequences) holds config.json and fp32 weights as
`save_pretrained` writes them, and beside them
  expected.json         a padded batch (right-padded; `attention_mask`), labels, the mean loss, norm and
                        projection of each parameter's gradient
  expected.safetensors  `logits` (of masked tokens: at all places that are no padding) and
                        `hidden`, the last hidden states
"""

import copy
import shutil
import sys

import torch
from safetensors.torch import save_file
from transformers import (
    AutoModelForMaskedLM, AutoModelForSequenceClassification, BertConfig, DistilBertConfig,
    Gemma2Config, GPT2Config, GPTNeoXConfig, LlamaConfig, Qwen3Config, RobertaConfig)

from shared import MODEL_FIXTURES, randomize, rounded, summary, write_json

VOCABULARY, SEQUENCE = 128, 20
ENCODER = dict(
    vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
    intermediate_size=48, max_position_embeddings=40, hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0)
DISTILLED = dict(
    vocab_size=VOCABULARY, dim=32, n_layers=2, n_heads=4, hidden_dim=48, max_position_embeddings=40,
    dropout=0.0, attention_dropout=0.0, seq_classif_dropout=0.0)
DECODER = dict(
    vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, intermediate_size=48, max_position_embeddings=64, pad_token_id=0,
    bos_token_id=1, eos_token_id=2)

MASKED = {
    "bert": BertConfig(**ENCODER),
    "roberta": RobertaConfig(**ENCODER),
    "distilbert": DistilBertConfig(**DISTILLED),
    "bert-untied": BertConfig(**ENCODER, tie_word_embeddings=False, hidden_act="relu"),
}
CLASSIFIERS = {
    "bert": BertConfig(**ENCODER, num_labels=3),
    "roberta": RobertaConfig(**ENCODER, num_labels=2),
    "distilbert": DistilBertConfig(**DISTILLED, num_labels=3),
    "bert-regression": BertConfig(**ENCODER, num_labels=1),
    "bert-several": BertConfig(
        **ENCODER, num_labels=3, problem_type="multi_label_classification"),
    "llama": LlamaConfig(**DECODER, num_labels=3),
    "qwen3": Qwen3Config(**DECODER, head_dim=16, num_labels=2, tie_word_embeddings=True),
    "gemma2": Gemma2Config(**DECODER, head_dim=16, sliding_window=6, num_labels=2),
    "gpt2": GPT2Config(
        vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=64, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=1, eos_token_id=2, pad_token_id=0,
        num_labels=3),
    "gpt-neox": GPTNeoXConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=48, max_position_embeddings=64, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, attention_dropout=0.0, hidden_dropout=0.0, num_labels=2),
}


AUTO = {"encoders": AutoModelForMaskedLM, "classifiers": AutoModelForSequenceClassification}


def padded_batch(seed, padding, types):
    """Ids [3, SEQUENCE] padded on the right, their mask, and segments."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, VOCABULARY, (3, SEQUENCE), generator=generator)
    mask = torch.ones_like(ids)
    for row, length in enumerate((SEQUENCE, 13, 7)):
        ids[row, length:] = padding
        mask[row, length:] = 0
    batch = {"input_ids": ids, "attention_mask": mask}
    if types:
        batch["token_type_ids"] = (torch.arange(SEQUENCE) > 5).long().expand(3, -1).contiguous()
    return batch


def make(kind, name, config, seed):
    folder = MODEL_FIXTURES / kind / name
    shutil.rmtree(folder, ignore_errors=True)
    model = AUTO[kind].from_config(copy.deepcopy(config), dtype=torch.float32)
    randomize(model, seed)
    model.save_pretrained(folder)


def record(kind, name, config, seed):
    """Writes what transformers computes with a folder."""
    folder, is_masked, auto = MODEL_FIXTURES / kind / name, kind == "encoders", AUTO[kind]
    model = auto.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager").eval()
    batch = padded_batch(seed, model.config.pad_token_id, name.startswith("bert"))
    generator = torch.Generator().manual_seed(seed + 1)
    if is_masked:
        labels = batch["input_ids"].clone()
        labels[torch.rand(labels.shape, generator=generator) > 0.3] = -100
        labels[batch["attention_mask"] == 0] = -100
    elif config.num_labels == 1:
        labels = torch.randn(3, generator=generator)
    elif config.problem_type == "multi_label_classification":
        labels = torch.randint(0, 2, (3, config.num_labels), generator=generator).float()
    else:
        labels = torch.randint(0, config.num_labels, (3,), generator=generator)
    output = model(**batch, labels=labels, output_hidden_states=True)
    output.loss.backward()
    logits = output.logits.detach()
    hidden = output.hidden_states[-1].detach()
    visible = batch["attention_mask"].bool()
    save_file({
        "logits": (logits[visible] if is_masked else logits).contiguous(),
        "hidden": hidden[visible].contiguous(),
    }, folder / "expected.safetensors")
    write_json(folder / "expected.json", {
        **{key: value.tolist() for key, value in batch.items()},
        "labels": [[rounded(x) for x in row] for row in labels.tolist()]
        if labels.ndim == 2 and labels.is_floating_point() else labels.tolist(),
        "loss": rounded(output.loss),
        "gradients": {n: summary(p.grad) for n, p in model.named_parameters()
                           if p.grad is not None},
    })


def main():
    wanted = [name for name in sys.argv[1:] if name != "--record"]
    for kind, configs in (("encoders", MASKED), ("classifiers", CLASSIFIERS)):
        for index, (name, config) in enumerate(configs.items()):
            if not wanted or name in wanted:
                if "--record" not in sys.argv:
                    make(kind, name, config, seed=500 + index)
                record(kind, name, config, seed=500 + index)


if __name__ == "__main__":
    main()
