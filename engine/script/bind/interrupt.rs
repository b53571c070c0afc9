//! Stops running Lua code: on time limits, and on request at a prompt.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mlua::{Lua, VmState};

use super::session;
use finemem::Error;

/// The limits in force, the innermost last; shared by the session and the interrupt of its state.
#[derive(Default)]
pub(crate) struct Limits {
    deadlines: RefCell<Vec<(Instant, Rc<str>)>>,
    asked: Cell<Option<fn() -> bool>>,
    /// The error that `fm.exit` ended the script with. Code that catches it gets no further than its next call, return or loop iteration.
    end: RefCell<Option<Error>>,
}

impl Limits {
    /// Why the running code has to end.
    fn reached(&self) -> Option<Rc<str>> {
        if self.asked.get().is_some_and(|asked| asked()) {
            return Some("interrupted".into());
        }
        let now = Instant::now();
        self.deadlines.borrow().iter().find(|(deadline, _)| now > *deadline).map(|(_, text)| text.clone())
    }

    /// Lua calls an interrupt in every loop iteration and at every call, so there is one only while it has something to check.
    fn install(self: &Rc<Self>, lua: &Lua) {
        if self.asked.get().is_none() && self.end.borrow().is_none() && self.deadlines.borrow().is_empty() {
            return lua.remove_interrupt();
        }
        let limits = self.clone();
        lua.set_interrupt(move |lua| {
            if let Some(end) = limits.end.borrow().clone() {
                return Err(mlua::Error::external(end));
            }
            let Some(text) = limits.reached() else { return Ok(VmState::Continue) };
            let place = lua.inspect_stack(0, |frame| Some(format!("{}:{}: ", frame.source().short_src?, frame.current_line()?)));
            Err(mlua::Error::runtime(format!("{}{text}", place.flatten().unwrap_or_default())))
        });
    }

    /// Ends all code of the state after `limit` from now.
    pub(crate) fn end_after(self: &Rc<Self>, lua: &Lua, limit: Duration) {
        let text = format!("the script was stopped after {} seconds", limit.as_secs_f64());
        self.deadlines.borrow_mut().push((Instant::now() + limit, text.into()));
        self.install(lua);
    }

    /// Ends all code of the state from here on, with this error.
    pub(super) fn end_now(self: &Rc<Self>, lua: &Lua, error: &Error) {
        self.end.replace(Some(error.clone()));
        self.install(lua);
    }

    /// Ends the running code whenever `asked` returns true.
    pub(crate) fn end_when(self: &Rc<Self>, lua: &Lua, asked: fn() -> bool) {
        self.asked.set(Some(asked));
        self.install(lua);
    }
}

/// Calls something that runs Lua code, and stops that code after `limit`, in coroutines too, and even if it catches errors: a call that
/// returns too late counts as failed. Only Lua is stopped: an engine function runs to its end first.
pub(crate) fn within<R>(lua: &Lua, limit: Duration, call: impl FnOnce() -> mlua::Result<R>) -> mlua::Result<R> {
    let limits = session(lua).limits.clone();
    let deadline = Instant::now().checked_add(limit).ok_or_else(|| mlua::Error::runtime("the time limit is too long"))?;
    let text: Rc<str> = format!("stopped after {} seconds", limit.as_secs_f64()).into();
    limits.deadlines.borrow_mut().push((deadline, text.clone()));
    limits.install(lua);
    let result = call();
    limits.deadlines.borrow_mut().pop();
    limits.install(lua);
    if result.is_ok() && Instant::now() > deadline {
        return Err(mlua::Error::runtime(text.to_string()));
    }
    result
}
