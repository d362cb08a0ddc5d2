//! An empty database.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Names the cluster by the address of its superuser: `postgres://postgres@127.0.0.1:5432/postgres`.
const CLUSTER: &str = "ORDERLIGHT_TEST_POSTGRES";

/// A new database with nothing in it, dropped with whoever is still connected when this goes.
#[derive(Debug)]
pub struct Database {
    cluster: String,
    name: String,
    url: String,
}

impl Database {
    /// In the cluster that the environment names.
    ///
    /// # Panics
    /// Where the environment names none, or it cannot be reached.
    pub async fn fresh() -> Self {
        let cluster = std::env::var(CLUSTER).unwrap_or_else(|_| {
            panic!(
                "{CLUSTER} names no cluster; run the tests by `.ci/with-postgres cargo nextest run`, which sets one up"
            )
        });
        Self::fresh_in(&cluster).await
    }

    /// In a cluster of the test's own.
    ///
    /// # Panics
    /// Where it cannot be reached.
    pub async fn fresh_in(cluster: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // A process that was killed may have left one behind under a number that came round again.
        run(cluster, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        run(cluster, format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        let (server, _) = cluster.rsplit_once('/').expect("the address ends with a database");
        let url = format!("{server}/{name}");
        Self { cluster: cluster.to_owned(), name, url }
    }

    /// A database that holds what this one does; whoever is still connected to this one is cut off.
    ///
    /// # Panics
    /// Where the cluster cannot be reached.
    pub async fn copy(&self) -> Self {
        let name = format!("{}_copy", self.name);
        self.cut_connections().await;
        run(&self.cluster, format!("CREATE DATABASE {name} TEMPLATE {}", self.name)).await;
        let (server, _) = self.url.rsplit_once('/').expect("the address ends with a database");
        Self { cluster: self.cluster.clone(), url: format!("{server}/{name}"), name }
    }

    /// Carries out a statement as whoever has the files of the database may: no trigger stops it. Answers with how many rows it
    /// changed.
    ///
    /// # Panics
    /// Where it fails.
    pub async fn tamper(&self, statement: &str) -> u64 {
        let mut connection = self.connect().await;
        for prepare in ["SET session_replication_role = replica", "SET search_path = orderlight"] {
            sqlx::query(prepare).execute(&mut connection).await.expect("a superuser may");
        }
        let done = sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await;
        done.expect("the statement is one").rows_affected()
    }

    /// Its address, for the superuser.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address for another role, which needs no password.
    ///
    /// # Panics
    /// Never: the address was made here.
    pub fn url_as(&self, role: &str) -> String {
        let (_, server) = self.url.rsplit_once('@').expect("the address names a user");
        format!("postgres://{role}@{server}")
    }

    /// Ends all sessions in it, as a network that fails does.
    ///
    /// # Panics
    /// Where it cannot be reached.
    pub async fn cut_connections(&self) {
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
        sqlx::query(others).execute(&mut self.connect().await).await.expect("a superuser ends sessions");
    }

    /// A connection that knows nothing of the service.
    ///
    /// # Panics
    /// Where there is none to be had.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("the database can be reached")
    }
}

impl Drop for Database {
    /// From a thread of its own, because a runtime cannot be waited for inside another. A cluster that is gone took the database
    /// with it.
    fn drop(&mut self) {
        let (cluster, drop) = (self.cluster.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&cluster).await?;
                sqlx::query(AssertSqlSafe(drop)).execute(&mut connection).await
            })
        });
        if !matches!(dropping.join(), Ok(Ok(_))) {
            eprintln!("database {} stays behind: its cluster does not answer", self.name);
        }
    }
}

async fn run(cluster: &str, statement: String) {
    let mut connection = PgConnection::connect(cluster).await.expect("the cluster can be reached");
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.expect("a superuser makes databases");
    connection.close().await.expect("a connection can be ended");
}
