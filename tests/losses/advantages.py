"""Writes advantages.json: rewards of a group at levels from 1e-8 to 1e8, and their advantages, from PyTorch in f64.

    python tests/losses/advantages.py

Rewards are f32, as the engine gets them. `rounding` groups hold one number computed in several ways, so their advantages are 0: their
spread is at most a few units in the last place of the largest, or of 1, whichever is more.
"""

import json
import pathlib

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(2)
EPSILON = 1e-6  # added to deviations
UNIT = 2.0**-23  # f32's, relative
cases = []


def add(what, values, rounding):
    values = torch.tensor(values).to(torch.float32).to(torch.float64)
    for baseline, divide in [("mean", True), ("mean", False), ("leave_one_out", True), ("leave_one_out", False)]:
        n = len(values)
        centred = values - (values.mean() if baseline == "mean" else (values.sum() - values) / (n - 1))
        scaled = centred / (values.std(unbiased=True) + EPSILON) if divide else centred
        cases.append({
            "what": what, "rewards": values.tolist(), "baseline": baseline, "divide": divide, "rounding": rounding,
            "advantages": [0.0] * n if rounding else scaled.tolist(),
        })


for power in range(-8, 9):
    level = 10.0**power
    for sign in (1, -1):
        add(f"{sign * level:g}, units in the last place apart", [sign * level * (1 + k * UNIT) for k in (0, 1, -1, 2, 0, 1)], True)
    # Below a unit in the last place of 1, a difference counts as what is left of terms that cancel.
    spread = [level * factor for factor in (1, 2, 0.5, 3, 1.5)]
    add(f"{level:g}, as far apart as it is large", spread, max(spread) - min(spread) <= UNIT)
add("all 0", [0.0] * 4, True)
add("0 and what terms of order 1 leave", [0.0, 1e-8, -1e-8, 3e-8], True)
add("0.1 + 0.2 - 0.3", [0.1 + 0.2 - 0.3, 0.0, 0.3 - 0.2 - 0.1], True)
add("a thousandth of one", [0.0, 1e-3, 0.0, 0.0, 2e-3, 0.0, 0.0, 0.0], False)
for level, step in [(1.0, 1e-4), (1.0, 1e-5), (1.8, 1.25e-4), (100.0, 1e-3), (1e4, 0.25), (1e6, 1.0), (-1e6, 1.0), (1e8, 64.0), (1e8, 1e5)]:
    add(f"{level:g} and steps of {step:g}", [level + step * k for k in (0, 1, 2, 5, 3)], False)
for level in (1e-6, 1.0, 1e6):
    add(f"at random, {level:g}", (level * torch.rand(8)).tolist(), False)

path = pathlib.Path(__file__).with_name("advantages.json")
path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
print(len(cases), "cases,", sum(case["rounding"] for case in cases), "of rounding")
