//! Anyone on the network can send anything.

use std::net::UdpSocket;
use std::time::Duration;

use eventhive::discovery::{Change, Found};

use crate::alone;
use crate::namespace::ADDRESS;
use crate::python::{LIMIT, Packages, Program};
use crate::servers::{open, server};

fn name(labels: &[&str], out: &mut Vec<u8>) {
    for label in labels {
        out.push(u8::try_from(label.len()).unwrap());
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
}

fn record(labels: &[&str], kind: u16, data: &[u8], out: &mut Vec<u8>) {
    name(labels, out);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&1_u16.to_be_bytes());
    out.extend_from_slice(&4500_u32.to_be_bytes());
    out.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
    out.extend_from_slice(data);
}

/// An answer with a server that nobody asked for, and a machine of no service at all.
fn packet(number: u64) -> Vec<u8> {
    let instance = format!("flood-{number}-{}", "x".repeat(40));
    let full = [instance.as_str(), "_eventhive", "_tcp", "local"];
    let mut target = Vec::new();
    name(&full, &mut target);
    let service = [&[0, 0, 0, 0, 0, 9], target.as_slice()].concat();
    let text = [&[250][..], format!("host={}", "h".repeat(245)).as_bytes()].concat().repeat(4);
    let mut out = vec![0, 0, 0x84, 0, 0, 0, 0, 4, 0, 0, 0, 0];
    record(&full[1..], 12, &target, &mut out);
    record(&full, 33, &service, &mut out);
    record(&full, 16, &text, &mut out);
    record(&full, 1, &[10, 99, 0, 1], &mut out);
    out
}

/// A message without any mention of a service.
fn stray(number: u64) -> Vec<u8> {
    let mut out = vec![0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    record(&[&format!("box-{number}-{}", "y".repeat(40)), "local"], 1, &[10, 99, 0, 1], &mut out);
    out
}

/// Sends packets until the browser has forgotten the real server, which never said goodbye, and has found it again.
/// Without a bound that never happens, and what was sent is all kept.
async fn flood_until_forgotten(packet: fn(u64) -> Vec<u8>) {
    let _announcement = open().announce(&server("real", ADDRESS, 7)).await.unwrap();
    let mut browser = open().browse().unwrap();
    let is_real = |found: &Found| found.name == "real";
    assert!(matches!(browser.next().await, Change::Appeared(found) if is_real(&found)));

    let socket = UdpSocket::bind((ADDRESS, 0)).unwrap();
    let mut number = 0;
    let forgotten = async {
        loop {
            for _ in 0..20 {
                socket.send_to(&packet(number), ("224.0.0.251", 5353)).unwrap();
                number += 1;
            }
            // What is heard is read at once, so that it is the records that are too many and not the unread events.
            while let Ok(change) = tokio::time::timeout(Duration::from_millis(2), browser.next()).await {
                if matches!(change, Change::Gone(found) if is_real(&found)) {
                    return;
                }
            }
        }
    };
    tokio::time::timeout(LIMIT, forgotten).await.unwrap();
    let again = async { while !matches!(browser.next().await, Change::Appeared(found) if is_real(&found)) {} };
    tokio::time::timeout(LIMIT, again).await.unwrap();
    let found = Program::start(Packages::Eventhive, "resolve", &["real", "10"]).said("found").await;
    assert_eq!(found["port"], 7, "the announcement stands, though its records were forgotten too");
}

alone! {
    async fn a_flood_of_servers_is_forgotten_and_the_real_one_stays_announced() {
        flood_until_forgotten(packet).await;
    }
}

alone! {
    async fn a_flood_of_records_of_no_service_is_forgotten_and_the_real_server_stays_announced() {
        flood_until_forgotten(stray).await;
    }
}
