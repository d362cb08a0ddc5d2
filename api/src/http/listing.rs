//! Lists: how much of one is asked for, where it goes on, and filters that are read so that each wrong one is named.

use std::fmt::Display;
use std::str::FromStr;

use projections::{LIMIT_MAX, Listing};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;

/// The items of a page for which nobody said how many.
pub const LIMIT_DEFAULT: u32 = 50;

/// One page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Items<T> {
    /// At most as many as were asked for.
    pub items: Vec<T>,
    /// The `cursor` of the next page; null when this is the last.
    pub next_cursor: Option<String>,
}

impl<T> Items<T> {
    /// A page of rows as the API shows them.
    pub fn of<Row>(listing: Listing<Row>, view: impl FnMut(Row) -> T) -> Self {
        Self { items: listing.items.into_iter().map(view).collect(), next_cursor: listing.next_cursor }
    }

    /// The first page of what is left of a list in memory; the next one begins behind the `place` of its last row.
    pub fn first<Row>(
        mut left: impl Iterator<Item = Row>,
        limit: u32,
        place: impl FnOnce(&Row) -> String,
        view: impl FnMut(Row) -> T,
    ) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let page: Vec<Row> = left.by_ref().take(limit).collect();
        let next_cursor = page.last().filter(|_| left.next().is_some()).map(place);
        Self { items: page.into_iter().map(view).collect(), next_cursor }
    }
}

/// How many items a page may have.
pub fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        _ => Err(Problem::bad_parameter(format!("limit: expected a number from 1 to {LIMIT_MAX}"))),
    }
}

/// Reads filters one by one and remembers every one that is wrong.
///
/// A blank one says as little as an absent one, so a form may send all of its fields.
#[derive(Default)]
pub struct Filters {
    wrong: Vec<String>,
}

impl Filters {
    /// A filter that any text is good for that can be stored.
    pub fn text(&mut self, name: &'static str, value: Option<String>) -> Option<String> {
        let text = said(value)?;
        if text.chars().any(char::is_control) {
            self.wrong.push(format!("{name}: expected a text without control characters"));
            return None;
        }
        Some(text)
    }

    /// A filter that `read` makes sense of; `expected` says of which texts.
    pub fn read<T>(
        &mut self,
        name: &'static str,
        value: Option<String>,
        expected: impl Display,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = said(value)?;
        let read = read(&text);
        if read.is_none() {
            self.wrong.push(format!("{name}: expected {expected}"));
        }
        read
    }

    /// A filter of a type that reads itself.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, name: &'static str, value: Option<String>) -> Option<T> {
        let read = said(value)?.parse();
        read.map_err(|error| self.wrong.push(format!("{name}: {error}"))).ok()
    }

    /// A problem that names all wrong ones, if there are any.
    pub fn finish(self) -> Result<(), Problem> {
        if self.wrong.is_empty() { Ok(()) } else { Err(Problem::bad_parameter(self.wrong.join("; "))) }
    }
}

/// A time whose `+` was written plainly and so came as a space: in that place it can have meant nothing else.
pub fn with_plus(time: String) -> String {
    const OFFSET: usize = " 08:00".len();
    match time.len().checked_sub(OFFSET).and_then(|place| time.split_at_checked(place)) {
        Some((start, offset)) if offset.starts_with(' ') => format!("{start}+{}", offset.trim_start()),
        _ => time,
    }
}

fn said(value: Option<String>) -> Option<String> {
    value.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_one_to_two_hundred_items_and_fifty_when_nobody_says() {
        assert_eq!(limit(None), Ok(50));
        assert_eq!(limit(Some(1)), Ok(1));
        assert_eq!(limit(Some(200)), Ok(200));
        assert!(limit(Some(0)).is_err());
        assert!(limit(Some(201)).is_err());
    }

    #[test]
    fn every_wrong_filter_is_named_and_a_blank_one_is_none() {
        let mut filters = Filters::default();
        assert_eq!(filters.parsed::<u8>("first", Some(" ".to_owned())), None);
        assert_eq!(filters.parsed::<u8>("second", Some("7".to_owned())), Some(7));
        filters.parsed::<u8>("third", Some("x".to_owned()));
        filters.read("fourth", Some("y".to_owned()), "yes or no", |_| None::<u8>);
        assert_eq!(filters.text("fifth", Some(" z ".to_owned())), Some("z".to_owned()));
        assert_eq!(filters.text("sixth", Some("a\0b".to_owned())), None);
        let problem = serde_json::to_value(filters.finish().unwrap_err()).unwrap();
        assert_eq!(
            problem["detail"],
            "third: invalid digit found in string; fourth: expected yes or no; \
             sixth: expected a text without control characters"
        );
    }
}
