//! A walk through the syntax tree of a script, which follows values of the API to where they are used.
//!
//! A file is walked three times; each pass knows what the previous one found, and the last one reports. Type annotations say nothing about
//! values, so the walk ignores them: a cast gives the value inside it.

use std::collections::HashSet;

use full_moon::ast::punctuated::Punctuated;
use full_moon::ast::{Block, Expression, FunctionBody, FunctionDeclaration, LastStmt, Parameter, Stmt, Var};
use full_moon::node::Node;
use full_moon::tokenizer::TokenReference;

use super::known::{Found, Routine, Scopes, Type, Variable};
use crate::api::Kind;

/// The names that scripts may use without declaring them: the globals of every script, and the keys that some script writes.
#[derive(Default)]
pub(super) struct Names {
    pub(super) globals: HashSet<String>,
    pub(super) written: HashSet<String>,
}

/// Every mistake found in a file: the line and what is wrong.
pub(super) fn walk(text: &str, script: &Block, names: &Names) -> Vec<(usize, String)> {
    let mut known = Found::default();
    let mut problems = Vec::new();
    for _ in 0..3 {
        let (scopes, found) = (Scopes::default(), Found::default());
        let mut walk = Walk { text, names, known: &known, found, scopes, inside: Vec::new(), problems: Vec::new() };
        walk.block(script);
        problems = walk.problems;
        let mut found = walk.found;
        found.close();
        known = found;
    }
    problems
}

pub(super) struct Walk<'a> {
    text: &'a str,
    pub(super) names: &'a Names,
    /// What the previous pass found.
    pub(super) known: &'a Found,
    pub(super) found: Found,
    pub(super) scopes: Scopes<'a>,
    /// The functions around the current place, by their number if they have one.
    inside: Vec<Option<usize>>,
    problems: Vec<(usize, String)>,
}

/// The line on which a part of the script begins.
pub(super) fn line(node: &impl Node) -> usize {
    node.start_position().map_or(0, |place| place.line())
}

impl<'a> Walk<'a> {
    pub(super) fn report(&mut self, line: usize, text: String) {
        self.problems.push((line, text));
    }

    /// The text of a part of the script.
    pub(super) fn text_of(&self, node: &impl Node) -> &'a str {
        node.range().and_then(|(from, to)| self.text.get(from.bytes()..to.bytes())).unwrap_or_default()
    }

    fn declare(&mut self, name: &'a str, set: &Type) -> usize {
        let number = self.found.variables.len();
        let mut variable = Variable::default();
        variable.set.join(set);
        self.found.variables.push(variable);
        self.scopes.declare(name, number);
        number
    }

    fn block(&mut self, block: &'a Block) {
        self.scopes.push();
        self.statements(block);
        self.scopes.pop();
    }

    fn statements(&mut self, block: &'a Block) {
        block.stmts().for_each(|statement| self.statement(statement));
        if let Some(LastStmt::Return(given)) = block.last_stmt() {
            let values = self.expressions(given.returns()).0;
            if let Some(Some(number)) = self.inside.last() {
                self.found.routines[*number].returns.join(values.first().unwrap_or(&Type::Nil));
            }
        }
    }

    fn statement(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Do(body) => self.block(body.block()),
            Stmt::While(body) => {
                self.expression(body.condition(), None);
                self.block(body.block());
            }
            Stmt::Repeat(body) => {
                // The condition knows the locals of the body.
                self.scopes.push();
                self.statements(body.block());
                self.expression(body.until(), None);
                self.scopes.pop();
            }
            Stmt::If(branches) => {
                self.expression(branches.condition(), None);
                self.block(branches.block());
                for branch in branches.else_if().into_iter().flatten() {
                    self.expression(branch.condition(), None);
                    self.block(branch.block());
                }
                branches.else_block().into_iter().for_each(|block| self.block(block));
            }
            Stmt::NumericFor(body) => {
                for bound in [Some(body.start()), Some(body.end()), body.step()].into_iter().flatten() {
                    self.expression(bound, None);
                }
                self.body([(body.index_variable(), Type::Unknown)], body.block());
            }
            Stmt::GenericFor(body) => {
                let values = self.expressions(body.expressions()).0;
                let element = values.first().map_or(Type::Unknown, Type::element);
                let kinds = [Type::Unknown, element].into_iter().chain(std::iter::repeat(Type::Unknown));
                self.body(body.names().iter().zip(kinds), body.block());
            }
            Stmt::LocalAssignment(local) => self.locals(local.names(), local.expressions()),
            Stmt::ConstAssignment(local) => self.locals(local.names(), local.expressions()),
            Stmt::LocalFunction(local) => self.local_function(local.name(), local.body()),
            Stmt::ConstFunction(local) => self.local_function(local.name(), local.body()),
            Stmt::FunctionDeclaration(declared) => self.declared(declared),
            Stmt::Assignment(set) => self.assignment(set.variables(), set.expressions()),
            Stmt::CompoundAssignment(set) => {
                self.variable(set.lhs());
                self.expression(set.rhs(), None);
            }
            Stmt::FunctionCall(call) => {
                self.suffixed(call.prefix(), call.suffixes());
            }
            // A type declaration has no values.
            _ => {}
        }
    }

    /// The body of a loop, with the variables that the loop sets.
    fn body(&mut self, variables: impl IntoIterator<Item = (&'a TokenReference, Type)>, block: &'a Block) {
        self.scopes.push();
        for (name, found) in variables {
            self.declare(self.text_of(name), &found);
        }
        self.block(block);
        self.scopes.pop();
    }

    fn locals(&mut self, names: &'a Punctuated<TokenReference>, values: &'a Punctuated<Expression>) {
        let (values, rest) = self.expressions(values);
        for (i, name) in names.iter().enumerate() {
            self.declare(self.text_of(name), values.get(i).unwrap_or(&rest));
        }
    }

    fn local_function(&mut self, name: &'a TokenReference, body: &'a FunctionBody) {
        let number = self.found.routines.len();
        self.found.routines.push(Routine::default());
        self.declare(self.text_of(name), &Type::Local(number));
        self.function(body, &[], false, Some(number));
    }

    fn declared(&mut self, declared: &'a FunctionDeclaration) {
        let (names, method) = (declared.name().names(), declared.name().method_name().is_some());
        if let Some(first) = names.iter().next() {
            if names.len() > 1 || method {
                self.name(first);
            } else {
                self.set(first, &Type::Unknown);
            }
        }
        self.function(declared.body(), &[], method, None);
    }

    fn assignment(&mut self, variables: &'a Punctuated<Var>, values: &'a Punctuated<Expression>) {
        for variable in variables {
            if let Var::Expression(variable) = variable {
                self.target(variable);
            }
        }
        let (values, rest) = self.expressions(values);
        for (i, variable) in variables.iter().enumerate() {
            if let Var::Name(name) = variable {
                self.set(name, values.get(i).unwrap_or(&rest));
            }
        }
    }

    fn set(&mut self, name: &'a TokenReference, value: &Type) {
        let (line, name) = (line(name), self.text_of(name));
        match self.scopes.find(name) {
            Some(number) => {
                self.found.variables[number].set.join(value);
                self.found.variables[number].again += 1;
            }
            None => self.report(line, format!("'{name}' is a global, and scripts cannot set globals; write local {name}")),
        }
    }

    /// A function from its parameters to its end. `expected` are its parameters if the API calls it.
    pub(super) fn function(
        &mut self,
        body: &'a FunctionBody,
        expected: &'static [(&'static str, Kind)],
        method: bool,
        number: Option<usize>,
    ) {
        self.scopes.push();
        if method {
            self.declare("self", &Type::Unknown);
        }
        let mut parameters = Vec::new();
        for parameter in body.parameters() {
            if let Parameter::Name(name) = parameter {
                let kind = expected.get(parameters.len()).map_or(Type::Nil, |(_, kind)| Type::of(kind));
                parameters.push(self.declare(self.text_of(name), &kind));
            }
        }
        if let Some(number) = number {
            self.found.routines[number].parameters = parameters;
        }
        self.inside.push(number);
        self.block(body.block());
        self.inside.pop();
        self.scopes.pop();
    }
}
