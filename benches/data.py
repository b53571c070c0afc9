"""Opening a Parquet file of episodes beside pyarrow, in one run.

    python benches/data.py FILE [--rounds 5]

Needs cargo and pyarrow. The engine's time is `benches/data.rs`: from the file to episodes with their chunks and questions. pyarrow's are those of
`read_table`, which leaves columns, and of `read_table(...).to_pylist()`, which leaves values to go on with. The sides take turns; the fastest
of 20 calls counts in each round, and a ratio is the median over the rounds.
"""

import argparse
import json
import statistics
import subprocess
import time
from pathlib import Path

import pyarrow.parquet

ROOT = Path(__file__).resolve().parent.parent


def engine(path):
    command = ["cargo", "bench", "--quiet", "--bench", "data", "--", str(path)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])["ms"]


def fastest(work, repeats=20):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=lambda path: Path(path).resolve())
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    read = lambda: pyarrow.parquet.read_table(options.file)
    rounds = []
    for _ in range(options.rounds):
        rounds.append((engine(options.file), fastest(read), fastest(lambda: read().to_pylist())))
        print("engine {:.2f} ms, read_table {:.2f} ms, to_pylist {:.2f} ms".format(*rounds[-1]), flush=True)
    for at, name in [(1, "read_table"), (2, "read_table and to_pylist")]:
        print(f"engine / {name}: {statistics.median(r[0] / r[at] for r in rounds):.2f}")


if __name__ == "__main__":
    main()
