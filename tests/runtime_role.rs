//! The service as it is meant to be run: as a role of the database that may add to the log and take nothing back.

use std::process::Command;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;
use test_postgres::Database;
use tokio::runtime::Runtime;

use crate::support::orders::plain;
use crate::support::process::{Finished, Process, orderlight};
use crate::support::service::{Service, TOKEN};

/// "insufficient_privilege": the statement was refused before any trigger was asked.
const NO_PRIVILEGE: &str = "42501";

/// A database with two roles: one that owns the schema and one that the service runs as.
struct Production {
    database: Database,
    directory: TempDir,
    runtime: Runtime,
    owner: String,
    role: String,
}

impl Production {
    /// Migrated by the one for the other.
    fn migrated() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let database = runtime.block_on(Database::fresh());
        let (owner, role) = (format!("owns_{}", database.name()), format!("runs_{}", database.name()));
        let create = format!(
            "CREATE ROLE {owner} LOGIN; GRANT CREATE ON DATABASE {} TO {owner}; CREATE ROLE {role} LOGIN",
            database.name()
        );
        let production = Self { database, directory: tempfile::tempdir().unwrap(), runtime, owner, role };
        production.as_superuser(create);
        let migrate = production.command(&production.owner, &["migrate", "--runtime-role", &production.role]);
        Process::start(migrate).wait().expect_code(0);
        production
    }

    fn as_superuser(&self, statements: String) {
        self.runtime.block_on(async {
            let mut superuser = self.database.connect().await;
            sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut superuser).await.unwrap();
            superuser.close().await.unwrap();
        });
    }

    fn command(&self, role: &str, arguments: &[&str]) -> Command {
        let mut command = orderlight(arguments);
        command.arg("--data").arg(self.directory.path());
        command.args(["--database-url", &self.database.url_as(role)]).env("ORDERLIGHT_MASTER_KEY", "07".repeat(32));
        command
    }

    fn serve(&self) -> Service {
        let mut command = self.command(&self.role, &["serve", "--listen", "127.0.0.1:0"]);
        command.env("ORDERLIGHT_BOOTSTRAP_TOKEN", TOKEN);
        Service::start_as(command)
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        Process::start(self.command(&self.role, arguments)).wait()
    }

    /// What the role that the service runs as is told.
    fn refusals(&self, statements: &[String]) -> Vec<Option<String>> {
        self.runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.database.url_as(&self.role)).await.unwrap();
            let mut refusals = Vec::new();
            for statement in statements {
                let refused = connection.execute(AssertSqlSafe(statement.clone())).await.err();
                let code = refused.and_then(|error| Some(error.as_database_error()?.code()?.into_owned()));
                refusals.push(code);
            }
            connection.close().await.unwrap();
            refusals
        })
    }
}

impl Drop for Production {
    /// Roles belong to the cluster and would outlive the database.
    fn drop(&mut self) {
        let (owner, role) = (&self.owner, &self.role);
        self.as_superuser(format!("DROP OWNED BY {role}, {owner} CASCADE; DROP ROLE {role}, {owner}"));
    }
}

/// The numbers of all orders that a look-up finds.
fn numbers(service: &Service) -> Vec<String> {
    let number = |order: &serde_json::Value| order["order_no"].as_str().unwrap().to_owned();
    let mut numbers: Vec<String> = service.all_orders("").iter().map(number).collect();
    numbers.sort();
    numbers
}

#[test]
fn a_service_that_can_take_nothing_back_takes_orders_looks_up_rebuilds_and_starts_again() {
    let production = Production::migrated();
    let service = production.serve();
    service.place(&plain("A1"));
    service.settle();
    assert_eq!(service.get("/v1/orders/web:A1").json()["order_no"], "A1");
    // Beside the service that goes on.
    production.run(&["projections", "rebuild"]).expect_code(0);
    service.place(&plain("A2"));
    service.settle();
    assert_eq!(numbers(&service), ["A1", "A2"]);
    service.stop().expect_code(0);

    let service = production.serve();
    assert_eq!(service.place(&plain("A1"))["duplicate"], true);
    service.place(&plain("A3"));
    service.settle();
    assert_eq!(numbers(&service), ["A1", "A2", "A3"]);

    let of_the_log = ["log", "streams", "deliveries", "heads"];
    let takes_back = of_the_log.iter().flat_map(|table| {
        // Without looking at a row, so that nothing but the privilege can be what is refused.
        let update = if *table == "heads" { "partition = 0" } else { "stream = 0" };
        let update = if *table == "streams" { "id = 0" } else { update };
        [format!("UPDATE orderlight.{table} SET {update}"), format!("DELETE FROM orderlight.{table}")]
            .into_iter()
            .chain([format!("TRUNCATE orderlight.{table}"), format!("DROP TABLE orderlight.{table}")])
            .chain([format!("ALTER TABLE orderlight.{table} DISABLE TRIGGER ALL")])
    });
    let takes_back: Vec<String> = takes_back.collect();
    let refusals = production.refusals(&takes_back);
    for (statement, refused) in takes_back.iter().zip(refusals) {
        assert_eq!(refused.as_deref(), Some(NO_PRIVILEGE), "{statement}");
    }
    assert_eq!(numbers(&service), ["A1", "A2", "A3"]);
    service.stop().expect_code(0);
    let replayed = production.run(&["replay"]).expect_code(0);
    assert!(replayed.stdout.contains("3 decisions, "), "{replayed:?}");
}
