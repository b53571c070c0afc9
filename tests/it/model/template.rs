//! Chat templates: what transformers makes of them, byte for byte, and templates that mean harm.

use std::path::Path;

use finemem::model::{Chat, ChatTemplate, Tokenizer, strftime};
use finemem_script::{Runtime, RuntimeOptions};
use serde_json::{Value, json};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/template")
}

fn golden() -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join("golden.json")).unwrap()).unwrap()
}

/// A model folder's template with these special tokens.
fn template(source: &str, special: &Value) -> ChatTemplate {
    let folder = tempfile::tempdir().unwrap();
    let mut config = special.as_object().unwrap().clone();
    config.insert("chat_template".into(), source.into());
    std::fs::write(folder.path().join("tokenizer_config.json"), Value::from(config).to_string()).unwrap();
    ChatTemplate::load(folder.path()).unwrap()
}

fn chat(golden: &Value, case: &Value) -> Chat {
    let mut variables = case["variables"].as_object().unwrap().clone();
    Chat {
        messages: golden["chats"][case["chat"].as_str().unwrap()].as_array().unwrap().clone(),
        tools: golden["tools"][case["tools"].as_str().unwrap()].as_array().cloned(),
        add_generation_prompt: case["add_generation_prompt"].as_bool().unwrap(),
        enable_thinking: variables.remove("enable_thinking").and_then(|value| value.as_bool()),
        variables,
    }
}

#[test]
fn renders_as_transformers_does() {
    let golden = golden();
    let tokenizer = Tokenizer::load(&folder().join("tokenizer.json")).unwrap();
    let (mut texts, mut tokens, mut errors) = (0, 0, 0);
    for case in golden["cases"].as_array().unwrap() {
        let family = case["template"].as_str().unwrap();
        let source = std::fs::read_to_string(folder().join(family).with_extension("jinja")).unwrap();
        let rendered = template(&source, &golden["special"][family]).render(&chat(&golden, case));
        let about = format!("{family}, {}, {} tools, {}", case["chat"], case["tools"], case["variables"]);
        match (rendered, case["text"].as_str()) {
            (Ok(text), Some(expected)) => {
                assert_eq!(text, expected, "{about}");
                texts += 1;
                if let Some(ids) = case["tokens"].as_array() {
                    let expected: Vec<u32> = ids.iter().map(|id| id.as_u64().unwrap() as u32).collect();
                    assert_eq!(tokenizer.encode(&text).unwrap(), expected, "{about}");
                    tokens += 1;
                }
            }
            (Err(error), None) => {
                let (error, expected) = (error.to_string(), case["error"].as_str().unwrap());
                assert!(!expected.ends_with('!') || error.contains(expected), "{about}: {error}, not {expected}");
                errors += 1;
            }
            (found, expected) => panic!("{about}: {found:?}, not {expected:?} {}", case["error"]),
        }
    }
    assert!(texts > 180 && tokens > 60 && errors > 20, "{texts} {tokens} {errors}");
}

/// Dates as Python's `strftime` wrote them.
#[test]
fn dates() {
    for case in golden()["dates"].as_array().unwrap() {
        let (format, time) = (case[0].as_str().unwrap(), case[1].as_u64().unwrap());
        assert_eq!(strftime(format, time).unwrap(), case[2].as_str().unwrap(), "{format} of {time}");
    }
}

#[test]
fn dates_and_line_ends_are_those_of_python() {
    // `strftime_now` is that of today, so its parts are checked against the clock, and the calendar in engine/model/jinja/dates.rs.
    let source = "{{ strftime_now('%Y') | int > 2024 }} {{ strftime_now('%d %b %Y') | length }} {{ strftime_now('%%') }}";
    assert_eq!(render(source).unwrap(), "True 11 %");
    assert_eq!(render("{% if true %}\r\na\r\nb{% endif %}\r\n").unwrap(), "a\nb");
}

/// What a template makes of one message.
fn render(source: &str) -> Result<String, String> {
    let chat = Chat { messages: vec![json!({"role": "user", "content": "hi"})], ..Chat::default() };
    ChatTemplate::from_source(source).render(&chat).map_err(|error| error.to_string())
}

#[test]
fn a_template_that_means_harm_is_an_error() {
    let twice = |grow: &str| {
        format!("{{% set ns = namespace(s='xx', t=[1]) %}}{{% for i in range(60) %}}{grow}{{% endfor %}}{{{{ ns.s }}}}{{{{ ns.t }}}}")
    };
    let (raw, open) = ("y".repeat(100_000), "(".repeat(100_000));
    for (source, said) in [
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}".into(), "does not end"),
        ("{% for i in range(99999) %}{% for j in range(99999) %}{{ i }}{% endfor %}{% endfor %}".into(), "does not end"),
        (format!("{{% for i in range(99999) %}}{{% for j in range(99999) %}}{raw}{{% endfor %}}{{% endfor %}}"), "does not end"),
        ("{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}x{% endmacro %}{{ m(60) }}".into(), "does not end"),
        ("{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}".into(), "recursion limit"),
        ("{% for x in [1] recursive %}{{ loop([x]) }}{% endfor %}".into(), "recursion limit"),
        ("{% block a %}{{ self.a() }}{% endblock %}".into(), "recursion limit"),
        ("{{ range(999999999999) | list }}".into(), "too many elements"),
        ("{{ 'x' * 99999999 }}".into(), "too much text"),
        ("{{ 'x' * 1000 * 1000 * 90 }}".into(), "too much text"),
        ("{% set n = 999999999 %}{{ 'x' * n }}".into(), "too much text"),
        ("{% set n = 999999999 %}{{ [1] * n }}".into(), "too much text"),
        (twice("{% set ns.s = ns.s ~ ns.s %}"), "too much text"),
        (twice("{% set ns.s = ns.s + ns.s %}"), "too much text"),
        (twice("{% set ns.t = ns.t + ns.t %}"), "too much text"),
        (twice("{% set ns.t = [ns.t, ns.t] %}"), "too much text"),
        (twice("{% set ns.s = ns.s | replace('x', 'xx') %}"), "too much text"),
        (twice("{% set ns.s = ns.s.replace('x', 'xx') %}"), "too much text"),
        (twice("{% set ns.s = [ns.s, ns.s] | join(ns.s) %}"), "too much text"),
        (twice("{% set b %}{{ ns.s }}{{ ns.s }}{% endset %}{% set ns.s = b %}"), "too much text"),
        (
            "{% set b = 'x' * 99999 %}{% set ns = namespace(k=[]) %}{% for i in range(9999) %}{% set ns.k = ns.k + [b[1:]] %}{% endfor %}"
                .into(),
            "too much text",
        ),
        ("{% set ns = namespace() %}{% set ns.x = ns %}{{ [ns] }}".into(), "too deeply"),
        ("{% set a = namespace() %}{% set a.x = a %}{% set b = namespace() %}{% set b.x = b %}{{ a == b }}".into(), "too deeply"),
        ("{% set a = namespace() %}{% set a.x = a %}{% set b = namespace() %}{% set b.x = b %}{{ a < b }}".into(), "no order"),
        ("{% set a = namespace() %}{% set a.x = a %}{{ {a: 1} }}".into(), "too deeply"),
        ("{% set a = namespace() %}{% set a.x = a %}{{ {}.get(a) }}".into(), "cannot be a key"),
        ("{% set a = namespace() %}{% set a.x = a %}{{ [a] | unique | list }}".into(), "too deeply"),
        ("{{ 'x' | center(999999999) }}".into(), "too much text"),
        ("{{ '{:999999999}'.format('x') }}".into(), "too much text"),
        ("{{ '%999999999d' % 1 }}".into(), "too much text"),
        ("{{ '%.999999999f' % 1 }}".into(), "too much text"),
        ("{{ '{:.999999999f}'.format(1.0) }}".into(), "too much text"),
        ("{{ '1'.zfill(999999999) }}".into(), "too much text"),
        ("{{ '\\t'.expandtabs(999999999) }}".into(), "too much text"),
        ("{{ [1] | batch(999999999, 1) | list }}".into(), "too much text"),
        ("{{ [1] | slice(999999999) | list }}".into(), "too much text"),
        ("{{ 2 ** 99999 }}".into(), "128 bits"),
        ("{% for i in range(99999) %}{{ range(99999) | list | length }}{% endfor %}".into(), "too much text"),
        ("{% set ns = namespace(t='%s%s') %}{% for i in range(60) %}{% set ns.t = ns.t % (ns.t, ns.t) %}{% endfor %}".into(), "arguments"),
        (twice("{% set ns.s = '{0}{0}'.format(ns.s) %}"), "too much text"),
        (twice("{% set ns.s = '%s%s' % (ns.s, ns.s) %}"), "too much text"),
        (twice("{% set ns.s = ns.s | indent(ns.s, true) %}"), "too much text"),
        (twice("{% set ns.s = ns.s.join([ns.s, ns.s, ns.s]) %}"), "too much text"),
        (twice("{% set ns.s = ns.s | e | e ~ '&&&&' | e %}{% set ns.s = ns.s ~ ns.s %}"), "too much text"),
        ("{% include 'x' ignore missing %}".into(), "another template"),
        ("{% autoescape true %}{% endautoescape %}".into(), "autoescape"),
        ("{{ messages.append(1) }}".into(), "not allowed"),
        (format!("{{{{ {open} }}}}"), "recursion limit"),
        ("{% if 1 %}".repeat(100_000), "recursion limit"),
        (" ".repeat(2_000_000), "at most 1048576"),
        ("{{ 'a' | indent(999999999) }}".into(), "at most 1000"),
        ("{{ [1] | tojson(indent=999999999) }}".into(), "at most 64"),
        ("{{ 1 // 0 }}".into(), "1 // 0"),
        ("{{ 'abc'[::0] }}".into(), "step"),
        ("\n{{ raise_exception('Not so.') }}".into(), "the chat template failed: line 2: Not so."),
        ("{{ strftime_now('%Q') }}".into(), "%Q"),
        ("{{ x.y }}".into(), "undefined"),
        ("{{ x | nope }}".into(), "nope"),
        ("{{ nope() }}".into(), "nope"),
        ("{% nope %}".into(), "nope"),
        ("{% include 'x' %}".into(), "another template"),
        ("{{ 'abc".into(), "line 1: syntax error"),
    ] {
        let found = render(&source).unwrap_err();
        assert!(found.contains(said), "{}\nsaid {found}\nnot {said}", source.chars().take(200).collect::<String>());
    }
    // A value that is nested deeply, in whatever way, does not take the stack with it.
    for nest in ["[ns.x]", "(ns.x, 1)", "{'a': ns.x}", "namespace(x=ns.x)", "dict(x=ns.x)"] {
        let source = format!("{{% set ns = namespace(x=[1]) %}}{{% for i in range(60000) %}}{{% set ns.x = {nest} %}}{{% endfor %}}");
        assert!(render(&source).unwrap_err().contains("too deeply"), "{nest}");
    }
    for nest in ["ns.x | map('string')", "ns.x | reverse", "ns.x[:]", "ns.x | select"] {
        let source = format!(
            "{{% set ns = namespace(x=[1]) %}}{{% for i in range(60000) %}}{{% set ns.x = {nest} %}}{{% endfor %}}{{{{ ns.x | list }}}}"
        );
        assert!(render(&source).is_ok_and(|text| text.len() < 8), "{nest}");
    }
    assert!(render("{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}").unwrap_err().contains("too deeply"));
}

#[test]
fn the_right_template_is_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let plain = Chat { messages: vec![json!({"role": "user", "content": "hi"})], ..Chat::default() };
    let with_tools = Chat { tools: Some(vec![]), ..plain.clone() };
    let both = |folder: &Path| {
        let template = ChatTemplate::load(folder).unwrap();
        [&plain, &with_tools].map(|chat| template.render(chat).unwrap_or_else(|error| error.to_string()))
    };
    assert!(both(folder.path())[0].contains("has no chat template"));
    write(
        "tokenizer_config.json",
        r#"{"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": null, "chat_template": "{{ bos_token }}{{ eos_token }} one"}"#,
    );
    assert_eq!(both(folder.path()), ["<s> one"; 2]);
    write(
        "tokenizer_config.json",
        r#"{"pad_token": "<p>", "chat_template": [{"name": "default", "template": "{{ pad_token }} d"}, {"name": "tool_use", "template": "t"}]}"#,
    );
    assert_eq!(both(folder.path()), ["<p> d", "t"]);
    write("tokenizer_config.json", r#"{"pad_token": "<p>", "chat_template": [{"name": "rag", "template": "r"}]}"#);
    assert!(both(folder.path())[0].contains("only rag"));
    write("chat_template.jinja", "{{ pad_token }} file");
    assert_eq!(both(folder.path()), ["<p> file"; 2]);
    write("additional_chat_templates/tool_use.jinja", "file with tools");
    assert_eq!(both(folder.path()), ["<p> file", "file with tools"]);

    let copy = tempfile::tempdir().unwrap();
    ChatTemplate::load(folder.path()).unwrap().save(copy.path()).unwrap();
    assert_eq!(both(copy.path()), ["<p> file", "file with tools"]);

    for (text, said) in [
        ("{", "tokenizer_config.json"),
        (r#"{"chat_template": 3}"#, "a template is a text or a list"),
        (r#"{"bos_token": [1]}"#, "a special token is a text or an object"),
    ] {
        write("tokenizer_config.json", text);
        let found = ChatTemplate::load(folder.path()).unwrap_err().to_string();
        assert!(found.contains(said) && found.contains("tokenizer_config.json"), "{found}");
    }
    write("tokenizer_config.json", &" ".repeat(5 << 20));
    assert!(ChatTemplate::load(folder.path()).unwrap_err().to_string().contains("is longer than"));
    assert!(ChatTemplate::from_source("x").render(&Chat::default()).unwrap_err().to_string().contains("at least one message"));
    let odd = Chat { messages: vec![json!("hi")], ..Chat::default() };
    assert!(ChatTemplate::from_source("x").render(&odd).unwrap_err().to_string().contains("message 1 is not an object"));
}

/// The model of `tests/golden/tied` with a template of ours.
fn model(family: &str) -> tempfile::TempDir {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        std::fs::copy(root.join("tests/golden/tied").join(file), made.path().join(file)).unwrap();
    }
    std::fs::copy(folder().join(family).with_extension("jinja"), made.path().join("chat_template.jinja")).unwrap();
    made
}

fn evaluate(folder: &Path, text: &str) -> Result<Value, String> {
    let text =
        format!("local fm = require \"finemem\" local model = fm.model.load {{ path = [[{}]], device = 'cpu' }} {text}", folder.display());
    Runtime::new(RuntimeOptions::default()).unwrap().evaluate("test.lua", &text).map_err(|error| error.to_string())
}

#[test]
fn scripts_render_chats() {
    let folder = model("qwen3");
    let seen = evaluate(
        folder.path(),
        "local messages = { { role = 'system', content = 'Hello.' }, { role = 'user', content = 'Bye.' } }
        local json = '[{\"role\": \"assistant\", \"tool_calls\": [{\"name\": \"f\", \"arguments\": {\"z\": 1, \"a\": [2.0]}}]}]'
        local copy = fm.model.load { path = (function() model:save { path = [[COPY]] } return [[COPY]] end)(), device = 'cpu' }
        return {
            model:apply_chat_template { messages = messages },
            model:apply_chat_template { messages = messages, add_generation_prompt = false },
            model:apply_chat_template { messages = { messages[2] }, enable_thinking = false },
            model:apply_chat_template { messages = json, add_generation_prompt = false },
            model:apply_chat_template { messages = messages, tools = { require 'tools.flat'[2], { type = 'function', ['function'] = { name = 'g', parameters = {} } } } },
            model:apply_chat_template { messages = messages, tools = '[{\"z\": 1, \"a\": 2}]' },
            copy:apply_chat_template { messages = messages },
        }"
            .replace("COPY", folder.path().join("copy").to_str().unwrap())
            .as_str(),
    )
    .unwrap();
    let turns = "<|im_start|>system\nHello.<|im_end|>\n<|im_start|>user\nBye.<|im_end|>\n";
    assert_eq!(seen[0], format!("{turns}<|im_start|>assistant\n"));
    assert_eq!(seen[1], turns);
    assert_eq!(seen[2], "<|im_start|>user\nBye.<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n");
    assert_eq!(
        seen[3],
        "<|im_start|>assistant\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"z\": 1, \"a\": [2.0]}}\n</tool_call><|im_end|>\n"
    );
    let update = r#"{"type": "function", "function": {"name": "memory_update", "description": "Replaces the content of a memory item by a newer one.", "parameters": {"type": "object", "properties": {"memory_id": {"type": "integer", "minimum": 1}, "new_content": {"type": "string", "maxLength": 2000, "minLength": 1}}, "required": ["memory_id", "new_content"], "additionalProperties": false}}}"#;
    let g = r#"{"type": "function", "function": {"name": "g", "description": "", "parameters": {}}}"#;
    assert!(seen[4].as_str().unwrap().contains(&format!("<tools>\n{update}\n{g}\n</tools>")), "{}", seen[4]);
    assert!(seen[5].as_str().unwrap().contains("<tools>\n{\"z\": 1, \"a\": 2}\n</tools>"));
    assert_eq!(seen[6], seen[0]);
    for (call, said) in [
        ("messages = {}", "at least one message"),
        ("messages = 'x'", "'messages' cannot be used: it is not JSON"),
        ("messages = '{\"a\": 1}'", "'messages' is not a list"),
        ("messages = { 'x' }", "'messages[1]' must be a table"),
        ("messages = { { role = 'user', content = 'x' } }, tools = { {} }", "a tool in 'tools' has no name"),
        ("messages = { { role = 'user' } }, variables = { bos_token = print }", "at bos_token: JSON has no function"),
        ("messages = { { role = 'user', content = 'x' } }, enable_thinking = 1", "true or false"),
    ] {
        let found = evaluate(folder.path(), &format!("model:apply_chat_template {{ {call} }}")).unwrap_err();
        assert!(found.contains(said), "{call}\nsaid {found}\nnot {said}");
    }
    std::fs::remove_file(folder.path().join("chat_template.jinja")).unwrap();
    let found = evaluate(folder.path(), "model:apply_chat_template { messages = { { role = 'user', content = 'x' } } }").unwrap_err();
    assert!(found.contains("Model:apply_chat_template: the model folder has no chat template"), "{found}");
}

#[test]
fn special_tokens_are_kept_or_dropped() {
    let tokenizer = Tokenizer::load(&folder().join("tokenizer.json")).unwrap();
    let text = "<|begin_of_text|>a <|im_start|>b<think> c<|im_end|>";
    let ids = tokenizer.encode(text).unwrap();
    let bos = tokenizer.id("<|begin_of_text|>").unwrap();
    // The file's post-processor would put one more in front.
    assert_eq!(ids.iter().filter(|id| **id == bos).count(), 1);
    assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    assert_eq!(tokenizer.decode_without_special(&ids).unwrap(), "a b<think> c");
    let folder = model("qwen3");
    for tokens in ["{ 99999 }", "{ 1, -1 }"] {
        assert!(evaluate(folder.path(), &format!("model:decode {{ tokens = {tokens} }}")).is_err());
    }
    assert_eq!(
        evaluate(folder.path(), "return { model:decode { tokens = model:encode { text = 't1 t2' }, skip_special_tokens = true } }"),
        Ok(json!(["t1 t2"]))
    );
    assert_eq!(
        evaluate(folder.path(), "local s = fm.json.scan { text = 'x [1, 2] y', from = 2 } return { s.next, s.value[2] }"),
        Ok(json!([9, 2]))
    );
    for from in [0, 5] {
        assert!(evaluate(folder.path(), &format!("fm.json.scan {{ text = 'x [1', from = {from} }}")).is_err());
    }
}
