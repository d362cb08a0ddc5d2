//! Opaque places in a list: the sort key and the stream of the last item shown.
//!
//! A cursor names a place, not a count, so rows that arrive meanwhile neither repeat nor hide any other.

use std::fmt;
use std::str::FromStr;

/// The most items a page may ask for.
pub const LIMIT_MAX: u32 = 200;

/// A place in a list that is sorted by one number and then by stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cursor {
    /// Which list it belongs to, so that it is not taken for a place in another.
    pub(crate) list: char,
    pub(crate) key: i64,
    pub(crate) stream: i64,
}

/// The text is no cursor of this list.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("cursor is not one that this list gave out")]
pub struct CursorError;

impl Cursor {
    /// Reads the cursor of a request, if there is one.
    pub(crate) fn read(text: Option<&str>, list: char) -> Result<Option<Self>, CursorError> {
        let Some(text) = text else { return Ok(None) };
        let cursor: Self = text.parse()?;
        if cursor.list == list { Ok(Some(cursor)) } else { Err(CursorError) }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:016x}{:016x}", self.list, self.key, self.stream)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_ours = text.len() == 33 && text.is_ascii() && text[1..].bytes().all(|b| b.is_ascii_hexdigit());
        if !is_ours {
            return Err(CursorError);
        }
        let number = |digits: &str| u64::from_str_radix(digits, 16).map(u64::cast_signed).map_err(|_| CursorError);
        let list = text.chars().next().ok_or(CursorError)?;
        Ok(Self { list, key: number(&text[1..17])?, stream: number(&text[17..])? })
    }
}

/// One page of a list.
#[derive(Clone, PartialEq, Debug)]
pub struct Listing<T> {
    /// At most as many as were asked for.
    pub items: Vec<T>,
    /// Where the next page begins; `None` when this is the last.
    pub next_cursor: Option<String>,
}

impl<T> Listing<T> {
    /// From one row more than was asked for, which tells whether there is another page.
    pub(crate) fn from_rows<P: fmt::Display>(mut rows: Vec<T>, limit: u32, place: impl Fn(&T) -> P) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let is_last = rows.len() <= limit;
        rows.truncate(limit);
        let next_cursor = if is_last { None } else { rows.last().map(|row| place(row).to_string()) };
        Self { items: rows, next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_given_out() {
        for (key, stream) in [(0, 1), (-5, 7), (i64::MAX, i64::MAX), (1_762_790_401_250, 42)] {
            let cursor = Cursor { list: 'o', key, stream };
            assert_eq!(Cursor::read(Some(&cursor.to_string()), 'o'), Ok(Some(cursor)));
        }
    }

    #[test]
    fn a_text_that_is_no_cursor_of_the_list_is_refused() {
        let other = Cursor { list: 'p', key: 1, stream: 1 }.to_string();
        for text in ["", "o", "o00", "ö0000000000000000000000000000000", &other, &format!("o{}", "+".repeat(32))] {
            assert_eq!(Cursor::read(Some(text), 'o'), Err(CursorError), "{text}");
        }
        assert_eq!(Cursor::read(None, 'o'), Ok(None));
    }
}
