"""Writes carries.json: chat templates in the manner of published ones, and what transformers shows that each has a place for.

    python carries.py            (needs transformers)

The templates are our own. A template carries a thing if rendering with it shows it and does not fail.
"""

import json
import pathlib

from transformers.utils.chat_template_utils import _compile_jinja_template

HERE = pathlib.Path(__file__).parent

TURNS = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
START = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
LISTED = "{% if tools %}<|im_start|>system\n{% for t in tools %}{{ t | tojson }}\n{% endfor %}<|im_end|>\n{% endif %}"
SYSTEM_FIRST = "{% if messages[0].role == 'system' %}{% set system = messages[0].content %}{% set rest = messages[1:] %}{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}"

TEMPLATES = {
    "chatml": TURNS + START,
    "chatml with tools": LISTED + TURNS + START,
    "chatml, a default system message": "{% if messages[0].role != 'system' %}<|im_start|>system\nYou help.<|im_end|>\n{% endif %}" + TURNS + START,
    "qwen2.5": SYSTEM_FIRST + "<|im_start|>system\n{{ system or 'You are helpful.' }}{% if tools %}\n\n# Tools\n<tools>{% for t in tools %}\n{{ t | tojson }}{% endfor %}\n</tools>{% endif %}<|im_end|>\n"
    + "{% for m in rest %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}" + START,
    "qwen3": SYSTEM_FIRST + "{% if system or tools %}<|im_start|>system\n{{ system }}{% for t in tools or [] %}\n{{ t | tojson }}{% endfor %}<|im_end|>\n{% endif %}"
    + "{% for m in rest %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}" + START
    + "{% if add_generation_prompt and enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}",
    "smollm2": "{% for m in messages %}{% if loop.first and m.role != 'system' %}<|im_start|>system\nYou are small.<|im_end|>\n{% endif %}<|im_start|>{{ m.role + '\n' + m.content }}<|im_end|>\n{% endfor %}" + START,
    "smollm3": "{% set mode = '/think' if enable_thinking | default(true) else '/no_think' %}<|im_start|>system\nReasoning Mode: {{ mode }}\n" + SYSTEM_FIRST.replace("{% if", "{%- if", 1)
    + "{{ system }}<|im_end|>\n{% for m in rest %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}" + START,
    "llama2": "{{ bos_token }}{% if messages[0].role == 'system' %}{% set rest = messages[1:] %}{% set sys = '<<SYS>>\n' ~ messages[0].content ~ '\n<</SYS>>\n\n' %}{% else %}{% set rest = messages %}{% set sys = '' %}{% endif %}"
    + "{% for m in rest %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate.') }}{% endif %}{% if m.role == 'user' %}[INST] {{ (sys if loop.first else '') ~ m.content }} [/INST]{% else %} {{ m.content }} </s>{% endif %}{% endfor %}",
    "llama3": "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content | trim }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
    "llama3.1": SYSTEM_FIRST + "{{ bos_token }}<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n\n{{ system | trim }}<|eot_id|>{% for m in rest %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    + "{% if loop.first and tools is not none and tools %}Given the following functions, please respond with a JSON for a function call {\"name\": name, \"parameters\": {}}.\n\n{% for t in tools %}{{ t | tojson(indent=4) }}\n\n{% endfor %}{% endif %}{{ m.content | trim }}<|eot_id|>{% endfor %}",
    "mistral, no system": "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% elif m.role == 'assistant' %} {{ m.content }}</s>{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}",
    "mistral, system in the last turn": SYSTEM_FIRST + "{{ bos_token }}{% for m in rest %}{% if m.role == 'user' %}{% if tools and loop.last %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}[INST] {% if loop.last and system %}{{ system }}\n\n{% endif %}{{ m.content }}[/INST]{% else %} {{ m.content }}</s>{% endif %}{% endfor %}",
    "mistral, tools of which only names": "{% if tools %}[TOOLS]{{ tools | map(attribute='function.name') | join(', ') }}[/TOOLS]{% endif %}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}",
    "gemma, refuses": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
    "gemma, prefix": "{{ bos_token }}{% if messages[0].role == 'system' %}{% set first = messages[0].content + '\n\n' %}{% set rest = messages[1:] %}{% else %}{% set first = '' %}{% set rest = messages %}{% endif %}{% for m in rest %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ first if loop.first else '' }}{{ m.content | trim }}<end_of_turn>\n{% endfor %}",
    "drops the system": "{% for m in messages %}{% if m.role == 'user' %}User: {{ m.content }}\n{% elif m.role == 'assistant' %}Assistant: {{ m.content }}\n{% endif %}{% endfor %}Assistant:",
    "phi3": "{% for m in messages %}{% if m.role == 'system' %}<|system|>\n{{ m.content }}<|end|>\n{% elif m.role == 'user' %}<|user|>\n{{ m.content }}<|end|>\n{% else %}<|assistant|>\n{{ m.content }}<|end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
    "phi4-mini": "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '<|end|>' }}{% if m.role == 'system' and 'tools' in m %}<|tool|>{{ m.tools }}<|/tool|>{% endif %}{% endfor %}<|assistant|>",
    "deepseek-r1": "{% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %}{% set ns.system = m.content %}{% endif %}{% endfor %}{{ bos_token }}{{ ns.system }}{% for m in messages %}{% if m.role == 'user' %}<|User|>{{ m.content }}{% elif m.role == 'assistant' %}<|Assistant|>{{ m.content.split('</think>')[-1] }}{% endif %}{% endfor %}{% if add_generation_prompt %}<|Assistant|><think>\n{% endif %}",
    "deepseek-v3.1": "{% if not thinking is defined %}{% set thinking = false %}{% endif %}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'user' %}<|User|>{{ m.content }}{% endif %}{% endfor %}<|Assistant|>{{ '<think>' if thinking else '</think>' }}",
    "granite": "{% if tools %}<|start_of_role|>available_tools<|end_of_role|>{{ tools | tojson(indent=4) }}<|end_of_text|>\n{% endif %}{% if thinking %}<|start_of_role|>system<|end_of_role|>Think first.<|end_of_text|>\n{% endif %}{% for m in messages %}<|start_of_role|>{{ m.role }}<|end_of_role|>{{ m.content }}<|end_of_text|>\n{% endfor %}",
    "vicuna": SYSTEM_FIRST + "{{ system or 'A chat.' }} {% for m in rest %}{{ 'USER' if m.role == 'user' else 'ASSISTANT' }}: {{ m.content }} {% endfor %}ASSISTANT:",
    "zephyr": "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}</s>\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
    "alpaca": "{% for m in messages %}{% if m.role == 'user' %}### Instruction:\n{{ m.content }}\n\n{% elif m.role == 'assistant' %}### Response:\n{{ m.content }}\n\n{% endif %}{% endfor %}### Response:\n",
    "command-r": "{{ bos_token }}{% if messages[0].role == 'system' %}<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>{{ messages[0].content }}<|END_OF_TURN_TOKEN|>{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}{% for m in rest %}<|START_OF_TURN_TOKEN|>{{ m.content }}<|END_OF_TURN_TOKEN|>{% endfor %}",
    "hermes": "<|im_start|>system\nYou may call functions.{% for t in tools or [] %}\n{{ t.function.name }}: {{ t.function.description }} {{ t.function.parameters | tojson }}{% endfor %}<|im_end|>\n" + TURNS + START,
    "refuses tools": "{% if tools %}{{ raise_exception('No tools.') }}{% endif %}" + TURNS + START,
    "tools only in the user's turn": "{% for m in messages %}<{{ m.role }}>{% if m.role == 'user' and tools %}{% for t in tools %}{{ t.function.name }} {{ t.function.description }} {{ t.function.parameters.properties | tojson }}\n{% endfor %}{% endif %}{{ m.content }}</{{ m.role }}>{% endfor %}",
    "always thinks": TURNS + "<|im_start|>assistant\n<think>\n",
    "only the last message": "{{ messages[-1].content }}",
}


def main():
    cases = []
    tool = {"type": "function", "function": {"name": "jot", "description": "Writes it down.", "parameters": {"type": "object", "properties": {"note": {"type": "string"}}, "required": ["note"]}}}
    system, user = {"role": "system", "content": "Be a keeper."}, {"role": "user", "content": "Ada moved."}

    def rendered(source, messages, tools=None, **more):
        try:
            return _compile_jinja_template(source).render(messages=messages, tools=tools, documents=None, add_generation_prompt=True, bos_token="<s>", **more)
        except Exception:
            return None

    for name, source in TEMPLATES.items():
        both = rendered(source, [system, user]) or ""
        carries = "Be a keeper." in both and "Ada moved." in both
        messages = [system, user] if carries else [user]
        told = rendered(source, messages, [tool]) or ""
        plain = rendered(source, messages)
        switch = any(rendered(source, messages, **{key: True}) != rendered(source, messages, **{key: False}) for key in ("enable_thinking", "thinking"))
        thinking = "switch" if switch else "always" if plain.rstrip().endswith("<think>") else "unsaid"
        cases.append({"name": name, "template": source, "tools": all(part in told for part in ("jot", "Writes it down.", "note")), "system": carries, "thinking": thinking})
    (HERE / "carries.json").write_text("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n")
    print(len(cases), "templates:", sum(c["tools"] for c in cases), "carry tools,", sum(c["system"] for c in cases), "a system message")


main()
