use std::num::NonZeroU64;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::message::Body;
use crate::wire::digest::hash;
use crate::wire::stateful::Compressor;

fn announced(id: u64, min_size: u32, max_size: u64) -> Compressor {
    Compressor { id, level: 3, min_size, max_size }
}

fn codec(dictionary: Option<&[u8]>) -> Codec {
    let dictionary = dictionary.map(|bytes| Dictionary::new(Bytes::copy_from_slice(bytes), 3).unwrap().into());
    Codec::new(NonZeroU64::new(if dictionary.is_some() { 2 } else { 1 }).unwrap(), 3, dictionary)
}

fn memory(bytes: &[u8]) -> Body {
    Body::Memory(Bytes::copy_from_slice(bytes))
}

const SMALL: Bounds = Bounds {
    spool_bytes: 1000,
    spool_folder: None,
    max_message_bytes: 1 << 20,
    memory: None,
    max_window_bytes: 8 << 20,
};

#[test]
fn the_newest_compressor_whose_range_has_the_length_is_taken() {
    let mut compressors = Compressors::new();
    assert!(compressors.for_length(100).is_none());
    let dictionary = || Some(Dictionary::new(Bytes::from_static(b"some content"), 3).unwrap().into());
    compressors.enable(announced(1, 1000, u64::MAX), None).unwrap();
    compressors.enable(announced(65_536, 32, 1000), dictionary()).unwrap();
    compressors.enable(announced(65_537, 32, 500), dictionary()).unwrap();
    let id = |length| compressors.for_length(length).map(|codec| codec.id().get());
    assert_eq!(
        [31, 32, 499, 500, 999, 1000, u64::MAX - 1, u64::MAX].map(id),
        [None, Some(65_537), Some(65_537), Some(65_536), Some(65_536), Some(1), Some(1), None]
    );
    assert_eq!(compressors.trained().collect::<Vec<_>>(), [65_536, 65_537]);
}

#[test]
fn a_compressor_that_has_ended_still_reads_until_two_more_have() {
    let mut compressors = Compressors::new();
    let dictionary = || Some(Dictionary::new(Bytes::from_static(b"some content"), 3).unwrap().into());
    for id in 65_536..65_539 {
        compressors.enable(announced(id, 0, 10), dictionary()).unwrap();
    }
    let read = |compressors: &Compressors, id| compressors.with_id(NonZeroU64::new(id).unwrap()).is_ok();
    compressors.disable(65_536).unwrap();
    assert_eq!(compressors.disable(65_536), Err(CompressorsError::Unknown(65_536)));
    assert!(compressors.for_length(5).is_some_and(|codec| codec.id().get() == 65_538));
    compressors.disable(65_537).unwrap();
    assert!(read(&compressors, 65_536) && read(&compressors, 65_537));
    compressors.disable(65_538).unwrap();
    assert!(!read(&compressors, 65_536) && read(&compressors, 65_538));
    assert!(compressors.is_empty());
}

#[test]
fn announcements_that_make_no_sense_are_refused() {
    let mut compressors = Compressors::new();
    let dictionary = || Some(Dictionary::new(Bytes::from_static(b"some content"), 3).unwrap().into());
    assert_eq!(compressors.enable(announced(0, 0, 1), None), Err(CompressorsError::Zero));
    assert_eq!(compressors.enable(announced(1, 0, 1), dictionary()), Err(CompressorsError::Dictionary(1)));
    assert_eq!(compressors.enable(announced(2, 0, 1), None), Err(CompressorsError::Dictionary(2)));
    compressors.enable(announced(1, 0, 1), None).unwrap();
    assert_eq!(compressors.enable(announced(1, 0, 1), None), Err(CompressorsError::Known(1)));
    // Begins with the number of a dictionary, and is none.
    assert!(Dictionary::new(Bytes::from_static(b"\x37\xA4\x30\xECnothing of the kind"), 3).is_err());
}

#[test]
fn a_frame_has_neither_content_size_nor_checksum_nor_the_number_of_a_dictionary() {
    let trained = trained_dictionary();
    for codec in [codec(None), codec(Some(&trained)), codec(Some(b"content to refer to"))] {
        let frame = codec.compress_now(&memory(&[7; 5000]), &Bounds::default()).unwrap().unwrap();
        let frame = frame.body.as_bytes().unwrap().clone();
        // The descriptor: two bits for the content size, one for a single segment, one for the checksum, two for the number.
        assert_eq!(frame[4] & 0b1110_0111, 0, "{frame:?}");
        assert_eq!(zstd::zstd_safe::get_frame_content_size(&frame).unwrap(), None);
    }
}

#[test]
fn what_would_not_become_shorter_is_not_compressed() {
    let random: Vec<u8> = (0..2000).map(|_| fastrand::u8(..)).collect();
    assert!(codec(None).compress_now(&memory(&random), &Bounds::default()).unwrap().is_none());
    assert!(codec(None).compress_now(&memory(b""), &Bounds::default()).unwrap().is_none());
}

#[test]
fn a_message_that_has_another_length_than_announced_is_refused() {
    let codec = codec(None);
    let frame = codec.compress_now(&memory(&[7; 5000]), &Bounds::default()).unwrap().unwrap().body;
    assert!(codec.decompress_now(&frame, 5000, &SMALL).is_ok());
    for length in [0, 4999, 5001] {
        let error = codec.decompress_now(&frame, length, &SMALL).unwrap_err();
        assert!(matches!(error, DecodeError::Length(_)), "{error}");
    }
    let two = [&**frame.as_bytes().unwrap(), b"x"].concat();
    assert!(matches!(codec.decompress_now(&memory(&two), 5000, &SMALL), Err(DecodeError::Trailing)));
    let cut = &frame.as_bytes().unwrap()[..10];
    assert!(matches!(codec.decompress_now(&memory(cut), 5000, &SMALL), Err(DecodeError::Frame(_))));
}

/// 256 MiB of zeros in a frame of some KiB.
fn bomb() -> Body {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 1 << 28), &mut encoder).unwrap();
    Body::Memory(encoder.finish().unwrap().into())
}

#[test]
fn a_bomb_is_refused_before_it_goes_off() {
    let (codec, bomb) = (codec(None), bomb());
    assert!(bomb.len() < 100_000);
    // It says what it is.
    let honest = codec.decompress_now(&bomb, 1 << 28, &SMALL).unwrap_err();
    assert!(matches!(honest, DecodeError::TooLarge { length: 0x1000_0000, most: 0x10_0000 }), "{honest}");
    // It says that it is small: no more is decompressed than that.
    let error = codec.decompress_now(&bomb, 100, &SMALL).unwrap_err();
    assert!(matches!(error, DecodeError::Length(_)), "{error}");
}

#[test]
fn a_frame_with_a_window_larger_than_allowed_is_refused() {
    let plain = vec![7; 3 << 20];
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(21).unwrap();
    std::io::Write::write_all(&mut encoder, &plain).unwrap();
    let frame = memory(&encoder.finish().unwrap());
    let bounds = |max_window_bytes| Bounds { max_window_bytes, max_message_bytes: u64::MAX, ..SMALL };
    assert!(codec(None).decompress_now(&frame, 3 << 20, &bounds(2 << 20)).is_ok());
    let error = codec(None).decompress_now(&frame, 3 << 20, &bounds((2 << 20) - 1)).unwrap_err();
    assert!(matches!(error, DecodeError::Frame(_)), "{error}");
}

#[tokio::test]
async fn a_long_message_goes_from_file_to_file() {
    let plain: Vec<u8> = (0..3_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 29) as u8).collect();
    let codec = std::sync::Arc::new(codec(None));
    let mut spool = crate::spool::Spool::new(1000);
    std::io::Write::write_all(&mut spool, &plain).unwrap();
    let body = spool.finish().unwrap();
    let compressed = codec.compress(&body, &SMALL).await.unwrap().unwrap();
    assert!(matches!(compressed.body, Body::File(_)));
    let bounds = Bounds { max_message_bytes: u64::MAX, ..SMALL };
    let again = codec.decompress(&compressed.body, plain.len() as u64, &bounds).await.unwrap();
    assert!(matches!(again.body, Body::File(_)));
    assert_eq!(again.sha512, hash(&plain));
    assert_eq!(again.body.piece(0, plain.len()).await.unwrap(), plain);
    let frame = compressed.body.piece(0, compressed.body.len() as usize).await.unwrap();
    assert_eq!(compressed.sha512, hash(&frame));
}

fn event(at: usize) -> Bytes {
    let colour = ["red", "green", "blue"][at % 3];
    format!("{{\"user\": \"u{}\", \"colour\": \"{colour}\", \"n\": {}}}", at * 7919 % 10_007, at % 1000).into()
}

fn trained_dictionary() -> Vec<u8> {
    let samples: Vec<Bytes> = (0..2000).map(event).collect();
    zstd::dict::from_samples(&samples, 4096).unwrap()
}

/// Feeds messages until a training comes of them; how many bytes that took.
fn feed(trainer: &mut Trainer, now: Instant) -> (u64, Job) {
    let mut seen = 0;
    for at in 0..1_000_000 {
        let message = event(at);
        seen += message.len() as u64;
        if let Some(job) = trainer.saw(&message, now) {
            return (seen, job);
        }
    }
    panic!("no training comes");
}

#[tokio::test]
async fn dictionaries_are_trained_at_the_low_and_the_high_watermark_and_after_each_interval() {
    let hour = Duration::from_secs(3600);
    let training =
        Training { low_watermark: 50_000, high_watermark: 200_000, retrain_interval: hour, ..Training::default() };
    let mut trainer = Trainer::new(training);
    let now = Instant::now();
    let mut compressors = Compressors::new();
    for (id, watermark, level, now) in [
        (65_536, 50_000, 3, now),
        (65_537, 200_000, 10, now),
        (65_538, 200_000, 10, now + hour),
        (65_539, 200_000, 10, now + hour * 2),
    ] {
        let (seen, job) = feed(&mut trainer, now);
        assert!((watermark..watermark + 100).contains(&seen), "{id}: {seen}");
        assert!(trainer.saw(&event(1), now).is_none(), "one at a time");
        let trained = job.run().await.unwrap();
        trainer.ended(true, now);
        assert_eq!((trained.compressor.id, trained.compressor.level), (id, level));
        let announced = trained.compressor;
        compressors.enable(announced, Some(trained.dictionary)).unwrap();
        // It does what it is for.
        let (message, codec) = (event(1_234_567), compressors.for_length(50).unwrap());
        let compressed = codec.compress_now(&Body::Memory(message.clone()), &Bounds::default()).unwrap().unwrap();
        assert!(compressed.body.len() * 3 < message.len() as u64 * 2, "{}", compressed.body.len());
        if id >= 65_537 {
            let resting = (0..20_000).find_map(|at| trainer.saw(&event(at), now + hour / 2));
            assert!(resting.is_none(), "{id}");
        }
    }
}

#[test]
fn messages_that_a_dictionary_is_not_for_are_not_looked_at() {
    let mut trainer = Trainer::new(Training { low_watermark: 1, ..Training::default() });
    let (short, long) = (Bytes::from_static(&[7; 31]), Bytes::from_static(&[7; 16_384]));
    for message in [short, long].iter().cycle().take(100) {
        assert!(trainer.saw(message, Instant::now()).is_none());
    }
}

proptest! {
    #[test]
    fn what_is_compressed_is_read_again(
        words in prop::collection::vec("[a-c]{0,5}", 0..2000),
        dictionary in prop::option::of("[a-c]{1,50}"),
        spool_bytes in 0_usize..4000,
    ) {
        let plain = words.concat();
        let codec = codec(dictionary.as_deref().map(str::as_bytes));
        if let Some(compressed) = codec.compress_now(&memory(plain.as_bytes()), &Bounds { spool_bytes, ..SMALL }).unwrap() {
            prop_assert!(compressed.body.len() < plain.len() as u64);
            let again = codec.decompress_now(&compressed.body, plain.len() as u64, &SMALL).unwrap();
            prop_assert_eq!(again.sha512, hash(plain.as_bytes()));
        }
    }

    #[test]
    fn no_bytes_make_it_panic_or_give_more_than_announced(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        length in 0_u64..300,
        begins_well in any::<bool>(),
    ) {
        if begins_well {
            bytes.splice(0..0, [0x28, 0xB5, 0x2F, 0xFD, 0]);
        }
        if let Ok(message) = codec(None).decompress_now(&memory(&bytes), length, &SMALL) {
            prop_assert_eq!(message.body.len(), length);
        }
    }
}
