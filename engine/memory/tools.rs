//! What a tool accepts: a name and a JSON schema of its arguments, compiled once.

use serde_json::Value;

use crate::{Error, Result};

/// A tool as the policy sees it. What it does to the memory is the script's business.
#[derive(Debug)]
pub struct Tool {
    name: String,
    description: String,
    parameters: Value,
    validator: jsonschema::Validator,
}

impl Tool {
    /// Compiles the schema. The name is letters, digits, `_` and `-`; the schema is a JSON object.
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

    /// What the policy is told about it.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The JSON schema of its arguments.
    pub fn parameters(&self) -> &Value {
        &self.parameters
    }

    /// Whether a call may have these arguments, and if not, the first reasons why.
    pub fn check(&self, arguments: &Value) -> Result<()> {
        let reasons: Vec<String> = self.validator.iter_errors(arguments).take(3).map(|error| place(&error)).collect();
        if reasons.is_empty() { Ok(()) } else { Err(Error::argument(format!("{}: {}", self.name, reasons.join("; ")))) }
    }
}

/// The tool with this name; the error lists the names there are.
pub fn find<'a>(tools: &'a [Tool], name: &str) -> Result<&'a Tool> {
    tools.iter().find(|tool| tool.name == name).ok_or_else(|| {
        let names: Vec<&str> = tools.iter().map(Tool::name).collect();
        Error::argument(format!("no tool is called {name:?}; there are {}", names.join(", ")))
    })
}

fn place(error: &jsonschema::ValidationError<'_>) -> String {
    match error.instance_path().to_string() {
        path if path.is_empty() => error.to_string(),
        path => format!("{path}: {error}"),
    }
}
