//! Names with what follows them: fields, calls and the tables they are given.

use super::*;

impl<'a> Walk<'a> {
    /// A name or a parenthesis with its fields, indices and calls.
    pub(super) fn suffixed(&mut self) -> Type {
        let (began, line) = (self.at, self.line());
        let mut builtin = "";
        let mut found = if self.take("(") {
            let found = self.expression(None);
            self.expect(")");
            found
        } else {
            let name = self.name();
            if self.lost {
                return Type::Unknown;
            }
            match self.scopes.find(name) {
                Some(number) => self.variable(number),
                None => {
                    builtin = name;
                    if !self.names.globals.contains(name) {
                        let names = self.scopes.names().chain(self.names.globals.iter().map(String::as_str));
                        let text = format!("there is no variable '{name}'{}", hint(name, names));
                        self.report(line, text);
                    }
                    Type::Unknown
                }
            }
        };
        loop {
            let line = self.line();
            match self.text() {
                "." => {
                    self.at += 1;
                    let name = self.name();
                    builtin = if builtin == "table" && name == "clone" { "clone" } else { "" };
                    // What stands last where something is set is itself set.
                    let set = self.target && ["=", ","].contains(&self.text());
                    found = if set { Type::Unknown } else { self.field(line, &found, name) };
                }
                "[" => {
                    self.at += 1;
                    let target = std::mem::take(&mut self.target);
                    self.expression(None);
                    self.target = target;
                    self.expect("]");
                    found = found.element();
                    builtin = "";
                }
                ":" => {
                    self.at += 1;
                    let name = self.name();
                    found = match &found {
                        Type::Value(Kind::Object(class_name)) => self.method(line, class_name, name),
                        _ => Type::Unknown,
                    };
                    found = self.call(&found, "");
                }
                "(" | "{" => {
                    found = self.call(&found, builtin);
                    builtin = "";
                }
                text if is_text(text) => {
                    found = self.call(&found, builtin);
                    builtin = "";
                }
                _ => break,
            }
            if self.lost {
                return Type::Unknown;
            }
        }
        // A function that goes elsewhere is called from there.
        if let (Type::Local(number), true) = (&found, self.at == began + 1) {
            self.found.routines[*number].escapes = true;
        }
        found
    }

    /// What is known of a variable: at once what this pass has seen, else what the one before has. A parameter may be a function that is
    /// declared further down: calls of it are not followed.
    fn variable(&self, number: usize) -> Type {
        match self.known.variables.get(number).unwrap_or(&self.found.variables[number]).known() {
            Type::Local(routine) if routine >= self.found.routines.len() => Type::Unknown,
            known => known,
        }
    }

    fn field(&mut self, line: usize, of: &Type, name: &str) -> Type {
        match of {
            Type::Module(path) => {
                let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
                at_path(&path).unwrap_or_else(|| {
                    self.report(line, format!("there is no fm.{path}{}", hint(&path, paths())));
                    Type::Unknown
                })
            }
            Type::Value(Kind::Object(class_name)) => self.method(line, class_name, name),
            Type::Value(Kind::Record(record)) => match record.fields.iter().find(|field| field.name == name) {
                Some(field) => Type::of(&field.kind),
                None => {
                    // Scripts may give tables more than the API does.
                    if !self.names.written.contains(name) {
                        let names = record.fields.iter().map(|field| field.name);
                        self.report(line, format!("{} has no '{name}'{}", record.name, hint(name, names)));
                    }
                    Type::Unknown
                }
            },
            _ => Type::Unknown,
        }
    }

    /// A method or a field of an object.
    fn method(&mut self, line: usize, class_name: &str, name: &str) -> Type {
        let Some(object) = class(class_name) else { return Type::Unknown };
        if let Some(method) = object.methods.iter().find(|method| method.path == name) {
            return Type::Function(method, Some(object));
        }
        if let Some(field) = object.properties.iter().find(|field| field.name == name) {
            return Type::of(&field.kind);
        }
        let names = object.methods.iter().map(|m| m.path).chain(object.properties.iter().map(|f| f.name));
        self.report(line, format!("{} has no '{name}'{}", object.name, hint(name, names)));
        Type::Unknown
    }

    /// The arguments of a call, and what it gives. `builtin` is the global that is called.
    fn call(&mut self, called: &Type, builtin: &str) -> Type {
        let target = std::mem::take(&mut self.target);
        let (line, began) = (self.line(), self.at);
        let mut values = Vec::new();
        let mut open = false;
        if is_text(self.text()) {
            self.at += 1;
        } else {
            let parentheses = self.take("(");
            if let Type::Function(function, object) = called {
                let owner = full_name(function, *object);
                if self.text() == "{" {
                    self.table(Shape::Keys(owner, function.params));
                    if parentheses {
                        self.operators(Type::Unknown, None);
                    }
                } else if parentheses && self.text() == ")" {
                    self.missing(line, &owner, function.params, &[]);
                }
            } else if self.text() == "{" && !parentheses {
                self.table(Shape::Free);
                values.push(Type::Unknown);
            }
            if parentheses {
                self.take(",");
                if self.text() != ")" {
                    (values, open) = self.expressions();
                }
                self.expect(")");
            }
        }
        self.target = target;
        match called {
            Type::Function(function, _) => Type::of(&function.returns),
            Type::Value(Kind::Function(_, result)) => Type::of(result),
            Type::Local(number) => {
                let given = |i: usize| values.get(i).cloned().unwrap_or(if open { Type::Unknown } else { Type::Nil });
                for (i, parameter) in self.routine(*number).parameters.into_iter().enumerate() {
                    self.found.variables[parameter].set.join(&given(i));
                }
                match self.routine(*number).returns {
                    Info::Is(found) => found,
                    _ => Type::Unknown,
                }
            }
            _ => match (builtin, values.into_iter().next()) {
                ("require", _) if self.required(began).is_some_and(|name| name == "finemem") => Type::Module(String::new()),
                ("ipairs" | "pairs", Some(Type::Value(kind))) => Type::Each(kind),
                ("assert" | "clone", Some(found)) => found,
                _ => Type::Unknown,
            },
        }
    }

    /// A function of the file. Its result is known from the pass before.
    fn routine(&self, number: usize) -> Routine {
        let here = &self.found.routines[number];
        let returns = self.known.routines.get(number).map_or(&here.returns, |routine| &routine.returns);
        Routine { parameters: here.parameters.clone(), returns: returns.clone(), escapes: here.escapes }
    }

    /// The text that a call was given that began at a token.
    fn required(&self, began: usize) -> Option<&str> {
        let skip = usize::from(self.tokens.get(began)?.text == "(");
        let text = self.tokens.get(began + skip)?.text;
        text.get(1..text.len().checked_sub(1)?)
    }

    fn missing(&mut self, line: usize, owner: &str, params: &'static [Field], keys: &[&str]) {
        for param in params.iter().filter(|param| matches!(param.need, Need::Required) && !keys.contains(&param.name)) {
            self.report(line, format!("{owner}: {}", missing_key(param)));
        }
    }

    /// A table as it is written.
    pub(super) fn table(&mut self, shape: Shape) {
        let target = std::mem::take(&mut self.target);
        let line = self.line();
        self.expect("{");
        let (mut keys, mut computed) = (Vec::new(), false);
        while !["", "}"].contains(&self.text()) {
            if self.take("[") {
                self.expression(None);
                self.expect("]");
                self.expect("=");
                self.expression(None);
                computed = true;
            } else if self.is_name(0) && self.ahead(1) == "=" {
                let (line, key) = (self.line(), self.name());
                self.at += 1;
                keys.push(key);
                self.named(&shape, line, key);
            } else if let Shape::List(kind) = &shape {
                self.value("a list", "", kind);
            } else {
                self.expression(None);
                computed = true;
            }
            self.lost |= !self.take(",") && !self.take(";") && self.text() != "}";
        }
        self.expect("}");
        // A key that is not known is most likely one that is missing.
        if let (Shape::Keys(owner, params), false, false) = (shape, computed, self.lost)
            && keys.iter().all(|key| params.iter().any(|param| param.name == *key))
        {
            self.missing(line, &owner, params, &keys);
        }
        self.target = target;
    }

    fn named(&mut self, shape: &Shape, line: usize, key: &str) {
        match shape {
            Shape::Keys(owner, params) => match params.iter().find(|param| param.name == key) {
                Some(param) => self.value(owner, key, &param.kind),
                None => {
                    self.report(line, format!("{owner}: {}", unknown_key(key, params)));
                    self.expression(None);
                }
            },
            Shape::Map(kind) => self.value("a table", key, kind),
            Shape::List(_) | Shape::Free => {
                self.expression(None);
            }
        }
    }
}

/// Whether a token is a string.
fn is_text(text: &str) -> bool {
    text.starts_with(['"', '\'', '`']) || text.starts_with("[[") || text.starts_with("[=")
}
