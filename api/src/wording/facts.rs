//! Sentences about what an order is.

use domain::order::{Amended, Facts, Placed};

use super::money::money;
use super::{both, words};
use crate::http::view::Bilingual;

pub(super) fn placed(placed: &Placed) -> Bilingual {
    let facts = &placed.facts;
    let channel = words::place(placed.channel.as_str());
    let (mut zh, mut en) = (format!("{}下单", channel.zh.trim_end()), format!("Placed, channel {}", placed.channel));
    if let Some(amount) = facts.amount {
        let amount = money(amount, facts.currency.as_deref());
        zh.push_str(&format!("，金额 {}", amount.zh));
        en.push_str(&format!(", for {}", amount.en));
    }
    if let Some(lines) = &facts.lines {
        let units: u64 = lines.iter().map(|line| u64::from(line.quantity)).sum();
        zh.push_str(&format!("，共 {units} 件"));
        en.push_str(&format!(", {units} {}", if units == 1 { "unit" } else { "units" }));
    }
    both(zh, en)
}

pub(super) fn amended(amended: &Amended) -> Bilingual {
    let changed = groups(&amended.changes);
    if changed.is_empty() {
        return both("收到更早的资料，未改变已知信息", "Older facts arrived and changed nothing");
    }
    let (zh, en): (Vec<_>, Vec<_>) = changed.into_iter().map(|Bilingual { zh, en }| (zh, en)).unzip();
    both(format!("资料更新：{}", zh.join("、")), format!("Facts changed: {}", en.join(", ")))
}

/// What changed, in the words of people who know nothing of the log.
fn groups(changes: &Facts) -> Vec<Bilingual> {
    let mut groups = Vec::new();
    let mut add = |changed: bool, zh: &str, en: &str| {
        if changed {
            groups.push(both(zh, en));
        }
    };
    add(changes.placed_at.is_some(), "下单时间", "time of placement");
    add(changes.display_no.is_some(), "展示单号", "display number");
    match (changes.amount, changes.currency.as_deref()) {
        (Some(amount), Some(currency)) => {
            let amount = money(amount, Some(currency));
            add(true, &format!("金额（{}）", amount.zh), &format!("amount ({})", amount.en));
        }
        (Some(_), None) => add(true, "金额", "amount"),
        (None, currency) => add(currency.is_some(), "币种", "currency"),
    }
    add(changes.lines.is_some(), "商品明细", "lines");
    add(changes.customer.is_some(), "客户信息", "customer");
    add(changes.delivery.is_some(), "收货信息", "delivery");
    add(changes.device.is_some(), "设备", "device");
    add(changes.ip.is_some(), "网络地址", "network address");
    add(changes.payment_due_at.is_some(), "付款期限", "payment deadline");
    add(changes.score.is_some(), "模型评分", "model's score");
    // A token of all personal data: it changes with most of the above, and is worth a word only where nothing else shows.
    let alone = groups.is_empty() && changes.personal.is_some();
    if alone {
        groups.push(both("个人信息", "personal data"));
    }
    groups
}
