"""Writes the models `tied` and `untied` beside this file, and what PyTorch computes with them.

    python tests/golden/make.py        (needs torch, transformers, tokenizers and safetensors)

Each folder holds a tiny random Qwen3 model as transformers saves it (config.json, model.safetensors), a trivial tokenizer.json,
`gradients.safetensors` (the gradient of every parameter) and `golden.json`:

    sequences   lists of token ids, ragged
    weights     of the gradients' loss -Σ weight · logprob / count(weight ≠ 0), one less than the tokens
    loss        that loss
    logprobs    of every token after the first
    prompt      token ids, and `greedy`, the 24 tokens that follow
    adamw       settings, `counted` (weights of 0 and 1), and `losses` and gradient `norms` before each of ten steps
"""

import itertools
import json
from pathlib import Path

import tokenizers
import torch
import transformers
from safetensors.torch import save_file

VOCABULARY = 61
LENGTHS = [70, 33, 2, 17]

MODELS = {
    "tied": dict(hidden_size=16, head_dim=10, num_attention_heads=4, num_key_value_heads=2, intermediate_size=24,
                 rope_theta=10_000.0, rms_norm_eps=1e-6, tie_word_embeddings=True),
    "untied": dict(hidden_size=12, head_dim=8, num_attention_heads=6, num_key_value_heads=3, intermediate_size=20,
                   rope_theta=1_000_000.0, rms_norm_eps=1e-5, tie_word_embeddings=False),
}


def build(seed, rope_theta, **sizes):
    """A model whose every part matters: matrices of ordinary size, norms away from 1."""
    config = transformers.Qwen3Config(
        vocab_size=VOCABULARY, num_hidden_layers=2, max_position_embeddings=256, eos_token_id=VOCABULARY - 1, bos_token_id=None,
        rope_parameters={"rope_type": "default", "rope_theta": rope_theta}, attn_implementation="eager", **sizes)
    model = transformers.Qwen3ForCausalLM(config).float()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.uniform_(0.5, 1.5, generator=generator)
            else:
                parameter.normal_(0.0, 0.4, generator=generator)
    return model.eval(), generator


def logprobs(model, tokens):
    logits = model(torch.tensor([tokens])).logits[0, :-1].float()
    return torch.log_softmax(logits, -1).gather(1, torch.tensor(tokens[1:])[:, None])[:, 0]


def loss_of(model, sequences, weights):
    count = sum(w != 0 for row in weights for w in row)
    return -sum((logprobs(model, t) * torch.tensor(w)).sum() for t, w in zip(sequences, weights)) / count


def greedy(model, prompt, count):
    """Greedy tokens; None if one is a close call or the end token, or if there are few different ones."""
    made = model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=count)[0].tolist()
    best = model(torch.tensor([made])).logits[0, len(prompt) - 1:-1].topk(2).values
    clear = len(made) == len(prompt) + count and (best[:, 0] - best[:, 1]).min() > 2e-2
    return made[len(prompt):] if clear and len(set(made[len(prompt):])) > count // 2 else None


def train(model, sequences, counted, settings):
    """Losses before each step. Weight decay is for matrices only."""
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    groups = [dict(params=decayed, weight_decay=settings["weight_decay"]), dict(params=others, weight_decay=0.0)]
    betas = (settings["beta1"], settings["beta2"])
    optimizer = torch.optim.AdamW(groups, lr=settings["lr"], betas=betas, eps=settings["eps"])
    losses, norms = [], []
    for _ in range(10):
        optimizer.zero_grad()
        loss = loss_of(model, sequences, counted)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), settings["max_grad_norm"]).item())
        optimizer.step()
        losses.append(loss.item())
    return losses, norms


def data(generator):
    """Sequences, weights of either sign and some of 0, and weights of 0 and 1."""
    sequences = [torch.randint(VOCABULARY, (n,), generator=generator).tolist() for n in LENGTHS]
    weights = [[round(w, 3) for w in (torch.rand(n - 1, generator=generator) * 2 - 0.7).tolist()] for n in LENGTHS]
    weights = [[0.0 if i % 4 == 3 else w for i, w in enumerate(row)] for row in weights]
    counted = [[float(i >= len(row) // 3) for i in range(len(row))] for row in weights]
    return sequences, weights, counted


def write(folder, sizes):
    for seed in itertools.count():
        model, generator = build(seed, **sizes)
        sequences, weights, counted = data(generator)
        prompt = sequences[-1]
        with torch.no_grad():
            continuation = greedy(model, prompt, 24)
        if continuation:
            break
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    vocabulary = {f"t{i}": i for i in range(VOCABULARY)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="t0"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)

    loss = loss_of(model, sequences, weights)
    loss.backward()
    save_file({n: p.grad.contiguous() for n, p in model.named_parameters()}, folder / "gradients.safetensors")
    golden = dict(sequences=sequences, weights=weights, loss=loss.item(), logprobs=[logprobs(model, t).tolist() for t in sequences],
                  prompt=prompt, greedy=continuation)
    settings = dict(lr=3e-3, beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.1, max_grad_norm=1.0)
    losses, norms = train(model, sequences, counted, settings)
    golden["adamw"] = dict(**settings, counted=counted, losses=losses, norms=norms)
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")
    for file in folder.iterdir():
        file.chmod(0o644)
    print(f"{folder.name}: seed {seed}, loss {losses[0]:.4f} to {losses[-1]:.4f}, norm {norms[0]:.3f} to {norms[-1]:.3f}")


if __name__ == "__main__":
    transformers.logging.disable_progress_bar()
    for name, sizes in MODELS.items():
        write(Path(__file__).parent / name, sizes)
