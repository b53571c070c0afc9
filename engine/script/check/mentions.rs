//! What a script names literally: the modules that it requires, and the keys that it gives to tables.

use std::collections::HashSet;

use full_moon::ast::{
    Assignment, Ast, Call, Expression, Field, FunctionArgs, FunctionCall, FunctionDeclaration, Index, Prefix, Suffix, Var, VarExpression,
};
use full_moon::tokenizer::{Token, TokenReference, TokenType};
use full_moon::visitors::Visitor;

#[derive(Default)]
pub(super) struct Mentions {
    /// Every module required by its plain name, with the line.
    pub(super) required: Vec<(usize, String)>,
    /// The names that the script gives to keys of tables, and the strings that could become keys.
    pub(super) written: HashSet<String>,
}

impl Mentions {
    pub(super) fn of(tree: &Ast) -> Self {
        let mut mentions = Self::default();
        mentions.visit_ast(tree);
        mentions
    }

    fn key(&mut self, name: &TokenReference) {
        self.written.insert(name.token().to_string());
    }

    /// Notes a module, if a name and its suffix require one.
    fn module(&mut self, prefix: &Prefix, suffix: Option<&Suffix>) {
        if let Prefix::Name(name) = prefix
            && name.token().to_string() == "require"
            && let Some(Suffix::Call(Call::AnonymousCall(args))) = suffix
            && let Some(module) = string(args).filter(|module| *module != "finemem")
        {
            self.required.push((name.token().start_position().line(), module.to_string()));
        }
    }
}

impl Visitor for Mentions {
    fn visit_function_call(&mut self, call: &FunctionCall) {
        self.module(call.prefix(), call.suffixes().next());
    }

    fn visit_var_expression(&mut self, variable: &VarExpression) {
        self.module(variable.prefix(), variable.suffixes().next());
    }

    fn visit_field(&mut self, field: &Field) {
        if let Field::NameKey { key, .. } = field {
            self.key(key);
        }
    }

    fn visit_assignment(&mut self, assignment: &Assignment) {
        for variable in assignment.variables() {
            if let Var::Expression(variable) = variable
                && let Some(Suffix::Index(Index::Dot { name, .. })) = variable.suffixes().last()
            {
                self.key(name);
            }
        }
    }

    fn visit_function_declaration(&mut self, function: &FunctionDeclaration) {
        let name = function.name();
        if let Some(key) = name.method_name().or(name.names().iter().skip(1).last()) {
            self.key(key);
        }
    }

    fn visit_string_literal(&mut self, token: &Token) {
        self.written.extend(literal(token).map(String::from));
    }
}

/// The string that is a call's only argument.
pub(super) fn string(args: &FunctionArgs) -> Option<&str> {
    match args {
        FunctionArgs::String(token) => literal(token),
        FunctionArgs::Parentheses { arguments, .. } => match arguments.first()?.value() {
            Expression::String(token) => literal(token),
            _ => None,
        },
        _ => None,
    }
}

/// A string literal without its quotes.
fn literal(token: &Token) -> Option<&str> {
    if let TokenType::StringLiteral { literal, .. } = token.token_type() { Some(literal) } else { None }
}
