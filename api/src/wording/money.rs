//! Amounts as people write them.

use super::both;
use crate::http::view::Bilingual;

/// `¥399.00` and `CNY 399.00`; without a currency the minor units are all that can be said.
pub(super) fn money(minor_units: i64, currency: Option<&str>) -> Bilingual {
    let Some(currency) = currency else {
        return both(format!("{minor_units}（最小货币单位）"), format!("{minor_units} minor units"));
    };
    let amount = domain::money::written(minor_units, currency);
    let zh = if currency == "CNY" {
        amount.strip_prefix('-').map_or_else(|| format!("¥{amount}"), |owed| format!("-¥{owed}"))
    } else {
        format!("{currency} {amount}")
    };
    both(zh, format!("{currency} {amount}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_the_decimals_of_its_currency() {
        for (minor_units, currency, zh, en) in [
            (39_900, Some("CNY"), "¥399.00", "CNY 399.00"),
            (5, Some("CNY"), "¥0.05", "CNY 0.05"),
            (0, Some("CNY"), "¥0.00", "CNY 0.00"),
            (1_999, Some("USD"), "USD 19.99", "USD 19.99"),
            (1_000, Some("JPY"), "JPY 1000", "JPY 1000"),
            (1_234, Some("KWD"), "KWD 1.234", "KWD 1.234"),
            (7, None, "7（最小货币单位）", "7 minor units"),
        ] {
            assert_eq!(money(minor_units, currency), both(zh, en));
        }
    }
}
