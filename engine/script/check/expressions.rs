//! Expressions, and values where the API expects a kind.

use full_moon::ast::luau::IfExpression;
use full_moon::ast::punctuated::Punctuated;
use full_moon::ast::{BinOp, Expression, Field, Var};
use full_moon::tokenizer::TokenReference;

use super::expected::{Shape, fits, parameters};
use super::known::Type;
use super::walk::{Walk, line};
use crate::api::Kind;
use crate::api::arguments::hint;

impl<'a> Walk<'a> {
    /// Several expressions, and the type of any values after them: a call or `...` at the end may give more than one.
    pub(super) fn expressions(&mut self, list: &'a Punctuated<Expression>) -> (Vec<Type>, Type) {
        let values = list.iter().map(|expression| self.expression(expression, None)).collect();
        let open = match list.last().map(|last| last.value()) {
            Some(Expression::FunctionCall(_)) => true,
            Some(last @ Expression::Symbol(_)) => self.text_of(last) == "...",
            _ => false,
        };
        (values, if open { Type::Unknown } else { Type::Nil })
    }

    pub(super) fn expression(&mut self, expression: &'a Expression, expected: Option<&'static Kind>) -> Type {
        match expression {
            Expression::BinaryOperator { lhs, binop: BinOp::And(_), rhs } => {
                self.expression(lhs, None);
                self.expression(rhs, expected)
            }
            Expression::BinaryOperator { lhs, binop: BinOp::Or(_), rhs } => {
                let left = self.expression(lhs, expected);
                left.or(self.expression(rhs, expected))
            }
            Expression::BinaryOperator { lhs, rhs, .. } => {
                self.expression(lhs, None);
                self.expression(rhs, None);
                Type::Unknown
            }
            Expression::UnaryOperator { expression, .. } => {
                self.expression(expression, None);
                Type::Unknown
            }
            Expression::Parentheses { expression, .. } | Expression::TypeAssertion { expression, .. } => {
                self.expression(expression, expected)
            }
            Expression::IfExpression(branches) => self.choice(branches, expected),
            Expression::InterpolatedString(text) => {
                text.expressions().for_each(|expression| {
                    self.expression(expression, None);
                });
                Type::Unknown
            }
            Expression::Function(function) => {
                self.function(function.body(), parameters(expected), false, None);
                Type::Unknown
            }
            Expression::TableConstructor(table) => {
                let named = matches!(table.fields().iter().next(), Some(Field::NameKey { .. }));
                self.table(table, Shape::of(expected, named));
                Type::Unknown
            }
            Expression::FunctionCall(call) => self.suffixed(call.prefix(), call.suffixes()),
            Expression::Var(variable) => {
                let found = self.variable(variable);
                // A function that is passed elsewhere may be called from there.
                if let (Type::Local(number), Var::Name(_)) = (&found, variable) {
                    self.found.routines[*number].escapes = true;
                }
                found
            }
            Expression::Symbol(_) if self.text_of(expression) == "nil" => Type::Nil,
            _ => Type::Unknown,
        }
    }

    fn choice(&mut self, branches: &'a IfExpression, expected: Option<&'static Kind>) -> Type {
        self.expression(branches.condition(), None);
        let mut found = self.expression(branches.if_expression(), expected);
        for branch in branches.else_if_expressions().into_iter().flatten() {
            self.expression(branch.condition(), None);
            found = found.or(self.expression(branch.expression(), expected));
        }
        found.or(self.expression(branches.else_expression(), expected))
    }

    pub(super) fn variable(&mut self, variable: &'a Var) -> Type {
        match variable {
            Var::Name(name) => self.name(name),
            Var::Expression(variable) => self.suffixed(variable.prefix(), variable.suffixes()),
            _ => Type::Unknown,
        }
    }

    /// What is known of a variable: what the previous pass has found, or in the first pass, this one. A parameter may be a function that is
    /// declared further down; calls of it are not followed.
    pub(super) fn name(&mut self, name: &'a TokenReference) -> Type {
        let (line, name) = (line(name), self.text_of(name));
        match self.scopes.find(name) {
            Some(number) => match self.known.variables.get(number).unwrap_or(&self.found.variables[number]).known() {
                Type::Local(routine) if routine >= self.found.routines.len() => Type::Unknown,
                known => known,
            },
            None => {
                if !self.names.globals.contains(name) {
                    // Sorted, so that the choice among equally near names is always the same.
                    let mut names: Vec<_> = self.scopes.names().chain(self.names.globals.iter().map(String::as_str)).collect();
                    names.sort_unstable();
                    let text = format!("there is no variable '{name}'{}", hint(name, names.into_iter()));
                    self.report(line, text);
                }
                Type::global(name)
            }
        }
    }

    /// A value where a kind is expected under a key; owner and key are for messages.
    pub(super) fn value(&mut self, owner: &str, key: &str, expression: &'a Expression, kind: &'static Kind) {
        let found = self.expression(expression, Some(kind));
        let place = if key.is_empty() { String::new() } else { format!("'{key}' ") };
        let must_be = |is: &str| format!("{owner}: {place}must be {}, not {is}", crate::api::arguments::name(kind));
        if let (Type::Value(Kind::Object(is)), Kind::Object(wanted)) = (&found, kind)
            && is != wanted
        {
            self.report(line(expression), must_be(&format!("a {is}")));
        }
        for result in results(expression) {
            let text = self.text_of(result);
            if is_literal(result) && text != "..." && !fits(kind, text) {
                self.report(line(result), must_be(text));
            } else if matches!(kind, Kind::Object(_) | Kind::Record(_))
                && let Some(number) = self.scopes.find(text)
            {
                self.found.variables[number].used.join(&Type::Value(*kind));
            }
        }
    }
}

/// The expression without parentheses and casts around it.
pub(super) fn bare(expression: &Expression) -> &Expression {
    match expression {
        Expression::Parentheses { expression, .. } | Expression::TypeAssertion { expression, .. } => bare(expression),
        other => other,
    }
}

/// The expressions that may give the value.
fn results(expression: &Expression) -> Vec<&Expression> {
    match bare(expression) {
        Expression::IfExpression(branches) => {
            let more = branches.else_if_expressions().into_iter().flatten().map(|branch| branch.expression());
            [branches.if_expression()].into_iter().chain(more).chain([branches.else_expression()]).flat_map(results).collect()
        }
        other => vec![other],
    }
}

/// Whether an expression is a value by itself, or `...`.
fn is_literal(expression: &Expression) -> bool {
    matches!(expression, Expression::Number(_) | Expression::String(_) | Expression::InterpolatedString(_) | Expression::Symbol(_))
}
