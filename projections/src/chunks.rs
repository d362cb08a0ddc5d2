//! Multi-row statements of a few fixed sizes, so that each is prepared once and kept.

use std::sync::Arc;

/// Rows a statement, largest first. A page's rows are cut into these.
const SIZES: [usize; 3] = [64, 8, 1];

/// `INSERT … VALUES (…), (…) …` in each of the sizes.
pub(crate) struct ChunkedInsert {
    statements: [(usize, Arc<str>); 3],
}

impl ChunkedInsert {
    /// `head` goes up to and excluding `VALUES`; `tail` follows the rows.
    pub(crate) fn new(head: &str, columns: usize, tail: &str) -> Self {
        let row = format!("({})", vec!["?"; columns].join(","));
        let statement = |size: usize| {
            let rows = vec![row.as_str(); size].join(",");
            (size, Arc::from(format!("{head} VALUES {rows} {tail}")))
        };
        Self { statements: SIZES.map(statement) }
    }

    /// Cuts rows into pieces, each with its statement.
    pub(crate) fn cut<'a, T>(&'a self, mut rows: &'a [T]) -> impl Iterator<Item = (Arc<str>, &'a [T])> {
        std::iter::from_fn(move || {
            let (size, statement) = self.statements.iter().find(|(size, _)| *size <= rows.len())?;
            let (piece, rest) = rows.split_at(*size);
            rows = rest;
            Some((Arc::clone(statement), piece))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_into_the_fixed_sizes_and_none_is_lost() {
        let insert = ChunkedInsert::new("INSERT INTO t (a, b)", 2, "");
        let rows: Vec<usize> = (0..82).collect();
        let pieces: Vec<(Arc<str>, &[usize])> = insert.cut(&rows).collect();
        assert_eq!(pieces.iter().map(|(_, piece)| piece.len()).collect::<Vec<_>>(), [64, 8, 8, 1, 1]);
        assert_eq!(pieces.iter().flat_map(|(_, piece)| piece.iter().copied()).collect::<Vec<_>>(), rows);
        assert_eq!(&*pieces[4].0, "INSERT INTO t (a, b) VALUES (?,?) ");
    }
}
