//! `fm.schedule`: functions of the step. Any Lua function of the step is one as well.

use mlua::{Function as LuaFunction, Lua, Value};

use crate::api::{Area, Args, Function, Kind, Need, default, raising, required};

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[] };

const SCHEDULE: Kind = Kind::Function(&[("step", Kind::Number)], &Kind::Number);
const RESULT: &str = "a function of the step";

const FUNCTIONS: &[Function] = &[
    Function {
        path: "schedule.linear",
        doc: "A value that goes from one number to another in a straight line, and stays there.",
        params: &[
            required("from", Kind::Number, "the value up to `start`"),
            required("to", Kind::Number, "the value from `start + steps` on"),
            required("steps", Kind::Number, "how many steps it takes"),
            default("start", Kind::Number, Need::Number(0.0), "the step at which it begins to change"),
        ],
        returns: SCHEDULE,
        result: RESULT,
        call: |lua, args| between(lua, args, |x| x),
    },
    Function {
        path: "schedule.cosine",
        doc: "A value that goes from one number to another along half a cosine, slowly at both ends, and stays there.",
        params: &[
            required("from", Kind::Number, "the value up to `start`"),
            required("to", Kind::Number, "the value from `start + steps` on"),
            required("steps", Kind::Number, "how many steps it takes"),
            default("start", Kind::Number, Need::Number(0.0), "the step at which it begins to change"),
        ],
        returns: SCHEDULE,
        result: RESULT,
        call: |lua, args| between(lua, args, |x| 0.5 - 0.5 * (std::f64::consts::PI * x).cos()),
    },
    Function {
        path: "schedule.piecewise",
        doc: "A value that changes at given steps and is constant between them.",
        params: &[required(
            "points",
            Kind::List(&Kind::List(&Kind::Number)),
            "`{ { step, value }, … }`, steps rising: the value from that step on; before the first step it is the first value",
        )],
        returns: SCHEDULE,
        result: RESULT,
        call: |lua, args| {
            let points: Vec<Vec<f64>> = args.get(lua, "points")?;
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
        },
    },
    Function {
        path: "schedule.warm_up",
        doc: "A value that rises from near 0 to what it should be: step 1 gives `to / steps`, step `steps` and all later ones `to`.",
        params: &[
            required("to", Kind::Either(&[Kind::Number, SCHEDULE]), "the value after the warm-up: a number, or a schedule"),
            required("steps", Kind::Number, "how many steps the warm-up takes; with 1 or less there is none"),
        ],
        returns: SCHEDULE,
        result: RESULT,
        call: |lua, args| {
            let steps = args.get::<f64>(lua, "steps")?.max(1.0);
            let part = move |step: f64| (step / steps).clamp(0.0, 1.0);
            match args.get::<Value>(lua, "to")? {
                Value::Function(to) => schedule(lua, move |step| Ok(value_of(&to, step)? * part(step))),
                _ => {
                    let to: f64 = args.get(lua, "to")?;
                    schedule(lua, move |step| Ok(to * part(step)))
                }
            }
        },
    },
];

/// From one number to another: `shape` maps the part of the way in time to that in value, both from 0 to 1.
fn between(lua: &Lua, args: &Args, shape: fn(f64) -> f64) -> mlua::Result<Value> {
    let number = |key: &str| args.get::<f64>(lua, key);
    let (from, to, steps, start) = (number("from")?, number("to")?, number("steps")?, number("start")?);
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

/// What another schedule gives.
fn value_of(schedule: &LuaFunction, step: f64) -> mlua::Result<f64> {
    match number(&schedule.call(step)?) {
        Some(value) => Ok(value),
        _ => Err(mlua::Error::runtime(format!("the schedule of the warm-up gives no number at step {step}"))),
    }
}

/// A Lua function of the step.
fn schedule(lua: &Lua, value: impl Fn(f64) -> mlua::Result<f64> + 'static) -> mlua::Result<Value> {
    let function = raising(lua, 2, move |_, values| match values.front().and_then(number) {
        Some(step) if values.len() == 1 => Ok(Value::Number(value(step)?)),
        _ => Err(mlua::Error::runtime("a schedule takes one number, the step")),
    })?;
    Ok(Value::Function(function))
}
