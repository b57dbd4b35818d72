//! Acknowledgements. They are handled apart from all else, so that messages go on to a subscriber whose notify takes long.

use std::rc::Rc;

use super::closing::Close;
use super::inbox::Received;
use super::live::Live;
use crate::wire::stateful::S2b;

pub(super) async fn run(live: Rc<Live>) {
    while let Some(received) = live.receipts.next().await {
        if let Err(close) = acknowledge(&live, &received).await {
            live.close(&close);
        }
    }
}

async fn acknowledge(live: &Live, received: &Received) -> Result<(), Close> {
    let message = S2b::read(&received.bytes).map_err(Close::refused)?;
    live.window.check(&message).map_err(Close::refused)?;
    let url = live.speech.url(received.counter);
    if let Some(claim) = message.claim(&url) {
        let proof = message.proof();
        live.speech.admit(proof, proof.tracing, &claim).await?;
    }
    live.acknowledged();
    Ok(())
}
