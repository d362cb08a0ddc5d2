//! What each field of a notice may hold. The reader and [`validate`] ask the same questions here, so that a notice from a
//! channel and one from the API are held to the same limits.

use super::place::Place;
use super::{AMOUNT_MAX, Content, LEVEL_MAX, LINES_MAX, Notice, OrderFacts, QUANTITY_MAX, TEXT_BYTES_MAX};
use crate::fault::Fault;
use crate::order::Line;

/// The longest message id, in bytes.
pub const MESSAGE_ID_BYTES_MAX: usize = 256;
/// The longest name of a source, in bytes.
pub const SOURCE_BYTES_MAX: usize = 64;

/// Nothing, or what was expected.
pub(super) type Checked = Result<(), String>;

/// The faults of a notice that was not read from our own JSON. Unlike an order from the API a thin one may lack its amount
/// and lines, but one that is placed says when.
pub fn validate(notice: &Notice) -> Vec<Fault> {
    let mut faults = Vec::new();
    let whole = Place::whole("");
    let mut check = |place: &Place<'_>, checked: Checked| {
        if let Err(detail) = checked {
            faults.push(place.fault(detail));
        }
    };
    if let Some(id) = &notice.message_id {
        check(&whole.field("message_id"), message_id(id));
    }
    match &notice.content {
        Content::Placed(facts) => {
            if facts.placed_at.is_none() {
                check(&whole.field("placed_at"), Err("is required".into()));
            }
            facts_within(facts, &whole, &mut check);
        }
        Content::Amended(facts) => facts_within(facts, &whole, &mut check),
        Content::Status { source: said, refunded, .. } => {
            if let Some(said) = *refunded {
                check(&whole.field("refunded"), amount(said));
            }
            if let Some(said) = said {
                check(&whole.field("source"), source(said));
            }
        }
    }
    faults
}

fn facts_within(facts: &OrderFacts, whole: &Place<'_>, check: &mut impl FnMut(&Place<'_>, Checked)) {
    let mut text = |place: &Place<'_>, said: &Option<String>, limit: fn(&str) -> Checked| {
        if let Some(said) = said {
            check(place, limit(said));
        }
    };
    text(&whole.field("display_no"), &facts.display_no, free_text);
    text(&whole.field("currency"), &facts.currency, currency);
    if let Some(customer) = &facts.customer {
        let place = whole.field("customer");
        text(&place.field("id"), &customer.id, id);
        text(&place.field("name"), &customer.name, free_text);
        text(&place.field("phone"), &customer.phone, free_text);
    }
    if let Some(delivery) = &facts.delivery {
        let place = whole.field("delivery");
        text(&place.field("country"), &delivery.country, country);
        for (name, said) in [
            ("recipient", &delivery.recipient),
            ("phone", &delivery.phone),
            ("province", &delivery.province),
            ("city", &delivery.city),
            ("district", &delivery.district),
            ("street", &delivery.street),
            ("postcode", &delivery.postcode),
        ] {
            text(&place.field(name), said, free_text);
        }
    }
    if let Some(device) = &facts.device {
        let place = whole.field("device");
        text(&place.field("id"), &device.id, id);
        text(&place.field("user_agent"), &device.user_agent, free_text);
    }
    if let Some(said) = facts.amount {
        check(&whole.field("amount"), amount(said));
    }
    if let Some(said) = facts.customer.as_ref().and_then(|customer| customer.level) {
        check(&whole.field("customer").field("level"), level(i64::from(said)));
    }
    if let Some(lines) = &facts.lines {
        let place = whole.field("lines");
        check(&place, line_count(lines.len()));
        for (index, line) in lines.iter().enumerate() {
            line_within(line, &place.index(index), check);
        }
    }
}

fn line_within(line: &Line, place: &Place<'_>, check: &mut impl FnMut(&Place<'_>, Checked)) {
    check(&place.field("sku"), id(&line.sku));
    check(&place.field("quantity"), quantity(i64::from(line.quantity)));
    if let Some(title) = &line.title {
        check(&place.field("title"), free_text(title));
    }
    if let Some(price) = line.unit_price {
        check(&place.field("unit_price"), amount(price));
    }
}

/// A text that may be anything but long or unprintable.
pub(super) fn free_text(text: &str) -> Checked {
    printable(text, TEXT_BYTES_MAX)
}

/// A text that names something.
pub(super) fn id(text: &str) -> Checked {
    named(text, TEXT_BYTES_MAX)
}

/// What tells a message from others of its source.
pub(super) fn message_id(text: &str) -> Checked {
    named(text, MESSAGE_ID_BYTES_MAX)
}

/// The name of a system that reports.
pub(super) fn source(text: &str) -> Checked {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.');
    let fits = (1..=SOURCE_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain);
    expect(fits, || format!("expected 1 to {SOURCE_BYTES_MAX} of the characters a-z, 0-9, _, - and ."))
}

/// ISO 4217.
pub(super) fn currency(text: &str) -> Checked {
    expect(capitals(text, 3), || "expected three capital letters, such as CNY".into())
}

/// ISO 3166 alpha-2.
pub(super) fn country(text: &str) -> Checked {
    expect(capitals(text, 2), || "expected two capital letters, such as CN".into())
}

/// Minor units.
pub(super) fn amount(value: i64) -> Checked {
    within(value, 0, AMOUNT_MAX)
}

/// Units of one line.
pub(super) fn quantity(value: i64) -> Checked {
    within(value, 1, i64::from(QUANTITY_MAX))
}

/// A customer's level.
pub(super) fn level(value: i64) -> Checked {
    within(value, 0, i64::from(LEVEL_MAX))
}

/// How many lines an order has.
pub(super) fn line_count(count: usize) -> Checked {
    expect((1..=LINES_MAX).contains(&count), || format!("expected 1 to {LINES_MAX} lines, found {count}"))
}

fn named(text: &str, bytes_max: usize) -> Checked {
    expect(!text.is_empty(), || "expected a text that is not empty".into())?;
    printable(text, bytes_max)
}

fn printable(text: &str, bytes_max: usize) -> Checked {
    expect(text.len() <= bytes_max, || format!("expected at most {bytes_max} bytes, found {}", text.len()))?;
    expect(!text.chars().any(char::is_control), || "expected no control characters".into())
}

fn capitals(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn within(value: i64, min: i64, max: i64) -> Checked {
    expect(min <= value && value <= max, || format!("expected a whole number from {min} to {max}, found {value}"))
}

fn expect(holds: bool, detail: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(detail()) }
}
