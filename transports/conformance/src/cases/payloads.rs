//! What messages may hold, and how large they may be.

use bytes::Bytes;
use eventhive_transport::{Refused, RefusedReason, Topic};

use crate::case::{Check, MEGABYTE, Need, Stop, ensure};
use crate::context::Context;

/// Publishes the payloads on one topic, one after the other, and expects each unchanged.
async fn round_trip(context: Context, payloads: Vec<Bytes>) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let topic = context.topic("a");
    let mut received = subscriber.listen(&topic).await?;
    for payload in payloads {
        publisher.publish(&topic, payload.clone()).await?;
        received.expect(&topic, payload).await?;
    }
    Ok(())
}

pub(super) async fn an_empty_payload_arrives(context: Context) -> Check {
    round_trip(context, vec![Bytes::new(), Bytes::from_static(b"x"), Bytes::new()]).await
}

/// Text of this many bytes, without two equal stretches.
fn text(bytes: usize) -> Bytes {
    let mut text = String::with_capacity(bytes + 12);
    while text.len() < bytes {
        text.push_str(&text.len().to_string());
        text.push(' ');
    }
    text.truncate(bytes);
    Bytes::from(text)
}

pub(super) async fn a_payload_of_one_mebibyte_arrives(context: Context) -> Check {
    round_trip(context, vec![text(MEGABYTE)]).await
}

fn largest(context: &Context) -> Check<usize> {
    context.capabilities().max_payload.ok_or(Stop::Lacks(Need::MaxPayload.name()))
}

pub(super) async fn the_largest_payload_arrives(context: Context) -> Check {
    let largest = text(largest(&context)?);
    round_trip(context, vec![largest]).await
}

pub(super) async fn a_payload_that_is_too_large_is_refused_and_the_link_stays_up(context: Context) -> Check {
    let largest = largest(&context)?;
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let topic = context.topic("a");
    let mut received = subscriber.listen(&topic).await?;
    let payload = text(largest + 1);
    match publisher.try_publish(&topic, payload.clone()) {
        Err(Refused { topic: back, payload: returned, reason: RefusedReason::TooLarge { size, largest: told } }) => {
            ensure!(back == topic && returned == payload, "the refusal does not give the message back");
            ensure!((size, told) == (largest + 1, largest), "it says that {size} is more than {told}");
        }
        other => return Err(Stop::Failed(format!("{} bytes should be TooLarge, got {}", largest + 1, told(&other)))),
    }
    publisher.publish(&topic, "after").await?;
    received.expect(&topic, "after").await?;
    ensure!(publisher.state_now().is_up(), "the link is {}", publisher.state_now());
    Ok(())
}

fn told<T>(result: &Result<T, Refused>) -> String {
    match result {
        Ok(_) => "a receipt".into(),
        Err(refused) => format!("{:?}", refused.reason),
    }
}

/// Texts that have broken encoders: escapes, separators of lines, surrogates' neighbours, other notations of nothing.
const TEXTS: &[&str] = &[
    "null",
    "{}",
    "\"\"",
    "[1, 2",
    "NaN",
    "\u{0}",
    "\u{1}\u{1f}\u{7f}",
    "a\"b\\c/d\\u0041\\",
    "\r\n\t\u{8}\u{c}",
    "Größe",
    "日本語",
    "\u{2028}\u{2029}",
    "\u{feff}bom",
    "\u{d7ff}\u{e000}\u{fffd}\u{ffff}",
    "🐝👩‍👩‍👧\u{10ffff}",
    "e\u{301} é",
    "data: x\n\n",
    "<!--]]>&amp;",
    "%00%zz",
    "\\ud83d",
    " ",
    "1e400",
    "base64:AAAA",
    "data:application/octet-stream;base64,AAAA",
];

pub(super) async fn any_text_arrives_unchanged(context: Context) -> Check {
    let random = (0..30).map(|length| (0..length * 3).map(|_| fastrand::char(..)).collect::<String>());
    let texts = TEXTS.iter().map(|text| Bytes::from_static(text.as_bytes())).chain(random.map(Bytes::from));
    round_trip(context, texts.collect()).await
}

pub(super) async fn any_bytes_arrive_unchanged(context: Context) -> Check {
    let every = (0..=u8::MAX).collect::<Vec<u8>>();
    // Broken UTF-8: overlong, surrogate, cut off in the middle, a lone continuation.
    let broken: [&[u8]; 5] = [b"\xc0\xaf", b"\xed\xa0\x80", b"abc\xe2\x82", b"\x80", b"\xff\xfe"];
    let random = (1..60).map(|length| Bytes::from_iter((0..length).map(|_| fastrand::u8(..))));
    let payloads = [Bytes::from(every)].into_iter().chain(broken.map(Bytes::from_static)).chain(random);
    round_trip(context, payloads.collect()).await
}

pub(super) async fn bytes_that_are_no_text_are_refused(context: Context) -> Check {
    let link = context.link().await?;
    let (topic, payload) = (context.topic("a"), Bytes::from_static(b"\xff\xfe"));
    let refused = link.try_publish(&topic, payload.clone());
    let Err(Refused { topic: back, payload: returned, reason: RefusedReason::Unrepresentable(_) }) = refused else {
        return Err(Stop::Failed(format!("expected Unrepresentable, got {}", told(&refused))));
    };
    ensure!(back == topic && returned == payload, "the refusal does not give the message back");
    link.publish(&topic, "text").await.map(drop)
}

pub(super) async fn topics_of_any_text_work(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    for text in TEXTS {
        let topic = context.topic(text);
        let mut received = subscriber.listen(&topic).await?;
        publisher.publish(&topic, *text).await?;
        received.expect(&topic, *text).await?;
        received.cancel().await?;
    }
    Ok(())
}

pub(super) async fn topics_that_are_no_text_work_or_are_refused(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let mut bytes = context.topic("").as_bytes().to_vec();
    bytes.extend_from_slice(b"\xff\x00\xfe");
    let topic = Topic::new(bytes);
    let payload = Bytes::from_static(b"x");
    match publisher.try_publish(&topic, payload.clone()) {
        Err(Refused { topic: back, payload: returned, reason: RefusedReason::Unrepresentable(_) }) => {
            ensure!(back == topic && returned == payload, "the refusal does not give the message back");
            return Ok(());
        }
        Err(refused) => return Err(Stop::Failed(refused.to_string())),
        Ok(receipt) => drop(publisher.settled(receipt).await?),
    }
    let mut received = subscriber.listen(&topic).await?;
    publisher.publish(&topic, payload.clone()).await?;
    received.expect(&topic, payload).await
}
