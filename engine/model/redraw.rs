//! New embeddings for tokens that training hardly saw.
//!
//! A softmax pushes the rows of all tokens that are not the answer the same way, and Adam makes up for how small most of these pushes are. The
//! rows of tokens that are never seen end up short and alike ("Fishing for Magikarp", arXiv 2405.05417, finds them so in published models).
//! Then a model can no longer tell such tokens apart, not even to copy them.

use super::Model;
use super::weights::normal;
use crate::error::{Error, Result};
use crate::random::Rng;

impl Model {
    /// Draws anew the rows of the embedding, and of a head of its own, that are shorter than `share` of the median: from the normal
    /// distribution that has the mean and the covariance of the other rows, as transformers does for added tokens (`mean_resizing`). Returns
    /// how many rows these were.
    ///
    /// # Errors
    /// A share that leaves fewer than two other rows, or a model with an adapter, which is saved without its base.
    pub fn redraw(&self, share: f64, seed: u64) -> Result<usize> {
        if self.lora.is_some() {
            return Err(Error::argument("the model has an adapter, and saving that would lose new embeddings: load the model without it"));
        }
        let (width, mut drawn) = (self.config.hidden_size, 0);
        for (stream, table) in [Some(&self.weights.embed), self.weights.head.as_ref()].into_iter().flatten().enumerate() {
            let mut values = table.read_f64()?;
            let lengths: Vec<f64> = values.chunks(width).map(|row| row.iter().map(|v| v * v).sum::<f64>().sqrt()).collect();
            let mut sorted = lengths.clone();
            sorted.sort_unstable_by(f64::total_cmp);
            let bound = share * sorted[sorted.len() / 2];
            let (short, others): (Vec<usize>, Vec<usize>) = (0..lengths.len()).partition(|id| lengths[*id] < bound);
            if others.len() < 2 {
                return Err(Error::argument(format!("fewer than two rows are as long as {share} of the median: give a smaller share")));
            }
            let others: Vec<Vec<f64>> = others.into_iter().map(|id| values[id * width..][..width].to_vec()).collect();
            let mean: Vec<f64> = (0..width).map(|e| others.iter().map(|row| row[e]).sum::<f64>() / others.len() as f64).collect();
            // A sum of the others' deviations with independent normal factors has their covariance.
            let scale = 1.0 / (others.len() as f64 - 1.0).sqrt();
            let mut rng = Rng::new(&[seed, stream as u64]);
            for id in &short {
                let new = &mut values[id * width..][..width];
                new.copy_from_slice(&mean);
                for row in &others {
                    let factor = scale * normal(&mut rng);
                    new.iter_mut().zip(row).zip(&mean).for_each(|((new, v), mean)| *new += factor * (v - mean));
                }
            }
            table.write_f64(&values)?;
            drawn += short.len();
        }
        Ok(drawn)
    }
}
