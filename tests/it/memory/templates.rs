//! The dialect that is chosen for a chat template is the one that a person would choose.

use std::path::Path;

use finemem::model::ChatTemplate;
use finemem_script::Calls;
use serde_json::json;

/// The name of the chosen dialect, and why it is this one.
fn chosen(template: &ChatTemplate) -> (String, String) {
    let calls = Calls::of(template, None).unwrap();
    (calls.name, calls.why)
}

/// What is said for the words at the head of the templates in `tests/template/dialects`.
const WHY: [(&str, &str); 4] = [
    ("writes", "its chat template writes a call so"),
    ("asks", "its chat template asks for calls so"),
    ("several", "the default, because the chat template's calls may be those of atommem or mem_alpha"),
    ("none", "the default, because the chat template shows no call that a dialect reads"),
];

#[test]
fn a_template_shows_its_dialect() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/template/dialects");
    let (mut count, mut wrong) = (0, Vec::new());
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let (expected, _) = text.strip_prefix("{#- ").and_then(|head| head.split_once(": ")).unwrap();
        let (name, why) = expected.split_once(", ").unwrap();
        let why = WHY.iter().find(|(word, _)| *word == why).unwrap().1;
        let found = chosen(&ChatTemplate::from_source(text.as_str()));
        if found != (name.into(), why.into()) {
            wrong.push(format!("{}: {found:?}", path.file_name().unwrap().display()));
        }
        count += 1;
    }
    assert!(wrong.is_empty() && count >= 20, "{count} templates; {}", wrong.join("\n"));
}

#[test]
fn folders_show_their_dialect() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (file, dialect) in [("qwen2", "hermes"), ("qwen3", "hermes"), ("llama3", "llama3")] {
        let text = std::fs::read_to_string(root.join(format!("tests/template/{file}.jinja"))).unwrap();
        assert_eq!(chosen(&ChatTemplate::from_source(text)).0, dialect, "{file}");
    }
    let none = chosen(&ChatTemplate::default());
    assert_eq!(none, ("hermes".into(), "the default, because the model has no chat template".into()));

    // Of several templates, the one for tools counts.
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read_to_string(root.join(format!("tests/template/dialects/{name}.jinja"))).unwrap();
    let named =
        json!([{ "name": "default", "template": read("drops_tools") }, { "name": "tool_use", "template": read("asks_parameters") }]);
    std::fs::write(folder.path().join("tokenizer_config.json"), json!({ "chat_template": named }).to_string()).unwrap();
    assert_eq!(chosen(&ChatTemplate::load(folder.path()).unwrap()).0, "llama3");
}

#[test]
fn a_name_decides() {
    let template = ChatTemplate::default();
    let calls = Calls::of(&template, Some("llama3")).unwrap();
    assert_eq!((calls.name.as_str(), calls.why.as_str()), ("llama3", "--dialect names it"));
    let read = calls.read("{\"name\": \"a\", \"parameters\": {\"x\": 1}}").unwrap();
    assert_eq!((read.calls[0].name.as_deref(), &read.calls[0].arguments), (Some("a"), &json!({ "x": 1 })));
    let error = Calls::of(&template, Some("llama")).err().unwrap().to_string();
    assert_eq!(error, "there is no dialect 'llama'; there are atommem, hermes, lines, llama3, mem_alpha, whole");
}
