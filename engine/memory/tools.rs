//! A tool's name and the JSON schema of its arguments, compiled once.

use serde_json::{Map, Value, json};

use crate::{Error, Result};

/// A tool as the policy sees it. What it does to the memory is up to the script.
#[derive(Debug)]
pub struct Tool {
    name: String,
    description: String,
    parameters: Value,
    validator: jsonschema::Validator,
}

impl Tool {
    /// Compiles the schema. The name may have letters, digits, `_` and `-`; the schema must be a JSON object.
    pub fn new(name: &str, description: &str, parameters: Value) -> Result<Self> {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            return Err(Error::argument(format!("a tool is named {name:?}; letters, digits, _ and - are allowed")));
        }
        if !parameters.is_object() {
            return Err(Error::argument(format!("tool {name}: parameters must be a JSON schema, an object")));
        }
        let validator = jsonschema::validator_for(&parameters)
            .map_err(|error| Error::argument(format!("tool {name}: parameters are not a JSON schema: {error}")))?;
        Ok(Self { name: name.to_owned(), description: description.to_owned(), parameters, validator })
    }

    /// The name that calls use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The description for the policy.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The JSON schema of its arguments.
    pub fn parameters(&self) -> &Value {
        &self.parameters
    }

    /// The tool as chat templates expect it: `{"type": "function", "function": {"name", "description", "parameters"}}`.
    ///
    /// Models were trained on descriptions with keys in the usual order, and Lua tables have no order, so the schema's keys are sorted: the
    /// type first, then its contents, then what is required. Properties come in the order of `required`, then by name.
    pub fn to_json(&self) -> Value {
        let parameters = ordered(&self.parameters, None);
        json!({"type": "function", "function": {"name": self.name, "description": self.description, "parameters": parameters}})
    }

    /// Checks the arguments of a call. If they are wrong, the error has the first reasons.
    pub fn check(&self, arguments: &Value) -> Result<()> {
        let reasons: Vec<String> = self.validator.iter_errors(arguments).take(3).map(|error| place(&error)).collect();
        if reasons.is_empty() { Ok(()) } else { Err(Error::argument(format!("{}: {}", self.name, reasons.join("; ")))) }
    }
}

/// The tool with this name. The error lists the known names.
pub fn find<'a>(tools: &'a [Tool], name: &str) -> Result<&'a Tool> {
    tools.iter().find(|tool| tool.name == name).ok_or_else(|| {
        let names: Vec<&str> = tools.iter().map(Tool::name).collect();
        Error::argument(format!("no tool is called {name:?}; there are {}", names.join(", ")))
    })
}

/// Sorts the keys of a schema. `names` has the order of the properties if `value` is the object under `properties`.
fn ordered(value: &Value, names: Option<&[Value]>) -> Value {
    const USUAL: [&str; 7] = ["type", "description", "enum", "items", "minimum", "properties", "required"];
    match value {
        Value::Object(entries) => {
            let rank = |key: &str| {
                let place = match names {
                    Some(names) => names.iter().position(|name| name.as_str() == Some(key)),
                    None => USUAL.iter().position(|usual| *usual == key),
                };
                place.unwrap_or(usize::MAX)
            };
            let mut keys: Vec<&String> = entries.keys().collect();
            keys.sort_by_key(|key| (rank(key), *key));
            let required = entries.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let inner = |key: &str| (names.is_none() && key == "properties").then_some(required);
            keys.into_iter().map(|key| (key.clone(), ordered(&entries[key], inner(key)))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(|item| ordered(item, None)).collect(),
        value => value.clone(),
    }
}

fn place(error: &jsonschema::ValidationError<'_>) -> String {
    match error.instance_path().to_string() {
        path if path.is_empty() => error.to_string(),
        path => format!("{path}: {error}"),
    }
}
