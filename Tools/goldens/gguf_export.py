"""Writes Tests/ApusExportTests/Goldens: blocks by the encoders of the `gguf` package, its names of
tensors, and a small model with what a GGUF file of it holds.

Needs: torch, transformers, tokenizers, gguf, numpy, safetensors.
"""

import json
import pathlib
import shutil

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as Q
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

OUT = pathlib.Path(__file__).resolve().parents[2] / "Tests/ApusExportTests/Goldens"
SIZES = dict(
    vocab_size=288, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
    num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=128, head_dim=16)
KINDS = {
    "llama": gguf.MODEL_ARCH.LLAMA, "mistral": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2, "qwen3": gguf.MODEL_ARCH.QWEN3,
    "phi3": gguf.MODEL_ARCH.PHI3, "olmo2": gguf.MODEL_ARCH.OLMO2,
    "gemma2": gguf.MODEL_ARCH.GEMMA2, "gemma3_text": gguf.MODEL_ARCH.GEMMA3,
    "smollm3": gguf.MODEL_ARCH.SMOLLM3, "gpt2": gguf.MODEL_ARCH.GPT2,
    "gpt_neox": gguf.MODEL_ARCH.GPTNEOX,
}
GPT2 = dict(vocab_size=288, n_embd=32, n_layer=2, n_head=2, n_positions=128)
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def blocks():
    random = np.random.default_rng(7)
    values = random.normal(size=(24, 256)).astype(np.float32)
    values[:8] *= 10.0 ** random.integers(-6, 4, (8, 1))
    values[8] = 0
    values[9, :32] = -1
    values[10, 5] = 1000
    encoded = {
        name: gguf.quants.quantize(values, kind).reshape(-1)
        for name, kind in {"q8_0": Q.Q8_0, "q4_0": Q.Q4_0}.items()
    }
    save_file({"values": values, **encoded}, OUT / "blocks.safetensors")


def names():
    result = {}
    for kind, architecture in KINDS.items():
        sizes = dict(GPT2 if kind == "gpt2" else SIZES)
        if kind in ("phi3", "olmo2", "gpt_neox", "smollm3"):
            del sizes["head_dim"]
        if kind.startswith("gemma"):
            sizes["query_pre_attn_scalar"] = 16
        config = transformers.AutoConfig.for_model(kind, **sizes, pad_token_id=0)
        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(config)
        table = gguf.get_tensor_name_map(architecture, 2)
        # transformers writes the head of GPT-NeoX under its first name.
        named = [
            name.replace("lm_head", "embed_out") if kind == "gpt_neox" else name
            for name in model.state_dict()]
        pairs = {
            name: table.get_name(name, try_suffixes=(".weight", ".bias"))
            for name in named
            if not (name == "lm_head.weight" and config.tie_word_embeddings)
        }
        keep = (
            "model_type", "rope_parameters", "sliding_window", "rms_norm_eps", "layer_norm_eps",
            "layer_norm_epsilon")
        settings = {key: value for key, value in config.to_dict().items() if key in keep}
        settings |= sizes | {"tie_word_embeddings": config.tie_word_embeddings}
        result[kind] = {
            "architecture": gguf.MODEL_ARCH_NAMES[architecture], "config": settings, "names": pairs}
    (OUT / "names.json").write_text(json.dumps(result, indent=1) + "\n")


def tokenizer(folder):
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=280, special_tokens=["<|begin|>", "<|end|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(["the red planet is the fourth planet"] * 4, trainer)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|begin|>", eos_token="<|end|>")
    fast.chat_template = "{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}"
    fast.save_pretrained(folder)


def rotary_divisors(config):
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    base = config.rope_parameters["rope_theta"]
    plain = 1 / base ** (torch.arange(0, 16, 2, dtype=torch.float64) / 16)
    return (plain / scaled.double()).float().numpy()


def model():
    folder = OUT / "llama"
    torch.manual_seed(3)
    config = transformers.LlamaConfig(
        **SIZES, rms_norm_eps=1e-5, tie_word_embeddings=False, pad_token_id=None, bos_token_id=0,
        eos_token_id=1, dtype="bfloat16",
        rope_parameters={
            "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 64})
    model = transformers.LlamaForCausalLM(config).bfloat16()
    model.save_pretrained(folder)
    tokenizer(folder)
    table = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    expected = {"rope_freqs.weight": rotary_divisors(config)}
    for name, tensor in model.state_dict().items():
        values = tensor.float().numpy()
        for part, heads in (("q_proj", 2), ("k_proj", 1)):
            if part in name:
                values = values.reshape(heads, 2, -1, values.shape[1]).swapaxes(1, 2)
                values = values.reshape(tensor.shape)
        target = table.get_name(name, try_suffixes=(".weight",))
        expected[target] = np.ascontiguousarray(values)
    save_file(expected, OUT / "llama.safetensors")


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    blocks()
    names()
    model()
