//! `fm.sft`: supervised training, as scripts see it.

use std::rc::Rc;

use mlua::{ExternalResult, IntoLua, Lua, Table};

use super::api::{Area, Args, Function, Handle, Kind, Need, Object, Param, Scripted, default, object, optional, required};
use super::model::{Policy, SEQUENCE, Shared, sequences};
use finemem::model::activations::Recompute;
use finemem::train::learner::Memory;
use finemem::train::optimizer::Settings;
use finemem::train::plan;
use finemem::train::sft::{self, Supervised};

pub(super) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[&SFT], records: &[] };

/// The argument of trainers that [`memory`] reads besides `micro_tokens`.
pub(super) const RECOMPUTE: Param = default(
    "recompute",
    Kind::Choice(&Recompute::NAMES),
    Need::Text("none"),
    "what the backward pass computes again to save memory: nothing, the attention part of the blocks, or all of them",
);

/// How a trainer uses memory.
pub(super) fn memory(lua: &Lua, args: &Args) -> mlua::Result<Memory> {
    Ok(Memory { micro_tokens: args.get(lua, "micro_tokens")?, recompute: args.get::<String>(lua, "recompute")?.parse().into_lua_err()? })
}

const FUNCTIONS: &[Function] = &[Function {
    path: "sft.new",
    doc: "A supervised trainer: AdamW on the weighted log-likelihood of given sequences.",
    params: &[
        required("policy", Kind::Object("Model"), "the model to train"),
        default("lr", Kind::Number, Need::Number(1e-3), "learning rate of steps that name none"),
        default("beta1", Kind::Number, Need::Number(0.9), "decay of the first moment"),
        default("beta2", Kind::Number, Need::Number(0.95), "decay of the second moment"),
        default("weight_decay", Kind::Number, Need::Number(0.0), "decoupled weight decay of matrices"),
        default("max_grad_norm", Kind::Number, Need::Number(1.0), "largest norm of the gradient; 0 for no clipping"),
        default("micro_tokens", Kind::Integer, Need::Number(4096.0), "tokens that go through the model at a time"),
        RECOMPUTE,
    ],
    returns: Kind::Object("SftTrainer"),
    result: "the trainer",
    call: |lua, args| {
        super::free_dropped(lua)?;
        let policy = args.object::<Shared>(lua, "policy")?.0.0.clone();
        let settings = Settings {
            beta1: args.get(lua, "beta1")?,
            beta2: args.get(lua, "beta2")?,
            weight_decay: args.get(lua, "weight_decay")?,
            max_grad_norm: args.get(lua, "max_grad_norm")?,
            ..Settings::default()
        };
        let memory = memory(lua, args)?;
        let model = &policy.model;
        let more = plan::more(model, |model| Supervised::new(model, memory, settings).map(drop)).into_lua_err()?;
        let advice = |_| "set recompute = \"all\" or lower micro_tokens, train an adapter, or take a smaller model".to_string();
        model.device.expect_memory("training", more, advice).into_lua_err()?;
        let trainer = Supervised::new(&policy.model, memory, settings).into_lua_err()?;
        object(lua, Sft { policy, trainer, lr: args.get(lua, "lr")? })
    },
}];

/// A supervised trainer and the model it trains.
struct Sft {
    policy: Rc<Policy>,
    trainer: Supervised,
    lr: f32,
}

static SFT: Object = Object {
    name: "SftTrainer",
    doc: "A supervised trainer.",
    fields: &[],
    methods: &[Function {
        path: "step",
        doc: "One AdamW step on the mean negative log-likelihood of the counted tokens.",
        params: &[
            required("sequences", Kind::List(&Kind::Record(&SEQUENCE)), "what to learn"),
            optional("lr", Kind::Number, "learning rate of this step"),
        ],
        returns: Kind::Map(&Kind::Number),
        result: "loss, entropy, grad_norm and tokens",
        call: |lua, args| {
            let sequences = sequences(&args.get::<Vec<Table>>(lua, "sequences")?)?;
            let mut this = args.this_mut::<Sft>()?;
            let sft = &mut this.0;
            let lr = args.get::<Option<f32>>(lua, "lr")?.unwrap_or(sft.lr);
            let stats = sft.trainer.step(&sft.policy.model, &sequences, lr).into_lua_err()?;
            let table = lua.create_table()?;
            table.raw_set("loss", stats.loss)?;
            table.raw_set("entropy", stats.entropy)?;
            table.raw_set("grad_norm", stats.grad_norm)?;
            table.raw_set("tokens", stats.tokens)?;
            table.into_lua(lua)
        },
    }],
    checkpoint: Some(|data, act| {
        let mut this = data.borrow_mut::<Handle<Sft>>()?;
        let Sft { policy, trainer, .. } = &mut this.0;
        act(&mut sft::Trained { trainer, model: &policy.model }).into_lua_err()
    }),
};

impl Scripted for Sft {
    const OBJECT: &'static Object = &SFT;
    fn describe(&self) -> String {
        format!("a supervised trainer of a {}", self.policy.model)
    }
}
