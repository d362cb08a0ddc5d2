//! Minor units: how many decimals a currency is written with.

/// How many decimals stand behind the point, by ISO 4217: a minor unit is that power of ten of the whole.
pub fn decimals(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "VND" | "VUV"
        | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// An amount of minor units with its point and without its currency, such as `399.00`.
pub fn written(minor_units: i64, currency: &str) -> String {
    let decimals = usize::try_from(decimals(currency)).expect("a few decimals");
    let digits = format!("{:0width$}", minor_units.unsigned_abs(), width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    let sign = if minor_units < 0 { "-" } else { "" };
    let point = if decimals == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{part}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_the_decimals_of_its_currency() {
        for (minor_units, currency, text) in [
            (39_900, "CNY", "399.00"),
            (5, "CNY", "0.05"),
            (-5, "USD", "-0.05"),
            (1_000, "JPY", "1000"),
            (0, "JPY", "0"),
            (1_250, "KWD", "1.250"),
        ] {
            assert_eq!(written(minor_units, currency), text, "{minor_units} {currency}");
        }
    }
}
