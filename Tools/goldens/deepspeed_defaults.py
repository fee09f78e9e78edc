#!/usr/bin/env python3
"""Writes Tests/ApusConfigTests/Fixtures/deepspeed-defaults.json: every key of DeepSpeed's typed
blocks with its default, and its untyped top-level keys, taken from the installed package.

    DS_ACCELERATOR=cpu python Tools/goldens/deepspeed_defaults.py
"""

import json
import math
from pathlib import Path

from deepspeed.runtime import constants
from deepspeed.runtime.precision_config import DeepSpeedBF16Config, DeepSpeedFP16Config
from deepspeed.runtime.zero.config import DeepSpeedZeroConfig
from deepspeed.runtime.zero.offload_config import (
    DeepSpeedZeroOffloadOptimizerConfig, DeepSpeedZeroOffloadParamConfig)


def defaults(model):
    """The fields of a pydantic model under the names that a file uses."""
    values = {}
    for name, field in model.model_fields.items():
        if (field.json_schema_extra or {}).get("deprecated"):
            continue
        value = field.get_default(call_default_factory=True)
        if hasattr(value, "model_dump"):
            value = value.model_dump(mode="json")
        elif hasattr(value, "value"):
            value = value.value
        if isinstance(value, float) and math.isinf(value):
            value = None
        values[field.alias or name] = value
    return values


UNTYPED = [
    "TRAIN_BATCH_SIZE", "TRAIN_MICRO_BATCH_SIZE_PER_GPU", "GRADIENT_ACCUMULATION_STEPS",
    "STEPS_PER_PRINT", "WALL_CLOCK_BREAKDOWN", "MEMORY_BREAKDOWN", "DUMP_STATE",
    "GRADIENT_CLIPPING", "PRESCALE_GRADIENTS", "GRADIENT_PREDIVIDE_FACTOR", "DISABLE_ALLGATHER",
    "COMMUNICATION_DATA_TYPE", "ZERO_ALLOW_UNTESTED_OPTIMIZER", "ZERO_FORCE_DS_CPU_OPTIMIZER",
    "DATALOADER_DROP_LAST", "VOCABULARY_SIZE", "USE_DATA_BEFORE_EXPERT_PARALLEL",
]


def main():
    zero = defaults(DeepSpeedZeroConfig)
    zero["offload_optimizer"] = defaults(DeepSpeedZeroOffloadOptimizerConfig)
    zero["offload_param"] = defaults(DeepSpeedZeroOffloadParamConfig)
    config = {"zero_optimization": zero, "fp16": defaults(DeepSpeedFP16Config),
              "bf16": defaults(DeepSpeedBF16Config)}
    for name in UNTYPED:
        key = getattr(constants, name, None) or getattr(constants, name + "_")
        config[key] = getattr(constants, name.rstrip("_") + "_DEFAULT", None)
    target = Path(__file__).resolve().parents[2] / "Tests/ApusConfigTests/Fixtures"
    (target / "deepspeed-defaults.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    main()
