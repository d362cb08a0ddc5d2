//! Values with their units.

use super::Language;
use crate::feature::{Feature, FeatureSpec, FeatureType};
use crate::order::{Reading, Readings};
use crate::time::Span;

/// How many parts a measured length of time is worded with: seconds say nothing about an age of days.
const MEASURED_PARTS_MAX: usize = 2;

/// A value alone.
pub(super) fn worded(language: Language, spec: &FeatureSpec, value: &Reading, features: &Readings) -> String {
    match (value, spec.feature_type) {
        (Reading::Bool(value), _) => match (language, value) {
            (Language::Zh, true) => "是",
            (Language::Zh, false) => "否",
            (Language::En, true) => "yes",
            (Language::En, false) => "no",
        }
        .to_owned(),
        (Reading::Int(value), _) => match (spec.feature, currency(features)) {
            (Feature::OrderAmount, Some(currency)) => money(language, *value, currency),
            _ => counted(language, spec.unit, *value),
        },
        (Reading::Text(text), FeatureType::Duration) => {
            text.parse().map_or_else(|_| text.to_string(), |value| measured(language, value))
        }
        (Reading::Text(text), FeatureType::Decimal) => decimal(language, spec.unit, text),
        (Reading::Text(text), _) if spec.feature == Feature::PhoneKind => phone_kind(language, text).to_owned(),
        (Reading::Text(text), _) => text.to_string(),
    }
}

fn counted(language: Language, unit: &str, value: i64) -> String {
    match (language, unit) {
        (Language::En, "minor units") => format!("{value} minor units"),
        (Language::En, _) => value.to_string(),
        (Language::Zh, "orders") => format!("{value} 单"),
        (Language::Zh, "units") => format!("{value} 件"),
        (Language::Zh, "lines") => format!("{value} 行"),
        (Language::Zh, "hour of day") => format!("{value} 点"),
        (Language::Zh, "level") => format!("{value} 级"),
        (Language::Zh, "devices") => format!("{value} 台"),
        (Language::Zh, "customers") => format!("{value} 位"),
        (Language::Zh, "minor units") => format!("{value}（最小货币单位）"),
        (Language::Zh, _) => format!("{value} 个"),
    }
}

fn currency(features: &Readings) -> Option<&str> {
    match features.get("order.currency") {
        Some(Reading::Text(currency)) => Some(currency),
        _ => None,
    }
}

/// Minor units as people write them.
fn money(language: Language, minor_units: i64, currency: &str) -> String {
    let amount = crate::money::written(minor_units, currency);
    match (language, currency) {
        (Language::Zh, "CNY") => format!("{amount} 元"),
        (Language::Zh, _) => format!("{amount} {currency}"),
        (Language::En, _) => format!("{currency} {amount}"),
    }
}

fn decimal(language: Language, unit: &str, text: &str) -> String {
    let share = text.parse::<rust_decimal::Decimal>().ok().filter(|_| unit == "0..1");
    match (share, language, unit) {
        (Some(share), _, _) => format!("{}%", (share * rust_decimal::Decimal::ONE_HUNDRED).normalize()),
        (None, Language::Zh, "ratio") => format!("{text} 倍"),
        (None, Language::En, "ratio") => format!("{text} times"),
        _ => text.to_owned(),
    }
}

fn phone_kind(language: Language, kind: &str) -> &str {
    match (language, kind) {
        (Language::Zh, "mobile") => "普通手机号",
        (Language::Zh, "virtual") => "虚拟运营商号码",
        (Language::Zh, "privacy") => "平台隐私号",
        (Language::Zh, "landline") => "固定电话",
        (Language::Zh, "foreign") => "境外号码",
        (Language::En, "mobile") => "an ordinary mobile number",
        (Language::En, "virtual") => "a virtual operator's number",
        (Language::En, "privacy") => "a platform's privacy number",
        (Language::En, "landline") => "a landline",
        (Language::En, "foreign") => "a foreign number",
        (Language::Zh, "unknown") => "无法识别的号码",
        (Language::En, "unknown") => "a number of an unknown kind",
        _ => kind,
    }
}

/// A length of time that was measured: thousandths say nothing beside seconds, nor seconds beside days.
fn measured(language: Language, value: Span) -> String {
    const SECOND_MS: i64 = 1_000;
    let rest = if value.millis() >= SECOND_MS { value.millis() % SECOND_MS } else { 0 };
    span(language, Span::from_millis(value.millis() - rest), MEASURED_PARTS_MAX)
}

/// A length of time in its largest parts, the smaller ones left out.
pub(super) fn span(language: Language, span: Span, parts_max: usize) -> String {
    const UNITS: [(i64, &str, &str); 5] = [
        (86_400_000, "天", "day"),
        (3_600_000, "小时", "hour"),
        (60_000, "分钟", "minute"),
        (1_000, "秒", "second"),
        (1, "毫秒", "millisecond"),
    ];
    let mut rest = span.millis();
    let mut parts = Vec::new();
    for (size, zh, en) in UNITS {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            parts.push(match language {
                Language::Zh => format!("{count} {zh}"),
                Language::En => format!("{count} {en}{}", if count == 1 { "" } else { "s" }),
            });
        }
    }
    parts.truncate(parts_max);
    match (parts.is_empty(), language) {
        (false, _) => parts.join(" "),
        (true, Language::Zh) => "0 秒".to_owned(),
        (true, Language::En) => "0 seconds".to_owned(),
    }
}
