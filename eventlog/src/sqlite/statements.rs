//! Statements for many rows at once, in a few fixed sizes, so that each is prepared once and then found in the cache.

use std::sync::Arc;

use sqlx::AssertSqlSafe;

/// How many rows a statement takes, the largest first.
const SIZES: [usize; 9] = [256, 128, 64, 32, 16, 8, 4, 2, 1];

/// The most keys that one look-up takes.
pub(super) const LOOKUP_MAX: usize = SIZES[0];
/// The most rows that one insert takes.
pub(super) const ROWS_MAX: usize = SIZES[0];

/// One statement in all sizes.
pub(super) struct Sized {
    texts: [Arc<str>; SIZES.len()],
}

impl Sized {
    /// `before`, then one `row` for each row with commas between, then `after`. `{n}` in `row` becomes the row's number, from 0.
    pub(super) fn new(before: &str, row: &str, after: &str) -> Self {
        let texts = SIZES.map(|size| {
            let rows: Vec<String> = (0..size).map(|number| row.replace("{n}", &number.to_string())).collect();
            format!("{before}{}{after}", rows.join(",")).into()
        });
        Self { texts }
    }

    /// The smallest statement that has room for `rows` rows. What is not bound is NULL and matches nothing.
    pub(super) fn with_room_for(&self, rows: usize) -> AssertSqlSafe<Arc<str>> {
        let index = SIZES.iter().rposition(|&size| size >= rows).expect("look-ups are cut to the largest size");
        AssertSqlSafe(Arc::clone(&self.texts[index]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_numbered_and_parted_by_commas() {
        let statement = Sized::new("VALUES ", "({n},?)", " LIMIT 9");
        assert_eq!(&*statement.with_room_for(2).0, "VALUES (0,?),(1,?) LIMIT 9");
    }

    #[test]
    fn a_statement_is_chosen_by_what_it_holds() {
        let statement = Sized::new("", "?", "");
        for (rows, marks) in [(1, 1), (2, 2), (3, 4), (17, 32), (256, 256)] {
            assert_eq!(statement.with_room_for(rows).0.matches('?').count(), marks, "{rows}");
        }
    }
}
