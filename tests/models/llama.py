"""What llama.cpp makes of a GGUF file: python tests/models/llama.py FILE PROMPT TOKENS, with xllamacpp on the path.

Prints one line of JSON: the greedy text after the prompt, and the log-probability of each of its tokens. llama.cpp's own messages go to stderr.
"""

import json
import sys

import xllamacpp

file, prompt, tokens = sys.argv[1], sys.argv[2], int(sys.argv[3])
settings = xllamacpp.CommonParams()
settings.model.path, settings.n_ctx, settings.n_parallel = file, 1024, 1
server = xllamacpp.Server(settings)
reply = server.handle_completions(
    {"prompt": prompt, "n_predict": tokens, "temperature": 0.0, "top_k": 1, "n_probs": 1, "cache_prompt": False})
choice = (json.loads(reply) if isinstance(reply, str) else reply)["choices"][0]
print(json.dumps({"text": choice["text"], "logprobs": [token["logprob"] for token in choice["logprobs"]["content"]]}))
