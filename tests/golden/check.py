"""Opens what the engine saved in transformers and peft, and compares it with the folders beside this file.

    python tests/golden/check.py SAVED        (needs torch, transformers, tokenizers and peft)

SAVED/<model>/<variant> is the folder tests/golden/<model> after the engine loaded and saved it; a variant is an element type (f32,
f16, bf16), maybe with an ending. Every parameter must be the original one rounded to that type, the configuration must mean the same,
the tokenizer must do the same, and log-probabilities must be those of the original with such parameters.
SAVED/lora/<model>/<variant> is in the same way the adapter tests/golden/lora/<model>, or with the ending `-merged` the model with this
adapter exported: every parameter must be what peft merges, rounded to that type.
`FINEMEM_PYTHON=<python> cargo test --test golden` makes the folders and runs this.
"""

import json
import sys
from pathlib import Path

import peft
import tokenizers
import torch
import transformers

from make import logprobs

TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
TOLERANCE = 1e-5


def configuration(folder):
    config = transformers.AutoConfig.from_pretrained(folder).to_dict()
    return {key: value for key, value in config.items() if key not in ("dtype", "transformers_version", "_name_or_path")}


def check(original, saved):
    kind = saved.name.split("-")[0]
    before = transformers.AutoModelForCausalLM.from_pretrained(original, dtype=torch.float32)
    after = transformers.AutoModelForCausalLM.from_pretrained(saved)
    assert after.dtype == TYPES[kind], f"{saved}: opened as {after.dtype}"
    expected, found = before.state_dict(), after.state_dict()
    assert expected.keys() == found.keys(), f"{saved}: other parameters"
    for name, tensor in expected.items():
        assert torch.equal(tensor.to(TYPES[kind]), found[name]), f"{saved}: {name} differs"
    a, b = configuration(original), configuration(saved)
    different = {key: (a.get(key), b.get(key)) for key in a.keys() | b.keys() if a.get(key) != b.get(key)}
    if saved.name.endswith("-new"):  # Written from the sizes alone, which know the end token of generation_config.json.
        different.pop("eos_token_id", None)
    assert not different, f"{saved}: {different}"
    assert before.generation_config.eos_token_id == after.generation_config.eos_token_id, f"{saved}: another end token"
    first, second = (tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")) for folder in (original, saved))
    text = "t1 t60 t17 nothing t0"
    assert first.encode(text).ids == second.encode(text).ids and first.get_vocab() == second.get_vocab(), f"{saved}: tokenizer"
    sequences = json.loads((original / "golden.json").read_text())["sequences"]
    after = after.float()
    with torch.no_grad():
        for parameter in before.parameters():  # Not the whole model: its rotary frequencies stay in f32 when it is loaded.
            parameter.copy_(parameter.to(TYPES[kind]))
        worst = max((logprobs(after, tokens) - logprobs(before, tokens)).abs().max().item() for tokens in sequences)
    assert worst <= TOLERANCE, f"{saved}: log-probabilities are off by {worst:.1e}"
    files = sorted(file.name for file in saved.iterdir())
    print(f"{original.name} {saved.name}: same parameters, log-probabilities within {worst:.1e}, {len(files)} files")


def adapted(name, adapter, dtype=torch.float32):
    """The model under an adapter whose parameters are rounded to a type."""
    base = transformers.AutoModelForCausalLM.from_pretrained(Path(__file__).parent / name, dtype=torch.float32)
    model = peft.PeftModel.from_pretrained(base, adapter)
    with torch.no_grad():
        for parameter in (p for n, p in model.named_parameters() if ".lora_" in n):
            parameter.copy_(parameter.to(dtype))
    return model


@torch.no_grad()
def check_adapter(name, saved):
    kind, _, merged = saved.name.partition("-")
    original = Path(__file__).parent / "lora" / name
    sequences = json.loads((original / "golden.json").read_text())["sequences"]
    if merged:
        expected, found = adapted(name, original).merge_and_unload(), transformers.AutoModelForCausalLM.from_pretrained(saved)
        assert found.dtype == TYPES[kind], f"{saved}: opened as {found.dtype}"
        parameters = dict(found.named_parameters())
        for parameter, tensor in expected.named_parameters():
            # Merging in another order changes the last bits, which may change what a number is rounded to.
            step = torch.finfo(TYPES[kind]).eps * tensor.abs() + 1e-6
            assert ((tensor - parameters[parameter].float()).abs() <= step).all(), f"{saved}: {parameter} differs"
        if kind != "f32":
            for parameter, tensor in expected.named_parameters():
                tensor.copy_(parameters[parameter])
        expected, found = adapted(name, original) if kind == "f32" else expected, found.float()
    else:
        expected, found = adapted(name, original, TYPES[kind]), adapted(name, saved)
    worst = max((logprobs(found, tokens) - logprobs(expected, tokens)).abs().max().item() for tokens in sequences)
    assert worst <= 2 * TOLERANCE, f"{saved}: log-probabilities are off by {worst:.1e}"
    print(f"lora/{name} {saved.name}: log-probabilities within {worst:.1e}")


if __name__ == "__main__":
    transformers.logging.disable_progress_bar()
    for model in sorted(Path(sys.argv[1]).iterdir()):
        if model.name == "lora":
            for variant in sorted(model.glob("*/*")):
                check_adapter(variant.parent.name, variant)
            continue
        for variant in sorted(model.iterdir()):
            check(Path(__file__).parent / model.name, variant)
