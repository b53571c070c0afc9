//! The rules by which a field is written and read.

use std::time::Duration;

use super::{Described, Kind, Need, Problem, Read, Show, Shown, Source};

/// How a field is written and read: as its type says ([`Plain`]), unless its declaration names another rule.
pub trait As<T> {
    /// The kind of the field.
    const KIND: Kind;
    /// Whether the field is required.
    const NEED: Need;
    /// Converts the value for writing.
    fn show(value: &T) -> Shown<'_>;
    /// Reads the written value.
    fn read<S: Source>(source: &S) -> Result<T, Problem>;
}

/// As the type of the field says.
pub struct Plain;

impl<T: Described + Show + Read> As<T> for Plain {
    const KIND: Kind = T::KIND;
    const NEED: Need = T::NEED;
    fn show(value: &T) -> Shown<'_> {
        value.show()
    }
    fn read<S: Source>(source: &S) -> Result<T, Problem> {
        if source.is_nil() && matches!(T::NEED, Need::Required) { Err(Problem::new("is missing")) } else { T::read(source) }
    }
}

/// Always written. Tables made by hand, and files of earlier versions, may lack it; it then has the type's default.
pub struct IfThere;

impl<T: Described + Show + Read + Default> As<T> for IfThere {
    const KIND: Kind = T::KIND;
    const NEED: Need = T::NEED;
    fn show(value: &T) -> Shown<'_> {
        value.show()
    }
    fn read<S: Source>(source: &S) -> Result<T, Problem> {
        if source.is_nil() { Ok(T::default()) } else { T::read(source) }
    }
}

/// Like [`IfThere`], but large: a reader that does not need it skips it ([`Source::skips_bulk`]).
pub struct Bulk;

impl<T: Described + Show + Read + Default> As<T> for Bulk {
    const KIND: Kind = T::KIND;
    const NEED: Need = T::NEED;
    fn show(value: &T) -> Shown<'_> {
        value.show()
    }
    fn read<S: Source>(source: &S) -> Result<T, Problem> {
        if source.skips_bulk() { Ok(T::default()) } else { IfThere::read(source) }
    }
}

/// A script may leave it out; it then has the type's default.
pub struct OrDefault;

impl<T: Described + Show + Read + Default> As<T> for OrDefault {
    const KIND: Kind = T::KIND;
    const NEED: Need = Need::Optional;
    fn show(value: &T) -> Shown<'_> {
        value.show()
    }
    fn read<S: Source>(source: &S) -> Result<T, Problem> {
        IfThere::read(source)
    }
}

/// Counts from 0 in Rust and from 1 outside.
pub struct FromOne;

impl As<usize> for FromOne {
    const KIND: Kind = Kind::Integer;
    const NEED: Need = Need::Required;
    fn show(value: &usize) -> Shown<'_> {
        Shown::Integer(*value as i64 + 1)
    }
    fn read<S: Source>(source: &S) -> Result<usize, Problem> {
        <Plain as As<usize>>::read(source)?.checked_sub(1).ok_or_else(|| Problem::new("is 0, but counts from 1"))
    }
}

impl As<Option<usize>> for FromOne {
    const KIND: Kind = Kind::Integer;
    const NEED: Need = Need::Optional;
    fn show(value: &Option<usize>) -> Shown<'_> {
        value.as_ref().map_or(Shown::Nil, <Self as As<usize>>::show)
    }
    fn read<S: Source>(source: &S) -> Result<Option<usize>, Problem> {
        if source.is_nil() { Ok(None) } else { <Self as As<usize>>::read(source).map(Some) }
    }
}

/// A list that is absent if empty; the numbers in it count from 1.
impl As<Vec<usize>> for FromOne {
    const KIND: Kind = Kind::List(&Kind::Integer);
    const NEED: Need = Need::Optional;
    fn show(value: &Vec<usize>) -> Shown<'_> {
        if value.is_empty() { Shown::Nil } else { Shown::List(value.iter().map(<Self as As<usize>>::show).collect()) }
    }
    fn read<S: Source>(source: &S) -> Result<Vec<usize>, Problem> {
        if source.is_nil() { Ok(Vec::new()) } else { source.list()?.iter().map(<Self as As<usize>>::read).collect() }
    }
}

/// [`FromOne`], but like [`IfThere`]: 1 if absent.
pub struct FromOneIfThere;

impl As<usize> for FromOneIfThere {
    const KIND: Kind = Kind::Integer;
    const NEED: Need = Need::Required;
    fn show(value: &usize) -> Shown<'_> {
        FromOne::show(value)
    }
    fn read<S: Source>(source: &S) -> Result<usize, Problem> {
        FromOneOrFirst::read(source)
    }
}

/// [`FromOne`], but 1 if left out.
pub struct FromOneOrFirst;

impl As<usize> for FromOneOrFirst {
    const KIND: Kind = Kind::Integer;
    const NEED: Need = Need::Optional;
    fn show(value: &usize) -> Shown<'_> {
        FromOne::show(value)
    }
    fn read<S: Source>(source: &S) -> Result<usize, Problem> {
        if source.is_nil() { Ok(0) } else { FromOne::read(source) }
    }
}

/// A seed: any whole number outside; a negative one becomes a large number in Rust.
pub struct Seed;

impl As<u64> for Seed {
    const KIND: Kind = Kind::Integer;
    const NEED: Need = Need::Required;
    fn show(value: &u64) -> Shown<'_> {
        Shown::Integer(*value as i64)
    }
    fn read<S: Source>(source: &S) -> Result<u64, Problem> {
        <Plain as As<i64>>::read(source).map(|seed| seed as u64)
    }
}

/// A time as a number of seconds.
pub struct Seconds;

impl As<Duration> for Seconds {
    const KIND: Kind = Kind::Number;
    const NEED: Need = Need::Required;
    fn show(value: &Duration) -> Shown<'_> {
        Shown::Number(value.as_secs_f64())
    }
    fn read<S: Source>(source: &S) -> Result<Duration, Problem> {
        let seconds = <Plain as As<f64>>::read(source)?;
        Duration::try_from_secs_f64(seconds).map_err(|_| Problem::new(format!("is {seconds}; it is a number of seconds")))
    }
}
