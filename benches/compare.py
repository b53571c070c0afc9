"""The engine's CPU executor beside PyTorch, on the same work in one run.

    python benches/compare.py [--hidden 256] [--layers 4] [--threads 2] [--rounds 3] [--work training generation rollout]

Needs cargo, torch and transformers.

Training: one step (forward, backward, clipping at 1, AdamW) of 16 sequences of 256 tokens, `benches/training.rs` beside PyTorch
eager. Generation: 64 tokens at temperature 1 after each of 64 prompts of 64 tokens, `benches/generation.rs` beside `generate` of
transformers. Rollout: the same eight times after each of 8 prompts of 256 tokens. The two sides take turns, so that whatever else the machine does hits both; the fastest of three runs counts in each round, and
the ratio is the median over the rounds.
"""

import argparse
import json
import os
import statistics
import subprocess
import time
from pathlib import Path

import torch
import transformers

ROOT = Path(__file__).resolve().parent.parent
VOCABULARY = 1024


BENCHES = dict(training=["training"], generation=["generation"], rollout=["generation", "rollout"])


def engine(work, options):
    """Seconds of the fastest run of a bench."""
    bench, *arguments = BENCHES[work]
    command = ["cargo", "bench", "--quiet", "--bench", bench, "--", str(options.hidden), str(options.layers), "cpu", *arguments]
    environment = dict(os.environ, RAYON_NUM_THREADS=str(options.threads))
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])["ms"] / 1e3


def fastest(work, repeats=3):
    """Seconds of the fastest of some calls, after one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def model_of(hidden, layers):
    config = transformers.Qwen3Config(
        vocab_size=VOCABULARY, hidden_size=hidden, intermediate_size=3 * hidden, num_hidden_layers=layers,
        num_attention_heads=hidden // 64 * 2, num_key_value_heads=hidden // 64, head_dim=64, max_position_embeddings=512,
        tie_word_embeddings=True, bos_token_id=None, eos_token_id=None, pad_token_id=0)
    return transformers.Qwen3ForCausalLM(config)


def training(options):
    model = model_of(options.hidden, options.layers).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    tokens = torch.randint(VOCABULARY, (16, 256))

    def step():
        optimizer.zero_grad()
        logits = model(tokens).logits[:, :-1]
        torch.nn.functional.cross_entropy(logits.reshape(-1, VOCABULARY), tokens[:, 1:].reshape(-1)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def generation(options, length=64, group=1):
    model = model_of(options.hidden, options.layers).eval()
    prompts = torch.randint(VOCABULARY, (64 // group, length))
    mask = torch.ones_like(prompts)

    def sample():
        made = model.generate(prompts, attention_mask=mask, do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
                              max_new_tokens=64, num_return_sequences=group)
        assert made.shape == (64, length + 64)

    return sample


def rollout(options):
    return generation(options, length=256, group=8)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in dict(hidden=256, layers=4, threads=2, rounds=3).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    works = dict(training=training, generation=generation, rollout=rollout)
    parser.add_argument("--work", nargs="+", choices=works, default=list(works))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    subprocess.run(["cargo", "bench", "--quiet", "--no-run"], cwd=ROOT, check=True)
    print(f"hidden {options.hidden}, {options.layers} layers, {options.threads} threads, torch {torch.__version__}, "
          f"transformers {transformers.__version__}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for work in options.work:
        peer = works[work](options)
        rounds = []
        for _ in range(options.rounds):
            rounds.append((engine(work, options), fastest(peer)))
            print(f"  {work}: engine {rounds[-1][0] * 1e3:.0f} ms, PyTorch {rounds[-1][1] * 1e3:.0f} ms", flush=True)
        ratios = sorted(theirs / ours for ours, theirs in rounds)
        print(f"{work}: {statistics.median(ratios):.2f} times as fast as PyTorch ({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
