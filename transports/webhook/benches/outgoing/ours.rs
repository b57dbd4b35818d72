//! What is measured.

use std::sync::Arc;
use std::time::Duration;

use eventhive_listener::Networks;
use eventhive_webhook::outgoing::{Objection, Outgoing, OutgoingSettings, Unvouched, Vouch};
use eventhive_webhook::store::Outcome;
use eventhive_webhook::wire::auth::{Accepted, Claim, Direction, HmacKey, Nonce, Scheme, Stamp};
use futures_util::future::{BoxFuture, try_join_all};

use crate::{Bench, Failed};

/// Keys that the sink knows too.
pub(crate) fn scheme(direction: Direction) -> Scheme {
    Scheme::Hmac(HmacKey::new(&[if direction == Direction::ToSubscriber { 1 } else { 2 }; 64]))
}

pub(crate) fn outgoing(hmac: bool) -> Result<Arc<Outgoing>, Failed> {
    let vouch: Arc<dyn Vouch> = if hmac {
        let [sign, verify] = [Direction::ToSubscriber, Direction::ToBroadcaster].map(scheme);
        Arc::new(Signing { sign, verify })
    } else {
        Arc::new(Unvouched)
    };
    let allow = Networks::loopback();
    Ok(Arc::new(Outgoing::new(OutgoingSettings { allow, ..OutgoingSettings::new(vouch) })?))
}

/// Signs and verifies; that no answer counts twice is the store's, and is not measured here.
struct Signing {
    sign: Scheme,
    verify: Scheme,
}

impl Vouch for Signing {
    fn sign(&self, claim: &Claim<'_>, tracing: &[u8]) -> Result<Option<String>, Box<str>> {
        let nonce = Nonce::fresh().map_err(|error| error.to_string())?;
        let stamp = Stamp::new(self.now(), &nonce);
        Ok(self.sign.sign(claim, tracing, stamp).map_err(|error| error.to_string())?)
    }

    fn admit<'a>(
        &'a self,
        authorization: Option<&'a str>,
        claim: Claim<'a>,
        tracing: &'a [u8],
    ) -> BoxFuture<'a, Result<(), Objection>> {
        let now: Duration = self.now();
        Box::pin(async move {
            match self.verify.verify(authorization, &claim, tracing, now) {
                Ok(Accepted::Once(_)) => Ok(()),
                _ => Err(Objection::Refused("the sink did not sign".into())),
            }
        })
    }
}

pub(crate) async fn receive(bench: &Bench, outgoing: &Arc<Outgoing>, ports: &[u16]) -> Result<(), Failed> {
    let tasks = ports.iter().map(|port| {
        let (outgoing, message, share) = (Arc::clone(outgoing), bench.message.clone(), bench.share());
        let url = format!("http://127.0.0.1:{port}/v1/receive");
        tokio::spawn(async move {
            for _ in 0..share {
                let report = outgoing.receive(&url, &message).await;
                if report.outcome != Outcome::Confirmed {
                    return Err(format!("{report:?}"));
                }
            }
            Ok(())
        })
    });
    for done in try_join_all(tasks).await? {
        done?;
    }
    Ok(())
}
