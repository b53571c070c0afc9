//! What follows a name: fields, indices, calls and the tables passed to calls.

use full_moon::ast::punctuated::Punctuated;
use full_moon::ast::{Call, Expression, Field, FunctionArgs, Index, Prefix, Suffix, TableConstructor, VarExpression};

use super::expected::Shape;
use super::expressions::bare;
use super::known::{Info, Routine, Type, at_path, class, paths};
use super::mentions::string;
use super::walk::{Walk, line};
use crate::api::arguments::{full_name, hint, missing_key, unknown_key};
use crate::api::{Field as Param, Kind, Need};

impl<'a> Walk<'a> {
    /// A name or a parenthesis with its fields, indices and calls.
    pub(super) fn suffixed(&mut self, prefix: &'a Prefix, suffixes: impl Iterator<Item = &'a Suffix>) -> Type {
        let found = match prefix {
            Prefix::Name(name) => self.name(name),
            Prefix::Expression(expression) => self.expression(expression, None),
            _ => Type::Unknown,
        };
        suffixes.fold(found, |found, suffix| self.suffix(&found, suffix))
    }

    /// The target of an assignment; its last field may be new.
    pub(super) fn target(&mut self, variable: &'a VarExpression) {
        let suffixes: Vec<_> = variable.suffixes().collect();
        let read = match suffixes.split_last() {
            Some((Suffix::Index(Index::Dot { .. }), read)) => read,
            _ => suffixes.as_slice(),
        };
        self.suffixed(variable.prefix(), read.iter().copied());
    }

    fn suffix(&mut self, found: &Type, suffix: &'a Suffix) -> Type {
        match suffix {
            Suffix::Index(Index::Dot { dot, name }) => self.field(line(dot), found, self.text_of(name)),
            Suffix::Index(Index::Brackets { expression, .. }) => {
                self.expression(expression, None);
                found.element()
            }
            Suffix::Call(Call::AnonymousCall(args)) => self.call(found, args),
            Suffix::Call(Call::MethodCall(call)) => {
                let method = match found {
                    Type::Value(Kind::Object(class_name)) => self.method(line(call.colon_token()), class_name, self.text_of(call.name())),
                    _ => Type::Unknown,
                };
                self.call(&method, call.args())
            }
            Suffix::TypeInstantiation(_) => found.clone(),
            _ => Type::Unknown,
        }
    }

    fn field(&mut self, line: usize, of: &Type, name: &str) -> Type {
        match of {
            Type::Builtin("table") if name == "clone" => Type::Builtin("clone"),
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
                    // Scripts may add keys to the API's tables.
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

    /// The arguments of a call, and its result.
    fn call(&mut self, called: &Type, args: &'a FunctionArgs) -> Type {
        let shape = match called {
            Type::Function(function, object) => Shape::Keys(full_name(function, *object), function.params),
            _ => Shape::Free,
        };
        let (values, rest) = match args {
            FunctionArgs::Parentheses { arguments, .. } => self.arguments(line(args), arguments, shape),
            FunctionArgs::TableConstructor(table) => {
                self.table(table, shape);
                (vec![Type::Unknown], Type::Nil)
            }
            _ => (vec![Type::Unknown], Type::Nil),
        };
        match called {
            Type::Function(function, _) => Type::of(&function.returns),
            Type::Value(Kind::Function(_, result)) => Type::of(result),
            Type::Local(number) => {
                let routine = self.routine(*number);
                for (i, parameter) in routine.parameters.into_iter().enumerate() {
                    self.found.variables[parameter].set.join(values.get(i).unwrap_or(&rest));
                }
                if let Info::Is(found) = routine.returns { found } else { Type::Unknown }
            }
            Type::Builtin(name) => match (*name, values.into_iter().next()) {
                ("require", _) if string(args) == Some("finemem") => Type::Module(String::new()),
                ("ipairs" | "pairs", Some(Type::Value(kind))) => Type::Each(kind),
                ("assert" | "clone", Some(found)) => found,
                _ => Type::Unknown,
            },
            _ => Type::Unknown,
        }
    }

    /// Arguments in parentheses: a function of the API takes one table.
    fn arguments(&mut self, line: usize, arguments: &'a Punctuated<Expression>, shape: Shape) -> (Vec<Type>, Type) {
        let Shape::Keys(owner, params) = shape else { return self.expressions(arguments) };
        let mut given = arguments.iter();
        match given.next().map(bare) {
            None => self.missing(line, &owner, params, &[]),
            Some(Expression::TableConstructor(table)) => self.table(table, Shape::Keys(owner, params)),
            Some(other) => {
                self.expression(other, None);
            }
        }
        given.for_each(|more| {
            self.expression(more, None);
        });
        (vec![], Type::Nil)
    }

    /// A function of the file. Its result is known from the previous pass.
    fn routine(&self, number: usize) -> Routine {
        let here = &self.found.routines[number];
        let returns = self.known.routines.get(number).map_or(&here.returns, |routine| &routine.returns);
        Routine { parameters: here.parameters.clone(), returns: returns.clone(), escapes: here.escapes }
    }

    fn missing(&mut self, line: usize, owner: &str, params: &'static [Param], keys: &[&str]) {
        for param in params.iter().filter(|param| matches!(param.need, Need::Required) && !keys.contains(&param.name)) {
            self.report(line, format!("{owner}: {}", missing_key(param)));
        }
    }

    /// A table constructor.
    pub(super) fn table(&mut self, table: &'a TableConstructor, shape: Shape) {
        let (mut keys, mut computed) = (Vec::new(), false);
        for field in table.fields() {
            match field {
                Field::NameKey { key, value, .. } => {
                    keys.push(self.text_of(key));
                    self.named(&shape, line(key), self.text_of(key), value);
                }
                Field::ExpressionKey { key, value, .. } => {
                    self.expression(key, None);
                    self.expression(value, None);
                    computed = true;
                }
                Field::NoKey(value) => match &shape {
                    Shape::List(kind) => self.value("a list", "", value, kind),
                    _ => {
                        self.expression(value, None);
                        computed = true;
                    }
                },
                _ => computed = true,
            }
        }
        // An unknown key is most likely a misspelt missing one.
        if let (Shape::Keys(owner, params), false) = (shape, computed)
            && keys.iter().all(|key| params.iter().any(|param| param.name == *key))
        {
            self.missing(line(table), &owner, params, &keys);
        }
    }

    fn named(&mut self, shape: &Shape, line: usize, key: &str, value: &'a Expression) {
        match shape {
            Shape::Keys(owner, params) => match params.iter().find(|param| param.name == key) {
                Some(param) => self.value(owner, key, value, &param.kind),
                None => {
                    self.report(line, format!("{owner}: {}", unknown_key(key, params)));
                    self.expression(value, None);
                }
            },
            Shape::Map(kind) => self.value("a table", key, value, kind),
            Shape::List(_) | Shape::Free => {
                self.expression(value, None);
            }
        }
    }
}
