//! What the static check knows of values: those that come from the API, and how knowledge from several places is combined.

use std::collections::HashMap;

use crate::api::{Function, Kind, Object};
use crate::bind::AREAS;

/// The globals that the walk follows: functions that return their arguments, `require`, and `table` for its `clone`.
const BUILTINS: [&str; 5] = ["assert", "ipairs", "pairs", "require", "table"];

/// What is known of a value.
#[derive(Debug, Clone)]
pub(super) enum Type {
    Unknown,
    Nil,
    /// `fm`, or a table of functions below it, by its path.
    Module(String),
    /// A function of the API, or a method.
    Function(&'static Function, Option<&'static Object>),
    /// A value of the API.
    Value(Kind),
    /// A function of the file, by its number.
    Local(usize),
    /// The result of `pairs` or `ipairs`, with the kind of what it iterates over.
    Each(Kind),
    /// One of [`BUILTINS`], or `clone` for `table.clone`.
    Builtin(&'static str),
}

impl Type {
    /// The value of a kind, unless the kind says only that it is a table.
    pub(super) fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Any | Kind::Table | Kind::Nil => Self::Unknown,
            Kind::Either(kinds) => {
                let mut other = kinds.iter().filter(|kind| !matches!(kind, Kind::Nil));
                match (other.next(), other.next()) {
                    (Some(kind), None) => Self::of(kind),
                    _ => Self::Unknown,
                }
            }
            kind => Self::Value(*kind),
        }
    }

    /// The type of a global.
    pub(super) fn global(name: &str) -> Self {
        BUILTINS.into_iter().find(|builtin| *builtin == name).map_or(Self::Unknown, Self::Builtin)
    }

    /// The values that a loop over the value gives in addition to its keys, or that an index gives.
    pub(super) fn element(&self) -> Self {
        match self {
            Self::Value(Kind::List(kind) | Kind::Map(kind)) | Self::Each(Kind::List(kind) | Kind::Map(kind)) => Self::of(kind),
            _ => Self::Unknown,
        }
    }

    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Module(a), Self::Module(b)) => a == b,
            (Self::Function(a, _), Self::Function(b, _)) => std::ptr::eq(*a, *b),
            (Self::Value(a), Self::Value(b)) | (Self::Each(a), Self::Each(b)) => same(a, b),
            (Self::Local(a), Self::Local(b)) => a == b,
            (Self::Builtin(a), Self::Builtin(b)) => a == b,
            _ => false,
        }
    }

    /// The type of a value that may be one or the other.
    pub(super) fn or(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Nil, _) => other,
            (_, Self::Nil) => self,
            _ if self.same(&other) => self,
            _ => Self::Unknown,
        }
    }
}

fn same(a: &Kind, b: &Kind) -> bool {
    match (a, b) {
        (Kind::Object(a), Kind::Object(b)) => a == b,
        (Kind::Record(a), Kind::Record(b)) => std::ptr::eq(*a, *b),
        (Kind::List(a), Kind::List(b)) | (Kind::Map(a), Kind::Map(b)) => same(a, b),
        (Kind::Number | Kind::Integer, Kind::Number | Kind::Integer) | (Kind::Text, Kind::Text) | (Kind::Boolean, Kind::Boolean) => true,
        _ => false,
    }
}

/// What all places that set something say together.
#[derive(Debug, Clone, Default)]
pub(super) enum Info {
    #[default]
    Nothing,
    Is(Type),
    /// They differ, or one of them is unknown.
    Anything,
}

impl Info {
    pub(super) fn join(&mut self, found: &Type) {
        match (&*self, found) {
            (_, Type::Nil) | (Self::Anything, _) => {}
            (_, Type::Unknown) => *self = Self::Anything,
            (Self::Nothing, found) => *self = Self::Is(found.clone()),
            (Self::Is(known), found) if known.same(found) => {}
            _ => *self = Self::Anything,
        }
    }
}

/// A local or a parameter.
#[derive(Debug, Clone, Default)]
pub(super) struct Variable {
    /// What it is set to in all places.
    pub(super) set: Info,
    /// How often it is set again after its declaration.
    pub(super) again: usize,
    /// What it has to be, because the API is called with it.
    pub(super) used: Info,
}

impl Variable {
    pub(super) fn known(&self) -> Type {
        match (&self.set, &self.used) {
            (Info::Is(found), _) => found.clone(),
            (_, Info::Is(found)) if self.again == 0 => found.clone(),
            _ => Type::Unknown,
        }
    }
}

/// A function that a local holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Routine {
    /// The numbers of its parameters.
    pub(super) parameters: Vec<usize>,
    pub(super) returns: Info,
    /// Whether it may be called from unknown places.
    pub(super) escapes: bool,
}

/// Everything that a pass through a file finds out, in the order of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) variables: Vec<Variable>,
    pub(super) routines: Vec<Routine>,
}

impl Found {
    /// What comes from unknown places can be anything.
    pub(super) fn close(&mut self) {
        for routine in self.routines.iter().filter(|routine| routine.escapes) {
            for parameter in &routine.parameters {
                self.variables[*parameter].set = Info::Anything;
            }
        }
    }
}

/// The names in scope, the innermost last: each with the number of its variable.
#[derive(Default)]
pub(super) struct Scopes<'a>(Vec<HashMap<&'a str, usize>>);

impl<'a> Scopes<'a> {
    pub(super) fn push(&mut self) {
        self.0.push(HashMap::new());
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    pub(super) fn declare(&mut self, name: &'a str, number: usize) {
        if let Some(scope) = self.0.last_mut() {
            scope.insert(name, number);
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().rev().find_map(|scope| scope.get(name)).copied()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().flat_map(|scope| scope.keys().copied())
    }
}

/// The functions and constants of the API whose path is this one or begins with it.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    let functions = AREAS.iter().flat_map(|area| area.functions).map(|function| function.path);
    functions.chain(AREAS.iter().flat_map(|area| area.constants).map(|constant| constant.path))
}

/// The type of `fm.path`; None if it does not exist.
pub(super) fn at_path(path: &str) -> Option<Type> {
    if let Some(function) = AREAS.iter().flat_map(|area| area.functions).find(|function| function.path == path) {
        return Some(Type::Function(function, None));
    }
    if let Some(constant) = AREAS.iter().flat_map(|area| area.constants).find(|constant| constant.path == path) {
        return Some(Type::of(&constant.kind));
    }
    let inside = format!("{path}.");
    paths().any(|name| name.starts_with(&inside)).then(|| Type::Module(path.to_string()))
}

/// The class of objects with a name.
pub(super) fn class(name: &str) -> Option<&'static Object> {
    AREAS.iter().flat_map(|area| area.objects).copied().find(|object| object.name == name)
}
