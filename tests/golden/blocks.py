"""Writes blocks.json: blocks of each quantised type and their numbers, by the gguf package of llama.cpp.

    pip install gguf==0.19.0 && python tests/golden/blocks.py
"""

import json
import pathlib

import gguf
import numpy as np

TYPES = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]
# Where a block has its 16-bit floats. All other bytes may have any value.
FLOATS = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
BLOCKS = 3

rng = np.random.default_rng(15)
cases = {}
for name in TYPES:
    kind = gguf.GGMLQuantizationType[name]
    size, bytes_ = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (BLOCKS, bytes_), dtype=np.uint8)
    for at in FLOATS[name]:
        # A subnormal one, a negative one, and one as in published models.
        blocks[:, at : at + 2] = np.array([3e-6, -1.7, 0.0123], dtype=np.float16).reshape(-1, 1).view(np.uint8)
    numbers = gguf.dequantize(blocks, kind)
    assert numbers.shape == (BLOCKS, size) and numbers.dtype == np.float32
    cases[name.lower()] = {"blocks": blocks.tobytes().hex(), "numbers": numbers.tobytes().hex()}
# Q8_0 is also written: numbers and their blocks.
numbers = rng.normal(0, 0.05, (4, 32)).astype(np.float32)
numbers[1] = 0
numbers[2, 5] = 3
cases["write q8_0"] = {"blocks": gguf.quantize(numbers, gguf.GGMLQuantizationType.Q8_0).tobytes().hex(), "numbers": numbers.tobytes().hex()}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(cases, indent=1) + "\n")
