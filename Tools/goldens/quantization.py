#!/usr/bin/env python3
"""Writes what bitsandbytes makes of some weights: NF4, with and without double quantisation, int8.

    python Tools/goldens/quantization.py

Tests/ApusNNTests/Fixtures/quantization.safetensors: `weight` [72, 256]; for `nf4` and `nf4-double`
`codes`, `scales` (with double quantisation those of the scales) and the `decoded` weights; with
double quantisation also `scale-codes`, `offset` and `table`, the 256 numbers; for `int8` `codes`
[72, 256] and `scales`.
"""

import torch
from bitsandbytes import functional
from safetensors.torch import save_file

from shared import ROOT

FIXTURES = ROOT / "Tests/ApusNNTests/Fixtures"


def main():
    generator = torch.Generator().manual_seed(11)
    weight = torch.randn(72, 256, generator=generator) * 0.05
    # The columns are whole blocks: bitsandbytes 0.50.2 decodes others wrongly on the CPU.
    # Blocks of very different sizes, one of zeros, and outliers.
    weight[3] *= 30
    weight[8, 40:200] = 0
    weight[20, 7] = 4
    # bitsandbytes' int8 takes half precision: numbers that are the same in both.
    weight = weight.half().float()
    tensors = {"weight": weight}
    for name, double in (("nf4", False), ("nf4-double", True)):
        codes, state = functional.quantize_4bit(
            weight, blocksize=64, quant_type="nf4", compress_statistics=double)
        inner = state.state2 if double else state
        tensors[f"{name}.codes"] = codes.flatten()
        tensors[f"{name}.scales"] = inner.absmax
        tensors[f"{name}.decoded"] = functional.dequantize_4bit(codes, state)
        if double:
            tensors[f"{name}.scale-codes"] = state.absmax
            tensors[f"{name}.offset"] = state.offset.reshape(1)
            tensors[f"{name}.table"] = inner.code
    codes, scales, _ = functional.int8_vectorwise_quant(weight.half())
    tensors["int8.codes"] = codes
    tensors["int8.scales"] = scales
    FIXTURES.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()},
              FIXTURES / "quantization.safetensors")


if __name__ == "__main__":
    main()
