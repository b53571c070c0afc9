//! One case of an op: tensors, what to run on them, how close the results must be, and which gradients to check.
//!
//! ```ignore
//! Case::new("rmsnorm 3x64", 1e-5)
//!     .float("x", &[3, 64]).float("w", &[64]).float("y", &[3, 64]).float("rstd", &[3])
//!     .float("dy", &[3, 64]).float("dx", &[3, 64])
//!     .forward(|rec, t| rmsnorm::forward(rec, &t["x"], &t["w"], &t["y"], &t["rstd"], 1e-6))
//!     .backward(|rec, t| rmsnorm::backward(rec, &t["dy"], &t["x"], &t["w"], &t["rstd"], &t["dx"], true))
//!     .upstream("y", "dy")
//!     .gradient("x", "dx", Contract::Adds)
//! ```
//!
//! Every float tensor starts with seeded random numbers, outputs too: so an op that replaces where it should add, that adds
//! where it should replace, or that leaves elements out, is caught. [`Case::check`] runs `forward` and `backward` in f64, in
//! f32 on the CPU executor and on every GPU, and compares **all** tensors; then it checks the gradients in f64 by finite differences.

use std::collections::HashMap;
use std::ops::{Index, Range};

use finemem::device::{DType, Device, Recorder, Tensor};
use finemem::{Error, Result};

use super::random::Random;

type Step = Box<dyn Fn(&mut Recorder<'_>, &Tensors) -> Result<()> + Send + Sync>;

/// Elements of an input that finite differences are taken of.
const SAMPLES: usize = 40;
/// The step of central differences in f64: an error of about 1e-9 from curvature, and as much from rounding.
const STEP: f64 = 3e-5;
/// How far a gradient may be from its finite difference, relative to the gradient's size.
const GRADIENT_TOLERANCE: f64 = 1e-6;

/// Numbers of this size count as rounding of the numbers around one that cases are made of.
const SMALL: f64 = 1e-2;

/// What a backward pass does to the gradient it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contract {
    /// `+=`: parameters and the residual stream.
    Adds,
    /// `=`: other activations.
    Replaces,
}

enum Content {
    Float(Vec<f64>),
    Packed(DType, Vec<f32>),
    Integers(Vec<u32>),
}

struct Spec {
    name: &'static str,
    shape: Vec<usize>,
    content: Content,
}

struct Gradient {
    input: &'static str,
    gradient: &'static str,
    contract: Contract,
}

/// The tensors of a case on one device, by name.
pub struct Tensors(HashMap<&'static str, Tensor>);

impl Index<&str> for Tensors {
    type Output = Tensor;
    fn index(&self, name: &str) -> &Tensor {
        self.0.get(name).unwrap_or_else(|| panic!("the case has no tensor '{name}'"))
    }
}

/// One case of an op.
pub struct Case {
    /// Op and shapes, for messages.
    pub name: String,
    tolerance: f64,
    specs: Vec<Spec>,
    forward: Option<Step>,
    backward: Option<Step>,
    upstream: Vec<(&'static str, &'static str)>,
    gradients: Vec<Gradient>,
}

impl Case {
    /// A case whose f32 results may differ from f64 by `tolerance`, relative to the size of the tensor's elements.
    pub fn new(name: impl Into<String>, tolerance: f64) -> Self {
        let (specs, upstream, gradients) = (Vec::new(), Vec::new(), Vec::new());
        Self { name: name.into(), tolerance, specs, forward: None, backward: None, upstream, gradients }
    }

    /// A tensor of random numbers in [-1, 1).
    pub fn float(self, name: &'static str, shape: &[usize]) -> Self {
        self.float_in(name, shape, -1.0..1.0)
    }

    /// A tensor of random numbers in `range`.
    pub fn float_in(self, name: &'static str, shape: &[usize], range: Range<f64>) -> Self {
        let mut random = Random::new(name, self.specs.len() as u64);
        let values = (0..shape.iter().product()).map(|_| random.between(range.start, range.end)).collect();
        self.push(name, shape, Content::Float(values))
    }

    /// A tensor of a type of 16 bits with random numbers in [-1, 1), rounded to it.
    pub fn packed(self, name: &'static str, dtype: DType, shape: &[usize]) -> Self {
        let mut random = Random::new(name, self.specs.len() as u64);
        let values = (0..shape.iter().product()).map(|_| random.between(-1.0, 1.0) as f32).collect();
        self.push(name, shape, Content::Packed(dtype, values))
    }

    /// A tensor of these numbers.
    pub fn float_values(self, name: &'static str, shape: &[usize], values: Vec<f64>) -> Self {
        self.push(name, shape, Content::Float(values))
    }

    /// A tensor of these integers.
    pub fn integers(self, name: &'static str, shape: &[usize], values: Vec<u32>) -> Self {
        self.push(name, shape, Content::Integers(values))
    }

    /// A tensor of random integers below `n`.
    pub fn integers_below(self, name: &'static str, shape: &[usize], n: usize) -> Self {
        let mut random = Random::new(name, self.specs.len() as u64);
        let values = (0..shape.iter().product()).map(|_| random.below(n) as u32).collect();
        self.integers(name, shape, values)
    }

    fn push(mut self, name: &'static str, shape: &[usize], content: Content) -> Self {
        assert!(self.specs.iter().all(|spec| spec.name != name), "{}: two tensors '{name}'", self.name);
        self.specs.push(Spec { name, shape: shape.to_vec(), content });
        self
    }

    /// What to run.
    pub fn forward(mut self, step: impl Fn(&mut Recorder<'_>, &Tensors) -> Result<()> + Send + Sync + 'static) -> Self {
        self.forward = Some(Box::new(step));
        self
    }

    /// What to run after `forward`.
    pub fn backward(mut self, step: impl Fn(&mut Recorder<'_>, &Tensors) -> Result<()> + Send + Sync + 'static) -> Self {
        self.backward = Some(Box::new(step));
        self
    }

    /// The loss is `Σ output · gradient`, summed over all outputs named so: their upstream gradients are these random numbers.
    pub fn upstream(mut self, output: &'static str, gradient: &'static str) -> Self {
        self.upstream.push((output, gradient));
        self
    }

    /// `backward` leaves the gradient of the loss with respect to `input` in `gradient`.
    pub fn gradient(mut self, input: &'static str, gradient: &'static str, contract: Contract) -> Self {
        self.gradients.push(Gradient { input, gradient, contract });
        self
    }

    /// Checks the twin in f32 and every GPU against the twin in f64, then the gradients.
    pub fn check(&self, gpus: &[Device]) {
        let exact = self.results(&Device::cpu_f64());
        for device in [&[Device::cpu()], gpus].concat() {
            for ((name, found), (_, expected)) in self.results(&device).iter().zip(&exact) {
                let error = distance(found, expected);
                let tolerance = self.tolerance;
                assert!(
                    error <= tolerance,
                    "{}, {}: '{name}' is off by {error:.2e} (at most {tolerance:.0e})",
                    self.name,
                    device.describe()
                );
            }
        }
        self.check_gradients();
    }

    /// Runs forward and backward, and gives every tensor in f64.
    fn results(&self, device: &Device) -> Vec<(&'static str, Vec<f64>)> {
        let tensors = self.tensors(device);
        self.run(device, &[&self.forward, &self.backward], &tensors);
        self.specs.iter().map(|spec| (spec.name, self.read(&tensors[spec.name]))).collect()
    }

    /// The tensors of this case on `device`, as they are before anything runs.
    pub fn tensors(&self, device: &Device) -> Tensors {
        let create = |spec: &Spec| -> Result<Tensor> {
            match &spec.content {
                Content::Float(values) => {
                    let tensor = device.zeros(DType::F32, &spec.shape)?;
                    tensor.write_f64(values)?;
                    Ok(tensor)
                }
                Content::Packed(dtype, values) => {
                    let tensor = device.zeros(*dtype, &spec.shape)?;
                    tensor.write(values)?;
                    Ok(tensor)
                }
                Content::Integers(values) => device.tensor_u32(values, &spec.shape),
            }
        };
        Tensors(self.specs.iter().map(|spec| (spec.name, self.ok(create(spec)))).collect())
    }

    fn run(&self, device: &Device, steps: &[&Option<Step>], tensors: &Tensors) {
        let mut rec = device.record();
        for step in steps.iter().copied().flatten() {
            self.ok(step(&mut rec, tensors));
        }
        self.ok(rec.submit());
    }

    fn read(&self, tensor: &Tensor) -> Vec<f64> {
        match tensor.dtype() {
            DType::U32 => self.ok(tensor.read_u32()).into_iter().map(f64::from).collect(),
            _ => self.ok(tensor.read_f64()),
        }
    }

    fn ok<T>(&self, result: Result<T, Error>) -> T {
        result.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Compares `backward` with central differences of `forward` in f64. It runs twice, to tell `+=` from `=`.
    fn check_gradients(&self) {
        if self.gradients.is_empty() {
            return;
        }
        let device = Device::cpu_f64();
        let (start, tensors) = (self.tensors(&device), self.tensors(&device));
        self.run(&device, &[&self.forward, &self.backward], &tensors);
        let once: Vec<Vec<f64>> = self.gradients.iter().map(|g| self.read(&tensors[g.gradient])).collect();
        self.run(&device, &[&self.backward], &tensors);
        for (Gradient { input, gradient, contract }, once) in self.gradients.iter().zip(once) {
            let before = self.read(&start[gradient]);
            let twice = self.read(&tensors[gradient]);
            let value: Vec<f64> = match contract {
                Contract::Replaces => once.clone(),
                Contract::Adds => once.iter().zip(&before).map(|(after, before)| after - before).collect(),
            };
            let expected: Vec<f64> = match contract {
                Contract::Replaces => once,
                Contract::Adds => once.iter().zip(&value).map(|(after, value)| after + value).collect(),
            };
            let drift = distance(&twice, &expected);
            assert!(drift <= 1e-12, "{}: '{gradient}' breaks the contract {contract:?} when backward runs twice ({drift:.1e})", self.name);
            self.check_differences(&device, input, gradient, &value);
        }
    }

    fn check_differences(&self, device: &Device, input: &str, gradient: &str, value: &[f64]) {
        let mut random = Random::new(input, 1);
        let samples: Vec<usize> =
            if value.len() <= SAMPLES { (0..value.len()).collect() } else { (0..SAMPLES).map(|_| random.below(value.len())).collect() };
        let size = rms(value).max(1e-3);
        for i in samples {
            let loss = |step: f64| {
                let tensors = self.tensors(device);
                let mut x = self.read(&tensors[input]);
                x[i] += step;
                self.ok(tensors[input].write_f64(&x));
                self.run(device, &[&self.forward], &tensors);
                let outputs = self.upstream.iter().map(|(y, dy)| (self.read(&tensors[y]), self.read(&tensors[dy])));
                outputs.map(|(y, dy)| y.iter().zip(&dy).map(|(y, dy)| y * dy).sum::<f64>()).sum::<f64>()
            };
            let difference = (loss(STEP) - loss(-STEP)) / (2.0 * STEP);
            let error = (value[i] - difference).abs() / (size + difference.abs());
            assert!(
                error <= GRADIENT_TOLERANCE,
                "{}: '{gradient}' at {i} is {}, the finite difference of '{input}' {difference}",
                self.name,
                value[i]
            );
        }
    }
}

/// The largest difference, relative to the root mean square of the expected numbers and to the number itself.
pub fn distance(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len(), "tensors of different length");
    let size = rms(expected);
    let relative = |(a, b): (&f64, &f64)| {
        if a == b {
            0.0
        } else if (a - b).is_finite() {
            (a - b).abs() / (size + b.abs()).max(SMALL)
        } else {
            f64::INFINITY
        }
    };
    found.iter().zip(expected).map(relative).fold(0.0, f64::max)
}

fn rms(values: &[f64]) -> f64 {
    (values.iter().map(|v| v * v).sum::<f64>() / values.len().max(1) as f64).sqrt()
}
