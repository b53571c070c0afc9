//! A walk through a script by the rules of its grammar, which follows values of the API to where they are used.
//!
//! A file is walked three times, and what one pass has found is known to the next; the last one reports. What the walk does not understand
//! is left to the run: types that are written out, and whatever is computed.

mod values;

use std::collections::HashSet;

use super::api::arguments::{full_name, hint, missing_key, unknown_key};
use super::api::{Field, Kind, Need};
use super::known::{Found, Info, Routine, Scopes, Shape, Type, Variable, at_path, class, fits, paths};
use super::tokens::Token;

/// The names that scripts know without saying so: the globals of every script, and the keys that some script writes.
#[derive(Default)]
pub(super) struct Names {
    pub(super) globals: HashSet<String>,
    pub(super) written: HashSet<String>,
}

/// Every mistake that is found in a file: the line and what is wrong.
pub(super) fn walk(tokens: &[Token<'_>], names: &Names) -> Vec<(usize, String)> {
    let mut known = Found::default();
    let mut problems = Vec::new();
    for _ in 0..3 {
        let (scopes, found) = (Scopes::default(), Found::default());
        let mut walk = Walk {
            tokens,
            names,
            at: 0,
            lost: false,
            target: false,
            known: &known,
            found,
            scopes,
            inside: Vec::new(),
            problems: Vec::new(),
        };
        walk.block();
        problems = walk.problems;
        let mut found = walk.found;
        found.close();
        known = found;
    }
    problems
}

const KEYWORDS: [&str; 21] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil", "not", "or", "repeat", "return",
    "then", "true", "until", "while",
];

/// Whether a token is a value by itself.
fn is_literal(token: &str) -> bool {
    let number = token.strip_prefix('.').unwrap_or(token).starts_with(|c: char| c.is_ascii_digit());
    number || token.starts_with(['"', '\'', '`', '[']) || ["nil", "true", "false"].contains(&token)
}

struct Walk<'a> {
    tokens: &'a [Token<'a>],
    names: &'a Names,
    at: usize,
    /// Whether something came that the walk does not understand: it ends there.
    lost: bool,
    /// Whether what is read may be set by the statement.
    target: bool,
    /// What the pass before found.
    known: &'a Found,
    found: Found,
    scopes: Scopes<'a>,
    /// The functions that the walk is inside of, by their number where they have one.
    inside: Vec<Option<usize>>,
    problems: Vec<(usize, String)>,
}

impl<'a> Walk<'a> {
    fn ahead(&self, by: usize) -> &'a str {
        if self.lost { "" } else { self.tokens.get(self.at + by).map_or("", |token| token.text) }
    }

    fn text(&self) -> &'a str {
        self.ahead(0)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(0, |token| token.line)
    }

    fn report(&mut self, line: usize, text: String) {
        self.problems.push((line, text));
    }

    /// Takes the token if it is this one.
    fn take(&mut self, text: &str) -> bool {
        let is = self.text() == text;
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, text: &str) {
        self.lost |= !self.take(text);
    }

    fn is_name(&self, by: usize) -> bool {
        self.ahead(by).starts_with(|c: char| c.is_alphabetic() || c == '_') && !KEYWORDS.contains(&self.ahead(by))
    }

    fn name(&mut self) -> &'a str {
        let name = self.text();
        self.lost |= !self.is_name(0);
        self.at += 1;
        name
    }

    fn declare(&mut self, name: &'a str, set: &Type) -> usize {
        let number = self.found.variables.len();
        let mut variable = Variable::default();
        variable.set.join(set);
        self.found.variables.push(variable);
        self.scopes.declare(name, number);
        number
    }

    fn block(&mut self) {
        self.scopes.push();
        while !["", "end", "else", "elseif", "until"].contains(&self.text()) {
            self.statement();
        }
        self.scopes.pop();
    }

    fn statement(&mut self) {
        match self.text() {
            ";" | "break" | "continue" => self.at += 1,
            "do" => self.body("do"),
            "while" => {
                self.at += 1;
                self.expression(None);
                self.body("do");
            }
            "if" => {
                self.at += 1;
                self.expression(None);
                self.expect("then");
                self.block();
                while self.take("elseif") {
                    self.expression(None);
                    self.expect("then");
                    self.block();
                }
                if self.take("else") {
                    self.block();
                }
                self.expect("end");
            }
            "repeat" => {
                self.at += 1;
                self.scopes.push();
                while !["", "until"].contains(&self.text()) {
                    self.statement();
                }
                self.expect("until");
                self.expression(None);
                self.scopes.pop();
            }
            "for" => self.loop_over(),
            "local" if self.ahead(1) == "function" => {
                self.at += 2;
                let number = self.found.routines.len();
                self.found.routines.push(Routine::default());
                let name = self.name();
                self.declare(name, &Type::Local(number));
                self.function(&[], false, Some(number));
            }
            "local" => self.local(),
            "function" => {
                self.at += 1;
                let (line, name) = (self.line(), self.name());
                if ![".", ":"].contains(&self.text()) {
                    self.set_name(line, name, &Type::Unknown);
                }
                let mut method = false;
                while [".", ":"].contains(&self.text()) {
                    method = self.text() == ":";
                    self.at += 1;
                    self.name();
                }
                self.function(&[], method, None);
            }
            "return" => {
                self.at += 1;
                let values = if ["", "end", "else", "elseif", "until", ";"].contains(&self.text()) { vec![] } else { self.expressions().0 };
                if let Some(Some(number)) = self.inside.last() {
                    self.found.routines[*number].returns.join(values.first().unwrap_or(&Type::Nil));
                }
            }
            _ => self.assignment(),
        }
    }

    /// `do … end`, or what stands for it.
    fn body(&mut self, begin: &str) {
        self.expect(begin);
        self.block();
        self.expect("end");
    }

    fn names(&mut self) -> Vec<&'a str> {
        let mut names = vec![self.name()];
        while self.take(",") {
            names.push(self.name());
        }
        names
    }

    fn local(&mut self) {
        self.at += 1;
        let names = self.names();
        let (values, open) = if self.take("=") { self.expressions() } else { (vec![], false) };
        for (i, name) in names.into_iter().enumerate() {
            self.declare(name, values.get(i).unwrap_or(if open { &Type::Unknown } else { &Type::Nil }));
        }
    }

    fn loop_over(&mut self) {
        self.at += 1;
        let names = self.names();
        let numbers = self.take("=");
        if !numbers {
            self.expect("in");
        }
        let values = self.expressions().0;
        self.scopes.push();
        for (i, name) in names.into_iter().enumerate() {
            let element = if numbers || i != 1 { Type::Unknown } else { values.first().map_or(Type::Unknown, Type::element) };
            self.declare(name, &element);
        }
        self.body("do");
        self.scopes.pop();
    }

    /// A statement that begins with an expression: a call, or what is set.
    fn assignment(&mut self) {
        let (began, mut targets) = (self.at, Vec::new());
        loop {
            if self.is_name(0) && ["=", ","].contains(&self.ahead(1)) {
                targets.push(Some((self.line(), self.name())));
            } else {
                self.target = true;
                self.suffixed();
                self.target = false;
                targets.push(None);
            }
            if !self.take(",") {
                break;
            }
        }
        if self.take("=") {
            let (values, open) = self.expressions();
            for (i, target) in targets.into_iter().enumerate() {
                if let Some((line, name)) = target {
                    self.set_name(line, name, values.get(i).unwrap_or(if open { &Type::Unknown } else { &Type::Nil }));
                }
            }
        } else if ["+=", "-=", "*=", "/=", "//=", "%=", "^=", "..="].contains(&self.text()) {
            self.at += 1;
            self.expression(None);
        }
        // Nothing was read: the walk does not know what this is.
        self.lost |= self.at == began;
    }

    fn set_name(&mut self, line: usize, name: &str, value: &Type) {
        match self.scopes.find(name) {
            Some(number) => {
                self.found.variables[number].set.join(value);
                self.found.variables[number].again += 1;
            }
            None if self.lost => {}
            None => self.report(line, format!("'{name}' is a global, and scripts have none; write local {name}")),
        }
    }

    /// Several expressions, and whether the last may stand for more than one value.
    fn expressions(&mut self) -> (Vec<Type>, bool) {
        let mut values = vec![self.expression(None)];
        while self.take(",") {
            values.push(self.expression(None));
        }
        let last = self.tokens.get(self.at.wrapping_sub(1)).map_or("", |token| token.text);
        (values, last == "..." || [")", "}", "\"", "'", "]"].iter().any(|end| last.ends_with(end)))
    }

    fn expression(&mut self, expected: Option<&Kind>) -> Type {
        let first = self.operand(expected);
        self.operators(first, expected)
    }

    /// What follows an operand.
    fn operators(&mut self, mut found: Type, expected: Option<&Kind>) -> Type {
        let mut either = false;
        loop {
            match self.text() {
                "and" => {
                    self.at += 1;
                    let right = self.operand(expected);
                    // Precedence is not followed: `a or b and c` may be a.
                    found = if either { Type::Unknown } else { right };
                }
                "or" => {
                    self.at += 1;
                    either = true;
                    found = found.or(self.operand(expected));
                }
                "+" | "-" | "*" | "/" | "//" | "%" | "^" | ".." | "==" | "~=" | "<" | ">" | "<=" | ">=" => {
                    self.at += 1;
                    self.operand(None);
                    found = Type::Unknown;
                }
                // A type is claimed here.
                "::" => {
                    self.lost = true;
                    return Type::Unknown;
                }
                _ => return found,
            }
        }
    }

    fn operand(&mut self, expected: Option<&Kind>) -> Type {
        let text = self.text();
        match text {
            "not" | "-" | "#" => {
                self.at += 1;
                self.operand(None);
                Type::Unknown
            }
            "nil" => {
                self.at += 1;
                Type::Nil
            }
            "true" | "false" | "..." => {
                self.at += 1;
                Type::Unknown
            }
            "function" => {
                self.at += 1;
                let parameters = match expected {
                    Some(Kind::Function(parameters, _)) => parameters,
                    Some(Kind::Either(kinds)) => kinds
                        .iter()
                        .find_map(|kind| if let Kind::Function(parameters, _) = kind { Some(*parameters) } else { None })
                        .unwrap_or(&[]),
                    _ => &[],
                };
                self.function(parameters, false, None);
                Type::Unknown
            }
            "{" => {
                self.table(Shape::of(expected, self.is_name(1) && self.ahead(2) == "="));
                Type::Unknown
            }
            "if" => {
                self.at += 1;
                self.expression(None);
                self.expect("then");
                let mut found = self.expression(expected);
                while self.take("elseif") {
                    self.expression(None);
                    self.expect("then");
                    found = found.or(self.expression(expected));
                }
                self.expect("else");
                found.or(self.expression(expected))
            }
            _ if is_literal(text) => {
                self.at += 1;
                Type::Unknown
            }
            _ => self.suffixed(),
        }
    }

    /// A function from its parameters to its end. The API says what `expected` parameters are.
    fn function(&mut self, expected: &'static [(&'static str, Kind)], method: bool, number: Option<usize>) {
        self.expect("(");
        self.scopes.push();
        if method {
            self.declare("self", &Type::Unknown);
        }
        let mut parameters = Vec::new();
        while !["", ")"].contains(&self.text()) {
            if !self.take("...") {
                let name = self.name();
                let kind = expected.get(parameters.len()).map_or(Type::Nil, |(_, kind)| Type::of(kind));
                parameters.push(self.declare(name, &kind));
            }
            // A type is written out, or the list ends.
            self.lost |= !self.take(",") && self.text() != ")";
        }
        self.expect(")");
        self.lost |= self.text() == ":";
        if let Some(number) = number {
            self.found.routines[number].parameters = parameters;
        }
        self.inside.push(number);
        self.block();
        self.inside.pop();
        self.scopes.pop();
        self.expect("end");
    }

    /// A value where one of a kind is expected under a key: the owner and the key for messages.
    fn value(&mut self, owner: &str, key: &str, kind: &Kind) {
        let (began, line) = (self.at, self.line());
        let found = self.expression(Some(kind));
        let token = self.tokens.get(began).map_or("", |token| token.text);
        let place = if key.is_empty() { String::new() } else { format!("'{key}' ") };
        if self.lost {
        } else if self.at == began + 1 && is_literal(token) {
            if !fits(kind, token) {
                self.report(line, format!("{owner}: {place}must be {}, not {token}", crate::api::arguments::name(kind)));
            }
        } else if let (Type::Value(Kind::Object(is)), Kind::Object(wanted)) = (&found, kind)
            && is != wanted
        {
            self.report(line, format!("{owner}: {place}must be {}, not a {is}", crate::api::arguments::name(kind)));
        }
        if self.at == began + 1
            && matches!(kind, Kind::Object(_) | Kind::Record(_))
            && let Some(number) = self.scopes.find(token)
        {
            self.found.variables[number].used.join(&Type::Value(*kind));
        }
    }
}
