//! The decoder beside PyTorch, transformers and PEFT; folders, templates, sampling.

mod folders;
mod generate;
mod golden;
mod gradients;
mod lora;
mod references;
mod rows;
mod sixteen_bits;
mod template;
