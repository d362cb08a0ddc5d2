//! A build that takes the place of another under a look-up.

use std::ops::RangeInclusive;

use domain::time::Timestamp;

use super::*;
use crate::fold::Touched;
use crate::order_status::{Course, Handle, OrderFacts, OrderQuery, OrderRisk};

const MERCHANT: i64 = 1;

fn row(stream: StreamId) -> OrderStatusRow {
    OrderStatusRow {
        stream,
        order_id: format!("web:{stream}").parse().unwrap(),
        facts: OrderFacts { listed_at: Timestamp::from_millis(0), ..OrderFacts::default() },
        risk: OrderRisk { hits: "[]".into(), ..OrderRisk::default() },
        course: Course::default(),
        status: None,
        sources: Vec::new(),
        position: stream,
    }
}

/// Writes orders, one a transaction.
fn write(connection: &mut Connection, memory: &Memory, generation: Generation, orders: RangeInclusive<StreamId>) {
    for stream in orders {
        let touched = [Touched { place: 0, is_stored: false, before: None, row: row(stream) }];
        let transaction = generations::begin(connection).unwrap();
        let moves = order_status::save(&transaction, generation, &memory.recent(), &touched, &[MERCHANT]).unwrap();
        transaction.commit().unwrap();
        if memory.recent().generation == Some(generation) {
            memory.recent_mut().apply(moves);
        }
    }
}

fn leads(recent: &Recent, orders: RangeInclusive<StreamId>) -> Vec<(Wanted, Lead)> {
    let lead = |stream: StreamId| {
        let query = OrderQuery { order_no: Some(stream.to_string()), ..OrderQuery::default() };
        (Wanted::by(&query), Lead::of(recent, MERCHANT, &Handle::Number(stream.to_string())))
    };
    orders.map(lead).collect()
}

#[track_caller]
fn all_are_found(connection: &Connection, leads: &[(Wanted, Lead)]) {
    for (wanted, lead) in leads {
        let found = search::search(connection, MERCHANT, std::slice::from_ref(lead), wanted, None, 1).unwrap();
        assert_eq!(found.len(), 1, "{wanted:?}");
    }
}

#[test]
fn a_look_up_that_has_begun_goes_on_in_the_build_that_it_began_in() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("read.sqlite");
    let mut connection = settings::open_writer(&path).unwrap();
    connection.execute_batch(generations::SCHEMA).unwrap();
    let memory = remember(&connection, 1).unwrap();
    let old = generations::create(&mut connection, Model::OrderStatus, 1).unwrap();
    replace(&mut connection, &memory, old).unwrap();
    memory.recent_mut().gathered_max = 5;
    write(&mut connection, &memory, old, 1..=3);

    let new = generations::create(&mut connection, Model::OrderStatus, 1).unwrap();
    write(&mut connection, &memory, new, 1..=3);
    assert!(generations::complete_handles(&mut connection, new).unwrap());
    // These go from memory into the one's table of handles, and are not in the other's.
    write(&mut connection, &memory, old, 4..=40);
    write(&mut connection, &memory, new, 4..=40);

    let reader = settings::open_reader(&path).unwrap();
    let (begun, snapshot) = memory.look(&reader, |recent| leads(recent, 1..=40)).unwrap();
    replace(&mut connection, &memory, new).unwrap();
    all_are_found(&snapshot, &begun);
    drop(snapshot);
    let (begun_later, snapshot) = memory.look(&reader, |recent| leads(recent, 1..=40)).unwrap();
    all_are_found(&snapshot, &begun_later);
}
