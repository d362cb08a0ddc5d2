//! Handles against a plain model of them: every one is found once, wherever it is.

use domain::time::Timestamp;

use super::*;
use crate::model::Model;
use crate::order_status::{Course, OrderFacts, OrderRisk};

const GENERATION: Generation = Generation { model: Model::OrderStatus, number: 1 };

fn file() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    let schema = crate::sqlite::order_status::schema(&GENERATION.table());
    let views = "CREATE VIEW order_status_handles AS SELECT * FROM order_status_g1_handles";
    connection.execute_batch(&format!("{schema}{views}")).unwrap();
    connection
}

/// An order whose handles are all shared with every third one, at a time that is not the order of streams.
fn row(stream: StreamId, device: i64) -> OrderStatusRow {
    let group = stream.cast_signed() % 3;
    OrderStatusRow {
        stream,
        order_id: format!("web:{stream}").parse().unwrap(),
        facts: OrderFacts {
            listed_at: Timestamp::from_millis(stream.cast_signed() * 7 % 11),
            handles: Handles { device: Some(device), ip: Some(group), ..Handles::default() },
            ..OrderFacts::default()
        },
        risk: OrderRisk { hits: "[]".into(), ..OrderRisk::default() },
        course: Course::default(),
        status: None,
        sources: Vec::new(),
        position: stream,
    }
}

/// All that is found of one token, in the table and in memory.
fn found(connection: &Connection, recent: &Recent, kind: usize, token: i64) -> Vec<StreamId> {
    let mut streams: Vec<StreamId> = connection
        .prepare("SELECT stream FROM order_status_handles WHERE kind = ? AND merchant = 1 AND token = ?")
        .unwrap()
        .query_map((stored(kind), token), |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    streams.extend(recent.places(kind, 1, token).into_iter().map(|(_, stream)| stream));
    streams.sort_unstable();
    streams
}

fn write(
    connection: &mut Connection,
    recent: &mut Recent,
    new: &[OrderStatusRow],
    changed: &[(OrderStatusRow, OrderStatusRow)],
) {
    let transaction = connection.transaction().unwrap();
    let mut writer = HandleWriter::new(&transaction, GENERATION, recent).unwrap();
    for row in new {
        let sql = "INSERT INTO order_status_g1 (stream, merchant, channel, order_no, listed_at, device, ip, state, \
                   stock, hits, marks, sources, position) VALUES (?, 1, 'web', ?, ?, ?, ?, 'none', '[]', '[]', 0, '[]', 1)";
        let handles = &row.facts.handles;
        let (order_no, listed_at) = (row.order_id.order_no(), row.facts.listed_at.millis());
        transaction.execute(sql, (row.stream.cast_signed(), order_no, listed_at, handles.device, handles.ip)).unwrap();
        writer.begin(1, row).unwrap();
    }
    for (before, after) in changed {
        let sql = "UPDATE order_status_g1 SET device = ? WHERE stream = ?";
        transaction.execute(sql, (after.facts.handles.device, after.stream.cast_signed())).unwrap();
        writer.change(1, before, after).unwrap();
    }
    let moves = writer.moves;
    transaction.commit().unwrap();
    recent.apply(moves);
}

#[test]
fn every_handle_is_found_once_whether_it_is_written_in_memory_or_read_again() {
    let mut connection = file();
    let mut recent = Recent { generation: Some(GENERATION), gathered_max: 5, ..Recent::default() };
    for page in 0..30_u64 {
        let new: Vec<_> = (1..=3).map(|index| row(page * 3 + index, 100)).collect();
        // An order of long ago, one of a while ago, and one of the page before get another device.
        let old = BTreeSet::from([page, (page * 3).saturating_sub(10), page * 3]);
        let is_changed = |old: &StreamId| found(&connection, &recent, 3, 200).contains(old);
        let changed: Vec<_> = old
            .into_iter()
            .filter(|old| *old > 0 && !is_changed(old))
            .map(|old| (row(old, 100), row(old, 200)))
            .collect();
        write(&mut connection, &mut recent, &new, &changed);
        let count = page * 3 + 3;
        let all: Vec<StreamId> = (1..=count).collect();
        let mut by_device = [found(&connection, &recent, 3, 100), found(&connection, &recent, 3, 200)].concat();
        by_device.sort_unstable();
        assert_eq!(by_device, all, "page {page}");
        let third: Vec<StreamId> = all.iter().copied().filter(|stream| stream % 3 == 1).collect();
        assert_eq!(found(&connection, &recent, 4, 1), third, "page {page}");
        assert_eq!(found(&connection, &recent, 0, number_token(&count.to_string())), [count]);
        if page % 4 == 3 {
            let read = Recent::read(&connection, GENERATION).unwrap();
            assert_eq!((&read.keys, read.settled), (&recent.keys, recent.settled), "page {page}");
            assert_eq!((read.gathered, read.last), (recent.gathered, recent.last), "page {page}");
            recent = Recent { gathered_max: 5, ..read };
        }
    }
    assert!(recent.settled.iter().all(|settled| *settled > 60), "{:?}", recent.settled);
}

#[test]
fn a_table_that_was_filled_without_handles_is_completed() {
    let mut connection = file();
    let rows: Vec<_> = (1..=9).map(|stream| row(stream, 100)).collect();
    write(&mut connection, &mut Recent::default(), &rows, &[]);
    assert!(found(&connection, &Recent::default(), 3, 100).is_empty());
    let transaction = connection.transaction().unwrap();
    assert!(complete_part(&transaction, GENERATION).unwrap());
    transaction.commit().unwrap();
    assert_eq!(found(&connection, &Recent::default(), 3, 100), (1..=9).collect::<Vec<_>>());
    // What comes before the table is looked at is read from the rows then.
    write(&mut connection, &mut Recent::default(), &[row(10, 100)], &[(row(2, 100), row(2, 200))]);
    let recent = Recent::read(&connection, GENERATION).unwrap();
    assert_eq!(found(&connection, &recent, 3, 100), [1, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(found(&connection, &recent, 3, 200), [2]);
}
