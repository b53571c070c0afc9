"""Writes adapters.json: adapters as PEFT writes and reads them. See common.py."""

import json
import tempfile
from pathlib import Path

import peft
import torch
import transformers
from safetensors.torch import load_file

from common import ALL, BASES, KNOWN, dump, listed, outcome, record, run, without, write

SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
PLACES = ["self_attn." + name for name in SEVEN[:4]] + ["mlp." + name for name in SEVEN[4:]]
WHOLE = [f"model.layers.{i}.{place}" for i in range(2) for place in PLACES]
PREFIX, DOWN = "base_model.model.", "base_model.model.model.layers.1.mlp.down_proj."


def targets(modules, **more):
    return dict(target_modules=modules, **more)


QV = targets(["q_proj", "v_proj"])
# (models, name, arguments of LoraConfig, keys that are set in its file afterwards, keys that are dropped, what becomes of the tensors,
# words of the error)
ADAPTERS = [
    (ALL, "all by their short names", targets(SEVEN), {}, [], None, []),
    (ALL, "all by their whole names", targets(WHOLE), {}, [], None, []),
    (["llama"], "some by their whole names", targets([WHOLE[0], WHOLE[6], WHOLE[9]]), {}, [], None, []),
    (["llama"], "short and whole names", targets(["v_proj", WHOLE[0]]), {}, [], None, []),
    (["llama"], "ends of names", targets(["self_attn.q_proj", "0.self_attn.k_proj", "layers.1.mlp.up_proj"]), {}, [], None, []),
    (["llama"], "names of other models too", targets(["q_proj", "c_attn", "query_key_value"]), {}, [], None, []),
    (["llama"], "a part of a name", QV, targets(["proj"]), [], None, ["target_modules"]),
    (["llama"], "no names", QV, targets([]), [], None, ["target_modules"]),
    (["llama"], "target_modules of another kind", QV, targets([1]), [], None, ["target_modules"]),
    (["llama", "qwen3"], "all-linear", targets("all-linear"), {}, [], None, []),
    (["llama"], "all-linear in the file", targets(SEVEN), targets("all-linear"), [], None, []),
    (["llama"], "ALL-LINEAR", targets(SEVEN), targets("ALL-LINEAR"), [], None, []),
    (["llama"], "a pattern", targets(r".*\.(q|v)_proj"), {}, [], None, []),
    (["llama"], "a pattern of one layer", targets(r"model\.layers\.1\..*_proj"), {}, [], None, []),
    (["qwen3"], "a pattern with classes", targets(r"^model\.layers\.\d+\.(?:self_attn|mlp)\.[a-z]+_proj$"), {}, [], None, []),
    (["llama"], "a pattern of a part", QV, targets("q_proj"), [], None, ["target_modules"]),
    (["llama"], "a pattern that looks ahead", targets(r"(?!.*lm_head).*_proj"), {}, [], None, ["target_modules", "regular expression"]),
    (["llama"], "a pattern that does not compile", QV, targets("(q_proj"), [], None, ["target_modules", "regular expression"]),
    (["llama"], "a pattern of everything in a block", QV, targets(r"model\.layers\.0.*"), [], None, ["target_modules", "model.layers.0"]),
    (["llama"], "a pattern of the head", QV, targets(r".*(q_proj|lm_head)"), [], None, ["target_modules", "lm_head"]),
    (["llama"], "exclude_modules", targets(SEVEN, exclude_modules=["k_proj", "0.mlp.up_proj"]), {}, [], None, []),
    (["llama"], "exclude_modules by a pattern", targets(SEVEN, exclude_modules=r".*\.0\..*"), {}, [], None, []),
    (["llama"], "all-linear but some", targets("all-linear", exclude_modules=["down_proj"]), {}, [], None, []),
    (["llama"], "layers_to_transform", targets(SEVEN, layers_to_transform=[1]), {}, [], None, []),
    (["llama"], "layers_to_transform, one", targets(SEVEN, layers_to_transform=0), {}, [], None, []),
    (["llama"], "layers_to_transform, none", targets(SEVEN, layers_to_transform=[]), {}, [], None, []),
    (["llama"], "layers_to_transform and a pattern", targets(SEVEN, layers_to_transform=[1], layers_pattern="layers"), {}, [], None, []),
    (["llama"], "layers_to_transform and patterns", targets(SEVEN, layers_to_transform=[1], layers_pattern=["h", "layers"]), {}, [], None, []),
    (["llama"], "layers_to_transform and another model's pattern", QV, dict(layers_to_transform=[1], layers_pattern=["h"]), [], None,
     ["target_modules"]),
    (["llama"], "layers_to_transform and whole names", targets([WHOLE[0], "v_proj"], layers_to_transform=[1]), {}, [], None, []),
    (["llama"], "layers_to_transform with a pattern as targets", QV, targets(".*q_proj", layers_to_transform=[1]), [], None,
     ["layers_to_transform"]),
    (["llama"], "layers_pattern alone", QV, dict(layers_pattern="layers"), [], None, ["layers_pattern"]),
    (["llama"], "layers_to_transform beyond the model", QV, dict(layers_to_transform=[7]), [], None, ["target_modules"]),
    (["llama"], "rank_pattern", targets(SEVEN, rank_pattern={"q_proj": 5, "down_proj": 1}), {}, [], None, []),
    (["llama"], "rank_pattern by patterns", targets(SEVEN, rank_pattern={r".*\.0\..*": 2, ".*_proj": 4}), {}, [], None, []),
    (["llama"], "rank_pattern by whole names", targets(SEVEN, rank_pattern={WHOLE[3]: 6, "proj": 9}), {}, [], None, []),
    (["llama"], "alpha_pattern", targets(SEVEN, alpha_pattern={"q_proj": 9, r"1\.mlp\..*": 2.5}), {}, [], None, []),
    (["qwen2"], "both patterns", targets(SEVEN, rank_pattern={"v_proj": 2}, alpha_pattern={"v_proj": 1, "o_proj": 12}), {}, [], None, []),
    (["llama"], "rank_pattern of 0", QV, dict(rank_pattern={"q_proj": 0}), [], None, ["rank"]),
    (["llama"], "rank_pattern of a string", QV, dict(rank_pattern={"q_proj": "2"}), [], None, ["rank_pattern"]),
    (["llama"], "rank_pattern other than the tensors", QV, dict(rank_pattern={"q_proj": 2}), [], None, ["q_proj.lora_A", "[3, 12]", "[2, 12]"]),
    (ALL, "rslora", targets(SEVEN, use_rslora=True), {}, [], None, []),
    (["llama"], "rslora and patterns", targets(SEVEN, use_rslora=True, rank_pattern={"q_proj": 5}, alpha_pattern={"v_proj": 2}), {}, [], None, []),
    (["llama"], "a fraction as alpha", targets(SEVEN), dict(lora_alpha=2.5), [], None, []),
    (["llama"], "no lora_alpha", targets(SEVEN), {}, ["lora_alpha"], None, []),
    (["llama"], "no r", targets(SEVEN, r=8), {}, ["r"], None, []),
    (["llama"], "keys that are missing", QV, {}, ["bias", "use_rslora", "rank_pattern", "alpha_pattern", "layers_to_transform", "use_dora",
                                                 "fan_in_fan_out", "init_lora_weights", "lora_dropout", "inference_mode", "task_type"], None, []),
    (["llama"], "lora_alpha null", QV, dict(lora_alpha=None), [], None, ["lora_alpha"]),
    (["llama"], "r of 0", QV, dict(r=0), [], None, ["rank"]),
    (["llama"], "fan_in_fan_out", QV, dict(fan_in_fan_out=True), [], None, []),
    (["llama"], "settings of training", QV, dict(lora_dropout=0.5, inference_mode=False), [], None, []),
    (["llama"], "no task_type", QV, dict(task_type=None), [], None, []),
    (["llama"], "another task_type", QV, dict(task_type="SEQ_CLS"), [], None, ["task_type"]),
    (["llama"], "another peft_type", QV, dict(peft_type="ADALORA"), [], None, ["peft_type"]),
    (["llama"], "gaussian", QV, dict(init_lora_weights="gaussian"), [], None, []),
    (["llama"], "init_lora_weights false", QV, dict(init_lora_weights=False), [], None, []),
    (["llama"], "pissa", QV, dict(init_lora_weights="pissa"), [], None, ["init_lora_weights"]),
    (["llama"], "olora", QV, dict(init_lora_weights="olora"), [], None, ["init_lora_weights"]),
    (["llama"], "orthogonal", targets(["q_proj", "v_proj"], r=4), dict(init_lora_weights="orthogonal"), [], None, []),
    (["llama"], "bias", QV, dict(bias="lora_only"), [], None, ["bias"]),
    (["llama"], "lora_bias", QV, dict(lora_bias=True), [], None, ["lora_bias"]),
    (["llama"], "dora", QV, dict(use_dora=True), [], None, ["use_dora"]),
    (["llama"], "qalora", QV, dict(use_qalora=True, qalora_group_size=4), [], None, ["use_qalora"]),
    (["llama"], "modules_to_save", QV, dict(modules_to_save=["lm_head"]), [], None, ["modules_to_save"]),
    (["llama"], "trainable_token_indices", QV, dict(trainable_token_indices=[1]), [], None, ["trainable_token_indices"]),
    (["llama"], "target_parameters", QV, dict(target_parameters=["mlp.up_proj.weight"]), [], None, ["target_parameters"]),
    (["llama"], "layer_replication", QV, dict(layer_replication=[[0, 2], [1, 2]]), [], None, ["layer_replication"]),
    (["llama"], "alora_invocation_tokens", QV, dict(alora_invocation_tokens=[1, 2]), [], None, ["alora_invocation_tokens"]),
    (["llama"], "an adapter of the head", targets(["q_proj", "lm_head"]), {}, [], None, ["target_modules", "lm_head"]),
    (["llama"], "an adapter of the embedding", targets(["q_proj", "embed_tokens"]), {}, [], None, ["target_modules", "embed_tokens"]),
    (["llama"], "a key of a later release", QV, dict(use_more=True), [], None, ["use_more"]),
    (["llama"], "a key of a later release that is off", QV, dict(use_more=False), [], None, []),
    (["llama"], "a matrix missing", QV, {}, [], lambda t: {n: s for n, s in t.items() if "1.self_attn.v_proj.lora_B" not in n},
     ["v_proj.lora_B.weight", "missing"]),
    (["llama"], "a matrix more", QV, {}, [], lambda t: {**t, DOWN + "lora_A.weight": [3, 20]}, ["down_proj.lora_A.weight", "does not belong"]),
    (["llama"], "a vector of magnitudes", QV, {}, [], lambda t: {**t, PREFIX + WHOLE[0] + ".lora_magnitude_vector": [48]},
     ["lora_magnitude_vector", "does not belong"]),
    (["llama"], "matrices of another rank", QV, dict(r=2), [], None, ["lora_A", "[3, 12]", "[2, 12]"]),
]


def adapter(model, arguments):
    """The file of settings that PEFT writes, and the shapes of the matrices."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write(folder, BASES[model], listed(KNOWN[model]))
        base = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        settings = peft.LoraConfig(**{"r": 3, "lora_alpha": 5, "task_type": "CAUSAL_LM", **arguments})
        made = peft.get_peft_model(base, settings)
        made.peft_config["default"].base_model_name_or_path = "base"
        made.save_pretrained(folder / "adapter", save_embedding_layers=False)
        settings = json.loads((folder / "adapter" / "adapter_config.json").read_text())
        matrices = {name: list(value.shape) for name, value in load_file(folder / "adapter" / "adapter_model.safetensors").items()}
    # A set has no order of its own.
    return {key: sorted(value) if key in ["target_modules", "exclude_modules"] and isinstance(value, list) else value
            for key, value in settings.items()}, matrices


def cases(usual):
    for models, name, arguments, keys, dropped, change, refused in ADAPTERS:
        for model in models:
            settings, matrices = adapter(model, arguments)
            settings, matrices = without(settings | keys, *dropped), change(matrices) if change else matrices
            found = outcome(lambda: run(BASES[model], listed(KNOWN[model]), (settings, matrices)))
            changed = {key: value for key, value in settings.items() if key not in usual or usual[key] != value}
            dropped_keys = [key for key in usual if key not in settings]
            case = dict(name=f"{model}: {name}", model=model,
                        adapter=dict(keys=changed, dropped=dropped_keys, tensors={name.removeprefix(PREFIX): s for name, s in matrices.items()}))
            yield record(case, found, refused)


if __name__ == "__main__":
    usual = adapter("llama", targets(SEVEN))[0]
    dump("adapters.json", list(cases(usual)), settings=usual)
