//! The task behind a moving link.

use std::sync::Arc;

use eventhive_transport::{Link, LinkState};
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};

use super::wants::{Change, Waiter, Wants};
use super::{Order, Request, Shared};

/// The link to the present server.
struct Behind {
    link: Arc<dyn Link>,
    state: watch::Receiver<LinkState>,
    /// Everything that was granted before has been subscribed here once; from then on the link keeps it.
    complete: bool,
}

/// Owns the link behind and the subscriptions. One task runs it.
pub(super) struct Mover {
    shared: Arc<Shared>,
    requests: mpsc::Receiver<Request>,
    orders: watch::Receiver<Order>,
    /// False once nobody gives orders any more.
    steered: bool,
    wants: Wants,
    behind: Option<Behind>,
    /// The link to the server before this one, while it closes.
    leaving: Option<BoxFuture<'static, ()>>,
    /// Whether there was a server before.
    moved: bool,
}

/// What happened.
enum News {
    Request(Option<Request>),
    Order(bool),
    State,
    Wants(Change),
    Left,
}

impl Mover {
    pub(super) fn new(shared: Arc<Shared>, requests: mpsc::Receiver<Request>, orders: watch::Receiver<Order>) -> Self {
        let wants = Wants::default();
        Self { shared, requests, orders, steered: true, wants, behind: None, leaving: None, moved: false }
    }

    /// Runs until the link's owner closes or drops it.
    pub(super) async fn run(mut self) {
        loop {
            match self.news().await {
                News::Request(Some(Request::Subscribe { filter, sink, answer, kept })) => {
                    self.wants.add(
                        filter,
                        sink,
                        Waiter { answer, kept },
                        self.behind.as_ref().map(|behind| &behind.link),
                    );
                }
                News::Request(Some(Request::Cancel { id, done })) => self.wants.cancel(id, done),
                News::Request(Some(Request::Close { done })) => return self.close(done).await,
                News::Request(None) => return,
                News::Order(given) => {
                    self.steered = given;
                    self.ordered();
                }
                News::State => {}
                News::Wants(Change::Abandoned(id)) => self.wants.abandon(id),
                News::Wants(Change::Made(made)) => {
                    if let Some(behind) = &self.behind {
                        self.wants.note(made, &behind.link);
                    }
                }
                News::Left => {
                    self.leaving = None;
                    self.arrive();
                }
            }
            self.show();
        }
    }

    async fn news(&mut self) -> News {
        tokio::select! {
            request = self.requests.recv() => News::Request(request),
            order = self.orders.changed(), if self.steered => News::Order(order.is_ok()),
            () = changed(&mut self.behind) => News::State,
            change = self.wants.changed() => News::Wants(change),
            () = ended(&mut self.leaving) => News::Left,
        }
    }

    /// Carries out the last order, unless the server before is still being left: then it is carried out after that.
    fn ordered(&mut self) {
        if self.leaving.is_some() {
            return;
        }
        let goes = matches!(*self.orders.borrow(), Order::Go(_));
        match self.behind.take_if(|_| goes) {
            Some(behind) => self.leave(behind),
            None if self.behind.is_none() => self.arrive(),
            None => {}
        }
    }

    /// Closes the link to the present server. Its receipts have all been settled when that is done.
    fn leave(&mut self, behind: Behind) {
        self.shared.set_behind(None);
        self.shared.enter(LinkState::Connecting);
        let stood = self.wants.leave();
        self.leaving = Some(Box::pin(async move {
            behind.link.close().await;
            drop(stood);
        }));
    }

    /// Opens the link to the server of the last order.
    fn arrive(&mut self) {
        let order = self.orders.borrow_and_update().clone();
        let opened = match order {
            Order::Stay => return,
            Order::Nowhere(reason) => return self.shared.enter(down(reason)),
            Order::Go(opener) => opener(),
        };
        match opened {
            Ok(link) => {
                self.wants.make_all(&link, self.moved);
                self.moved = true;
                self.shared.set_behind(Some(Arc::clone(&link)));
                self.behind = Some(Behind { state: link.state(), link, complete: false });
            }
            Err(reason) => self.shared.enter(down(reason.into())),
        }
    }

    /// Tells how the link stands, as far as its owner is concerned.
    fn show(&mut self) {
        let Some(behind) = &mut self.behind else { return };
        let state = behind.state.borrow_and_update().clone();
        self.shared.enter(match state {
            LinkState::Up if behind.complete || self.wants.complete() => {
                behind.complete = true;
                LinkState::Up
            }
            LinkState::Up => self.wants.refusal.clone().map_or(LinkState::Connecting, down),
            LinkState::Closed => down("the link was closed".into()),
            // That one has; but there may be another server.
            LinkState::Down { reason, .. } => down(reason),
            other => other,
        });
    }

    async fn close(mut self, done: oneshot::Sender<()>) {
        self.shared.set_behind(None);
        if let Some(leaving) = self.leaving.take() {
            leaving.await;
        }
        if let Some(behind) = self.behind.take() {
            behind.link.close().await;
        }
        self.shared.state.send_replace(LinkState::Closed);
        let _ = done.send(());
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        self.shared.set_behind(None);
    }
}

fn down(reason: Arc<str>) -> LinkState {
    LinkState::Down { reason, gave_up: false }
}

/// Comes back when the state of the link behind has changed. A link whose state never changes again is not heard of.
async fn changed(behind: &mut Option<Behind>) {
    if let Some(behind) = behind
        && behind.state.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

async fn ended(leaving: &mut Option<BoxFuture<'static, ()>>) {
    match leaving {
        Some(leaving) => leaving.await,
        None => std::future::pending().await,
    }
}
