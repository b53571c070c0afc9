//! `fm.schedule`: functions of the step. Any Lua function of the step is also a schedule.

use mlua::{Function as LuaFunction, Lua, Value};

use crate::api::{Any, Area, Callback, Function, Kind, function, raising};
use finemem::record;

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[] };

const SCHEDULE: Kind = Kind::Function(&[("step", Kind::Number)], &Kind::Number);
const NUMBER_OR_SCHEDULE: Kind = Kind::Either(&[Kind::Number, SCHEDULE]);

record! {
    struct Between {
        /// the value up to `start`
        from: f64,
        /// the value from `start + steps` on
        to: f64,
        /// how many steps it takes
        steps: f64,
        /// the step at which it begins to change
        start: f64 = 0.0,
    }

    struct Piecewise {
        /// `{ { step, value }, … }`, with increasing steps: the value from each step on; before the first step it is the first value
        points: Vec<Vec<f64>>,
    }

    struct WarmUp {
        /// the value after the warm-up: a number, or a schedule
        to: Any as NUMBER_OR_SCHEDULE,
        /// how many steps the warm-up takes; 1 or less means no warm-up
        steps: f64,
    }
}

const FUNCTIONS: &[Function] = &[
    function! {
        /// A value that changes linearly from one number to another, and then stays constant.
        "schedule.linear" (lua, given: Between) -> Callback as SCHEDULE: "a function of the step" {
            between(lua, &given, |x| x)
        }
    },
    function! {
        /// A value that changes from one number to another along half a cosine, slowly at both ends, and then stays constant.
        "schedule.cosine" (lua, given: Between) -> Callback as SCHEDULE: "a function of the step" {
            between(lua, &given, |x| 0.5 - 0.5 * (std::f64::consts::PI * x).cos())
        }
    },
    function! {
        /// A value that changes at given steps and is constant between them.
        "schedule.piecewise" (lua, given: Piecewise) -> Callback as SCHEDULE: "a function of the step" {
            let points = given.points;
            let wrong = |i: usize, what: &str| Err(mlua::Error::runtime(format!("'points[{}]' {what}", i + 1)));
            if points.is_empty() {
                return Err(mlua::Error::runtime("'points' is empty"));
            }
            for (i, point) in points.iter().enumerate() {
                if point.len() != 2 {
                    return wrong(i, "must be a step and a value");
                }
                if i > 0 && point[0] <= points[i - 1][0] {
                    return wrong(i, "must be at a later step than the one before");
                }
            }
            schedule(lua, move |step| {
                let next = points.partition_point(|point| point[0] <= step);
                Ok(points[next.saturating_sub(1)][1])
            })
        }
    },
    function! {
        /// A value that rises from near 0 to its target: step 1 gives `to / steps`, step `steps` and all later ones give `to`.
        "schedule.warm_up" (lua, given: WarmUp) -> Callback as SCHEDULE: "a function of the step" {
            let steps = given.steps.max(1.0);
            let part = move |step: f64| (step / steps).clamp(0.0, 1.0);
            match given.to.0 {
                Value::Function(to) => schedule(lua, move |step| Ok(value_of(&to, step)? * part(step))),
                to => {
                    let to: f64 = lua.unpack(to)?;
                    schedule(lua, move |step| Ok(to * part(step)))
                }
            }
        }
    },
];

/// From one number to another: `shape` maps the elapsed part of the steps to the covered part of the change, both from 0 to 1.
fn between(lua: &Lua, given: &Between, shape: fn(f64) -> f64) -> mlua::Result<Callback> {
    let Between { from, to, steps, start } = *given;
    if steps <= 0.0 {
        return Err(mlua::Error::runtime(format!("'steps' is {steps}; it must be more than 0")));
    }
    schedule(lua, move |step| {
        let x = shape(((step - start) / steps).clamp(0.0, 1.0));
        Ok(from * (1.0 - x) + to * x)
    })
}

/// A finite number.
fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Integer(n) => *n as f64,
        Value::Number(n) => *n,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// The value of another schedule.
fn value_of(schedule: &LuaFunction, step: f64) -> mlua::Result<f64> {
    match number(&schedule.call(step)?) {
        Some(value) => Ok(value),
        _ => Err(mlua::Error::runtime(format!("the warm-up's schedule returned no number at step {step}"))),
    }
}

/// A Lua function of the step.
fn schedule(lua: &Lua, value: impl Fn(f64) -> mlua::Result<f64> + 'static) -> mlua::Result<Callback> {
    let function = raising(lua, 2, move |_, values| match values.front().and_then(number) {
        Some(step) if values.len() == 1 => Ok(Value::Number(value(step)?)),
        _ => Err(mlua::Error::runtime("a schedule takes one number, the step")),
    });
    function.map(Callback::from)
}
