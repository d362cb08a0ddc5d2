//! A shop's store on either back end, and the service on it.

use std::path::{Path, PathBuf};
use std::process::Command;

use eventlog::postgres::PostgresLog;
use eventlog::sqlite::SqliteLog;
use eventlog::{EventLog, RecordedEvent, partition_of};
use serde_json::Value;
use tempfile::TempDir;
use test_postgres::{Cluster, Database};
use tokio::runtime::Runtime;

use super::process::{Finished, Process, orderlight};
use super::service::{Service, TOKEN};
use super::store;

/// Of a log in Postgres.
const POSTGRES_PARTITIONS: u32 = 16;

/// A store, empty at first, that goes with this.
pub(crate) struct Shop {
    directory: TempDir,
    /// Where there is none the store is embedded.
    database: Option<Database>,
    runtime: Runtime,
}

impl Shop {
    /// In SQLite files.
    pub(crate) fn embedded() -> Self {
        Self::with(async { None })
    }

    /// In a database of the cluster that serves all tests.
    pub(crate) fn on_postgres() -> Self {
        Self::with(async { Some(Database::fresh().await) })
    }

    /// In a database of a cluster that this test stops and kills.
    pub(crate) fn in_cluster(cluster: &Cluster) -> Self {
        let url = cluster.url();
        Self::with(async { Some(Database::fresh_in(&url).await) })
    }

    fn with(database: impl Future<Output = Option<Database>>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let database = runtime.block_on(database);
        Self { directory: tempfile::tempdir().expect("a directory"), database, runtime }
    }

    /// The directory with its files.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The command that serves it on a free port.
    pub(crate) fn serving(&self) -> Command {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.env("ORDERLIGHT_BOOTSTRAP_TOKEN", TOKEN);
        command
    }

    /// Before everything that happens to the merchant `default`, as the live stream calls it.
    pub(crate) fn beginning(&self) -> String {
        let partitions = if self.database.is_some() { POSTGRES_PARTITIONS } else { 1 };
        format!("{}-0", partition_of(&"default".parse().expect("a merchant"), partitions))
    }

    /// Serves it.
    pub(crate) fn serve(&self) -> Service {
        Service::start_as(self.serving())
    }

    /// Serves it, decides by a rulebook from the beginning on, and may tell systems of this machine.
    pub(crate) fn serve_by(&self, rulebook: &Value) -> Service {
        let file = self.directory.path().join("rulebook.json");
        std::fs::write(&file, rulebook.to_string()).expect("a file can be written");
        let mut command = self.serving();
        command.arg("--rulebook").arg(file).arg("--allow-private-endpoints");
        Service::start_as(command)
    }

    /// A copy of what it holds while no process has it open, changed by a statement that changes one event of the log, as nobody
    /// may.
    pub(crate) fn tampered_copy(&self, statement: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        copy_files(&self.data(), &directory.path().join("data"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let database = self.database.as_ref().map(|database| {
            let copy = runtime.block_on(database.copy());
            assert_eq!(runtime.block_on(copy.tamper(statement)), 1, "{statement}");
            copy
        });
        if database.is_none() {
            tamper(&log_file(&directory.path().join("data")), statement);
        }
        Self { directory, database, runtime }
    }

    /// Runs a command on it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        Process::start(self.command(arguments)).wait()
    }

    /// Every decision is the one that the log gives again.
    #[track_caller]
    pub(crate) fn replay(&self) {
        let replayed = self.run(&["replay"]).expect_code(0);
        let found = replayed.stdout.lines().filter(|line| line.contains(" decisions, "));
        assert!(found.clone().count() > 0 && found.clone().all(|line| line.ends_with(" 0 different")), "{replayed:?}");
    }

    /// All events that it holds when no process has it open, a partition after another; none may have a gap.
    pub(crate) fn events(&self) -> Vec<RecordedEvent> {
        self.runtime.block_on(async {
            match &self.database {
                Some(database) => {
                    store::read_back(&PostgresLog::open(database.url(), None).await.expect("the log opens")).await
                }
                None => store::read_back(&SqliteLog::open(&log_file(&self.data())).await.expect("the log opens")).await,
            }
        })
    }

    /// Where the process listens that keeps each partition, as far as one does.
    pub(crate) fn keepers(&self) -> Vec<Option<String>> {
        let database = self.database.as_ref().expect("an embedded store has one process");
        self.runtime.block_on(async {
            let log = PostgresLog::open(database.url(), None).await.expect("the log opens");
            let mut keepers = Vec::new();
            for partition in 0..log.partitions() {
                let owner = log.owner(partition).await.expect("the log tells");
                keepers.push(owner.and_then(|owner| owner.address).map(String::from));
            }
            log.close().await;
            keepers
        })
    }

    /// Ends all sessions of the database but the asking one.
    pub(crate) fn cut_connections(&self) {
        let database = self.database.as_ref().expect("an embedded store has no connections");
        self.runtime.block_on(database.cut_connections());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = orderlight(arguments);
        command.arg("--data").arg(self.data());
        if let Some(database) = &self.database {
            command.args(["--database-url", database.url()]).env("ORDERLIGHT_MASTER_KEY", "07".repeat(32));
        }
        command
    }
}

/// The log's file in a data directory.
pub(crate) fn log_file(data: &Path) -> PathBuf {
    data.join("log.sqlite")
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("there are files") {
        let entry = entry.expect("a file has a name");
        if entry.file_type().expect("a file has a type").is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a file can be copied");
        }
    }
}

/// Changes one event of an embedded log whose trigger would not have it, and puts the trigger back.
fn tamper(log: &Path, statement: &str) {
    let log = rusqlite::Connection::open(log).expect("the log opens");
    let trigger = "SELECT sql FROM sqlite_schema WHERE name = 'log_refuses_update'";
    let trigger: String = log.query_row(trigger, [], |row| row.get(0)).expect("the log has its trigger");
    log.execute_batch("DROP TRIGGER log_refuses_update").expect("whoever has the file may");
    assert_eq!(log.execute(statement, []).expect("the statement is one"), 1, "{statement}");
    log.execute_batch(&trigger).expect("it was there before");
}
