"""Writes Tests/ApusFormatsTests/Goldens with the reference implementations of the file formats.

Needs: torch, safetensors, transformers, gguf, numpy. The output is the same each time.
"""

import pathlib
import shutil

import gguf
import numpy as np
import torch
import transformers
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as Q
from gguf.quants import dequantize
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parents[2] / "Tests/ApusFormatsTests/Goldens"
BLOCK_TYPES = [
    Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1, Q.Q8_0, Q.Q2_K, Q.Q3_K, Q.Q4_K, Q.Q5_K, Q.Q6_K, Q.Q8_K,
    Q.IQ4_NL, Q.IQ4_XS, Q.MXFP4,
]
# Where the half-precision scales stand in a block; every bit elsewhere may be anything.
HALVES = {
    Q.Q4_0: [0], Q.Q4_1: [0, 2], Q.Q5_0: [0], Q.Q5_1: [0, 2], Q.Q8_0: [0], Q.Q2_K: [80, 82],
    Q.Q3_K: [108], Q.Q4_K: [0, 2], Q.Q5_K: [0, 2], Q.Q6_K: [208], Q.IQ4_NL: [0], Q.IQ4_XS: [0],
}
ROWS, COLUMNS = 2, 256


def random_blocks(kind, random):
    elements, size = GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (ROWS * COLUMNS // elements, size), dtype=np.uint8)
    for offset in HALVES.get(kind, []):
        scales = random.normal(size=len(blocks)).astype(np.float16) * np.float16(0.01)
        blocks[:, offset : offset + 2] = scales.view(np.uint8).reshape(-1, 2)
    if kind == Q.Q8_K:
        scales = random.normal(size=len(blocks)).astype(np.float32)
        blocks[:, 0:4] = scales.view(np.uint8).reshape(-1, 4)
    if kind == Q.MXFP4:
        blocks[:, 0] = random.integers(0, 200, len(blocks))
        blocks[:3, 0] = [0, 1, 2]
    return blocks.reshape(ROWS, -1)


def decoded(kind, blocks):
    if kind != Q.Q8_K:
        return dequantize(blocks, kind)
    blocks = blocks.reshape(-1, 292)
    scales = blocks[:, 0:4].copy().view(np.float32)
    return (scales * blocks[:, 4:260].view(np.int8).astype(np.float32)).reshape(ROWS, COLUMNS)


def write_gguf():
    random = np.random.default_rng(7)
    writer = gguf.GGUFWriter(OUT / "all-types.gguf", "llama")
    writer.add_uint8("test.uint8", 200)
    writer.add_int8("test.int8", -100)
    writer.add_uint16("test.uint16", 60000)
    writer.add_int16("test.int16", -30000)
    writer.add_uint32("test.uint32", 4000000000)
    writer.add_int32("test.int32", -2000000000)
    writer.add_uint64("test.uint64", 18446744073709551615)
    writer.add_int64("test.int64", -9000000000000000000)
    writer.add_float32("test.float32", 0.1)
    writer.add_float64("test.float64", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_string("test.string", "grüße 🐦")
    writer.add_array("test.strings", ["a", "", "Ġthe", "e\u0301", "é"])
    writer.add_array("test.ints", [1, -2, 3])
    writer.add_array("test.floats", [0.5, -1.25])
    writer.add_array("test.bools", [True, False])
    expected = {}
    for kind in BLOCK_TYPES:
        blocks = random_blocks(kind, random)
        writer.add_tensor(kind.name, blocks, raw_dtype=kind)
        expected[kind.name] = torch.from_numpy(decoded(kind, blocks).astype(np.float32).copy())
    plain = random.normal(size=(3, 4)).astype(np.float32)
    writer.add_tensor("F32", plain)
    writer.add_tensor("F16", plain.astype(np.float16))
    bf16 = torch.from_numpy(plain).to(torch.bfloat16)
    raw = bf16.view(torch.uint16).numpy().view(np.uint8).reshape(3, 8)
    writer.add_tensor("BF16", raw, raw_dtype=Q.BF16)
    writer.add_tensor("I32", np.arange(5, dtype=np.int32))
    expected |= {"F32": torch.from_numpy(plain), "BF16": bf16.float()}
    expected["F16"] = torch.from_numpy(plain.astype(np.float16).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(expected, OUT / "all-types-decoded.safetensors", metadata={"format": "pt"})


def write_safetensors():
    torch.manual_seed(7)
    plain = torch.randn(3, 5)
    tensors = {
        "z.float32": plain, "a.float32": plain * 2, "half": plain.half(), "brain": plain.bfloat16(),
        "double": plain.double(), "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 4),
        "e4m3": plain.to(torch.float8_e4m3fn), "e5m2": plain.to(torch.float8_e5m2),
        "long": torch.arange(-2, 3), "int": torch.arange(3, dtype=torch.int32),
        "short": torch.arange(3, dtype=torch.int16), "byte": torch.arange(3, dtype=torch.uint8),
        "signed": torch.arange(-1, 2, dtype=torch.int8), "flag": torch.tensor([True, False, True]),
        "quote\"\\\n\u00e9\u0001": torch.ones(1),
    }
    save_file(tensors, OUT / "all-dtypes.safetensors", metadata={"format": "pt"})
    every = torch.arange(256, dtype=torch.uint8)
    codes = {
        "e4m3": every.view(torch.float8_e4m3fn), "e5m2": every.clone().view(torch.float8_e5m2),
        "e4m3.decoded": every.view(torch.float8_e4m3fn).float(),
        "e5m2.decoded": every.view(torch.float8_e5m2).float(),
    }
    save_file(codes, OUT / "float8.safetensors", metadata={"format": "pt"})


def write_model():
    torch.manual_seed(7)
    config = transformers.LlamaConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, vocab_size=40, tie_word_embeddings=False)
    model = transformers.LlamaForCausalLM(config)
    model.save_pretrained(OUT / "sharded", max_shard_size="8KB")
    for name in ["config.json", "generation_config.json"]:
        (OUT / "sharded" / name).unlink()
    order = "\n".join(model.state_dict()) + "\n"
    (OUT / "sharded" / "order.txt").write_text(order)


shutil.rmtree(OUT, ignore_errors=True)
OUT.mkdir(parents=True)
write_gguf()
write_safetensors()
write_model()
