use bytes::Bytes;
use proptest::prelude::*;

use super::mend::Mended;
use super::*;

fn text(write: impl FnOnce(&mut String)) -> String {
    let mut out = String::new();
    write(&mut out);
    out
}

fn with<R>(message: &str, look: impl FnOnce(Result<Frame<'_>, FrameError>) -> R) -> R {
    let mut mended = Mended::new();
    look(read(message, &mut mended))
}

fn request<R>(message: &str, look: impl FnOnce(Request<'_>) -> R) -> R {
    with(message, |frame| look(frame.unwrap().request.unwrap()))
}

#[test]
fn a_publish_as_python_sends_it_is_read_and_its_data_stays_raw() {
    let message = r#"{"request": {"method": "publish", "arguments": {"topics": ["h/w"], "data": {"b": 1.50, "a": 1e16}, "sync": false, "notifier_id": null}, "call_id": "c\u0031"}, "response": null}"#;
    request(message, |request| {
        assert_eq!(request.method, "publish");
        assert_eq!(request.call_id.as_deref(), Some("c1"));
        let arguments = request.arguments;
        assert_eq!(arguments.topics, Some(Topics::List(smallvec::smallvec!["h/w".into()])));
        assert_eq!(arguments.data.unwrap().get(), r#"{"b": 1.50, "a": 1e16}"#);
        assert_eq!((arguments.sync, arguments.notifier_id), (Some(false), Some(None)));
    });
}

#[test]
fn what_does_not_fit_the_form_is_told_apart_from_what_is_no_json() {
    for message in ["[1]", "\"x\"", "5", "null", r#"{"request":{"call_id":"c1"}}"#, r#"{"request":{"method":5}}"#] {
        with(message, |frame| assert!(matches!(frame, Err(FrameError::Form(_))), "{message}: {frame:?}"));
    }
    for message in ["{", "", "nul", r#"{"request":null}x"#, "{\"request\":NaNN}"] {
        with(message, |frame| assert!(matches!(frame, Err(FrameError::Syntax(_))), "{message}: {frame:?}"));
    }
    for arguments in ["null", "[]", "7", "\"x\"", "true", "-1", "0.5"] {
        let message = format!(r#"{{"request":{{"method":"ping","arguments":{arguments}}}}}"#);
        with(&message, |frame| assert_eq!(frame.unwrap_err(), FrameError::Arguments));
    }
}

#[test]
fn absent_parts_null_parts_and_unknown_keys_are_fine() {
    for message in ["{}", r#"{"request":null,"response":null}"#, r#"{"jsonrpc":"2.0","id":[{}]}"#] {
        with(message, |frame| {
            let frame = frame.unwrap();
            assert!(frame.request.is_none() && frame.response.is_none());
        });
    }
    with(r#"{"response":{"call_id":"zzz"}}"#, |frame| {
        let response = frame.unwrap().response.unwrap();
        assert!(!response.is_true() && response.call_id.as_deref() == Some("zzz"));
    });
}

#[test]
fn call_ids_that_are_numbers_become_their_digits() {
    request(r#"{"request":{"method":"ping","call_id":7}}"#, |request| assert_eq!(request.call_id.unwrap(), "7"));
    request(r#"{"request":{"method":"ping","call_id":null}}"#, |request| assert_eq!(request.call_id, None));
    with(r#"{"request":{"method":"ping","call_id":[]}}"#, |frame| assert!(matches!(frame, Err(FrameError::Form(_)))));
}

#[test]
fn topics_are_texts_or_something_else() {
    let topics = |value: &str| {
        let message = format!(r#"{{"request":{{"method":"subscribe","arguments":{{"topics":{value}}}}}}}"#);
        request(&message, |request| format!("{:?}", request.arguments.topics.unwrap()))
    };
    assert_eq!(topics(r#""xy""#), r#"Text("xy")"#);
    assert_eq!(topics(r#"["a","\u00e9"]"#), r#"List(["a", "é"])"#);
    assert_eq!(topics("null"), "Null");
    for other in ["5", "[5]", "[{}]", "[null]", "{}", "true", "[\"a\",[\"b\"]]", "1.5", "-1"] {
        assert_eq!(topics(other), "Other", "{other}");
    }
}

#[test]
fn sync_is_what_python_counts_as_true() {
    let sync = |value: &str| {
        let message = format!(r#"{{"request":{{"method":"publish","arguments":{{"sync":{value}}}}}}}"#);
        request(&message, |request| request.arguments.sync.unwrap())
    };
    for value in ["false", "null", "0", "0.0", "-0", "\"\"", "[]", "{ }"] {
        assert!(!sync(value), "{value}");
    }
    for value in ["true", "1", "\"no\"", "[0]", "{\"a\":1}", "1e5"] {
        assert!(sync(value), "{value}");
    }
}

#[test]
fn unknown_arguments_are_named() {
    request(r#"{"request":{"method":"ping","arguments":{"x":{"y":1}}}}"#, |request| {
        assert_eq!(request.arguments.unknown.unwrap(), "x");
    });
}

#[test]
fn literals_that_json_forbids_become_null_but_not_inside_texts() {
    let message =
        r#"{"request":{"method":"publish","arguments":{"data":[NaN, Infinity,-Infinity,"NaN \" Infinity",-1]}}}"#;
    request(message, |request| {
        assert_eq!(request.arguments.data.unwrap().get(), r#"[null, null,null,"NaN \" Infinity",-1]"#);
    });
}

#[test]
fn half_a_surrogate_pair_becomes_the_replacement_character_and_a_whole_one_stays() {
    let message = r#"{"request":{"method":"publish","arguments":{"topics":["\ud83d\ude00\udc00"],"data":"\\ud800 \ud800 \ud83d\ude00"}}}"#;
    request(message, |request| {
        assert_eq!(request.arguments.data.unwrap().get(), r#""\\ud800 \ufffd \ud83d\ude00""#);
        assert_eq!(request.arguments.topics, Some(Topics::List(smallvec::smallvec!["😀\u{fffd}".into()])));
    });
    assert!(!mend::has_lone_surrogate(r#""\\ud800 \ud83d\ude00 \u00e9 \"#));
}

#[test]
fn answers_are_recognised_without_parsing() {
    let spaced = r#"{"request": null, "response": {"result": "None", "result_type": "str", "call_id": "df014098d3d54251926692fb105d0c17"}}"#;
    let ours = text(|out| text_result(out, "None", Some("df014098d3d54251926692fb105d0c17")));
    for answer in [spaced, &ours] {
        assert_eq!(answer::answered(answer), Some(0xdf01_4098_d3d5_4251_9266_92fb_105d_0c17));
    }
    for other in [
        r#"{"request": null, "response": {"result": "None", "call_id": "c1"}}"#,
        r#"{"request": {"method": "x", "call_id": "df014098d3d54251926692fb105d0c17"}}"#,
        r#"{"request": null, "response": {"call_id": "+f014098d3d54251926692fb105d0c17"}}"#,
        "\"}}",
        "",
    ] {
        assert_eq!(answer::answered(other), None, "{other}");
    }
}

use super::encode::{bare, bool_result, notify, publish, string, subscribe, text_result, unsubscribe};

#[test]
fn messages_have_the_keys_of_python_in_its_order() {
    let id = CallId(0xdf01_4098_d3d5_4251_9266_92fb_105d_0c17);
    assert_eq!(
        text(|out| notify(out, id, "h/\"w", &Data::Text("{\"a\": 1}"))),
        concat!(
            r#"{"request":{"method":"notify","arguments":{"subscription":{"id":"df014098d3d54251926692fb105d0c17","#,
            r#""subscriber_id":"df014098d3d54251926692fb105d0c17","topic":"h/\"w","notifier_id":null},"#,
            r#""data":"{\"a\": 1}"},"call_id":"df014098d3d54251926692fb105d0c17"},"response":null}"#
        )
    );
    assert_eq!(
        text(|out| publish(out, id, &["a", "b"], &Data::Json("[1.0]"), true, None)),
        r#"{"request":{"method":"publish","arguments":{"topics":["a","b"],"data":[1.0],"sync":true,"notifier_id":null},"call_id":"df014098d3d54251926692fb105d0c17"},"response":null}"#
    );
    assert_eq!(
        text(|out| subscribe(out, id, &[], &[])),
        r#"{"request":{"method":"subscribe","arguments":{"topics":[]},"call_id":"df014098d3d54251926692fb105d0c17"},"response":null}"#
    );
    assert_eq!(
        text(|out| unsubscribe(out, id, &["a"], &["b*", "c"])),
        r#"{"request":{"method":"unsubscribe","arguments":{"topics":["a"],"patterns":["b*","c"]},"call_id":"df014098d3d54251926692fb105d0c17"},"response":null}"#
    );
    assert_eq!(
        text(|out| bare(out, "_ping_", id)),
        r#"{"request":{"method":"_ping_","arguments":{},"call_id":"df014098d3d54251926692fb105d0c17"},"response":null}"#
    );
    assert_eq!(
        text(|out| bool_result(out, true, None)),
        r#"{"request":null,"response":{"result":true,"result_type":"bool","call_id":null}}"#
    );
}

#[test]
fn data_stands_for_a_payload_both_ways() {
    let way = |data: Data<'_>| payload_of(&text(|out| data.write(out)), None);
    assert_eq!(way(Data::opaque(b"")), "");
    assert_eq!(way(Data::opaque("ä \u{1} \"\n".as_bytes())), "ä \u{1} \"\n");
    assert_eq!(way(Data::opaque(b"\xff\x00")), &b"\xff\x00"[..]);
    assert_eq!(way(Data::json(b"{\"x\": 1.0}")), "{\"x\": 1.0}");
    assert_eq!(payload_of("null", None), "{}");
    assert_eq!(payload_of("{ \"eventhive_base64\" : \"/wA=\" }", None), &b"\xff\x00"[..]);
    assert_eq!(payload_of("{\"eventhive_base64\":\"/wA=\",\"x\":1}", None), "{\"eventhive_base64\":\"/wA=\",\"x\":1}");
}

#[test]
fn the_hub_gets_texts_as_their_bytes_and_other_json_as_it_is() {
    use data::Payload;
    assert_eq!(Payload::of(r#""{\"a\": 1}""#), Payload::Opaque("{\"a\": 1}".into()));
    assert_eq!(Payload::of(r#"{"eventhive_base64":"/wA="}"#), Payload::Opaque(Bytes::from_static(b"\xff\x00")));
    assert_eq!(Payload::of("null"), Payload::Json("null".into()));
    assert_eq!(Payload::of("[1.0]"), Payload::Json("[1.0]".into()));
}

#[test]
fn depth_counts_brackets_outside_of_texts() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(!data::is_deeper_than(&deep(128), 128));
    assert!(data::is_deeper_than(&deep(129), 128));
    assert!(!data::is_deeper_than(&format!("[{}]", ["[]"; 300].join(",")), 2));
    assert!(!data::is_deeper_than(&format!(r#"["\"{}"]"#, "[".repeat(300)), 1));
}

#[test]
fn control_frames_fit_their_limits() {
    assert_eq!(&frame::close(1012, "")[..], [0x88, 2, 3, 0xF4]);
    let long = frame::close(1008, &"ä".repeat(100));
    assert_eq!((long[1], long.len()), (124, 126));
    assert!(std::str::from_utf8(&long[4..]).is_ok());
    assert_eq!(frame::control(frame::Control::Ping, &[0; 200]).len(), 127);
}

#[test]
fn a_payload_shares_the_message_it_came_in() {
    let whole = Bytes::from_static(br#"["a rather long text"]"#);
    let raw = std::str::from_utf8(&whole[1..21]).unwrap();
    let payload = payload_of(raw, Some(&whole));
    assert_eq!(payload.as_ptr(), whole[2..].as_ptr());
}

#[test]
fn frame_headers_are_right_at_every_limit_of_length() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
        let body = "x".repeat(length);
        let frame = frame::text_frame(0, |out| out.push_str(&body));
        let start = frame::header_len(&frame);
        assert_eq!(&frame[start..], body.as_bytes());
        let expected = match length {
            0..=125 => vec![0x81, u8::try_from(length).unwrap()],
            126..=65_535 => [&[0x81, 126][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
            _ => [&[0x81, 127][..], &u64::try_from(length).unwrap().to_be_bytes()].concat(),
        };
        assert_eq!(&frame[..start], expected);
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(message in ".{0,200}") {
        with(&message, |_| ());
        let _ = answer::answered(&message);
        let _ = mend::has_lone_surrogate(&message);
        let _ = payload_of(&message, None);
        assert!(!mend::has_lone_surrogate(&mend::mend(&message)));
    }

    #[test]
    fn no_mutilated_message_makes_the_reader_panic(cut in 0_usize..200, insert in "[\\[\\]{}\",:\\\\uNaI0-9]{0,4}") {
        let message = r#"{"request": {"method": "publish", "arguments": {"topics": ["h"], "data": [NaN, "\ud800", -Infinity], "sync": true, "notifier_id": null}, "call_id": "c"}, "response": null}"#;
        let cut = cut.min(message.len());
        with(&format!("{}{insert}{}", &message[..cut], &message[cut..]), |_| ());
        with(&format!("{}{insert}", &message[..cut]), |_| ());
    }

    #[test]
    fn what_we_write_is_read_back(topic in any::<String>(), payload in any::<Vec<u8>>(), call in any::<u128>()) {
        let data = Data::opaque(&payload);
        let message = text(|out| notify(out, CallId(call), &topic, &data));
        with(&message, |frame| {
            let request = frame.unwrap().request.unwrap();
            assert_eq!(request.arguments.subscription.unwrap().topic.unwrap(), topic);
            assert_eq!(payload_of(request.arguments.data.unwrap().get(), None), payload);
            assert_eq!(answer::hex_id(&request.call_id.unwrap()), Some(call));
        });
        let message = text(|out| publish(out, CallId(call), &[&topic], &data, true, Some(&topic)));
        request(&message, |request| {
            assert_eq!(request.arguments.topics, Some(Topics::List(smallvec::smallvec![topic.clone().into()])));
            assert_eq!(request.arguments.notifier_id, Some(Some(topic.clone().into())));
        });
    }

    #[test]
    fn strings_are_escaped_as_serde_reads_them(content in any::<String>()) {
        let json = text(|out| string(out, &content));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), content);
    }
}
