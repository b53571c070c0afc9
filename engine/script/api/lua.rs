//! Converts between values of the engine and of Lua: the Lua side of [`finemem::schema`].

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::os::raw::c_void;
use std::rc::Rc;

use mlua::{IntoLua, Lua, Table, Value};

use super::arguments::shown;
use super::convert;
use finemem::schema::{Problem, Read, Show, Shown, Source};

/// The tables of shared values, by address. Addresses are valid only while the values live.
#[derive(Default)]
pub(crate) struct Written(HashMap<*const (), Value>);

/// Converts a value to Lua.
pub(crate) fn write(lua: &Lua, value: &(impl Show + ?Sized)) -> mlua::Result<Value> {
    Written::default().write(lua, value.show())
}

impl Written {
    /// Converts a value to Lua. A shared value becomes the same table everywhere.
    pub(crate) fn write(&mut self, lua: &Lua, value: Shown<'_>) -> mlua::Result<Value> {
        match value {
            Shown::Nil => Ok(Value::Nil),
            Shown::Boolean(value) => Ok(Value::Boolean(value)),
            Shown::Integer(value) => value.into_lua(lua),
            Shown::Number(value) => Ok(Value::Number(value)),
            Shown::Text(text) => text.as_ref().into_lua(lua),
            Shown::List(items) => {
                let items = items.into_iter().map(|item| self.write(lua, item)).collect::<mlua::Result<Vec<_>>>()?;
                convert::list(lua, items.into_iter().map(Ok))
            }
            Shown::Map(entries) => {
                let table = lua.create_table_with_capacity(0, entries.len())?;
                for (key, value) in entries {
                    table.raw_set(key.as_ref(), self.write(lua, value)?)?;
                }
                Ok(Value::Table(table))
            }
            Shown::Json(json) => convert::from_json(lua, &json),
            Shown::Host(value) => Ok(value.downcast_ref::<Value>().cloned().unwrap_or(Value::Nil)),
            Shown::Shared(address, value) => {
                if let Some(known) = self.0.get(&address) {
                    return Ok(known.clone());
                }
                let made = self.write(lua, value.show())?;
                self.0.insert(address, made.clone());
                Ok(made)
            }
        }
    }
}

/// Reads a Lua value.
pub(crate) fn read<T: Read>(value: &Value) -> Result<T, Problem> {
    Reader::default().read(value, false)
}

/// Reads Lua values; the same table gives the same shared value again.
#[derive(Default)]
pub(crate) struct Reader(RefCell<HashMap<Place, Rc<dyn Any>>>);

/// The address of a table, and the type that it was read as.
type Place = (*const c_void, TypeId);

impl Reader {
    /// Reads a value; without [`Bulk`](finemem::schema::Bulk) fields if `light`.
    pub(crate) fn read<T: Read>(&self, value: &Value, light: bool) -> Result<T, Problem> {
        T::read(&Found { reader: self, value: value.clone(), light })
    }
}

/// A Lua value to be read.
struct Found<'a> {
    reader: &'a Reader,
    value: Value,
    light: bool,
}

impl Found<'_> {
    fn must(&self, what: &str) -> Problem {
        Problem::new(format!("must be {what}, not {}", shown(&self.value)))
    }

    fn table(&self, what: &str) -> Result<&Table, Problem> {
        self.value.as_table().ok_or_else(|| self.must(what))
    }

    fn inside(&self, value: Value) -> Self {
        Self { reader: self.reader, value, light: self.light }
    }
}

fn lua_problem(error: mlua::Error) -> Problem {
    Problem::new(super::message(&error))
}

impl Source for Found<'_> {
    fn is_nil(&self) -> bool {
        self.value.is_nil()
    }

    fn boolean(&self) -> Result<bool, Problem> {
        self.value.as_boolean().ok_or_else(|| self.must("true or false"))
    }

    fn number(&self) -> Result<f64, Problem> {
        match self.value {
            Value::Integer(value) => Ok(value as f64),
            Value::Number(value) => Ok(value),
            _ => Err(self.must("a number")),
        }
    }

    fn text(&self) -> Result<String, Problem> {
        let text = self.value.as_string().ok_or_else(|| self.must("a string"))?;
        text.to_str().map(|text| text.to_owned()).map_err(|_| Problem::new("must be text in UTF-8"))
    }

    fn list(&self) -> Result<Vec<Self>, Problem> {
        let values = self.table("a list")?.sequence_values::<Value>();
        values.map(|value| value.map(|value| self.inside(value)).map_err(lua_problem)).collect()
    }

    fn map(&self) -> Result<Vec<(String, Self)>, Problem> {
        let pairs = self.table("a table with text keys")?.pairs::<String, Value>();
        let mut entries: Vec<(String, Self)> =
            pairs.map(|pair| pair.map(|(key, value)| (key, self.inside(value))).map_err(lua_problem)).collect::<Result<_, _>>()?;
        // Lua's keys have no order.
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(entries)
    }

    fn json(&self) -> Result<serde_json::Value, Problem> {
        convert::to_json(&self.value).map_err(Problem::new)
    }

    fn get(&self, key: &str) -> Result<Self, Problem> {
        self.table("a table")?.raw_get(key).map(|value| self.inside(value)).map_err(lua_problem)
    }

    fn shared<T: Read + 'static>(&self) -> Result<Rc<T>, Problem> {
        let place = (self.value.to_pointer(), TypeId::of::<T>());
        let known = self.reader.0.borrow().get(&place).cloned();
        if let Some(known) = known.and_then(|known| known.downcast::<T>().ok()) {
            return Ok(known);
        }
        let value = Rc::new(T::read(self)?);
        if self.value.is_table() {
            self.reader.0.borrow_mut().insert(place, value.clone());
        }
        Ok(value)
    }

    fn skips_bulk(&self) -> bool {
        self.light
    }

    fn host(&self) -> Option<Box<dyn Any>> {
        Some(Box::new(self.value.clone()))
    }
}
