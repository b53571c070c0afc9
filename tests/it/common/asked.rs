//! A small model of random weights that answers chats, and scripts in processes of their own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use finemem::device::Device;
use finemem::model::{ChatTemplate, Config, Model, Tokenizer};
use finemem::reason::{Message, Role};
use serde_json::json;

const TEMPLATE: &str = "{% for message in messages %}[{{ message.role }}] {{ message.content }}\n{% endfor %}[assistant]";

pub fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// A model of random weights with the tokenizer of the tiny one.
pub fn model() -> Model {
    let config = json!({
        "model_type": "llama", "vocab_size": 4096, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 2048, "rope_theta": 10000.0,
        "rms_norm_eps": 1e-6, "hidden_act": "silu", "attention_bias": false, "tie_word_embeddings": true, "eos_token_id": 1049,
    });
    let tokenizer = Tokenizer::load(&root().join("models/tiny/tokenizer.json")).unwrap();
    let mut model = Model::random(Config::from_json(&config).unwrap(), tokenizer, &Device::cpu(), 5).unwrap();
    // Wide enough that no two tokens are about equally likely.
    for (_, weight) in model.weights.named() {
        weight.write(&weight.read().unwrap().iter().map(|v| v * 4.0).collect::<Vec<_>>()).unwrap();
    }
    model.chat_template = ChatTemplate::from_source(TEMPLATE);
    model
}

pub fn chats() -> Vec<Vec<Message>> {
    let texts = ["Where does Mira live?", "Who is Ida Rao?", "Mira Tolen lives in Oska and works as a baker.", "7"];
    texts.map(|text| vec![Message::new(Role::System, "Be brief."), Message::new(Role::User, text)]).to_vec()
}

pub fn run(script: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_finemem-engine"));
    command.args(["run", "--device", "cpu"]).arg(script).arg("--").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Ends a process when a test ends.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
