//! One event with one hook, in one process: Eventhive beside bare actix, a bare tokio channel, and Python's hooker.
//!
//! `cargo bench --bench in_process` runs all of them in turn, several times over, and prints the median of each and the
//! median of the ratios within a round: rounds share what else the machine does, so ratios are steadier than times.
//! The best round is what a quiet machine shows. `-- --only NAME` runs the contestants of that name alone, for a profile;
//! `-- seal` runs the tables of sealing and opening alone.
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
mod seal;

use report::{Column, Entry};

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
    seal::run();
    if std::env::args().any(|argument| argument == "seal") {
        return;
    }
    let forget: &[Entry] = &[
        ("actix do_send", || Box::new(bare::DoSend::start())),
        ("tokio mpsc, bounded", || Box::new(bare::Channel::start())),
        ("emit", || Box::new(bus::Emit::start(bus::Crowd::None))),
        ("emit, 10,000 events defined", || Box::new(bus::Emit::start(bus::Crowd::Events))),
        ("emit, 1,000 globs hooked", || Box::new(bus::Emit::start(bus::Crowd::Globs))),
        ("emit, object read as a struct", || Box::new(bus::Emit::typed())),
        ("emit, blocking handler", || Box::new(bus::Emit::blocking())),
    ];
    let across: &[Entry] = &[
        ("actix do_send", || Box::new(bare::AcrossThreads::start())),
        ("emit", || Box::new(bus::AcrossThreads::start(false))),
        ("emit, blocking handler", || Box::new(bus::AcrossThreads::start(true))),
    ];
    let wait: &[Entry] = &[
        ("actix send().await", || Box::new(bare::Send::start())),
        ("call", || Box::new(bus::Call::start(bus::Crowd::None))),
        ("call, 10,000 events defined", || Box::new(bus::Call::start(bus::Crowd::Events))),
        ("call, 1,000 globs hooked", || Box::new(bus::Call::start(bus::Crowd::Globs))),
        ("call, blocking handler", || Box::new(bus::Call::blocking())),
    ];
    report::print("fire and forget", &Column::run(forget, ROUNDS, report::EVENTS));
    report::print("fire and forget, from another thread", &Column::run(across, ROUNDS, report::EVENTS));
    report::print("wait for the outcome", &Column::run(wait, ROUNDS, report::EVENTS));
    if only().is_some() {
        return;
    }
    match python::nanoseconds_per_call() {
        Ok(nanoseconds) => println!("Python's hooker 1.0.2, one call of one hook: {nanoseconds:.0} ns"),
        Err(reason) => println!("Python's hooker 1.0.2: not measured, {reason}"),
    }
}
