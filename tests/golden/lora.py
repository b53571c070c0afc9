"""Writes lora/<model> for some of the models that make.py wrote: a random adapter of the model, and what PEFT computes with it.

    python tests/golden/lora.py        (needs torch, transformers, peft and safetensors)

Each holds the adapter as PEFT saves it (adapter_config.json, adapter_model.safetensors), `gradients.safetensors` (the gradient of every
matrix of the adapter) and `golden.json` as make.py's, with the same sequences and weights. Only the adapter is trained.
"""

import itertools
import json
from pathlib import Path

import peft
import torch
import transformers
from safetensors.torch import save_file

from make import greedy, logprobs, loss_of, train

RANKS = {"untied": 3, "qwen2": 4, "llama": 8}
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def build(folder, rank, seed):
    """The model with an adapter that matters: both matrices of every layer are random."""
    base = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    config = peft.LoraConfig(r=rank, lora_alpha=2 * rank + 1, target_modules=TARGETS, task_type="CAUSAL_LM")
    model = peft.get_peft_model(base, config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in trained(model).values():
            parameter.normal_(0.0, 0.2, generator=generator)
    return model


def trained(model):
    """Parameters of the adapter by the names they have in a file."""
    return {name.replace(".default.", "."): p for name, p in model.named_parameters() if p.requires_grad}


def write(folder, rank):
    golden = json.loads((folder / "golden.json").read_text())
    sequences, weights, prompt = (golden[key] for key in ("sequences", "weights", "prompt"))
    for seed in itertools.count():
        model = build(folder, rank, seed)
        with torch.no_grad():
            continuation = greedy(model, prompt, 24)
        if continuation and continuation != golden["greedy"]:
            break
    target = folder.parent / "lora" / folder.name
    model.peft_config["default"].base_model_name_or_path = f"tests/golden/{folder.name}"
    model.save_pretrained(target)
    (target / "README.md").unlink()
    loss = loss_of(model, sequences, weights)
    loss.backward()
    save_file({name: p.grad.contiguous() for name, p in trained(model).items()}, target / "gradients.safetensors")
    golden.update(loss=loss.item(), logprobs=[logprobs(model, tokens).tolist() for tokens in sequences], greedy=continuation)
    settings = {key: golden["adamw"][key] for key in ("lr", "beta1", "beta2", "eps", "weight_decay", "max_grad_norm")}
    model = build(folder, rank, seed)
    losses, norms = train(model, sequences, golden["adamw"]["counted"], settings)
    golden["adamw"].update(losses=losses, norms=norms)
    (target / "golden.json").write_text(json.dumps(golden) + "\n")
    for file in target.iterdir():
        file.chmod(0o644)
    print(f"{folder.name}: seed {seed}, loss {losses[0]:.4f} to {losses[-1]:.4f}, norm {norms[0]:.3f} to {norms[-1]:.3f}")


if __name__ == "__main__":
    transformers.logging.disable_progress_bar()
    for name, rank in RANKS.items():
        write(Path(__file__).parent / name, rank)
