//! What every executor promises: order, counters, slices, errors.

use crate::common::{devices, gpus};
use finemem::device::{DType, Device, Grid, Tensor};
use finemem::ops::elementwise::{self, ADD, Params};

fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i % 1000) as f32).collect()
}

#[test]
fn numbers_come_back_as_written() {
    for device in devices() {
        for n in [1, 3, 64, 100_003] {
            let tensor = device.tensor(&numbers(n), &[n]).unwrap();
            assert_eq!(tensor.read().unwrap(), numbers(n), "{}", device.describe());
        }
        let integers = device.tensor_u32(&[7, u32::MAX], &[2]).unwrap();
        assert_eq!(integers.read_u32().unwrap(), [7, u32::MAX]);
        assert_eq!(device.zeros(DType::F32, &[5]).unwrap().read().unwrap(), [0.0; 5]);
    }
}

#[test]
fn slices_read_and_write_their_part() {
    for device in devices() {
        let tensor = device.tensor(&numbers(256), &[4, 64]).unwrap();
        let row = tensor.slice(2..3).unwrap();
        assert_eq!(row.read().unwrap(), &numbers(256)[128..192]);
        row.write(&[9.0; 64]).unwrap();
        let mut rec = device.record();
        elementwise::add(&mut rec, &device.tensor(&[1.0; 64], &[1, 64]).unwrap(), &row).unwrap();
        rec.submit().unwrap();
        let mut expected = numbers(256);
        expected[128..192].fill(10.0);
        assert_eq!(tensor.read().unwrap(), expected, "{}", device.describe());
    }
}

#[test]
fn recordings_run_in_order_and_see_each_other() {
    for device in devices() {
        let (one, y) = (device.tensor(&[1.0; 7], &[7]).unwrap(), device.zeros(DType::F32, &[7]).unwrap());
        let (mut first, mut second) = (device.record(), device.record());
        elementwise::fill(&mut first, &y, 5.0).unwrap();
        first.submit().unwrap();
        for _ in 0..10 {
            elementwise::add(&mut second, &one, &y).unwrap();
        }
        second.submit().unwrap();
        assert_eq!(y.read().unwrap(), [15.0; 7], "{}", device.describe());
    }
}

#[test]
fn a_recording_keeps_what_it_uses() {
    for device in devices() {
        let y = device.zeros(DType::F32, &[9]).unwrap();
        let mut rec = device.record();
        for i in 0..3 {
            elementwise::add(&mut rec, &device.tensor(&[i as f32; 9], &[9]).unwrap(), &y).unwrap();
        }
        assert_eq!(rec.submit_and_read(&y).unwrap(), [3.0; 9], "{}", device.describe());
    }
}

#[test]
fn counters_count() {
    // Other tests use the shared devices at the same time, so this one opens its own.
    let gpu = gpus().first().and_then(|device| device.caps()).map(|caps| Device::open(&caps.name).unwrap());
    for device in [Some(Device::cpu()), gpu].into_iter().flatten() {
        let gpu = u64::from(device.caps().is_some());
        let (x, y) = (device.zeros(DType::F32, &[100]).unwrap(), device.zeros(DType::F32, &[100]).unwrap());
        let before = device.counters();
        assert_eq!((before.buffers, before.bytes), (2, 800));
        for _ in 0..3 {
            let mut rec = device.record();
            elementwise::add(&mut rec, &x, &y).unwrap();
            elementwise::add(&mut rec, &x, &y).unwrap();
            rec.submit().unwrap();
        }
        let mut rec = device.record();
        elementwise::fill(&mut rec, &y, 1.0).unwrap();
        rec.submit_and_read(&y).unwrap();
        device.record().submit().unwrap();
        let after = device.counters();
        assert_eq!(after.dispatches - before.dispatches, 7);
        assert_eq!(after.submits - before.submits, 4 * gpu, "{}", device.describe());
        assert_eq!(after.readbacks - before.readbacks, gpu);
        assert_eq!(after.buffers, before.buffers);
    }
}

#[test]
fn a_recording_may_have_thousands_of_dispatches() {
    for device in gpus() {
        let (one, y) = (device.tensor(&[1.0; 4], &[4]).unwrap(), device.zeros(DType::F32, &[4]).unwrap());
        for count in [2, 9000, 3] {
            let mut rec = device.record();
            elementwise::fill(&mut rec, &y, 0.0).unwrap();
            for _ in 0..count {
                elementwise::add(&mut rec, &one, &y).unwrap();
            }
            assert_eq!(rec.submit_and_read(&y).unwrap(), [count as f32; 4], "{}", device.describe());
        }
    }
}

#[test]
fn empty_tensors_are_fine() {
    for device in devices() {
        let (x, y) = (device.zeros(DType::F32, &[0]).unwrap(), device.zeros(DType::F32, &[0]).unwrap());
        let mut rec = device.record();
        elementwise::add(&mut rec, &x, &y).unwrap();
        assert_eq!(rec.submit_and_read(&y).unwrap(), [0.0; 0]);
        let sum = device.tensor(&[3.0; 5], &[5]).unwrap();
        let mut rec = device.record();
        elementwise::add_rows(&mut rec, &device.zeros(DType::F32, &[0, 5]).unwrap(), &sum).unwrap();
        assert_eq!(rec.submit_and_read(&sum).unwrap(), [3.0; 5], "{}", device.describe());
    }
}

fn message(result: Result<(), finemem::Error>) -> String {
    result.expect_err("this must fail").to_string()
}

#[test]
fn wrong_bindings_are_errors() {
    for device in devices() {
        let (x, y) = (device.zeros(DType::F32, &[64]).unwrap(), device.zeros(DType::F32, &[64]).unwrap());
        let integers = device.zeros(DType::U32, &[64]).unwrap();
        let elsewhere = Device::cpu_f64().zeros(DType::F32, &[64]).unwrap();
        let mut rec = device.record();
        assert!(message(elementwise::add(&mut rec, &x, &x)).contains("shares its buffer"));
        assert!(message(elementwise::add(&mut rec, &integers, &y)).contains("element type"));
        assert!(message(elementwise::add(&mut rec, &elsewhere, &y)).contains("is on CPU executor in f64"));
        assert!(message(elementwise::add(&mut rec, &x, &y.view(&[63]).unwrap())).contains("expected [64]"));
        assert!(message(integers.read().map(|_| ())).contains("type F32"));
        assert!(message(x.write_u32(&[0; 64])).contains("type U32"));
        assert!(message(x.write(&[0.0; 3])).contains("3 values"));
    }
}

#[test]
fn what_a_gpu_cannot_bind_is_an_error() {
    for device in gpus() {
        let caps = device.caps().expect("a GPU");
        let table = device.zeros(DType::F32, &[10, 3]).unwrap();
        let (y, mut rec) = (device.zeros(DType::F32, &[1, 3]).unwrap(), device.record());
        assert!(message(elementwise::add(&mut rec, &table.slice(1..2).unwrap(), &y)).contains("multiple of 256"));
        if caps.max_binding < caps.max_buffer.min(512 << 20) {
            let n = caps.max_binding as usize / 4 + 1;
            let large: Tensor = device.zeros(DType::F32, &[n]).unwrap();
            assert!(message(elementwise::fill(&mut rec, &large, 1.0)).contains("binds at most"));
        }
        let most = caps.max_groups as usize;
        let launch = ADD.grid(Grid::Groups(most + 1, 1, 1));
        assert!(message(rec.run(launch, &<Params as bytemuck::Zeroable>::zeroed(), &[&table, &y])).contains("workgroups"));
        let huge = device.zeros(DType::F32, &[caps.max_buffer as usize / 4 + 1]);
        assert!(message(huge.map(|_| ())).contains("and a buffer of"));
    }
}

#[test]
fn unknown_adapters_and_variants_are_errors() {
    let error = Device::open("no such card").map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("no such card") && error.contains("finemem-engine info"), "{error}");
    for device in gpus() {
        let (x, y, mut rec) = (device.zeros(DType::F32, &[4]).unwrap(), device.zeros(DType::F32, &[4]).unwrap(), device.record());
        let launch = ADD.variant("nonsense", Grid::Elements(1));
        assert!(message(rec.run(launch, &<Params as bytemuck::Zeroable>::zeroed(), &[&x, &y])).contains("'add.nonsense'"));
    }
}
