//! A cluster that answers as rqlite documents its HTTP API (<https://rqlite.io/docs/api/api/>, `/read-consistency/`), from a
//! real SQLite in memory. Not a test. What is not documented is an error here, so that a request of another shape fails.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eventhive_tls::Io;
use futures_util::TryStreamExt as _;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value as Json, json};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{
    Arguments as _, AssertSqlSafe, Column as _, Connection as _, Either, Executor as _, Row as _, SqlSafeStr as _,
    SqliteConnection, Statement as _, TypeInfo as _, ValueRef as _,
};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, ReadHalf, WriteHalf};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Who may ask, as in an address.
pub(crate) const USER: &str = "hive:s%40cret";
/// The same, as it arrives.
const DECODED: &str = "hive:s@cret";

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Leads,
    /// Nobody listens.
    Refuses,
    /// Says that the last node leads.
    Redirects,
    /// Has no leader for so many requests, and then leads.
    Leaderless(usize),
    /// Does what is asked, and closes the connection instead of answering.
    HangsUp,
    /// Says nothing.
    Silent,
}

pub(crate) struct RqliteCluster {
    nodes: Vec<Arc<Node>>,
    /// What its nodes are trusted by, if they speak TLS.
    certificate: Option<NamedTempFile>,
}

struct Node {
    address: SocketAddr,
    manner: Mutex<Manner>,
    asked: AtomicUsize,
    leader: Mutex<Option<SocketAddr>>,
    database: Arc<tokio::sync::Mutex<SqliteConnection>>,
}

impl RqliteCluster {
    pub(crate) async fn start(manners: &[Manner]) -> Self {
        Self::run(manners, None, None).await
    }

    pub(crate) async fn start_with_tls(manners: &[Manner]) -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        Self::run(manners, Some(Arc::new(config).into()), Some(file)).await
    }

    async fn run(manners: &[Manner], tls: Option<TlsAcceptor>, certificate: Option<NamedTempFile>) -> Self {
        let database = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let database = Arc::new(tokio::sync::Mutex::new(database));
        let mut nodes = Vec::new();
        for manner in manners {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let node = Arc::new(Node {
                address: listener.local_addr().unwrap(),
                manner: Mutex::new(*manner),
                asked: AtomicUsize::new(0),
                leader: Mutex::default(),
                database: Arc::clone(&database),
            });
            nodes.push(Arc::clone(&node));
            if *manner != Manner::Refuses {
                let tls = tls.clone();
                tokio::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        let stream: Box<dyn Io> = match &tls {
                            // Who does not trust it goes away.
                            Some(tls) => match tls.accept(stream).await {
                                Ok(stream) => Box::new(stream),
                                Err(_) => continue,
                            },
                            None => Box::new(stream),
                        };
                        tokio::spawn(Arc::clone(&node).serve(stream));
                    }
                });
            }
        }
        let leader = nodes.last().map(|node| node.address);
        nodes.iter().for_each(|node| *node.leader.lock().unwrap() = leader);
        Self { nodes, certificate }
    }

    pub(crate) fn address(&self) -> String {
        self.address_with(&self.nodes)
    }

    /// The address of one node alone.
    pub(crate) fn address_of(&self, node: usize) -> String {
        self.address_with(&self.nodes[node..=node])
    }

    fn address_with(&self, nodes: &[Arc<Node>]) -> String {
        let nodes: Vec<String> = nodes.iter().map(|node| node.address.to_string()).collect();
        match &self.certificate {
            Some(file) => format!("rqlites://{USER}@{}?ca={}", nodes.join(","), file.path().display()),
            None => format!("rqlite://{USER}@{}", nodes.join(",")),
        }
    }

    /// How many requests a node has got.
    pub(crate) fn asked(&self, node: usize) -> usize {
        self.nodes[node].asked.load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self, node: usize, manner: Manner) {
        *self.nodes[node].manner.lock().unwrap() = manner;
    }
}

struct Request {
    path: String,
    parameters: HashMap<String, String>,
    body: Vec<u8>,
    authorization: String,
    target: String,
}

impl Node {
    async fn serve(self: Arc<Self>, stream: Box<dyn Io>) {
        let (reader, mut writer) = tokio::io::split(stream);
        let mut reader = BufReader::new(reader);
        while let Some(request) = read(&mut reader).await {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let manner = *self.manner.lock().unwrap();
            if manner == Manner::Silent {
                std::future::pending::<()>().await;
            }
            let (status, more, body) = self.answer(manner, &request).await;
            if manner == Manner::HangsUp {
                return;
            }
            if write(&mut writer, status, &more, &body).await.is_err() {
                return;
            }
        }
    }

    async fn answer(&self, manner: Manner, request: &Request) -> (&'static str, String, String) {
        if request.authorization != format!("Basic {}", STANDARD.encode(DECODED)) {
            return ("401 Unauthorized", String::new(), String::new());
        }
        match manner {
            Manner::Redirects => {
                let leader = self.leader.lock().unwrap().unwrap();
                let location = format!("Location: http://{leader}{}\r\n", request.target);
                return ("301 Moved Permanently", location, String::new());
            }
            Manner::Leaderless(left) => {
                *self.manner.lock().unwrap() = left.checked_sub(1).map_or(Manner::Leads, Manner::Leaderless);
                return ("503 Service Unavailable", String::new(), "leader not found\n".to_owned());
            }
            _ => {}
        }
        match self.run(request).await {
            Ok(results) => ("200 OK", String::new(), json!({ "results": results, "time": 0.01 }).to_string()),
            Err(problem) => ("400 Bad Request", String::new(), problem),
        }
    }

    async fn run(&self, request: &Request) -> Result<Vec<Json>, String> {
        let level = request.parameters.get("level").map(String::as_str);
        if !matches!(level, Some("none" | "weak" | "linearizable" | "strong")) {
            return Err("no level was chosen".to_owned());
        }
        if !request.parameters.get("timeout").is_some_and(|timeout| timeout.ends_with("ms")) {
            return Err("no timeout was chosen".to_owned());
        }
        let statements: Vec<Vec<Json>> =
            serde_json::from_slice(&request.body).map_err(|error| format!("bad request: {error}"))?;
        let mut database = self.database.lock().await;
        match request.path.as_str() {
            "/db/query" => {
                sqlx::query("PRAGMA query_only = on").execute(&mut *database).await.unwrap();
                let (results, _) = all(&mut database, &statements).await;
                sqlx::query("PRAGMA query_only = off").execute(&mut *database).await.unwrap();
                Ok(results)
            }
            "/db/request" if request.parameters.contains_key("transaction") => {
                sqlx::query("BEGIN").execute(&mut *database).await.unwrap();
                let (results, ok) = all(&mut database, &statements).await;
                sqlx::query(if ok { "COMMIT" } else { "ROLLBACK" }).execute(&mut *database).await.unwrap();
                Ok(results)
            }
            path => Err(format!("nothing is known of {path}")),
        }
    }
}

/// Runs statements until one fails.
async fn all(database: &mut SqliteConnection, statements: &[Vec<Json>]) -> (Vec<Json>, bool) {
    let mut results = Vec::new();
    for statement in statements {
        match one(database, statement).await {
            Ok(result) => results.push(result),
            Err(error) => {
                results.push(json!({ "error": error }));
                return (results, false);
            }
        }
    }
    (results, true)
}

async fn one(database: &mut SqliteConnection, statement: &[Json]) -> Result<Json, String> {
    let Some((Json::String(text), values)) = statement.split_first() else { return Err("no statement".to_owned()) };
    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            Json::Null => arguments.add(None::<i64>),
            Json::Number(number) => arguments.add(number.as_i64().ok_or("a number that is no integer")?),
            Json::String(text) => arguments.add(text.clone()),
            _ => return Err("unsupported type".to_owned()),
        }
        .map_err(|error| error.to_string())?;
    }
    let described = (&mut *database).prepare(AssertSqlSafe(text.clone()).into_sql_str()).await;
    let columns: Vec<String> =
        described.map_err(|error| error.to_string())?.columns().iter().map(|column| column.name().to_owned()).collect();
    let mut rows = Vec::new();
    let mut affected = 0;
    let mut last = 0;
    let mut answers = (&mut *database).fetch_many(sqlx::query_with(AssertSqlSafe(text.clone()), arguments));
    while let Some(answer) = answers.try_next().await.map_err(|error| error.to_string())? {
        match answer {
            Either::Left(result) => (affected, last) = (result.rows_affected(), result.last_insert_rowid()),
            Either::Right(row) => rows.push(row_of(&row)),
        }
    }
    // What is empty or zero is left out.
    Ok(match (columns.is_empty(), rows.is_empty(), affected) {
        (false, false, _) => json!({ "columns": columns, "types": vec![""; columns.len()], "values": rows }),
        (false, true, _) => json!({ "columns": columns, "types": vec![""; columns.len()] }),
        (true, _, 0) => json!({}),
        (true, _, affected) => json!({ "last_insert_id": last, "rows_affected": affected }),
    })
}

fn row_of(row: &SqliteRow) -> Vec<Json> {
    let value = |column: usize| {
        let raw = row.try_get_raw(column).unwrap();
        let name = raw.type_info().name().to_owned();
        match (raw.is_null(), name.as_str()) {
            (true, _) => Json::Null,
            (_, "INTEGER") => row.get_unchecked::<i64, _>(column).into(),
            (_, "TEXT") => row.get_unchecked::<String, _>(column).into(),
            (_, other) => panic!("a value of the type {other}, whose encoding depends on options"),
        }
    };
    (0..row.len()).map(value).collect()
}

async fn read(reader: &mut BufReader<ReadHalf<Box<dyn Io>>>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ');
    assert_eq!(words.next(), Some("POST"), "{line}");
    let target = words.next()?.to_owned();
    let (path, parameters) = target.split_once('?').unwrap_or((&target, ""));
    let parameters = parameters.split('&').map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")));
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut request =
        Request { path: path.to_owned(), parameters, body: Vec::new(), authorization: String::new(), target };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => request.body = vec![0; value.parse().ok()?],
            "content-type" => assert_eq!(value, "application/json"),
            "authorization" => request.authorization = value.to_owned(),
            _ => {}
        }
    }
    reader.read_exact(&mut request.body).await.ok()?;
    Some(request)
}

async fn write(writer: &mut WriteHalf<Box<dyn Io>>, status: &str, more: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{more}\r\n{body}");
    writer.write_all(answer.as_bytes()).await
}
