use sqlx::sqlite::SqliteConnectOptions;
use std::time::Duration;
use tempfile::TempDir;

use super::*;

/// A writer of a file that has room for some more pages and no more, with a table.
struct Bed {
    jobs: mpsc::Sender<Job>,
    news: watch::Receiver<u64>,
    waiting: Option<(Writer, mpsc::Receiver<Job>)>,
    shell: SqliteConnection,
    _folder: TempDir,
}

type Answer = oneshot::Receiver<Result<Vec<Done>, StoreError>>;

impl Bed {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let connect = SqliteConnectOptions::new().filename(folder.path().join("full.db")).create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&connect).await.unwrap();
        for text in ["CREATE TABLE words (word BLOB)", "PRAGMA max_page_count = 20"] {
            sqlx::query(text).execute(&mut connection).await.unwrap();
        }
        let (jobs, waiting) = mpsc::channel(TOGETHER);
        let sender = Arc::new(watch::Sender::new(0));
        let news = sender.subscribe();
        let writer = Writer::new(connection, Failures::new(&"sqlite:full.db".into()), sender);
        let shell = SqliteConnection::connect_with(&connect).await.unwrap();
        Self { jobs, news, waiting: Some((writer, waiting)), shell, _folder: folder }
    }

    /// Hands in a job of words of so many bytes.
    fn hand(&self, words: &[usize]) -> Answer {
        let text = "INSERT INTO words VALUES (zeroblob($1))".into();
        let word = |size: &usize| Statement::new(&text, vec![i64::try_from(*size).unwrap().into()]);
        let (answer, answered) = oneshot::channel();
        let statements = words.iter().map(word).collect();
        let until = Instant::now() + Duration::from_secs(60);
        let job = Job { statements, care: Care::Durable, reads: false, until, answer };
        assert!(self.jobs.try_send(job).is_ok());
        answered
    }

    /// What was handed in before is one transaction.
    fn run(&mut self) {
        let (writer, waiting) = self.waiting.take().unwrap();
        tokio::spawn(writer.run(waiting));
    }

    async fn words(&mut self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM words").fetch_one(&mut self.shell).await.unwrap()
    }
}

/// More than there is room for.
const HUGE: usize = 1 << 20;

#[tokio::test]
async fn a_full_disk_is_told_to_all_of_a_transaction_and_nothing_of_it_is_done() {
    let mut bed = Bed::new().await;
    let answers = [bed.hand(&[1]), bed.hand(&[1, HUGE]), bed.hand(&[1]), bed.hand(&[1, 1])];
    bed.run();
    for answer in answers {
        let answer = answer.await.unwrap();
        assert!(matches!(&answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
        assert!(answer.unwrap_err().to_string().contains("full"));
    }
    assert_eq!(bed.words().await, 0);
    assert!(!bed.news.has_changed().unwrap());
    // There is room for what is small.
    bed.hand(&[1]).await.unwrap().unwrap();
    assert_eq!(bed.words().await, 1);
    assert!(bed.news.has_changed().unwrap());
}

#[tokio::test]
async fn a_full_disk_is_not_hidden_by_an_end_that_came_by_itself() {
    let mut bed = Bed::new().await;
    bed.run();
    for words in [&[HUGE][..], &[1, HUGE]] {
        let answer = bed.hand(words).await.unwrap();
        assert!(matches!(&answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
    }
    assert_eq!(bed.words().await, 0);
}

#[tokio::test]
async fn a_statement_that_fails_undoes_its_job_alone() {
    let mut bed = Bed::new().await;
    sqlx::query("CREATE UNIQUE INDEX once ON words (word)").execute(&mut bed.shell).await.unwrap();
    let answers = [bed.hand(&[1]), bed.hand(&[2, 1]), bed.hand(&[1]), bed.hand(&[3, 4])];
    bed.run();
    let mut done = Vec::new();
    for answer in answers {
        done.push(answer.await.unwrap().is_ok());
    }
    assert_eq!(done, [true, false, false, true]);
    assert_eq!(bed.words().await, 3);
}
