"""BM25 beside rank_bm25, on the same documents and queries in one run.

    python benches/bm25.py [--facts FILE] [--documents 18332] [--queries 200]

Needs cargo, numpy and rank_bm25. FILE is a JSON file of MemoryAgentBench's conflict resolution, whose longest list of numbered facts and whose
questions are taken; without one, facts and questions of the same kind are made up. Each side searches the ten best; the scores must
agree to 1e-6 and the order must be that of a stable sort by score, as Mem-α has it. Both sides use one thread.
"""

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import rank_bm25

ROOT = Path(__file__).resolve().parent.parent
FORMS = [("The capital of {} is {}", "What is the capital of {}?"), ("{} was born in the city of {}", "Which city was {} born in?"),
         ("{} is married to {}", "Who is {} married to?"), ("The author of {} is {}", "Who is the author of {}?"), ("{} plays the position of {}", "What position does {} play?"),
         ("The chief executive officer of {} is {}", "Who is the chief executive officer of {}?"),
         ("{} is affiliated with the religion of {}", "Which religion is {} affiliated with?"),
         ("The official language of {} is {}", "What is the official language of {}?"), ("{} works in the field of {}", "What field does {} work in?")]


def words(text):
    return re.findall(r"\b\w+\b", text.lower())


def made_up(options):
    rng = random.Random(1)
    syllables = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
    names = ["".join(rng.choices(syllables, k=rng.randrange(2, 5))).title() for _ in range(6000)]
    name = lambda: " ".join(rng.choices(names, k=rng.choice([1, 2, 2])))
    entities = [name() for _ in range(options.documents // 2)]
    documents = [rng.choice(FORMS)[0].format(rng.choice(entities), name()) + "." for _ in range(options.documents)]
    queries = [rng.choice(FORMS)[1].format(rng.choice(entities)) for _ in range(options.queries)]
    return documents, queries


def published(options):
    rows = json.loads(Path(options.facts).read_text())
    row = max(rows, key=lambda row: len(row["context"]))
    documents = [re.sub(r"^\d+\. ", "", line) for line in row["context"].split("\n") if re.match(r"\d+\. ", line)]
    questions = [question for row in rows for question in row["questions"]]
    return documents[:options.documents], list(dict.fromkeys(questions))[:options.queries]


def fastest(work, repeats=5):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return min(times), result


def engine(path):
    done = subprocess.run(["cargo", "bench", "--quiet", "--bench", "bm25", "--", path], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts")
    parser.add_argument("--documents", type=int, default=18332)
    parser.add_argument("--queries", type=int, default=200)
    options = parser.parse_args()
    documents, queries = (published if options.facts else made_up)(options)
    subprocess.run(["cargo", "bench", "--quiet", "--no-run", "--bench", "bm25"], cwd=ROOT, check=True)
    print(f"{len(documents)} documents of {statistics.mean(len(words(d)) for d in documents):.1f} words, {len(queries)} queries of "
          f"{statistics.mean(len(words(q)) for q in queries):.1f}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(dict(documents=documents, queries=queries), file)
        file.flush()
        tokenised = [words(document) for document in documents]
        rounds = []
        for _ in range(3):
            ours = engine(file.name)
            build, index = fastest(lambda: rank_bm25.BM25Okapi(tokenised), 2)
            # get_top_n takes numpy's unstable order; the time is nearly all in the scores.
            few = queries[:40]
            seconds, _ = fastest(lambda: [np.argsort(-index.get_scores(words(query)), kind="stable")[:10] for query in few], 3)
            rounds.append((ours["queries_per_second"], len(few) / seconds))
            print(f"  engine {ours['queries_per_second']:.0f} queries a second, rank_bm25 {len(few) / seconds:.1f}; build {ours['build_ms']:.1f} ms and "
                  f"{build * 1e3:.0f} ms (words already split); insert and query {ours['changing_us']:.0f} µs", flush=True)
    worst = 0.0
    for query, found in zip(queries, ours["found"]):
        scores = index.get_scores(words(query))
        order = np.argsort(-scores, kind="stable")[:10]
        assert [at for at, _ in found] == order.tolist(), f"another order for {query}"
        worst = max(worst, max(abs(score - scores[at]) for at, score in found))
    assert worst <= 1e-6, worst
    ratios = sorted(ours / theirs for ours, theirs in rounds)
    print(f"{statistics.median(ratios):.0f} times the queries per second ({ratios[0]:.0f} to {ratios[-1]:.0f}), same order, scores within {worst:.1e}")


if __name__ == "__main__":
    main()
