//! What the bus is built on, without the bus.

use actix::prelude::*;
use actix_rt::SystemRunner;
use tokio::sync::{mpsc, oneshot};

use crate::report::Contestant;

/// Events that are sent before the sender lets the receiver run.
pub(crate) const BATCH: u64 = 500;

struct Counter(u64);

impl Actor for Counter {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "u64")]
struct Add(u64);

impl Handler<Add> for Counter {
    type Result = u64;

    fn handle(&mut self, Add(number): Add, _: &mut Context<Self>) -> u64 {
        self.0 = self.0.wrapping_add(number);
        self.0
    }
}

fn counter() -> (SystemRunner, Addr<Counter>) {
    let system = System::new();
    let address = system.block_on(async { Counter(0).start() });
    (system, address)
}

pub(crate) struct DoSend(SystemRunner, Addr<Counter>);

impl DoSend {
    pub(crate) fn start() -> Self {
        let (system, address) = counter();
        Self(system, address)
    }
}

impl Contestant for DoSend {
    fn handle(&mut self, events: u64) {
        self.0.block_on(async {
            for _ in 0..events / BATCH {
                for number in 1..BATCH {
                    self.1.do_send(Add(number));
                }
                self.1.send(Add(0)).await.unwrap();
            }
        });
    }
}

/// The actor runs on a thread of its own.
pub(crate) struct AcrossThreads(SystemRunner, Addr<Counter>);

impl AcrossThreads {
    pub(crate) fn start() -> Self {
        let system = System::new();
        let address = system.block_on(async { Counter::start_in_arbiter(&Arbiter::new().handle(), |_| Counter(0)) });
        Self(system, address)
    }
}

impl Contestant for AcrossThreads {
    fn handle(&mut self, events: u64) {
        self.0.block_on(async {
            for _ in 0..events / BATCH {
                for number in 1..BATCH {
                    self.1.do_send(Add(number));
                }
                self.1.send(Add(0)).await.unwrap();
            }
        });
    }
}

pub(crate) struct Send(SystemRunner, Addr<Counter>);

impl Send {
    pub(crate) fn start() -> Self {
        let (system, address) = counter();
        Self(system, address)
    }
}

impl Contestant for Send {
    fn handle(&mut self, events: u64) {
        self.0.block_on(async {
            for number in 0..events {
                self.1.send(Add(number)).await.unwrap();
            }
        });
    }
}

type Letter = (u64, Option<oneshot::Sender<u64>>);

pub(crate) struct Channel(SystemRunner, mpsc::Sender<Letter>);

impl Channel {
    pub(crate) fn start() -> Self {
        let system = System::new();
        let (sender, mut receiver) = mpsc::channel::<Letter>(BATCH as usize * 2);
        system.block_on(async {
            actix_rt::spawn(async move {
                let mut sum = 0_u64;
                while let Some((number, reply)) = receiver.recv().await {
                    sum = sum.wrapping_add(number);
                    reply.map(|reply| reply.send(sum));
                }
            });
        });
        Self(system, sender)
    }
}

impl Contestant for Channel {
    fn handle(&mut self, events: u64) {
        self.0.block_on(async {
            for _ in 0..events / BATCH {
                for number in 1..BATCH {
                    self.1.try_send((number, None)).unwrap();
                }
                let (sender, receiver) = oneshot::channel();
                self.1.try_send((0, Some(sender))).unwrap();
                receiver.await.unwrap();
            }
        });
    }
}
