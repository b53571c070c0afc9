"""Writes golden.json and tokenizer.json: what transformers makes of the templates beside this file.

    python make.py            (needs transformers and tokenizers)

The templates are our own. They use what the published templates of Qwen2.5, Qwen3 and Llama 3 use, in the same way.
"""

import datetime
import itertools
import json
import pathlib

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent


def call(name, arguments):
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def tool(name, description, properties, required):
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TOOLS = [
    tool("memory_insert", "Adds an item: \"quoted\", <b>&amp;</b>, 日本語.", {"content": {"type": "string", "minLength": 1}}, ["content"]),
    tool("memory_delete", "Removes one.", {"memory_id": {"type": "integer", "minimum": 1}, "sure": {"enum": [True, False, None, 1.5]}}, []),
]

SYSTEM = {"role": "system", "content": "  You remember things.\n"}
USER = {"role": "user", "content": "Ada moved to Turin. "}
ANSWER = {"role": "assistant", "content": "Noted."}
THOUGHT = {"role": "assistant", "content": "<think>\nShe moved, so\nthe item is new.\n</think>\n\nNoted."}
CALL = {"role": "assistant", "content": "", "tool_calls": [call("memory_insert", {"content": "Ada lives in \"Turin\" \u2028 née 😀", "z": 1.0, "a": None})]}
AS_TEXT = {"role": "assistant", "content": "I store it.", "tool_calls": [call("memory_insert", '{"content": "x"}')]}
TWO = {"role": "assistant", "tool_calls": [{"name": "memory_delete", "arguments": {"memory_id": 3}}, call("memory_insert", {"content": "y"})]}
RESULT = {"role": "tool", "content": '{"status": "ok"}'}

CHATS = {
    "one": [USER],
    "system": [SYSTEM, USER],
    "turns": [SYSTEM, USER, ANSWER, {"role": "user", "content": "And Bo?"}],
    "answered": [USER, ANSWER],
    "thought": [USER, THOUGHT, {"role": "user", "content": "Go on."}, THOUGHT],
    "reasoning": [USER, {"role": "assistant", "reasoning_content": "\nLong.\n", "content": "\nDone."}],
    "old name": [USER, {"role": "assistant", "reasoning": "Short.", "content": "Done."}],
    "called": [SYSTEM, USER, CALL, RESULT, ANSWER],
    "called as text": [USER, AS_TEXT, RESULT],
    "two calls": [USER, TWO, RESULT, RESULT, {"role": "user", "content": "Thanks."}],
    "open calls": [USER, THOUGHT, CALL, RESULT, {"role": "assistant", "reasoning_content": "Fine.", "content": "Stored."}],
    "result as user": [USER, CALL, {"role": "user", "content": "<result>\nok\n</result>"}, ANSWER],
    "null content": [USER, {**CALL, "content": None}, RESULT],
    "object result": [USER, CALL, {"role": "tool", "content": {"b": 1, "a": ["é"]}}],
    "late system": [USER, ANSWER, SYSTEM, USER],
    "unicode": [{"role": "user", "content": "naïve Ωmega 漢字 🙂\u200d\u00a0\u0001<|im_end|>\r\n\ttab </think> x"}, {"role": "assistant", "content": "𝄞\n\n"}],
    "only system": [SYSTEM],
    "first is tool": [RESULT, ANSWER],
    "parts": [{"role": "user", "content": [{"type": "text", "text": "in parts"}]}],
    "nameless": [{"content": "x"}],
}

MORE = {
    "qwen3": [{}, {"enable_thinking": True}, {"enable_thinking": False}],
    "qwen2": [{}],
    "llama3": [
        {},
        {"date_string": "26 Jul 2024"},
        {"tools_in_user_message": False},
        {"builtin_tools": ["brave_search", "scratchpad", "memory_insert"]},
        {"custom_tools": TOOLS[:1]},
        {"show_year": True},
    ],
    "constructs": [{}],
}

SPECIAL = {
    "qwen2": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "qwen3": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "llama3": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "constructs": {"bos_token": "<|begin_of_text|>", "pad_token": "<|endoftext|>"},
}

ADDED = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>",
    "<|python_tag|>", "<tool_call>", "</tool_call>", "<think>", "</think>",
]


TOOL_LISTS = {"none": None, "some": TOOLS, "empty": []}


def dates():
    """Times in seconds since 1970, and how Python writes them."""
    formats = ["%d %b %Y", "%Y-%m-%d %H:%M:%S", "%A, %B %d", "%-d %h %y, %I %p", "%j %a %m %F %T 100%%"]
    times = [0, 951782399, 951782400, 951868800, 1735689599, 1739000000, 4107542400]
    moments = [datetime.datetime.fromtimestamp(time, datetime.timezone.utc) for time in times]
    return [[format, int(moment.timestamp()), moment.strftime(format)] for format in formats for moment in moments]


def tokenizer():
    """A byte-level BPE that, like Llama's, puts the first token before a text of its own accord."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=320, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    made.train_from_iterator([json.dumps(TOOLS), json.dumps(list(CHATS.values()))], trainer)
    made.add_special_tokens(ADDED[:-4])
    made.add_tokens(ADDED[-4:])
    bos = made.token_to_id("<|begin_of_text|>")
    made.post_processor = processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", bos)])
    made.save(str(HERE / "tokenizer.json"), pretty=False)
    return made


def main():
    made = tokenizer()
    cases = []
    for family, more in MORE.items():
        source = (HERE / f"{family}.jinja").read_text()
        fast = PreTrainedTokenizerFast(tokenizer_object=made, chat_template=source, **SPECIAL[family])
        for name, variables, tools, prompt in itertools.product(CHATS, more, ["none", "some", "empty"], [False, True]):
            # What each of these says is said by a few chats.
            few = name in ("one", "system", "called", "two calls", "thought")
            if (variables or not prompt) and not few or tools == "empty" and name != "one":
                continue
            if family == "constructs" and (name not in ("turns", "answered") or tools != "none"):
                continue
            case = {"template": family, "chat": name, "tools": tools, "add_generation_prompt": prompt, "variables": variables}
            arguments = dict(tools=TOOL_LISTS[tools], add_generation_prompt=prompt, **variables)
            try:
                case["text"] = fast.apply_chat_template(CHATS[name], tokenize=False, **arguments)
                if few and not variables:
                    case["tokens"] = fast.apply_chat_template(CHATS[name], tokenize=True, return_dict=False, **arguments)
            except Exception as error:
                case["error"] = str(error)
            cases.append(case)
    golden = {"special": SPECIAL, "tools": TOOL_LISTS, "chats": CHATS, "cases": cases, "dates": dates()}
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in golden.pop("cases"))
    head = json.dumps(golden, ensure_ascii=False)[:-1]
    (HERE / "golden.json").write_text(f'{head}, "cases": [\n{lines}\n]}}\n')
    failed = sum("error" in case for case in cases)
    print(f"{len(cases)} cases, {failed} of them errors")


main()
