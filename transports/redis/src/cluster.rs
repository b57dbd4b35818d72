//! Which node of a cluster has which key.
//!
//! The `redis` crate's own cluster client is not used. It sends subscriptions to random nodes and tries commands again
//! behind the caller's back, which loses the order of a publisher and the moment at which a subscription stood. Here a
//! session has one map and one connection to each node; when a node says that the map is old, the session ends and the
//! next one reads a new map, as after any other loss.

use redis::{FromRedisValue, Value};

use crate::config::Address;

const SLOTS: usize = 16_384;

/// For each slot, the number of its node; 32 KiB a link.
#[derive(Debug)]
pub(crate) struct Slots(Box<[u16]>);

impl Slots {
    /// Reads the answer to `CLUSTER SLOTS` that came from `way_in`: the nodes, of which the first is `way_in` whether it
    /// has slots or not, and the map.
    pub(crate) fn read(answer: &Value, way_in: &Address) -> Result<(Vec<Address>, Self), &'static str> {
        const STRANGE: &str = "CLUSTER SLOTS has an answer of a strange form";
        let Value::Array(ranges) = answer else { return Err(STRANGE) };
        if ranges.is_empty() {
            return Err("the cluster has given its slots to no node yet");
        }
        let mut addresses = vec![way_in.clone()];
        let mut slots = vec![0; SLOTS].into_boxed_slice();
        for range in ranges {
            let Value::Array(parts) = range else { return Err(STRANGE) };
            let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = parts.as_slice() else {
                return Err(STRANGE);
            };
            let address = address_of(master, way_in).ok_or(STRANGE)?;
            let node = addresses.iter().position(|known| *known == address).unwrap_or_else(|| {
                addresses.push(address);
                addresses.len() - 1
            });
            let (Ok(first), Ok(last), Ok(node)) =
                (usize::try_from(*first), usize::try_from(*last), u16::try_from(node))
            else {
                return Err(STRANGE);
            };
            slots.get_mut(first..=last).ok_or(STRANGE)?.fill(node);
        }
        Ok((addresses, Self(slots)))
    }

    pub(crate) fn node_of(&self, key: &[u8]) -> usize {
        self.0.get(slot(key)).map_or(0, |node| usize::from(*node))
    }
}

/// A node that does not know its own name says nothing: it is the one that was asked.
fn address_of(master: &[Value], way_in: &Address) -> Option<Address> {
    let [host, Value::Int(port), ..] = master else { return None };
    let host = Option::<String>::from_redis_value_ref(host).ok()?.filter(|host| !host.is_empty() && host != "?");
    let host = match (host, way_in) {
        (Some(host), _) => host,
        (None, Address::Tcp(asked, _)) => asked.clone(),
        (None, Address::Unix(_)) => return None,
    };
    Some(Address::Tcp(host, u16::try_from(*port).ok()?))
}

/// CRC16 (XMODEM) of the key, or of what stands in its first `{}` if that is not empty. Source: the Redis Cluster
/// specification.
fn slot(key: &[u8]) -> usize {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = key.get(open + 1..)?;
        let close = rest.iter().position(|byte| *byte == b'}')?;
        rest.get(..close).filter(|tag| !tag.is_empty())
    });
    usize::from(crc16(tag.unwrap_or(key))) % SLOTS
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ (u16::from(*byte) << 8),
            |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{}{bar}"), usize::from(crc16(b"foo{}{bar}")) % SLOTS);
        assert_eq!(slot(b"foo{{bar}}zap"), usize::from(crc16(b"{bar")) % SLOTS);
        assert_eq!(slot(b"foo{bar}{zap}"), usize::from(crc16(b"bar")) % SLOTS);
        assert_eq!(slot(b""), 0);
    }

    fn range(first: i64, last: i64, host: &str, port: i64) -> Value {
        let master = vec![Value::BulkString(host.into()), Value::Int(port), Value::BulkString(b"id".to_vec())];
        Value::Array(vec![Value::Int(first), Value::Int(last), Value::Array(master)])
    }

    #[test]
    fn the_map_is_read_and_a_nameless_node_is_the_one_asked() {
        let way_in = Address::Tcp("seed".into(), 7000);
        let answer =
            Value::Array(vec![range(0, 8191, "", 1), range(8192, 16_382, "b", 2), range(16_383, 16_383, "", 1)]);
        let (addresses, slots) = Slots::read(&answer, &way_in).unwrap();
        assert_eq!(addresses, [way_in, Address::Tcp("seed".into(), 1), Address::Tcp("b".into(), 2)]);
        assert_eq!(slots.node_of(b"123456789"), 2, "0x31c3 is above 8191");
        assert!(slots.0[8192..16_383].iter().all(|node| *node == 2));
        assert_eq!((slots.0[8191], slots.0[16_383]), (1, 1));
    }

    #[test]
    fn a_strange_answer_is_an_error() {
        let way_in = Address::Tcp("seed".into(), 7000);
        for answer in [
            Value::Nil,
            Value::Array(vec![]),
            Value::Array(vec![range(0, 16_384, "a", 1)]),
            Value::Array(vec![range(-1, 5, "a", 1)]),
        ] {
            assert!(Slots::read(&answer, &way_in).is_err(), "{answer:?}");
        }
    }
}
