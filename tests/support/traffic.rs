//! Made-up traffic: the same seed gives the same lines, everywhere and always.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::orders::at;

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    /// From a seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True so many times in a hundred.
    fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }
}

/// So many orders as notices, in about the order of time, with reports about them in between: several channels, customers
/// who come again, shared devices, networks, addresses and numbers, late and early messages.
pub(crate) fn lines(seed: u64, orders: u64) -> Vec<String> {
    let mut random = Random::new(seed);
    let mut lines = Vec::new();
    for number in 0..orders {
        if random.percent(5) {
            // A report that arrives before its order.
            lines.push(report(&mut random, number, "paid").to_string());
        }
        lines.push(placed(&mut random, number, orders).to_string());
        while random.percent(30) {
            let of = number.saturating_sub(random.below(40));
            let status = ["paid", "paid", "shipped", "delivered", "cancelled"][below(&mut random, 5)];
            lines.push(report(&mut random, of, status).to_string());
        }
    }
    lines
}

/// The lines as a file.
pub(crate) fn file(directory: &Path, lines: &[String]) -> PathBuf {
    let path = directory.join("notices.ndjson");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
    for line in lines {
        writeln!(file, "{line}").expect("a line is written");
    }
    file.flush().expect("the file is written");
    path
}

fn below(random: &mut Random, end: u64) -> usize {
    usize::try_from(random.below(end)).expect("a small number")
}

fn order_no(number: u64) -> String {
    format!("T{number:06}")
}

fn channel(number: u64) -> &'static str {
    ["web", "douyin", "jd", "shopify"][usize::try_from(number % 4).expect("a small number")]
}

fn millis(number: u64) -> i64 {
    i64::try_from(number).expect("few orders") * 400
}

fn placed(random: &mut Random, number: u64, orders: u64) -> Value {
    let customer = random.below(orders / 4 + 1);
    let (shared, elsewhere, moved) = (random.percent(6), random.percent(10), random.percent(12));
    let device = if shared { format!("shared-{}", random.below(12)) } else { format!("device-{customer}") };
    let home = if moved { 900_000 + random.below(50) } else { customer };
    let phone = if elsewhere { format!("170{:08}", random.below(40)) } else { format!("138{customer:08}") };
    let late = if random.percent(8) { i64::try_from(random.below(600_000)).expect("ten minutes") } else { 0 };
    let placed_at = millis(number) - late;
    let age = if random.percent(4) { 10_000 } else { 8_000_000_000 };
    let quantity = 1 + random.below(4);
    let unit_price = 1_000 + random.below(90_000);
    let mut notice = json!({"kind": "placed", "order": {
        "channel": channel(number), "order_no": order_no(number), "placed_at": at(placed_at), "currency": "CNY",
        "amount": quantity * unit_price,
        "lines": [{"sku": format!("SKU-{}", random.below(30)), "quantity": quantity, "unit_price": unit_price}],
        "customer": {"id": format!("c-{customer}"), "phone": phone, "level": random.below(5), "registered_at": at(placed_at - age)},
        "delivery": {"recipient": "收件人", "phone": format!("139{home:08}"), "country": "CN", "province": "浙江省",
            "city": "杭州市", "street": format!("文三路 {home} 号")},
        "device": {"id": device}, "ip": format!("198.18.{}.{}", random.below(250), random.below(250)),
    }});
    if random.percent(50) {
        notice["message_id"] = json!(format!("placed-{number}"));
    }
    notice
}

fn report(random: &mut Random, of: u64, status: &str) -> Value {
    let delay = i64::try_from(random.below(900_000)).expect("a quarter of an hour");
    json!({
        "kind": "status", "order_id": format!("{}:{}", channel(of), order_no(of)), "status": status,
        "occurred_at": at(millis(of) + delay), "source": "wms", "message_id": format!("{status}-{of}-{delay}"),
    })
}
