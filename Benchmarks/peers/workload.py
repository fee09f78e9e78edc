"""The workload that every system gets: a Llama of a given size, its first weights, its tokens.

`apus bench train` makes the same tokens; Benchmarks/README.md states the formula.
"""

import json
from pathlib import Path

SEED = 1234
LEARNING_RATE, BETAS, EPSILON, DECAY, CLIP = 3e-4, (0.9, 0.95), 1e-8, 0.1, 1.0
SIZES = {
    "tiny": dict(hidden=96, layers=4, heads=3, intermediate=256),
    "small": dict(hidden=384, layers=10, heads=6, intermediate=1024),
    "medium": dict(hidden=768, layers=16, heads=12, intermediate=2048),
}
VOCABULARY, SEQUENCE = 8192, 256
_WORD = 0xFFFF_FFFF_FFFF_FFFF


def _mix(counter):
    """The splitmix64 output for one counter value."""
    z = (counter + 0x9E37_79B9_7F4A_7C15) & _WORD
    for shift, factor in ((30, 0xBF58_476D_1CE4_E5B9), (27, 0x94D0_49BB_1331_11EB)):
        z = ((z ^ (z >> shift)) * factor) & _WORD
    return z ^ (z >> 31)


def sequence(number):
    """Token ids of sequence `number`, counted over the whole run and all ranks."""
    ids = []
    for position in range(SEQUENCE):
        random = _mix((SEED << 40) + number * SEQUENCE + position)
        if not ids or (random >> 20) % 4 == 0:
            ids.append((random % 8192) ** 3 >> 26)  # small ids more often than large ones
        else:
            ids.append((5 * ids[-1] + 17) % VOCABULARY)
    return ids


def write_weights(size, folder):
    """Writes config.json and model.safetensors (fp32) unless they are there."""
    folder = Path(folder)
    if (folder / "model.safetensors").exists():
        return
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    shape = SIZES[size]
    torch.manual_seed(SEED)
    LlamaForCausalLM(LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=shape["hidden"], num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"], intermediate_size=shape["intermediate"],
        max_position_embeddings=2 * SEQUENCE, rms_norm_eps=1e-5, tie_word_embeddings=False,
        rope_parameters={"rope_theta": 10000.0, "rope_type": "default"}, use_cache=False,
    )).save_pretrained(folder)
    print(json.dumps({"weights": str(folder)}))


if __name__ == "__main__":
    import sys
    write_weights(sys.argv[1], sys.argv[2])
