//! Turns operators, attributes, items and method calls of a parsed template into filters, which are ours and follow Python.
//!
//! minijinja's own would follow Rust, and it computes operators on constants while it compiles. Filters it leaves to the rendering.

use minijinja::machinery::Span;
use minijinja::machinery::ast::{
    BinOp, BinOpKind, Call, CallArg, CallBlock, Compare, CompareOpKind, Const, EmitExpr, EmitRaw, Expr, Filter, FilterBlock, ForLoop,
    GetAttr, IfCond, IfExpr, List, Macro, Map, Set, SetBlock, Spanned, Stmt, Template, Test, Tuple, UnaryOp, UnaryOpKind, Var, WithBlock,
};
use minijinja::{Error, Value};

use super::values::{invalid, key};

/// The names of our filters, none of which a template can write.
pub(super) const OPERATORS: &[&str] =
    &["+", "-", "*", "/", "//", "%", "**", "~", "-x", "compare", ".", "[]", "[:]", ".()", "list[]", "tuple[]", "dict[]", "for"];

type Result<T> = std::result::Result<T, Error>;

/// The template in our form.
pub(super) fn template<'a>(statement: &Stmt<'a>) -> Result<Stmt<'a>> {
    match statement {
        Stmt::Template(template) => Ok(Stmt::Template(Spanned::new(Template { children: all(&template.children)? }, template.span()))),
        other => one(other),
    }
}

fn all<'a>(statements: &[Stmt<'a>]) -> Result<Vec<Stmt<'a>>> {
    statements.iter().map(one).collect()
}

fn one<'a>(statement: &Stmt<'a>) -> Result<Stmt<'a>> {
    Ok(match statement {
        Stmt::Template(_) => return template(statement),
        Stmt::EmitExpr(s) => Stmt::EmitExpr(Spanned::new(EmitExpr { expr: expr(&s.expr)? }, s.span())),
        Stmt::EmitRaw(s) => Stmt::EmitRaw(Spanned::new(EmitRaw { raw: s.raw }, s.span())),
        Stmt::ForLoop(s) => {
            let made = ForLoop {
                target: target(&s.target)?,
                iter: filter("for", expr(&s.iter)?, Vec::new(), s.iter.span()),
                filter_expr: s.filter_expr.as_ref().map(expr).transpose()?,
                recursive: s.recursive,
                body: all(&s.body)?,
                else_body: all(&s.else_body)?,
            };
            Stmt::ForLoop(Spanned::new(made, s.span()))
        }
        Stmt::IfCond(s) => {
            let made = IfCond { expr: expr(&s.expr)?, true_body: all(&s.true_body)?, false_body: all(&s.false_body)? };
            Stmt::IfCond(Spanned::new(made, s.span()))
        }
        Stmt::WithBlock(s) => {
            let assignments = s.assignments.iter().map(|(to, value)| Ok((target(to)?, expr(value)?))).collect::<Result<_>>()?;
            Stmt::WithBlock(Spanned::new(WithBlock { assignments, body: all(&s.body)? }, s.span()))
        }
        Stmt::Set(s) => Stmt::Set(Spanned::new(Set { target: target(&s.target)?, expr: expr(&s.expr)? }, s.span())),
        Stmt::SetBlock(s) => {
            let made = SetBlock { target: target(&s.target)?, filter: s.filter.as_ref().map(expr).transpose()?, body: all(&s.body)? };
            Stmt::SetBlock(Spanned::new(made, s.span()))
        }
        Stmt::FilterBlock(s) => Stmt::FilterBlock(Spanned::new(FilterBlock { filter: expr(&s.filter)?, body: all(&s.body)? }, s.span())),
        Stmt::Macro(s) => Stmt::Macro(Spanned::new(declared(s)?, s.span())),
        Stmt::CallBlock(s) => {
            let call = Call { expr: called(&s.call.expr)?, args: args(&s.call.args)? };
            let made = CallBlock {
                call: Spanned::new(call, s.call.span()),
                macro_decl: Spanned::new(declared(&s.macro_decl)?, s.macro_decl.span()),
            };
            Stmt::CallBlock(Spanned::new(made, s.span()))
        }
        Stmt::Continue(s) => Stmt::Continue(Spanned::new(minijinja::machinery::ast::Continue, s.span())),
        Stmt::Break(s) => Stmt::Break(Spanned::new(minijinja::machinery::ast::Break, s.span())),
        Stmt::Block(s) => {
            let made = minijinja::machinery::ast::Block { name: s.name, required: s.required, body: all(&s.body)? };
            Stmt::Block(Spanned::new(made, s.span()))
        }
        Stmt::AutoEscape(_) => return Err(invalid("autoescape is not supported: a prompt is no HTML")),
        Stmt::Do(_) => return Err(invalid("the tag do is not known")),
        Stmt::Import(_) | Stmt::FromImport(_) | Stmt::Extends(_) | Stmt::Include(_) => {
            return Err(invalid("a chat template cannot load another template"));
        }
    })
}

fn declared<'a>(from: &Macro<'a>) -> Result<Macro<'a>> {
    let defaults = from.defaults.iter().map(expr).collect::<Result<_>>()?;
    Ok(Macro { name: from.name, args: from.args.iter().map(target).collect::<Result<_>>()?, defaults, body: all(&from.body)? })
}

/// What is assigned to stays as it is.
fn target<'a>(from: &Expr<'a>) -> Result<Expr<'a>> {
    Ok(match from {
        Expr::Var(v) => Expr::Var(Spanned::new(Var { id: v.id }, v.span())),
        Expr::List(l) => Expr::List(Spanned::new(List { items: l.items.iter().map(target).collect::<Result<_>>()? }, l.span())),
        Expr::Tuple(t) => Expr::Tuple(Spanned::new(Tuple { items: t.items.iter().map(target).collect::<Result<_>>()? }, t.span())),
        Expr::GetAttr(g) if g.name.starts_with('_') => {
            return Err(invalid(format!("{} begins with an underscore, which transformers refuses in a namespace", g.name)));
        }
        Expr::GetAttr(g) => Expr::GetAttr(Spanned::new(GetAttr { expr: target(&g.expr)?, name: g.name }, g.span())),
        other => return Err(invalid(format!("a {} cannot be assigned to", other.description()))),
    })
}

/// What a `call` block calls.
fn called<'a>(from: &Expr<'a>) -> Result<Expr<'a>> {
    match from {
        Expr::GetAttr(g) => Ok(Expr::GetAttr(Spanned::new(GetAttr { expr: expr(&g.expr)?, name: g.name }, g.span()))),
        other => expr(other),
    }
}

fn filter<'a>(name: &'static str, subject: Expr<'a>, more: Vec<Expr<'a>>, span: Span) -> Expr<'a> {
    let args = more.into_iter().map(CallArg::Pos).collect();
    Expr::Filter(Spanned::new(Filter { name, expr: Some(subject), args }, span))
}

fn constant<'a>(value: impl Into<Value>, span: Span) -> Expr<'a> {
    Expr::Const(Spanned::new(Const { value: value.into() }, span))
}

/// A display of items as a filter; an empty one is a constant.
fn display<'a>(name: &'static str, items: Vec<Expr<'a>>, empty: Expr<'a>, span: Span) -> Result<Expr<'a>> {
    if items.len() > usize::from(u16::MAX) {
        return Err(invalid("a list of so many items"));
    }
    let mut items = items.into_iter();
    Ok(match items.next() {
        None => empty,
        Some(first) => filter(name, first, items.collect(), span),
    })
}

fn args<'a>(from: &[CallArg<'a>]) -> Result<Vec<CallArg<'a>>> {
    let arg = |arg: &CallArg<'a>| {
        Ok(match arg {
            CallArg::Pos(value) => CallArg::Pos(expr(value)?),
            CallArg::Kwarg(name, value) => CallArg::Kwarg(name, expr(value)?),
            CallArg::PosSplat(value) => CallArg::PosSplat(expr(value)?),
            CallArg::KwargSplat(value) => CallArg::KwargSplat(expr(value)?),
        })
    };
    from.iter().map(arg).collect()
}

fn exprs<'a>(from: &[Expr<'a>]) -> Result<Vec<Expr<'a>>> {
    from.iter().map(expr).collect()
}

/// An expression in our form.
fn expr<'a>(from: &Expr<'a>) -> Result<Expr<'a>> {
    let span = from.span();
    let none = |part: &Option<Expr<'a>>| part.as_ref().map_or_else(|| Ok(constant((), span)), expr);
    Ok(match from {
        Expr::Var(v) if v.id == "self" => return Err(invalid("self without a block is not supported")),
        Expr::Var(v) => Expr::Var(Spanned::new(Var { id: v.id }, span)),
        Expr::Const(c) => constant(c.value.clone(), span),
        Expr::Slice(s) => filter("[:]", expr(&s.expr)?, vec![none(&s.start)?, none(&s.stop)?, none(&s.step)?], span),
        Expr::UnaryOp(u) => match u.op {
            UnaryOpKind::Not => Expr::UnaryOp(Spanned::new(UnaryOp { op: UnaryOpKind::Not, expr: expr(&u.expr)? }, span)),
            UnaryOpKind::Neg => filter("-x", expr(&u.expr)?, Vec::new(), span),
        },
        Expr::BinOp(b) => {
            let (left, right) = (expr(&b.left)?, expr(&b.right)?);
            match operator(b.op) {
                Some(name @ ("==" | "!=" | "<" | "<=" | ">" | ">=" | "in")) => {
                    filter("compare", constant(name, span), vec![left, right], span)
                }
                Some(name) => filter(name, left, vec![right], span),
                None => Expr::BinOp(Spanned::new(BinOp { op: b.op, left, right }, span)),
            }
        }
        Expr::Compare(c) => compared(c, span)?,
        Expr::IfExpr(i) => {
            let made = IfExpr {
                test_expr: expr(&i.test_expr)?,
                true_expr: expr(&i.true_expr)?,
                false_expr: i.false_expr.as_ref().map(expr).transpose()?,
            };
            Expr::IfExpr(Spanned::new(made, span))
        }
        Expr::Filter(f) => {
            let made = Filter { name: f.name, expr: f.expr.as_ref().map(expr).transpose()?, args: args(&f.args)? };
            Expr::Filter(Spanned::new(made, span))
        }
        Expr::Test(t) => Expr::Test(Spanned::new(Test { name: t.name, expr: expr(&t.expr)?, args: args(&t.args)? }, span)),
        Expr::GetAttr(g) => filter(".", expr(&g.expr)?, vec![constant(g.name, span)], span),
        Expr::GetItem(g) => filter("[]", expr(&g.expr)?, vec![expr(&g.subscript_expr)?], span),
        Expr::Call(c) => match &c.expr {
            Expr::GetAttr(g) if !matches!(&g.expr, Expr::Var(v) if v.id == "self") => {
                let mut given = vec![CallArg::Pos(constant(g.name, span))];
                given.extend(args(&c.args)?);
                Expr::Filter(Spanned::new(Filter { name: ".()", expr: Some(expr(&g.expr)?), args: given }, span))
            }
            Expr::GetAttr(g) => {
                let block = Expr::GetAttr(Spanned::new(GetAttr { expr: target(&g.expr)?, name: g.name }, g.span()));
                Expr::Call(Spanned::new(Call { expr: block, args: args(&c.args)? }, span))
            }
            other => Expr::Call(Spanned::new(Call { expr: expr(other)?, args: args(&c.args)? }, span)),
        },
        Expr::List(l) => display("list[]", exprs(&l.items)?, constant(Vec::<Value>::new(), span), span)?,
        Expr::Tuple(t) => display("tuple[]", exprs(&t.items)?, constant(minijinja::value::Tuple::default(), span), span)?,
        Expr::Map(m) => {
            let mut items = Vec::new();
            for (name, value) in m.keys.iter().zip(&m.values) {
                if let Expr::Const(name) = name {
                    key(&name.value)?;
                }
                items.extend([expr(name)?, expr(value)?]);
            }
            let empty = Expr::Map(Spanned::new(Map { keys: Vec::new(), values: Vec::new() }, span));
            display("dict[]", items, empty, span)?
        }
    })
}

/// The name of an operator's filter; `None` for `and` and `or`, which are as in Python.
fn operator(op: BinOpKind) -> Option<&'static str> {
    Some(match op {
        BinOpKind::Add => "+",
        BinOpKind::Sub => "-",
        BinOpKind::Mul => "*",
        BinOpKind::Div => "/",
        BinOpKind::FloorDiv => "//",
        BinOpKind::Rem => "%",
        BinOpKind::Pow => "**",
        BinOpKind::Concat => "~",
        BinOpKind::Eq => "==",
        BinOpKind::Ne => "!=",
        BinOpKind::Lt => "<",
        BinOpKind::Lte => "<=",
        BinOpKind::Gt => ">",
        BinOpKind::Gte => ">=",
        BinOpKind::In => "in",
        BinOpKind::ScAnd | BinOpKind::ScOr => return None,
    })
}

fn compared<'a>(from: &Compare<'a>, span: Span) -> Result<Expr<'a>> {
    let sign = |op: CompareOpKind| match op {
        CompareOpKind::Eq => "==",
        CompareOpKind::Ne => "!=",
        CompareOpKind::Lt => "<",
        CompareOpKind::Lte => "<=",
        CompareOpKind::Gt => ">",
        CompareOpKind::Gte => ">=",
        CompareOpKind::In => "in",
        CompareOpKind::NotIn => "not-in",
    };
    let signs: Vec<&str> = from.ops.iter().map(|op| sign(op.op)).collect();
    let mut operands = vec![expr(&from.expr)?];
    for op in &from.ops {
        operands.push(expr(&op.expr)?);
    }
    Ok(filter("compare", constant(signs.join(" "), span), operands, span))
}
