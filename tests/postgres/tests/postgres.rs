//! What the throw-away databases and clusters are relied on for.

#![expect(clippy::unwrap_used, reason = "what a test sets up must hold")]

use sqlx::{Connection, PgConnection};
use test_postgres::{Cluster, Database};

async fn exists(name: &str) -> bool {
    let cluster = std::env::var("ORDERLIGHT_TEST_POSTGRES").unwrap();
    let mut connection = PgConnection::connect(&cluster).await.unwrap();
    let query = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)");
    query.bind(name).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn a_database_is_empty_and_goes_with_its_handle_even_while_somebody_is_connected() {
    let database = Database::fresh().await;
    let mut connection = database.connect().await;
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_stat_user_tables").fetch_one(&mut connection).await.unwrap();
    assert_eq!(tables, 0);
    let name = database.name().to_owned();
    assert!(exists(&name).await);
    drop(database);
    assert!(!exists(&name).await);
}

#[tokio::test]
async fn a_cluster_keeps_what_was_committed_when_it_is_stopped_and_when_it_is_killed() {
    let cluster = Cluster::start();
    let mut connection = PgConnection::connect(&cluster.url()).await.unwrap();
    let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut connection).await.unwrap();
    assert_eq!(fsync, "on");
    sqlx::query("CREATE TABLE kept (number INTEGER)").execute(&mut connection).await.unwrap();
    let ends: [fn(&Cluster); 2] = [Cluster::stop, Cluster::kill];
    for (end, number) in ends.into_iter().zip(1..) {
        sqlx::query("INSERT INTO kept VALUES ($1)").bind(number).execute(&mut connection).await.unwrap();
        end(&cluster);
        assert!(sqlx::query("SELECT 1").execute(&mut connection).await.is_err());
        cluster.start_again();
        connection = PgConnection::connect(&cluster.url()).await.unwrap();
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM kept").fetch_one(&mut connection).await.unwrap();
        assert_eq!(count, i64::from(number));
    }
}
