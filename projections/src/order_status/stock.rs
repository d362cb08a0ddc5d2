//! An order's units of each SKU.

use crate::change::KnownLine;

/// A SKU and how many units of it, over all lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StockLine {
    /// The merchant's stock keeping unit.
    pub sku: Box<str>,
    /// Units.
    pub units: u64,
}

/// The units of an order's lines, in the order of the SKUs.
pub(super) fn of(lines: &[KnownLine<'_>]) -> Vec<StockLine> {
    let line = |line: &KnownLine<'_>| StockLine { sku: line.sku.boxed(), units: line.quantity.into() };
    let mut stock: Vec<StockLine> = lines.iter().map(line).collect();
    stock.sort_unstable_by(|one, other| one.sku.cmp(&other.sku));
    stock.dedup_by(|line, kept| {
        let is_same = line.sku == kept.sku;
        if is_same {
            kept.units += line.units;
        }
        is_same
    });
    stock
}

/// As rows keep it: a JSON array of `[sku, units]`.
pub(crate) fn write(stock: &[StockLine]) -> String {
    let lines: Vec<(&str, u64)> = stock.iter().map(|line| (&*line.sku, line.units)).collect();
    serde_json::to_string(&lines).expect("texts and numbers always have a JSON form")
}

/// What [`write`] wrote.
pub(crate) fn read(text: &str) -> serde_json::Result<Vec<StockLine>> {
    let lines: Vec<(Box<str>, u64)> = serde_json::from_str(text)?;
    Ok(lines.into_iter().map(|(sku, units)| StockLine { sku, units }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_sku_are_one_and_come_back_as_they_were_written() {
        let lines = r#"[{"sku":"B","quantity":2},{"sku":"A\"","title":"t","quantity":1},{"sku":"B","quantity":3}]"#;
        let lines: Vec<KnownLine<'_>> = serde_json::from_str(lines).unwrap();
        let stock = of(&lines);
        let line = |sku: &str, units| StockLine { sku: sku.into(), units };
        assert_eq!(stock, [line("A\"", 1), line("B", 5)]);
        assert_eq!(read(&write(&stock)).unwrap(), stock);
    }
}
