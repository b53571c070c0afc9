"""Serves a model folder through llama.cpp's own server, on the CPU: `llama_cpp.py FOLDER PORT`.

Needs xllamacpp, which is llama.cpp with its server as a prebuilt package, and gguf and safetensors, which write the model in llama.cpp's format
(`pip install xllamacpp gguf safetensors numpy`). The folder holds a Llama of one shard with a byte-level BPE, as `tests/common/asked.rs` makes it.
The server logs every request to standard error. It ends when its standard input does.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy
import safetensors.numpy
import xllamacpp


def interleaved(weight, heads):
    """Rows of a query or key projection in llama.cpp's order: the two halves that rotate together are neighbours."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def convert(folder, path):
    config = json.loads((folder / "config.json").read_text())
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    template = (folder / "chat_template.jinja").read_text()
    weights = safetensors.numpy.load_file(folder / "model.safetensors")
    heads, groups, layers = (config[key] for key in ("num_attention_heads", "num_key_value_heads", "num_hidden_layers"))

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(layers)
    writer.add_head_count(heads)
    writer.add_head_count_kv(groups)
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])

    kinds = [gguf.TokenType.UNUSED] * config["vocab_size"]
    texts = [f"<unused{i}>" for i in range(config["vocab_size"])]
    for text, i in tokenizer["model"]["vocab"].items():
        texts[i], kinds[i] = text, gguf.TokenType.NORMAL
    for token in tokenizer["added_tokens"]:
        texts[token["id"]] = token["content"]
        kinds[token["id"]] = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    # No merge of this vocabulary crosses the cuts that it leaves out.
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(texts)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, layers)
    for name, weight in weights.items():
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            weight = interleaved(weight, heads if "q_proj" in name else groups)
        writer.add_tensor(names.get_name(name, (".weight",)), numpy.ascontiguousarray(weight, dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    path = folder / "model.gguf"
    convert(folder, path)
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.hostnames, settings.port = ["127.0.0.1"], port
    settings.n_ctx, settings.n_parallel, settings.n_gpu_layers = 4096, 2, 0
    # By default keys and values are kept in 16 bits, which is enough to turn the choice of a model with random weights.
    settings.cache_type_k = settings.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    settings.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    settings.warmup = False
    # More threads than free cores wait for one another at every layer.
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(settings)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
