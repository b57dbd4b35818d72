//! The subscriber of the library at these websockets.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use eventhive_webhook::compression::{Dictionary, Training};
use eventhive_webhook::session::{Compression, Settings};
use eventhive_webhook::subscriber::{self, Broadcaster, Builder, Upgrade};
use eventhive_webhook::wire::stateful::Mode;
use futures_util::StreamExt as _;

use crate::harness::{Served, in_time, serve};

/// Bytes that nobody makes shorter who does not know them.
fn random(length: usize) -> Vec<u8> {
    std::iter::repeat_with(|| fastrand::u8(..)).take(length).collect()
}

fn subscriber(of: &Served) -> Builder {
    let url = format!("http://{}", of.address);
    subscriber::Subscriber::builder().broadcaster(Broadcaster::new(&url).unwrap()).upgrade(Upgrade::Websocket)
}

async fn expect(messages: &mut subscriber::Subscription, bytes: &[u8]) {
    let message = in_time("a message", messages.next()).await.unwrap();
    let got = message.body.piece(0, usize::try_from(message.body.len()).unwrap()).await.unwrap();
    assert!(got == bytes, "{} bytes came for {}", got.len(), bytes.len());
}

#[actix_web::test]
async fn messages_that_only_a_preset_dictionary_makes_shorter_come_compressed_and_arrive_as_they_were() {
    let content = random(4000);
    let dictionary = Arc::new(Dictionary::new(Bytes::from(content.clone()), 3).unwrap());
    let presets = HashMap::from([(7, Arc::clone(&dictionary))]);
    for headers in [Mode::Minimal, Mode::Expanded] {
        let compression = Compression { presets: presets.clone(), training: None, ..Compression::default() };
        let served = serve(Settings { headers, compression: Some(compression), ..Settings::default() }).await;
        let knows = subscriber(&served).dictionary(7, Arc::clone(&dictionary)).initial_dictionary(7).build().unwrap();
        let mut messages = in_time("subscribing", knows.subscribe_exact("a")).await.unwrap();
        for from in 0..10 {
            let message = &content[from * 300..][..1000];
            assert_eq!(in_time("a notify", knows.notify("a", message.to_vec())).await.unwrap().count, 1);
            expect(&mut messages, message).await;
        }
        let other = random(1000);
        in_time("a notify", knows.notify("a", other.clone())).await.unwrap();
        expect(&mut messages, &other).await;
        let stats = served.sessions.stats();
        assert_eq!((stats.delivered, stats.compressed, stats.faulty), (11, 10, 0), "with {headers:?} headers");
        knows.close().await;
    }
}

#[actix_web::test]
async fn a_dictionary_is_trained_on_what_is_sent_and_messages_arrive_before_and_after() {
    let common = random(400);
    for headers in [Mode::Minimal, Mode::Expanded] {
        let training = Some(Training { low_watermark: 20_000, ..Training::default() });
        let compression = Some(Compression { training, ..Compression::default() });
        let served = serve(Settings { headers, compression, ..Settings::default() }).await;
        let both = subscriber(&served).build().unwrap();
        let mut messages = in_time("subscribing", both.subscribe_exact("a")).await.unwrap();
        let (mut number, mut compressed_from) = (0_u32, None);
        // The subscriber has the dictionary some messages after it was made, and goes on with it.
        while compressed_from.is_none_or(|first| number < first + 50) {
            let message = [&common[..], &number.to_be_bytes()].concat();
            in_time("a notify", both.notify("a", message.clone())).await.unwrap();
            expect(&mut messages, &message).await;
            number += 1;
            assert!(number < 10_000, "no dictionary was trained: {:?}", served.sessions.stats());
            if compressed_from.is_none() && served.sessions.stats().compressed > 0 {
                compressed_from = Some(number);
            }
        }
        let stats = served.sessions.stats();
        assert_eq!((stats.trained, stats.faulty, stats.sessions), (1, 0, 1), "with {headers:?} headers");
        assert!(stats.compressed > 50, "{stats:?}");
        both.close().await;
    }
}
