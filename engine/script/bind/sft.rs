//! `fm.sft`: supervised training, as scripts see it.

use std::rc::Rc;

use mlua::{ExternalResult, Lua};

use super::model::{ModelHandle, Policy};
use crate::api::{Area, Function, Handed, Handle, Kind, Object, Scripted, function, method};
use finemem::record;
use finemem::train::learner::Budget;
use finemem::train::optimizer::Settings;
use finemem::train::plan;
use finemem::train::sft::{self, Stats, Supervised, Weighted};

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[&SFT] };

record! {
    struct New {
        /// the model to train
        policy: Handed<ModelHandle>,
        /// default learning rate of steps
        lr: f64 = 1e-3,
        /// decay of the first moment
        beta1: f64 = Settings::default().beta1,
        /// decay of the second moment
        beta2: f64 = Settings::default().beta2,
        /// decoupled weight decay of matrices
        weight_decay: f64 = Settings::default().weight_decay,
        /// largest norm of the gradient; 0 for no clipping
        max_grad_norm: f64 = Settings::default().max_grad_norm,
        /// keep the embedding, and a head that is tied to it, as it is
        freeze_embedding: bool = Settings::default().freeze_embedding,
        ..memory: Budget,
    }

    struct Step {
        /// the sequences to learn
        sequences: Vec<Weighted>,
        /// learning rate of this step
        lr: Option<f32>,
    }
}

const FUNCTIONS: &[Function] = &[function! {
    /// A supervised trainer: AdamW on the weighted log-likelihood of given sequences.
    "sft.new" (lua, given: New) -> Handed<Sft>: "the trainer" {
        Handed::new(lua, Sft::new(lua, &given)?)
    }
}];

/// A supervised trainer and the model it trains.
struct Sft {
    policy: Rc<Policy>,
    trainer: Supervised,
    lr: f32,
}

/// Scripts see [`Stats`] as figures by name, like those of other trainers.
const FIGURES: Kind = Kind::Map(&Kind::Number);

static SFT: Object = Object {
    name: Sft::NAME,
    doc: "A supervised trainer.",
    properties: &[],
    methods: &[method! {
        /// One AdamW step on the mean negative log-likelihood of the counted tokens.
        "step" (lua, mut this: Sft, given: Step) -> Stats as FIGURES: "loss, entropy, grad_norm and tokens" {
            let Sft { policy, trainer, lr } = &mut this.0;
            trainer.step(&policy.model, &given.sequences, given.lr.unwrap_or(*lr)).into_lua_err()
        }
    }],
    checkpoint: Some(|data, act| {
        let mut this = data.borrow_mut::<Handle<Sft>>()?;
        let Sft { policy, trainer, .. } = &mut this.0;
        act(&mut sft::Trained { trainer, model: &policy.model }).into_lua_err()
    }),
};

impl Sft {
    fn new(lua: &Lua, given: &New) -> mlua::Result<Self> {
        super::free_dropped(lua)?;
        let policy = given.policy.borrow()?.policy().clone();
        let model = &policy.model;
        let settings = Settings {
            beta1: given.beta1,
            beta2: given.beta2,
            weight_decay: given.weight_decay,
            max_grad_norm: given.max_grad_norm,
            freeze_embedding: given.freeze_embedding,
            ..Settings::default()
        };
        let more = plan::more(model, |model| Supervised::new(model, given.memory, settings).map(drop)).into_lua_err()?;
        let advice = |_| "set recompute = \"all\" or lower micro_tokens, train an adapter, or take a smaller model".to_string();
        model.device.expect_memory("training", more, advice).into_lua_err()?;
        let trainer = Supervised::new(model, given.memory, settings).into_lua_err()?;
        Ok(Self { policy, trainer, lr: given.lr as f32 })
    }
}

impl Scripted for Sft {
    const NAME: &'static str = "SftTrainer";
    const OBJECT: &'static Object = &SFT;
    fn describe(&self) -> String {
        format!("a supervised trainer of a {}", self.policy.model)
    }
}
