//! Statements for many rows at once, in a few fixed sizes, so that each is prepared once and then found in the cache.

use std::sync::Arc;

use sqlx::AssertSqlSafe;

/// How many rows a statement takes, the largest first.
const SIZES: [usize; 5] = [256, 64, 16, 4, 1];

/// The most keys that one look-up takes.
pub(super) const LOOKUP_MAX: usize = SIZES[0];

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

    /// The largest statement that `rows` rows fill, and its size; none for no rows.
    pub(super) fn filled_by(&self, rows: usize) -> Option<(usize, AssertSqlSafe<Arc<str>>)> {
        let index = SIZES.iter().position(|&size| size <= rows)?;
        Some((SIZES[index], AssertSqlSafe(Arc::clone(&self.texts[index]))))
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
        assert_eq!(&*statement.with_room_for(2).0, "VALUES (0,?),(1,?),(2,?),(3,?) LIMIT 9");
    }

    #[test]
    fn a_statement_is_chosen_by_what_it_holds() {
        let statement = Sized::new("", "?", "");
        for (rows, filled) in [(1, 1), (3, 1), (4, 4), (63, 16), (64, 64), (1_000, 256)] {
            assert_eq!(statement.filled_by(rows).map(|(size, _)| size), Some(filled), "{rows}");
        }
        assert!(statement.filled_by(0).is_none());
        for (rows, marks) in [(1, 1), (2, 4), (17, 64), (256, 256)] {
            assert_eq!(statement.with_room_for(rows).0.matches('?').count(), marks, "{rows}");
        }
    }
}
