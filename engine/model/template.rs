//! Chat templates of model folders: they render messages and tools as the text that the model was trained on.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::carries::Carries;
use super::jinja;
use super::plain::{Breaks, Guard};
use crate::error::{Error, Result};
use crate::files;

/// The largest file read here, in bytes; published ones have fewer than 200,000.
const LARGEST: usize = 4 << 20;

const CONFIG: &str = "tokenizer_config.json";
const FILE: &str = "chat_template.jinja";
const FOLDER: &str = "additional_chat_templates";

/// The chat templates of a model folder, and the names of its special tokens.
///
/// `chat_template.jinja` and the files in `additional_chat_templates` take precedence over `chat_template` in `tokenizer_config.json`, as
/// in transformers.
#[derive(Debug, Clone, Default)]
pub struct ChatTemplate {
    /// By name, in order. One without a name is called `default`.
    templates: Vec<(String, String)>,
    /// `bos_token` and other special tokens, as templates see them.
    tokens: Map<String, Value>,
    /// The files that this was read from: paths inside the folder, and contents.
    files: Vec<(PathBuf, String)>,
    /// What the template carries, once that was asked.
    pub(super) found: OnceLock<Carries>,
}

/// A conversation to render.
#[derive(Debug, Clone, Default)]
pub struct Chat {
    /// Objects with `role`, `content` and anything else that the template knows, such as `tool_calls`.
    pub messages: Vec<Value>,
    /// JSON descriptions of the tools, `{"type": "function", "function": {…}}`; `None` without tools.
    pub tools: Option<Vec<Value>>,
    /// Whether the text ends where the assistant's answer begins.
    pub add_generation_prompt: bool,
    /// Whether the model should think before it answers; `None` leaves it to the template.
    pub enable_thinking: Option<bool>,
    /// Additional variables for the template.
    pub variables: Map<String, Value>,
}

impl Chat {
    /// The chat with marks in its messages and tools, so that nothing in them is a control token of the rendered text.
    #[must_use]
    pub fn marked(&self, guard: &Guard) -> Self {
        let tools = self.tools.as_ref().map(|tools| tools.iter().map(|tool| guard.value(tool, Breaks::Inner)).collect());
        Self { messages: self.messages.iter().map(|message| guard.message(message)).collect(), tools, ..self.clone() }
    }
}

/// The keys of `tokenizer_config.json` that are used.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Config {
    chat_template: Option<Templates>,
    bos_token: Option<Token>,
    eos_token: Option<Token>,
    unk_token: Option<Token>,
    sep_token: Option<Token>,
    pad_token: Option<Token>,
    cls_token: Option<Token>,
    mask_token: Option<Token>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a template is a text or a list of { name, template }")]
enum Templates {
    One(String),
    Named(Vec<Named>),
}

#[derive(Deserialize)]
struct Named {
    name: String,
    template: String,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a special token is a text or an object with its content")]
enum Token {
    Text(String),
    Added { content: String },
}

impl ChatTemplate {
    /// Reads a model folder. A folder without a template is only an error when one is needed.
    pub fn load(folder: &Path) -> Result<Self> {
        let mut found = Self::default();
        if let Some(text) = found.read(folder, Path::new(CONFIG))? {
            let config: Config = serde_json::from_str(&text).map_err(|e| Error::format(folder.join(CONFIG), files::brief(&e)))?;
            let tokens = [
                ("bos_token", config.bos_token),
                ("eos_token", config.eos_token),
                ("unk_token", config.unk_token),
                ("sep_token", config.sep_token),
                ("pad_token", config.pad_token),
                ("cls_token", config.cls_token),
                ("mask_token", config.mask_token),
            ];
            for (name, token) in tokens {
                if let Some(Token::Text(content) | Token::Added { content }) = token {
                    found.tokens.insert(name.into(), content.into());
                }
            }
            found.templates = match config.chat_template {
                None => Vec::new(),
                Some(Templates::One(template)) => vec![("default".into(), template)],
                Some(Templates::Named(list)) => list.into_iter().map(|entry| (entry.name, entry.template)).collect(),
            };
        }
        let mut own = Vec::new();
        if let Some(template) = found.read(folder, Path::new(FILE))? {
            own.push(("default".into(), template));
        }
        for name in names(&folder.join(FOLDER))? {
            let path = Path::new(FOLDER).join(format!("{name}.jinja"));
            if let Some(template) = found.read(folder, &path)? {
                own.push((name, template));
            }
        }
        if !own.is_empty() {
            found.templates = own;
        }
        Ok(found)
    }

    /// A single template that comes from no folder, without special tokens.
    pub fn from_source(template: impl Into<String>) -> Self {
        let template = template.into();
        Self { templates: vec![("default".into(), template.clone())], files: vec![(FILE.into(), template)], ..Self::default() }
    }

    /// Templates by name that come from no folder, with the special tokens that they may name.
    pub(super) fn of(templates: Vec<(String, String)>, tokens: Map<String, Value>) -> Self {
        let path = |name: &str| if name == "default" { FILE.into() } else { Path::new(FOLDER).join(format!("{name}.jinja")) };
        let mut files: Vec<(PathBuf, String)> = templates.iter().map(|(name, text)| (path(name), text.clone())).collect();
        if !tokens.is_empty() {
            files.push((CONFIG.into(), format!("{:#}\n", Value::Object(tokens.clone()))));
        }
        Self { templates, files, tokens, ..Self::default() }
    }

    /// The text of a file, which is kept for [`ChatTemplate::save`]; `None` if there is no such file.
    fn read(&mut self, folder: &Path, path: &Path) -> Result<Option<String>> {
        let file = folder.join(path);
        if !file.exists() {
            return Ok(None);
        }
        let text = files::text(files::read_small(&file, LARGEST)?).map_err(|why| Error::format(&file, format!("it {why}")))?;
        self.files.push((path.to_owned(), text.clone()));
        Ok(Some(text))
    }

    /// Writes the files that this was read from into another folder.
    pub fn save(&self, folder: &Path) -> Result<()> {
        self.files.iter().try_for_each(|(path, text)| files::write(folder.join(path), text.as_bytes()))
    }

    /// Renders a conversation as `apply_chat_template` of transformers does.
    ///
    /// If there are several templates, chats with tools use `tool_use` and others `default`. A template that raises, does not end or makes too much text is an error with the template's line.
    pub fn render(&self, chat: &Chat) -> Result<String> {
        let source = self.choose(chat.tools.is_some())?;
        if chat.messages.is_empty() {
            return Err(Error::argument("a chat needs at least one message"));
        }
        let messages = chat.messages.iter().enumerate().map(|(i, message)| plain(i, message)).collect::<Result<Vec<_>>>()?;
        let mut variables = self.tokens.clone();
        variables.extend(chat.variables.clone());
        variables.insert("messages".into(), messages.into());
        variables.insert("tools".into(), chat.tools.clone().into());
        variables.insert("documents".into(), Value::Null);
        variables.insert("add_generation_prompt".into(), chat.add_generation_prompt.into());
        if let Some(thinking) = chat.enable_thinking {
            variables.insert("enable_thinking".into(), thinking.into());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        jinja::render(source, &variables, now).map_err(|e| Error::argument(format!("the chat template failed: {e}")))
    }

    /// The templates, each with its name.
    pub(super) fn sources(&self) -> &[(String, String)] {
        &self.templates
    }

    /// A special token that templates may name, such as `bos_token`.
    pub(super) fn special(&self, name: &str) -> Option<&Value> {
        self.tokens.get(name)
    }

    /// Whether the folder has a template.
    pub fn exists(&self) -> bool {
        self.choose(false).is_ok()
    }

    /// The source for chats with or without tools.
    pub(super) fn choose(&self, tools: bool) -> Result<&str> {
        let named = |wanted: &str| self.templates.iter().find(|(name, _)| name == wanted).map(|(_, template)| template.as_str());
        named("tool_use").filter(|_| tools).or_else(|| named("default")).ok_or_else(|| {
            let names: Vec<&str> = self.templates.iter().map(|(name, _)| name.as_str()).collect();
            Error::argument(match names.is_empty() {
                true => format!("the model folder has no chat template: neither {FILE} nor chat_template in {CONFIG}"),
                false => format!("the model folder has no default chat template, only {}", names.join(", ")),
            })
        })
    }
}

/// The names of the templates in a folder, sorted. Empty if there is no such folder.
fn names(folder: &Path) -> Result<Vec<String>> {
    let Ok(entries) = folder.read_dir() else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|e| Error::io(folder, e))?.file_name();
        names.extend(name.to_str().and_then(|name| name.strip_suffix(".jinja")).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// A message as transformers passes it to a template: without keys that are null, and with the thought under each of its names.
fn plain(number: usize, message: &Value) -> Result<Value> {
    let Value::Object(message) = message else {
        return Err(Error::argument(format!("message {} is not an object with role and content", number + 1)));
    };
    let mut message = message.clone();
    message.retain(|_, value| !value.is_null());
    if let Some(thought) = ["reasoning_content", "thinking", "reasoning"].iter().find_map(|key| message.get(*key)).cloned() {
        if !message.contains_key("thinking") {
            message.shift_insert(0, "thinking".into(), thought.clone());
        }
        message.insert("reasoning_content".into(), thought);
    }
    Ok(message.into())
}
