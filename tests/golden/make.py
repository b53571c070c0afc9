"""Writes a folder for each of MODELS beside this file: a tiny random model, and what PyTorch computes with it.

    python tests/golden/make.py        (needs torch, transformers, tokenizers and safetensors)

Each folder holds the model as transformers saves it (config.json, model.safetensors or shards), a trivial tokenizer.json,
`gradients.safetensors` (the gradient of every parameter) and `golden.json`, all computed in f32 (`qwen2-bf16` and `llama-f16` have
weights that are numbers of that type, and stored so):

    sequences   lists of token ids, ragged
    weights     of the gradients' loss -Σ weight · logprob / count(weight ≠ 0), one less than the tokens
    loss        that loss
    logprobs    of every token after the first
    bf16        the same of the parameters rounded to bf16, computed in f32 (`widened`) and in bf16 (`rounded`)
    prompt      token ids, and `greedy`, the 24 tokens that follow
    adamw       settings, `counted` (weights of 0 and 1), and `losses` and gradient `norms` before each of ten steps

The end token of `qwen2` is named by its generation_config.json alone.
"""

import copy
import itertools
import json
from pathlib import Path

import tokenizers
import torch
import transformers
from safetensors.torch import save_file

VOCABULARY = 61
LENGTHS = [70, 33, 2, 17]

SIZES = dict(hidden_size=12, num_attention_heads=6, num_key_value_heads=3, intermediate_size=20, rms_norm_eps=1e-5)
MODELS = {
    "tied": dict(hidden_size=16, head_dim=10, num_attention_heads=4, num_key_value_heads=2, intermediate_size=24,
                 rope_theta=10_000.0, rms_norm_eps=1e-6, tie_word_embeddings=True),
    "untied": dict(**SIZES, head_dim=8, rope_theta=1_000_000.0, tie_word_embeddings=False),
    "qwen2": dict(type="Qwen2", **SIZES, head_dim=6, rope_theta=1_000_000.0, tie_word_embeddings=True),
    "qwen2-bf16": dict(type="Qwen2", **SIZES, head_dim=6, rope_theta=10_000.0, tie_word_embeddings=False,
                       stored=torch.bfloat16),
    # The waves of four pairs: one stays, one is mixed, two are slowed down, all of them within the sequences.
    "llama": dict(type="Llama", **SIZES, head_dim=8, rope_theta=100.0, tie_word_embeddings=True, scaling=dict(
        rope_type="llama3", factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)),
    "llama-f16": dict(type="Llama", **SIZES, head_dim=8, rope_theta=10_000.0, tie_word_embeddings=False, stored=torch.float16),
}


def build(seed, rope_theta, type="Qwen3", stored=torch.float32, scaling=None, **sizes):
    """A model whose every part matters: matrices of ordinary size, norms away from 1, biases away from 0."""
    config = getattr(transformers, f"{type}Config")(
        vocab_size=VOCABULARY, num_hidden_layers=2, max_position_embeddings=256, eos_token_id=VOCABULARY - 1, bos_token_id=None,
        rope_parameters={"rope_type": "default", "rope_theta": rope_theta, **(scaling or {})}, attn_implementation="eager", **sizes)
    model = getattr(transformers, f"{type}ForCausalLM")(config).float()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(".bias"):
                parameter.normal_(0.0, 0.5, generator=generator)
            elif parameter.dim() == 1:
                parameter.uniform_(0.5, 1.5, generator=generator)
            else:
                parameter.normal_(0.0, 0.4, generator=generator)
            parameter.copy_(parameter.to(stored))
    return model.eval(), generator


def logprobs(model, tokens):
    logits = model(torch.tensor([tokens])).logits[0, :-1].float()
    return torch.log_softmax(logits, -1).gather(1, torch.tensor(tokens[1:])[:, None])[:, 0]


@torch.no_grad()
def in_bf16(folder, sequences):
    rounded = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    widened = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for parameter in widened.parameters():  # Not the whole model: its rotary frequencies stay in f32 when it is loaded.
        parameter.copy_(parameter.bfloat16())
    of = lambda model: [logprobs(model, tokens).tolist() for tokens in sequences]
    return dict(widened=of(widened), rounded=of(rounded))


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


def save(model, folder, stored):
    folder.mkdir(exist_ok=True)
    for file in folder.glob("*"):
        file.unlink()
    if stored == torch.bfloat16:
        copy.deepcopy(model).bfloat16().save_pretrained(folder, max_shard_size="6KB")
    else:
        copy.deepcopy(model).to(stored).save_pretrained(folder)
    if folder.name == "qwen2":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "eos_token_id": None}, indent=2) + "\n")
    else:
        (folder / "generation_config.json").unlink(missing_ok=True)


def write(folder, sizes):
    for seed in itertools.count():
        model, generator = build(seed, **sizes)
        sequences, weights, counted = data(generator)
        prompt = sequences[-1]
        with torch.no_grad():
            continuation = greedy(model, prompt, 24)
        if continuation:
            break
    save(model, folder, sizes.get("stored", torch.float32))
    vocabulary = {f"t{i}": i for i in range(VOCABULARY)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="t0"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)

    loss = loss_of(model, sequences, weights)
    loss.backward()
    save_file({n: p.grad.contiguous() for n, p in model.named_parameters()}, folder / "gradients.safetensors")
    golden = dict(sequences=sequences, weights=weights, loss=loss.item(), logprobs=[logprobs(model, t).tolist() for t in sequences],
                  bf16=in_bf16(folder, sequences), prompt=prompt, greedy=continuation)
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
