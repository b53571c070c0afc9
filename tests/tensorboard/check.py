"""Reads a run's event files with TensorBoard's own reader, and compares them with its metrics.jsonl.

    python tests/tensorboard/check.py RUN        (needs tensorboard)

Every number of metrics.jsonl must be there under its name and step, as the nearest 32-bit float, and nothing else.
`FINEMEM_PYTHON=<python> cargo test --test tensorboard` makes the folder and runs this.
"""

import json
import struct
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

folder = Path(sys.argv[1])
events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
events.Reload()
found = {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}

expected = {}
steps = 0
for line in (folder / "metrics.jsonl").read_text().splitlines():
    row = json.loads(line)
    steps += 1
    for name, value in row.items():
        if name != "step" and value is not None:
            expected.setdefault(name, []).append((row["step"], struct.unpack("f", struct.pack("f", value))[0]))

assert found.keys() == expected.keys(), f"figures {sorted(found)} instead of {sorted(expected)}"
for name, values in expected.items():
    assert found[name] == values, f"{name}: {found[name][-3:]} instead of {values[-3:]}"
print(f"{steps} steps of {len(expected)} figures agree")
