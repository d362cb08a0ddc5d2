//! What orders are found by, in one index over all kinds of handles.
//!
//! Handles are random numbers: in one index each they would touch a page of the file for every order and kind, and that is nearly
//! all that a large table costs. So those of the newest orders stay in memory, and a kind is written only when many have come
//! together, in the order of the index. What the table holds of a kind is known by one number: the handles of all rows up
//! to that stream, and of no other. The rest is in memory, and is read from the rows again when the file is opened.

use std::collections::BTreeSet;

use eventlog::StreamId;
use rusqlite::{Connection, Row, Transaction};

use crate::order_status::{Handle, Handles, OrderStatusRow};
use crate::store::Generation;

/// So many orders are gathered before the handles of a kind are written.
const GATHERED_ORDERS: usize = 32_768;
/// Orders whose handles are written in one transaction where a table is completed.
const COMPLETED_ORDERS: u32 = 131_072;

/// Number, customer, phone, device, IP, /24, address: the numbers that stand for them in the table.
pub(super) const KINDS: usize = 7;

/// How far each kind is in the table.
pub(super) type Settled = [StreamId; KINDS];

/// An entry of one kind. The order of its fields is that of the index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Key {
    pub(super) merchant: i64,
    pub(super) token: i64,
    pub(super) listed_at: i64,
    pub(super) stream: StreamId,
}

/// A place in a list of orders; lists are read from high to low.
pub(super) type Place = (i64, StreamId);

/// The handles that the table does not hold, of the live generation.
pub(super) struct Recent {
    pub(super) generation: Option<Generation>,
    pub(super) settled: Settled,
    keys: [BTreeSet<Key>; KINDS],
    /// Orders that came since a kind was written.
    gathered: [usize; KINDS],
    /// So many are gathered.
    pub(super) gathered_max: usize,
    /// The highest stream that has a row.
    last: StreamId,
}

/// What a transaction does to [`Recent`] once it is committed.
#[derive(Default)]
pub(super) struct Moves {
    settled: Option<(usize, StreamId)>,
    removed: Vec<(usize, Key)>,
    added: Vec<(usize, Key)>,
    orders: usize,
    last: StreamId,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            generation: None,
            settled: Settled::default(),
            keys: Default::default(),
            gathered: [0; KINDS],
            gathered_max: GATHERED_ORDERS,
            last: 0,
        }
    }
}

impl Recent {
    /// The places of one handle's orders, from low to high.
    pub(super) fn places(&self, kind: usize, merchant: i64, token: i64) -> Vec<Place> {
        let end = |listed_at, stream| Key { merchant, token, listed_at, stream };
        let of_token = self.keys[kind].range(end(i64::MIN, 0)..=end(i64::MAX, StreamId::MAX));
        of_token.map(|key| (key.listed_at, key.stream)).collect()
    }

    /// The kind that waits longest, once enough orders have come together.
    fn due(&self) -> Option<usize> {
        let longest = (0..KINDS).max_by_key(|kind| self.gathered[*kind]);
        longest.filter(|kind| self.gathered[*kind] >= self.gathered_max)
    }

    pub(super) fn apply(&mut self, moves: Moves) {
        if let Some((kind, stream)) = moves.settled {
            self.keys[kind].clear();
            self.settled[kind] = stream;
            self.gathered[kind] = 0;
        }
        for (kind, key) in moves.removed {
            self.keys[kind].remove(&key);
        }
        for (kind, key) in moves.added {
            self.keys[kind].insert(key);
        }
        for gathered in &mut self.gathered {
            *gathered += moves.orders;
        }
        self.last = self.last.max(moves.last);
    }

    /// Reads from the rows what the table does not hold.
    pub(super) fn read(connection: &Connection, generation: Generation) -> rusqlite::Result<Self> {
        let settled = read_settled(connection, generation)?;
        let from = settled.into_iter().min().unwrap_or_default();
        let mut recent = Self { generation: Some(generation), settled, last: from, ..Self::default() };
        let mut select = connection.prepare(&select_rows(generation, u32::MAX))?;
        let mut rows = select.query([from.cast_signed()])?;
        while let Some(row) = rows.next()? {
            let (stream, keys) = read_keys(row)?;
            for (kind, key) in keys.into_iter().filter(|(kind, _)| stream > settled[*kind]) {
                recent.keys[kind].insert(key);
            }
            for (gathered, _) in recent.gathered.iter_mut().zip(settled).filter(|(_, settled)| stream > *settled) {
                *gathered += 1;
            }
            recent.last = stream;
        }
        Ok(recent)
    }
}

/// Writes what a page does to handles: into the table where that is already responsible, into `moves` otherwise.
pub(super) struct HandleWriter<'a> {
    transaction: &'a Transaction<'a>,
    insert: String,
    delete: String,
    settled: Settled,
    /// Whether anybody reads what is not in the table; otherwise it is written when the table is completed.
    is_live: bool,
    pub(super) moves: Moves,
}

impl<'a> HandleWriter<'a> {
    /// Where enough has come together, begins by writing one kind.
    pub(super) fn new(
        transaction: &'a Transaction<'a>,
        generation: Generation,
        recent: &Recent,
    ) -> rusqlite::Result<Self> {
        let is_live = recent.generation == Some(generation);
        let settled = if is_live { recent.settled } else { read_settled(transaction, generation)? };
        let table = generation.table();
        let mut writer = Self {
            transaction,
            insert: insert_handle(generation),
            delete: format!(
                "DELETE FROM {table}_handles WHERE kind=? AND merchant=? AND token=? AND listed_at=? AND stream=?"
            ),
            settled,
            is_live,
            moves: Moves { last: recent.last, ..Moves::default() },
        };
        if let Some(kind) = recent.due().filter(|_| is_live) {
            insert_all(transaction, generation, kind, recent.keys[kind].iter())?;
            write_settled(transaction, generation, kind, recent.last)?;
            writer.settled[kind] = recent.last;
            writer.moves.settled = Some((kind, recent.last));
        }
        Ok(writer)
    }

    pub(super) fn begin(&mut self, merchant: i64, row: &OrderStatusRow) -> rusqlite::Result<()> {
        self.moves.orders += 1;
        self.moves.last = self.moves.last.max(row.stream);
        for (kind, key) in keys(merchant, row) {
            self.add(kind, key)?;
        }
        Ok(())
    }

    pub(super) fn change(
        &mut self,
        merchant: i64,
        before: &OrderStatusRow,
        row: &OrderStatusRow,
    ) -> rusqlite::Result<()> {
        let (old, new): (Vec<_>, Vec<_>) = (keys(merchant, before).collect(), keys(merchant, row).collect());
        for (kind, key) in old.iter().filter(|key| !new.contains(key)) {
            if key.stream <= self.settled[*kind] {
                self.run(&self.delete, *kind, *key)?;
            } else if self.is_live {
                self.moves.removed.push((*kind, *key));
            }
        }
        for (kind, key) in new.iter().filter(|key| !old.contains(key)) {
            self.add(*kind, *key)?;
        }
        Ok(())
    }

    fn add(&mut self, kind: usize, key: Key) -> rusqlite::Result<()> {
        if key.stream <= self.settled[kind] {
            self.run(&self.insert, kind, key)?;
        } else if self.is_live {
            self.moves.added.push((kind, key));
        }
        Ok(())
    }

    fn run(&self, sql: &str, kind: usize, key: Key) -> rusqlite::Result<()> {
        run_with(&mut *self.transaction.prepare_cached(sql)?, kind, &key)
    }
}

/// Writes the handles of rows that were saved without, one part a call; true when none is left.
pub(super) fn complete_part(transaction: &Transaction<'_>, generation: Generation) -> rusqlite::Result<bool> {
    let settled = read_settled(transaction, generation)?;
    // A table is completed for all kinds alike.
    let from = settled[0];
    let mut parts: [Vec<Key>; KINDS] = Default::default();
    let (mut last, mut count) = (from, 0);
    let mut select = transaction.prepare(&select_rows(generation, COMPLETED_ORDERS))?;
    let mut rows = select.query([from.cast_signed()])?;
    while let Some(row) = rows.next()? {
        let (stream, keys) = read_keys(row)?;
        for (kind, key) in keys {
            parts[kind].push(key);
        }
        (last, count) = (stream, count + 1);
    }
    for (kind, keys) in parts.iter_mut().enumerate() {
        keys.sort_unstable();
        insert_all(transaction, generation, kind, keys.iter())?;
        write_settled(transaction, generation, kind, last)?;
    }
    Ok(count < COMPLETED_ORDERS)
}

/// The tables beside the rows.
pub(super) fn schema(table: &str) -> String {
    format!(
        "CREATE TABLE {table}_handles (
            kind INTEGER NOT NULL, merchant INTEGER NOT NULL, token INTEGER NOT NULL, listed_at INTEGER NOT NULL,
            stream INTEGER NOT NULL, PRIMARY KEY (kind, merchant, token, listed_at, stream)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE {table}_settled (kind INTEGER PRIMARY KEY, stream INTEGER NOT NULL) STRICT;"
    )
}

/// The kind and the token of a handle.
pub(super) fn kind_of(handle: &Handle) -> (usize, i64) {
    match handle {
        Handle::Number(number) => (0, number_token(number)),
        Handle::Customer(token) => (1, *token),
        Handle::Phone(token) => (2, *token),
        Handle::Device(token) => (3, *token),
        Handle::Ip(token) => (4, *token),
        Handle::Ip24(token) => (5, *token),
        Handle::Address(token) => (6, *token),
    }
}

/// A kind as the table has it.
pub(super) fn stored(kind: usize) -> i64 {
    i64::try_from(kind).unwrap_or(i64::MAX)
}

/// FNV-1a over 64 bits, <http://www.isthe.com/chongo/tech/comp/fnv/>. Two numbers may share a token: who looks one up compares the
/// row's own.
pub(super) fn number_token(number: &str) -> i64 {
    let hash = number
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash.cast_signed()
}

fn keys(merchant: i64, row: &OrderStatusRow) -> impl Iterator<Item = (usize, Key)> + use<> {
    let facts = &row.facts;
    let tokens = tokens(row.order_id.order_no(), facts.display_no.as_deref(), &facts.handles);
    keys_of(tokens, merchant, facts.listed_at.millis(), row.stream)
}

type Tokens = [(usize, Option<i64>); 9];

fn tokens(order_no: &str, display_no: Option<&str>, handles: &Handles) -> Tokens {
    let number = number_token(order_no);
    let display = display_no.map(number_token).filter(|display| *display != number);
    let second_phone = handles.recipient_phone.filter(|phone| Some(*phone) != handles.buyer_phone);
    [
        (0, Some(number)),
        (0, display),
        (1, handles.customer),
        (2, handles.buyer_phone),
        (2, second_phone),
        (3, handles.device),
        (4, handles.ip),
        (5, handles.ip24),
        (6, handles.address),
    ]
}

fn keys_of(tokens: Tokens, merchant: i64, listed_at: i64, stream: StreamId) -> impl Iterator<Item = (usize, Key)> {
    let key = move |(kind, token): (usize, Option<i64>)| {
        token.map(|token| (kind, Key { merchant, token, listed_at, stream }))
    };
    tokens.into_iter().filter_map(key)
}

/// Rows behind a stream with all that handles are made of.
fn select_rows(generation: Generation, limit: u32) -> String {
    format!(
        "SELECT stream, merchant, listed_at, order_no, display_no, customer, buyer_phone, recipient_phone, device, ip, ip24, \
         address FROM {} WHERE stream > ? ORDER BY stream LIMIT {limit}",
        generation.table()
    )
}

fn read_keys(row: &Row<'_>) -> rusqlite::Result<(StreamId, impl Iterator<Item = (usize, Key)> + use<>)> {
    let stream = row.get::<_, i64>(0)?.cast_unsigned();
    let handles = Handles {
        customer: row.get(5)?,
        buyer_phone: row.get(6)?,
        recipient_phone: row.get(7)?,
        device: row.get(8)?,
        ip: row.get(9)?,
        ip24: row.get(10)?,
        address: row.get(11)?,
    };
    let tokens = tokens(row.get_ref(3)?.as_str()?, row.get_ref(4)?.as_str_or_null()?, &handles);
    Ok((stream, keys_of(tokens, row.get(1)?, row.get(2)?, stream)))
}

fn read_settled(connection: &Connection, generation: Generation) -> rusqlite::Result<Settled> {
    let mut settled = Settled::default();
    let mut select = connection.prepare_cached(&format!("SELECT kind, stream FROM {}_settled", generation.table()))?;
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        let kind: u32 = row.get(0)?;
        if let Some(place) = usize::try_from(kind).ok().and_then(|kind| settled.get_mut(kind)) {
            *place = row.get::<_, i64>(1)?.cast_unsigned();
        }
    }
    Ok(settled)
}

fn write_settled(
    transaction: &Transaction<'_>,
    generation: Generation,
    kind: usize,
    stream: StreamId,
) -> rusqlite::Result<()> {
    let sql = format!("INSERT OR REPLACE INTO {}_settled (kind, stream) VALUES (?, ?)", generation.table());
    transaction.execute(&sql, (stored(kind), stream.cast_signed())).map(drop)
}

fn insert_handle(generation: Generation) -> String {
    format!(
        "INSERT INTO {}_handles (kind, merchant, token, listed_at, stream) VALUES (?, ?, ?, ?, ?)",
        generation.table()
    )
}

fn insert_all<'k>(
    transaction: &Transaction<'_>,
    generation: Generation,
    kind: usize,
    keys: impl Iterator<Item = &'k Key>,
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(&insert_handle(generation))?;
    keys.into_iter().try_for_each(|key| run_with(&mut insert, kind, key))
}

fn run_with(statement: &mut rusqlite::Statement<'_>, kind: usize, key: &Key) -> rusqlite::Result<()> {
    statement.execute((stored(kind), key.merchant, key.token, key.listed_at, key.stream.cast_signed())).map(drop)
}

#[cfg(test)]
mod tests;
