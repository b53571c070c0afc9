"""What the scripts beside this file share: tiny models, what transformers and PEFT make of their folders, and how it is recorded.

    python tests/folders/configurations.py        (needs torch, transformers, peft and safetensors)
    python tests/folders/tensors.py
    python tests/folders/adapters.py

Each writes a table of the same name. A case is one of the models of BASES with some keys of its config.json set or dropped, some of its
tensors changed, or an adapter. What comes of it is one of

    logprobs    the log-probabilities of every token after the first of `tokens`; "base" if they are those of the unchanged model
    refused     words that the engine's error must have, because it does not do what the folder asks for; then `reference` has what
                transformers or PEFT does: its error, "equal" to the unchanged model, or by how much it differs

`warned` has names that the engine's warnings must have. Numbers of tensors come from `numbers` below and in tests/it/model/references.rs, so
no tensor is stored.
"""

import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import peft
import torch
import transformers
from safetensors.torch import save_file

TOKENS = [(7 * i * i + 3 * i) % 61 for i in range(40)]
SIZES = dict(vocab_size=61, hidden_size=12, intermediate_size=20, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=3,
             head_dim=8, max_position_embeddings=64, rms_norm_eps=1e-5, rope_theta=100.0, hidden_act="silu", tie_word_embeddings=True,
             bos_token_id=None, eos_token_id=None)
BASES = {name: dict(model_type=name, **SIZES) for name in ["llama", "qwen2", "qwen3"]}
EMBED, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def numbers(name, shape):
    """Numbers of a tensor: those of splitmix64 that start at the FNV-1a hash of its name; norms are away from 1, biases from 0."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        x = (np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) + np.uint64(seed)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    uniform = (x >> np.uint64(40)).astype(np.float64) / 2**24
    if len(shape) == 1:
        values = uniform - 0.5 if name.endswith("bias") else uniform + 0.5
    else:
        values = (0.6 if "lora_" in name else 1.4) * (uniform - 0.5)
    return torch.from_numpy(values.astype(np.float32)).reshape(*shape)


def logprobs(model):
    with torch.no_grad():
        logits = model.eval()(torch.tensor([TOKENS])).logits[0, :-1].double()
    return torch.log_softmax(logits, -1).gather(1, torch.tensor(TOKENS[1:])[:, None])[:, 0]


def shapes(config):
    """The tensors that transformers saves for a configuration."""
    config = {key: value for key, value in config.items() if key != "model_type"} | {"name": config["model_type"]}
    model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(config.pop("name"), **config))
    tied = model.config.tie_word_embeddings
    return {name: list(value.shape) for name, value in model.state_dict().items() if not (tied and name == HEAD)}


KINDS = dict(f32=torch.float32, f16=torch.float16, bf16=torch.bfloat16, f64=torch.float64)


def save(tensors, path):
    """Writes tensors, each [name, shape, name whose numbers it has, type]."""
    save_file({name: numbers(of, shape).to(KINDS[kind]) for name, shape, of, kind in tensors}, path, metadata={"format": "pt"})


def write(folder, config, tensors):
    (folder / "config.json").write_text(json.dumps(config))
    save(tensors, folder / "model.safetensors")


def load(folder, adapter=None):
    model, info = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    missing = sorted(info["missing_keys"])
    if missing:
        raise ValueError(f"transformers makes up {len(missing)} tensors that are missing, such as {missing[0]}")
    if adapter:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            model = peft.PeftModel.from_pretrained(model, adapter)
        for warning in said:
            if "missing adapter keys" in str(warning.message):
                raise ValueError("PEFT makes up the matrices that are missing")
    return logprobs(model)


def outcome(run):
    try:
        return run()
    except Exception as error:  # What is refused there must be refused here.
        return f"{type(error).__name__}: {error}".split("\n")[0].split("{")[0][:120]


def record(case, found, refused, warned=()):
    """Completes a case with what came of it."""
    difference = None if isinstance(found, str) else (found - UNCHANGED[case["model"]]).abs().max().item()
    if refused:
        case["refused"] = refused
        case["reference"] = found if difference is None else "equal" if difference < 1e-6 else f"differs by {difference:.2f}"
    elif difference is None:
        raise SystemExit(f"{case['name']}: the reference refuses it ({found}), so the case needs words of the error")
    else:
        case["logprobs"] = "base" if difference < 1e-6 else [round(value, 6) for value in found.tolist()]
    if warned:
        case["warned"] = list(warned)
    print(f"{case['name']}: {case.get('reference', 'base' if case.get('logprobs') == 'base' else f'differs by {difference or 0:.2f}')}")
    return case


def run(config, tensors, adapter=None):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write(folder, config, tensors)
        if adapter is None:
            return load(folder)
        settings, matrices = adapter
        (folder / "adapter").mkdir()
        (folder / "adapter" / "adapter_config.json").write_text(json.dumps(settings))
        save(listed(matrices), folder / "adapter" / "adapter_model.safetensors")
        return load(folder, folder / "adapter")


def listed(tensors):
    return [[name, shape, name, "f32"] for name, shape in tensors.items()]


def without(keys, *dropped):
    return {key: value for key, value in keys.items() if key not in dropped}


ALL = ["llama", "qwen2", "qwen3"]
transformers.logging.disable_progress_bar()
transformers.logging.set_verbosity_error()
warnings.simplefilter("ignore")
KNOWN = {name: shapes(config) for name, config in BASES.items()}
UNCHANGED = {name: run(config, listed(KNOWN[name])) for name, config in BASES.items()}


def dump(name, cases, **more):
    """Writes a table, one case a line."""
    models = {model: dict(config=BASES[model], tensors=KNOWN[model], logprobs=[round(value, 6) for value in UNCHANGED[model].tolist()])
              for model in BASES}
    head = json.dumps(dict(tokens=TOKENS, models=models, **more))[:-1]
    Path(__file__).with_name(name).write_text(head + ', "cases": [\n' + ",\n".join(map(json.dumps, cases)) + "\n]}\n")
    counts = [sum(key in case for case in cases) for key in ["logprobs", "refused"]]
    print(f"{name}: {len(cases)} cases, {counts[0]} equal, {counts[1]} refused")
