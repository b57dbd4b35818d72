//! Pages in a real Chromium: `EventSource`, which comes back by itself, streams read by `fetch`, and pages that may not.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};

use eventhive_conformance::{FaultProxy, Mode};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::curl::{Stream, put};
use super::devtools::{Browser, Page};
use super::publisher::Publisher;
use super::served::{Served, until};

/// Serves the page under every path; gives the port.
fn pages() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let page = include_str!("../browser/page.html");
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            // A browser opens connections that it may need later, and says nothing on them.
            std::thread::spawn(move || {
                let mut request = BufReader::new(socket.try_clone().unwrap()).lines();
                while request.next().and_then(Result::ok).is_some_and(|line| !line.is_empty()) {}
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close";
                let _ = write!(socket, "{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len());
            });
        }
    });
    port
}

/// A door that takes the pages of `127.0.0.1`, which those of `localhost` are not, behind a proxy that misbehaves.
struct Scene {
    server: Served,
    runtime: Runtime,
    proxy: FaultProxy,
    browser: Browser,
    own: String,
    foreign: String,
}

impl Scene {
    fn set() -> Self {
        let port = pages();
        let own = format!("http://127.0.0.1:{port}");
        let server = Served::door(&format!("ping_interval_secs: 0.5, origins: ['{own}']"));
        let runtime = Runtime::new().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], server.port));
        let proxy = runtime.block_on(FaultProxy::start(address)).unwrap();
        let foreign = format!("http://localhost:{port}");
        Self { server, runtime, proxy, browser: Browser::start(), own, foreign }
    }

    /// The door as the browser reaches it.
    fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.proxy.address())
    }

    /// Evaluates once a condition holds in the page.
    fn once(&mut self, page: &Page, condition: &str, expression: &str) -> Value {
        self.browser.evaluate(page, &format!("until(() => {condition}).then(() => ({expression}))"))
    }

    /// Cuts all connections and lets none in until `away` is done.
    fn away(&self, away: impl FnOnce()) {
        self.runtime.block_on(self.proxy.set(Mode::Refuse)).unwrap();
        self.proxy.cut();
        let open = self.proxy.open();
        until("no connection is left", || *open.borrow() == 0);
        away();
        self.runtime.block_on(self.proxy.set(Mode::Pass)).unwrap();
    }
}

/// One browser for all of it, because it is the largest thing that the tests start.
#[test]
fn pages_in_chromium() {
    let mut scene = Scene::set();
    an_event_source_comes_back_by_itself_and_misses_and_doubles_nothing(&mut scene);
    fetch_reads_lines_as_they_come_and_publishes_once_with_a_key(&mut scene);
    a_page_of_a_foreign_origin_neither_publishes_nor_reads(&mut scene);
    an_event_source_is_told_when_its_place_is_lost(scene);
}

fn an_event_source_comes_back_by_itself_and_misses_and_doubles_nothing(scene: &mut Scene) {
    let page = scene.browser.open(&scene.own.clone());
    let listen = format!("listen('{}')", scene.url("/source"));
    scene.browser.evaluate(&page, &listen);
    scene.once(&page, "state.opened === 1", "true");
    let mut publisher = Publisher::connect(scene.server.port);
    let mut publish = |numbers: std::ops::Range<usize>| {
        for n in numbers {
            publisher.put("/source", &format!("{{\"n\":{n},\"text\":\"ä☃\u{1f600}\"}}"));
        }
    };
    publish(0..20);
    for round in 1..=2 {
        let start = 100 * (round - 1);
        // Before the cut, so that there is a place to go on from.
        scene.once(&page, &format!("events.length >= {}", start + 20), "true");
        scene.away(|| publish(start + 20..start + 80));
        publish(start + 80..start + 120);
    }
    let events = scene.once(&page, "events.length >= 220 && state.opened === 3", "events");
    for (n, event) in events.as_array().unwrap().iter().enumerate() {
        assert_eq!((&event["data"]["n"], &event["data"]["text"]), (&json!(n), &json!("ä☃\u{1f600}")));
        assert_eq!((event["id"].as_str().map(str::len), &event["id"]), (Some(36), &event["data"]["pubsub_cursor"]));
    }
    assert_eq!(scene.browser.evaluate(&page, "state"), json!({"opened": 3, "gaps": 0, "refused": 0}));
}

fn fetch_reads_lines_as_they_come_and_publishes_once_with_a_key(scene: &mut Scene) {
    let page = scene.browser.open(&scene.own.clone());
    let url = scene.url("/lines");
    scene.browser.evaluate(&page, &format!("void read('{url}')"));
    scene.once(&page, "lines.length > 0", "true");
    for n in 0..20 {
        put(&scene.server.url("/lines"), &format!("{{\"n\":{n}}}"));
        // Nothing follows that could push it out of a buffer.
        let last = scene.once(
            &page,
            &format!("lines.some(line => line.n === {n})"),
            "lines.filter(line => 'n' in line).at(-1)",
        );
        assert_eq!(last["n"], n);
    }
    let publish = format!("publish('{url}', {{headers: {{'Idempotency-Key': 'k'}}}}, '{{\"n\":20}}')");
    let first = scene.browser.evaluate(&page, &publish);
    assert_eq!((&first["type"], &first["status"]), (&json!("cors"), &json!(202)), "{first}");
    assert_eq!(scene.browser.evaluate(&page, &publish), first);
    put(&scene.server.url("/lines"), "{\"n\":21}");
    let cursors = "lines.filter(line => line.n === 20).map(line => line.pubsub_cursor)";
    assert_eq!(scene.once(&page, "lines.some(line => line.n === 21)", cursors), json!([first["cursor"]]));
}

fn a_page_of_a_foreign_origin_neither_publishes_nor_reads(scene: &mut Scene) {
    let page = scene.browser.open(&scene.foreign.clone());
    let (url, mut stream) = (scene.url("/foreign"), Stream::subscribed(&[scene.server.url("/foreign")]));
    let listen = format!("listen('{url}')");
    scene.browser.evaluate(&page, &listen);
    assert_eq!(scene.once(&page, "state.refused > 0", "state"), json!({"opened": 0, "gaps": 0, "refused": 1}));
    for (options, told) in [
        ("{}", json!({"error": "TypeError"})),
        ("{method: 'POST'}", json!({"error": "TypeError"})),
        // Sent without asking first; the page does not learn what came of it.
        ("{method: 'POST', mode: 'no-cors'}", json!({"type": "opaque", "status": 0, "cursor": null})),
    ] {
        let publish = format!("publish('{url}', {options}, '{{\"n\":0}}')");
        assert_eq!(scene.browser.evaluate(&page, &publish), told, "{options}");
    }
    put(&scene.server.url("/foreign"), "{\"n\":1}");
    assert_eq!(stream.event()["n"], 1);
}

fn an_event_source_is_told_when_its_place_is_lost(mut scene: Scene) {
    let page = scene.browser.open(&scene.own.clone());
    let listen = format!("listen('{}')", scene.url("/lost"));
    scene.browser.evaluate(&page, &listen);
    scene.once(&page, "state.opened === 1", "true");
    put(&scene.server.url("/lost"), "{\"n\":0}");
    scene.once(&page, "events.length === 1", "true");
    // Its backlog ends with the process.
    scene.server = scene.server.restart(|| ());
    scene.once(&page, "state.gaps === 1", "true");
    put(&scene.server.url("/lost"), "{\"n\":1}");
    assert_eq!(scene.once(&page, "events.length === 2", "events[1].data.n"), 1);
}
