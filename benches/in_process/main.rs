//! One event with one hook, in one process: Eventhive beside bare actix, a bare tokio channel, and Python's hooker.
//!
//! `cargo bench --bench in_process` runs all of them in turn, several times over, and prints the median of each and the
//! median of the ratios within a round: rounds share what else the machine does, so ratios are steadier than times.
//! The best round is what a quiet machine shows. `-- --only NAME` runs the contestants of that name alone, for a profile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that fails is worth nothing"
)]

mod bare;
mod bus;
mod python;
mod report;

use report::{Column, Contestant};

const ROUNDS: usize = 21;

/// The name that follows `--only`.
fn only() -> Option<String> {
    std::env::args().skip_while(|argument| argument != "--only").nth(1)
}

fn main() {
    // `cargo test` runs benchmarks too, with another flag and without optimisation.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let forget: Vec<Box<dyn Contestant>> = vec![
        Box::new(bare::DoSend::start()),
        Box::new(bare::Channel::start()),
        Box::new(bus::Emit::start("emit", bus::Crowd::None)),
        Box::new(bus::Emit::start("emit, 10,000 events defined", bus::Crowd::Events)),
        Box::new(bus::Emit::start("emit, 1,000 globs hooked", bus::Crowd::Globs)),
        Box::new(bus::Emit::typed("emit, object read as a struct")),
        Box::new(bus::Emit::blocking("emit, blocking handler")),
    ];
    report::print("fire and forget", Column::run(forget, ROUNDS));
    let wait: Vec<Box<dyn Contestant>> = vec![
        Box::new(bare::Send::start()),
        Box::new(bus::Call::start("call", bus::Crowd::None)),
        Box::new(bus::Call::start("call, 10,000 events defined", bus::Crowd::Events)),
        Box::new(bus::Call::start("call, 1,000 globs hooked", bus::Crowd::Globs)),
        Box::new(bus::Call::blocking("call, blocking handler")),
    ];
    report::print("wait for the outcome", Column::run(wait, ROUNDS));
    if only().is_some() {
        return;
    }
    match python::nanoseconds_per_call() {
        Ok(nanoseconds) => println!("Python's hooker 1.0.2, one call of one hook: {nanoseconds:.0} ns"),
        Err(reason) => println!("Python's hooker 1.0.2: not measured, {reason}"),
    }
}
