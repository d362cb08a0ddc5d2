//! Several processes with the same read models in Postgres. Each has a handle of its own; the log is one.

use std::time::Duration;

use domain::order::{FrozenCause, ReleasedCause};
use projections::{ORDER_STATUS, OrderQuery, REVIEW_QUEUE, ReadModels};

use crate::given::*;

const LONG: Duration = Duration::from_secs(20);

async fn numbers(models: &ReadModels) -> Vec<String> {
    let page = models.search(&merchant(SHOP), &OrderQuery::default(), None, 200).await.unwrap();
    page.items.iter().map(|row| row.order_id.order_no().to_owned()).collect()
}

#[tokio::test]
async fn a_process_that_does_not_fold_waits_for_the_one_that_does() {
    let mut given = Given::nothing(Backend::Postgres).await;
    let (folds, looks_up) = (given.read_models().await, given.read_models().await);
    folds.follow(0).await;
    for index in 0..5 {
        let id = format!("web:{index}");
        given.order(&id, clean(&id, facts(index))).await;
        assert!(looks_up.wait_for(ORDER_STATUS, 0, given.head, LONG).await);
        assert_eq!(row(&looks_up, &id).await.facts.placed_at, Some(minute(index)));
    }
    assert!(!looks_up.wait_for(ORDER_STATUS, 0, given.head + 1, Duration::from_millis(60)).await);
    assert_eq!((folds.health().len(), looks_up.health().len()), (2, 0), "who folds answers for it");
    folds.stop().await;
    looks_up.stop().await;
}

#[tokio::test]
async fn a_partition_goes_from_one_process_to_the_other_and_back() {
    let mut given = Given::nothing(Backend::Postgres).await;
    let processes = [given.read_models().await, given.read_models().await];
    for round in 0..6_u32 {
        let (one, other) = (&processes[usize::from(round % 2 == 1)], &processes[usize::from(round % 2 == 0)]);
        other.unfollow(0).await;
        one.follow(0).await;
        let id = format!("web:{round}");
        given.order(&id, [placed(&id, facts(round)), scored(130, "freeze"), frozen(FrozenCause::Score)]).await;
        // An order that the other process wrote.
        let earlier = format!("web:{}", round.saturating_sub(1));
        given.order(&earlier, [released(ReleasedCause::Reviewer, Some("wang"))]).await;
        for name in [ORDER_STATUS, REVIEW_QUEUE] {
            assert!(one.wait_for(name, 0, given.head, LONG).await);
        }
        assert_eq!(row(other, &earlier).await.risk.released_by.as_deref(), Some("wang"));
        assert_eq!(numbers(other).await.len(), usize::try_from(round).unwrap() + 1);
    }
    for models in processes {
        models.stop().await;
    }
}

#[tokio::test]
async fn two_that_fold_the_same_partition_write_each_page_once() {
    let mut given = Given::nothing(Backend::Postgres).await;
    let processes = [given.read_models().await, given.read_models().await];
    for models in &processes {
        models.follow(0).await;
    }
    for index in 0..60 {
        let id = format!("web:{index}");
        given.order(&id, [placed(&id, full_facts(index, "a")), scored(130, "freeze")]).await;
        // Both are woken at once.
        for models in &processes {
            assert!(models.wait_for(ORDER_STATUS, 0, given.head, LONG).await);
        }
        given.order(&id, [frozen(FrozenCause::Score)]).await;
    }
    for models in &processes {
        assert!(models.wait_for(REVIEW_QUEUE, 0, given.head, LONG).await);
        assert_eq!(models.health().iter().filter(|one| one.trouble.is_some()).count(), 0);
    }
    let elsewhere = Somewhere::fresh(Backend::Postgres).await;
    let alone = given.read_models_in(&elsewhere).await;
    alone.catch_up().await.unwrap();
    for index in 0..60 {
        let id = format!("web:{index}");
        assert_eq!(row(&processes[0], &id).await, row(&alone, &id).await);
        assert_eq!(review(&processes[1], &id).await, review(&alone, &id).await);
    }
    for models in processes {
        models.stop().await;
    }
}

#[tokio::test]
async fn a_process_goes_on_with_what_another_has_built_anew() {
    let mut given = Given::nothing(Backend::Postgres).await;
    let (folds, builds) = (given.read_models().await, given.read_models().await);
    folds.follow(0).await;
    for round in 0..4_u32 {
        for index in 0..10 {
            let id = format!("web:{}", round * 10 + index);
            given.order(&id, clean(&id, full_facts(index, "a"))).await;
        }
        builds.rebuild(&builds.names()).await.unwrap();
        let id = format!("web:after-{round}");
        given.order(&id, clean(&id, facts(0))).await;
        assert!(builds.wait_for(ORDER_STATUS, 0, given.head, LONG).await);
        assert_eq!(numbers(&builds).await.len(), usize::try_from((round + 1) * 11).unwrap());
        assert_eq!(numbers(&folds).await, numbers(&builds).await);
    }
    folds.stop().await;
    builds.stop().await;
}

#[tokio::test]
async fn a_rebuild_ends_while_another_process_folds_one_order_after_the_other() {
    let mut given = Given::nothing(Backend::Postgres).await;
    let (folds, builds) = (given.read_models().await, given.read_models().await);
    folds.follow(0).await;
    let is_rebuilt = std::cell::Cell::new(false);
    let rebuilds = async {
        for _ in 0..5 {
            builds.rebuild(&builds.names()).await.unwrap();
        }
        is_rebuilt.set(true);
    };
    let orders = async {
        let mut count = 0;
        while !is_rebuilt.get() {
            let id = format!("web:{count}");
            given.order(&id, clean(&id, full_facts(count, "a"))).await;
            // So that the live ones are never behind for long.
            assert!(folds.wait_for(ORDER_STATUS, 0, given.head, LONG).await);
            count += 1;
        }
        count
    };
    let ((), count) = tokio::join!(rebuilds, orders);
    for name in builds.names() {
        assert!(folds.wait_for(name, 0, given.head, LONG).await);
    }
    let elsewhere = Somewhere::fresh(Backend::Postgres).await;
    let alone = given.read_models_in(&elsewhere).await;
    alone.catch_up().await.unwrap();
    for index in 0..count {
        let id = format!("web:{index}");
        assert_eq!(row(&folds, &id).await, row(&alone, &id).await);
    }
    folds.stop().await;
    builds.stop().await;
}

#[tokio::test]
async fn a_server_that_was_killed_and_comes_back_is_gone_on_with() {
    let cluster = test_postgres::Cluster::start();
    let mut given = Given::nothing(Backend::Sqlite).await;
    let log = std::sync::Arc::clone(&given.log) as std::sync::Arc<dyn eventlog::EventLog>;
    let models =
        ReadModels::open(&projections::Place::Postgres { url: cluster.url(), session_name: None }, log).await.unwrap();
    models.follow(0).await;
    for round in 0..2_u32 {
        for index in 0..20 {
            let id = format!("web:{}", round * 100 + index);
            given.order(&id, [placed(&id, full_facts(index, "a")), scored(130, "freeze")]).await;
        }
        assert!(models.wait_for(ORDER_STATUS, 0, given.head, LONG).await);
        cluster.kill();
        // Something to fold while there is nowhere to write it.
        given.order("web:meanwhile", [scored(140, "freeze")]).await;
        cluster.start_again();
        for name in [ORDER_STATUS, REVIEW_QUEUE] {
            assert!(models.wait_for(name, 0, given.head, LONG).await);
        }
        assert_eq!(row(&models, "web:meanwhile").await.position, given.head);
    }
    let elsewhere = Somewhere::fresh(Backend::Sqlite).await;
    let alone = given.read_models_in(&elsewhere).await;
    alone.catch_up().await.unwrap();
    assert_eq!(numbers(&models).await, numbers(&alone).await);
    for number in numbers(&alone).await {
        let id = format!("web:{number}");
        assert_eq!(row(&models, &id).await, row(&alone, &id).await);
        assert_eq!(review(&models, &id).await, review(&alone, &id).await);
    }
    models.stop().await;
}

#[tokio::test]
async fn processes_that_start_at_once_make_the_tables_once() {
    let given = Given::nothing(Backend::Postgres).await;
    let (one, two, three) = tokio::join!(given.read_models(), given.read_models(), given.read_models());
    for models in [one, two, three] {
        assert_eq!(numbers(&models).await, Vec::<String>::new());
        models.stop().await;
    }
}

#[tokio::test]
async fn processes_that_migrate_at_once_make_the_schema_once() {
    for _ in 0..5 {
        let database = test_postgres::Database::fresh().await;
        let mut at_once = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let url = database.url().to_owned();
            at_once.spawn(async move { projections::migrate(&url, None).await });
        }
        for migrated in at_once.join_all().await {
            migrated.unwrap();
        }
    }
}

#[tokio::test]
async fn a_role_that_may_create_tables_in_the_schema_needs_nothing_else() {
    let mut given = Given::nothing(Backend::Postgres).await;
    given.order("web:1", clean("web:1", facts(0))).await;
    let Somewhere::Database(database) = &given.place else { panic!("expected a database") };
    let role = format!("reads_{}", database.name());
    let mut superuser = database.connect().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE ROLE {role} LOGIN"))).execute(&mut superuser).await.unwrap();
    let place = projections::Place::Postgres { url: database.url_as(&role), session_name: None };
    let log = || std::sync::Arc::clone(&given.log) as std::sync::Arc<dyn eventlog::EventLog>;
    assert!(ReadModels::open(&place, log()).await.is_err(), "the schema is not there");
    projections::migrate(database.url(), Some(&role)).await.unwrap();
    let models = ReadModels::open(&place, log()).await.unwrap();
    models.catch_up().await.unwrap();
    models.rebuild(&models.names()).await.unwrap();
    assert_eq!(numbers(&models).await, ["1"]);
    models.stop().await;
    let clean_up = format!("DROP OWNED BY {role}; DROP ROLE {role}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(clean_up)).execute(&mut superuser).await.unwrap();
}

#[tokio::test]
async fn a_runtime_role_begins_anew_where_the_owner_ran_before_and_keeps_what_is_its_own() {
    let mut given = Given::nothing(Backend::Postgres).await;
    given.order("web:1", clean("web:1", facts(0))).await;
    let Somewhere::Database(database) = &given.place else { panic!("expected a database") };
    let (owner, role) = (format!("owns_{}", database.name()), format!("runs_{}", database.name()));
    let mut superuser = database.connect().await;
    let create = format!(
        "CREATE ROLE {owner} LOGIN; GRANT CREATE ON DATABASE {} TO {owner}; CREATE ROLE {role} LOGIN",
        database.name()
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut superuser).await.unwrap();
    let open = async |role: &str| {
        let log = std::sync::Arc::clone(&given.log) as std::sync::Arc<dyn eventlog::EventLog>;
        ReadModels::open(&projections::Place::Postgres { url: database.url_as(role), session_name: None }, log).await
    };
    let models = open(&owner).await.unwrap();
    models.catch_up().await.unwrap();
    models.stop().await;
    projections::migrate(&database.url_as(&owner), Some(&role)).await.unwrap();
    let models = open(&role).await.unwrap();
    models.catch_up().await.unwrap();
    assert_eq!(numbers(&models).await, ["1"]);
    models.stop().await;
    // As with each new version.
    projections::migrate(&database.url_as(&owner), Some(&role)).await.unwrap();
    let models = open(&role).await.unwrap();
    assert_eq!(numbers(&models).await, ["1"], "what the role made itself is still there");
    models.stop().await;
    let clean_up = format!("DROP OWNED BY {role}, {owner} CASCADE; DROP ROLE {role}, {owner}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(clean_up)).execute(&mut superuser).await.unwrap();
}

/// The tables of all builds of `order_status`.
async fn builds_of_order_status(given: &Given) -> Vec<String> {
    let Somewhere::Database(database) = &given.place else { panic!("expected a database") };
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'orderlight_read'::regnamespace \
                  AND relkind = 'p' AND relname LIKE 'order_status_g%' ORDER BY relname";
    sqlx::query_scalar(tables).fetch_all(&mut database.connect().await).await.unwrap()
}

#[tokio::test]
async fn what_an_earlier_build_left_holds_no_start_up_and_goes_when_it_can() {
    let mut given = Given::nothing(Backend::Postgres).await;
    given.order("web:1", clean("web:1", facts(0))).await;
    let models = given.folded().await;
    let old = builds_of_order_status(&given).await;
    assert_eq!(old.len(), 1);
    // As somebody who copies the database does for hours.
    let Somewhere::Database(database) = &given.place else { panic!("expected a database") };
    let mut copies = database.connect().await;
    let reads = format!("BEGIN; LOCK TABLE orderlight_read.{} IN ACCESS SHARE MODE", old[0]);
    sqlx::raw_sql(sqlx::AssertSqlSafe(reads)).execute(&mut copies).await.unwrap();
    models.rebuild(&models.names()).await.unwrap();
    assert_eq!(builds_of_order_status(&given).await.len(), 2, "the old one is in use");
    models.stop().await;

    let models = given.read_models().await;
    assert_eq!(numbers(&models).await, ["1"]);
    given.order("web:2", clean("web:2", facts(1))).await;
    models.catch_up().await.unwrap();
    assert_eq!(numbers(&models).await, ["2", "1"]);
    assert!(builds_of_order_status(&given).await.contains(&old[0]));

    sqlx::raw_sql("COMMIT").execute(&mut copies).await.unwrap();
    let until = std::time::Instant::now() + LONG;
    while builds_of_order_status(&given).await.contains(&old[0]) {
        assert!(std::time::Instant::now() < until, "the old build is still there");
    }
    assert_eq!(numbers(&models).await, ["2", "1"]);
    models.stop().await;
}
