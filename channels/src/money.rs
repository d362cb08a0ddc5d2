//! Decimal strings of a currency as whole minor units. No floating point: 0.1 + 0.2 is money.

use domain::money::decimals;
use rust_decimal::Decimal;
use serde_json::Value;

/// The amount in minor units; `None` when it is no decimal number, too large, or finer than the minor unit.
///
/// Strings and whole numbers alone: a fraction that was parsed as a float is not what was written.
pub(crate) fn minor_units(amount: &Value, currency: &str) -> Option<i64> {
    let major = match amount {
        Value::String(text) => Decimal::from_str_exact(text.trim()).ok()?,
        other => Decimal::from(other.as_i64()?),
    };
    let minor = major.checked_mul(Decimal::from(10_i64.pow(decimals(currency))))?;
    if minor.fract().is_zero() { i64::try_from(minor.trunc()).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn decimals_become_minor_units_of_their_currency() {
        for (amount, currency, minor) in [
            (json!("129.00"), "CNY", Some(12_900)),
            (json!("129"), "CNY", Some(12_900)),
            (json!("0.29"), "USD", Some(29)),
            (json!("1000"), "JPY", Some(1_000)),
            (json!("1000.00"), "JPY", Some(1_000)),
            (json!("1.234"), "KWD", Some(1_234)),
            (json!("92233720368547758.07"), "CNY", Some(i64::MAX)),
            (json!(12), "CNY", Some(1_200)),
            (json!("92233720368547758.08"), "CNY", None),
            (json!("1.005"), "CNY", None),
            (json!("1000.5"), "JPY", None),
            (json!(12.5), "CNY", None),
            (json!("12,50"), "CNY", None),
            (json!("1e3"), "CNY", None),
            (json!(""), "CNY", None),
            (json!(null), "CNY", None),
        ] {
            assert_eq!(minor_units(&amount, currency), minor, "{amount} {currency}");
        }
    }
}
