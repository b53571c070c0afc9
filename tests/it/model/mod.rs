//! The decoder beside PyTorch, transformers and PEFT; folders, templates, sampling.

mod carries;
mod folders;
mod generate;
mod gguf;
mod golden;
mod gradients;
mod llama;
mod lora;
mod published;
mod python;
mod references;
mod rows;
mod sixteen_bits;
mod template;
