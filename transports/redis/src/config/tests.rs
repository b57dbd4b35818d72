use eventhive_transport::settings::{Entry, Value};
use eventhive_transport::{Node, Position};

use super::*;
use crate::keys::KEYS;

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn texts(items: &[&str]) -> Value {
    Value::List(items.iter().map(|item| node(text(item))).collect())
}

fn node(value: Value) -> Node {
    Node { value, at: Position::default() }
}

fn read(given: &[(&str, Value)]) -> Result<Config, Vec<String>> {
    let entry = |(key, value): &(&str, Value)| Entry {
        key: (*key).to_owned(),
        key_at: Position::default(),
        node: node(value.clone()),
    };
    let told = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let settings = Settings::check("init", &node(Value::Map(given.iter().map(entry).collect())), KEYS).map_err(told)?;
    Config::read(&settings).map_err(told)
}

fn problems(given: &[(&str, Value)]) -> Vec<String> {
    read(given).unwrap_err()
}

#[test]
fn nothing_given_is_the_local_server() {
    let config = read(&[]).unwrap();
    assert_eq!(config.servers, Servers::One(Address::Tcp("localhost".into(), 6379)));
    assert_eq!((config.login, config.tls, config.mode), (Login::default(), None, Mode::PubSub));
}

#[test]
fn what_the_original_takes_is_taken() {
    let config = read(&[
        ("host", text("redis.example")),
        ("port", text("6380")),
        ("db", Value::Integer(2)),
        ("username", text("hive")),
        ("password", text("secret")),
        ("ssl", Value::Bool(true)),
        ("decode_responses", Value::Bool(true)),
        ("health_check_interval", Value::Integer(0)),
    ])
    .unwrap();
    assert_eq!(config.servers, Servers::One(Address::Tcp("redis.example".into(), 6380)));
    assert_eq!(config.tls, Some(Tls::default()));
    assert_eq!(config.check_interval, Duration::from_secs(10));
    assert!(!format!("{config:?}").contains("secret"));
}

#[test]
fn a_url_says_it_all() {
    let config = read(&[("url", text("rediss://hive:se%20cret@[::1]:7000/3"))]).unwrap();
    assert_eq!(config.servers, Servers::One(Address::Tcp("::1".into(), 7000)));
    let login = Login { username: Some("hive".into()), password: Some("se cret".to_owned().into()), db: 3 };
    assert_eq!((config.login, config.tls), (login, Some(Tls::default())));
    let config = read(&[("url", text("unix:///run/redis.sock?db=1"))]).unwrap();
    assert_eq!((config.servers, config.login.db), (Servers::One(Address::Unix("/run/redis.sock".into())), 1));
}

#[test]
fn a_password_beside_a_url_without_one_is_fine() {
    let config = read(&[("url", text("redis://host")), ("password", text("x"))]).unwrap();
    assert_eq!(config.login.password.as_deref().map(String::as_str), Some("x"));
    assert_eq!(
        problems(&[("url", text("redis://:y@host")), ("password", text("x"))]),
        ["init.password: `password` and `url` say the same in two ways: remove one"]
    );
}

#[test]
fn secrets_are_fetched_and_an_empty_password_is_none() {
    let password = |given: &str| read(&[("password", text(given))]).map(|config| config.login.password);
    assert_eq!(password("env:CARGO_PKG_NAME"), Ok(Some("eventhive-redis".to_owned().into())));
    assert_eq!(password(""), Ok(None));
    assert_eq!(password("file:/no/such").unwrap_err().len(), 1);
}

#[test]
fn no_secret_is_shown_wherever_it_came_from() {
    for given in [
        vec![("password", text("hunter2"))],
        vec![("url", text("redis://hive:hunter2@host"))],
        vec![
            ("sentinels", texts(&["a"])),
            ("service_name", text("m")),
            ("sentinel_password", text("hunter2")),
            ("password", text("hunter2")),
        ],
    ] {
        let config = read(&given).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    }
}

#[test]
fn what_redis_py_can_do_and_this_cannot_is_refused_unless_it_asks_for_nothing() {
    let nothing = [
        ("ssl_validate_ocsp", Value::Bool(false)),
        ("ssl_min_version", Value::Null),
        ("ssl_ciphers", text("")),
        ("ssl_include_verify_flags", Value::List(vec![])),
    ];
    assert!(read(&nothing).is_ok());
    for (key, remedy) in REFUSED {
        let told = problems(&[(key, text("hunter2"))]);
        assert_eq!(told, [format!("init.{key}: {remedy}")]);
    }
}

#[test]
fn a_bad_url_is_not_quoted() {
    let told = problems(&[("url", text("http://user:hunter2@host"))]);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("not a Redis URL") && !told[0].contains("hunter2"), "{told:?}");
}

#[test]
fn conflicts_are_all_told_with_the_fix() {
    let given = [
        ("unix_socket_path", text("/run/redis.sock")),
        ("host", text("a")),
        ("consumer_group", text("g")),
        ("ssl_certfile", text("/c.pem")),
        ("sharded", Value::Bool(true)),
        ("send_queue_bytes", Value::Integer(1024)),
    ];
    assert_eq!(
        problems(&given),
        [
            "init.host: `host` and `unix_socket_path` say the same in two ways: remove one",
            "init.ssl_certfile: has no effect without TLS: add `ssl: true`, or use a rediss:// URL",
            "init.sharded: sharded pub/sub is for clusters: add `cluster: true`, or remove `sharded`",
            "init.consumer_group: only streams know it: add `mode: streams`, or remove it",
            "init.send_queue_bytes: smaller than max_payload_bytes, so that the largest payload never fits: raise it",
        ]
    );
}

#[test]
fn sentinels_need_the_name_of_the_master() {
    let sentinels = texts(&["a", "b:1", "[::1]:2", "::1"]);
    let config = read(&[("sentinels", sentinels.clone()), ("service_name", text("mymaster"))]).unwrap();
    let address = |host: &str, port| Address::Tcp(host.into(), port);
    let expected = vec![address("a", 26379), address("b", 1), address("::1", 2), address("::1", 26379)];
    let login = Login::default();
    assert_eq!(config.servers, Servers::Sentinel { sentinels: expected, service: "mymaster".into(), login });
    assert_eq!(
        problems(&[("sentinels", sentinels)]),
        ["init.sentinels: which master? add `service_name`, as in `sentinel monitor NAME ...`"]
    );
    assert_eq!(
        problems(&[("sentinels", texts(&["a:b", ":1"])), ("service_name", text("m"))]),
        [
            "init.sentinels: `a:b` is not an address: use host:port, or [address]:port for IPv6",
            "init.sentinels: `:1` is not an address: use host:port, or [address]:port for IPv6",
        ]
    );
}

#[test]
fn a_cluster_has_nodes_and_database_0() {
    let config =
        read(&[("cluster", Value::Bool(true)), ("nodes", texts(&["a:1", "b:2"])), ("sharded", Value::Bool(true))]);
    let config = config.unwrap();
    assert_eq!(config.mode, Mode::Sharded);
    assert!(matches!(config.servers, Servers::Cluster(nodes) if nodes.len() == 2));
    let told = problems(&[("nodes", texts(&["a"])), ("db", Value::Integer(1))]);
    assert_eq!(told, ["init.nodes: nodes are of a cluster: add `cluster: true`, or use `host` and `port`"]);
    let told = problems(&[("cluster", Value::Bool(true)), ("db", Value::Integer(1))]);
    assert_eq!(told, ["init.db: a cluster has database 0 only: remove `db`, or `cluster`"]);
}

#[test]
fn streams_are_trimmed_by_length_or_by_age() {
    let streams = |given: &[(&str, Value)]| {
        let given = [given, &[("mode", text("streams"))]].concat();
        read(&given).map(|config| match config.mode {
            Mode::Streams(streams) => streams,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(streams(&[]).unwrap().keep, Keep::Length(10_000));
    assert_eq!(streams(&[("stream_maxlen", Value::Integer(0))]).unwrap().keep, Keep::All);
    let age = ("stream_max_age_secs", Value::Integer(60));
    assert_eq!(streams(std::slice::from_ref(&age)).unwrap().keep, Keep::Age(Duration::from_secs(60)));
    let told = streams(&[age, ("stream_maxlen", Value::Integer(5))]).unwrap_err();
    assert_eq!(told, ["init.stream_max_age_secs: Redis trims by length or by age: remove this or `stream_maxlen`"]);
    let group = streams(&[("consumer_group", text("workers"))]).unwrap().group.unwrap();
    assert!(matches!(group.consumer, Consumer::Passing(_)));
}
