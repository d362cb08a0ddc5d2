//! Features and their values in words.

use crate::feature::{Feature, FeatureSpec, FeatureType, SIGNAL, SIGNAL_PREFIX};
use crate::order::{Reading, Readings};
use crate::time::Span;

/// The language of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Language {
    Zh,
    En,
}

/// How many parts a measured length of time is worded with: seconds say nothing about an age of days.
const MEASURED_PARTS_MAX: usize = 2;

/// A feature, named as in evidence, with its value.
pub(super) fn evidence(language: Language, name: &str, value: Option<&Reading>, features: &Readings) -> String {
    let (base, window) = name.split_once('[').map_or((name, None), |(base, window)| (base, Some(window)));
    let Some(spec) = Feature::named(base).map(Feature::spec) else {
        let unknown = unknown(language);
        return format!("{name}: {}", value.map_or_else(|| unknown.to_owned(), plain));
    };
    let window: Option<Span> = window.and_then(|window| window.trim_end_matches(']').parse().ok());
    let value = value.map_or_else(|| unknown(language).to_owned(), |value| worded(language, spec, value, features));
    // What a signal says only its merchant knows; its name has to do.
    let signal = if spec.feature == SIGNAL.feature { base.strip_prefix(SIGNAL_PREFIX) } else { None };
    let signal = signal.map_or_else(String::new, |name| format!(" {name}"));
    match language {
        Language::Zh => {
            let window = window.map_or_else(String::new, |window| format!("{}内", span(language, window, usize::MAX)));
            format!("{window}{}{signal}：{value}", spec.zh)
        }
        Language::En => {
            let window =
                window.map_or_else(String::new, |window| format!(" within {}", span(language, window, usize::MAX)));
            let description = spec.en.strip_prefix("whether ").unwrap_or(spec.en);
            format!("{description}{signal}{window}: {value}")
        }
    }
}

fn worded(language: Language, spec: &FeatureSpec, value: &Reading, features: &Readings) -> String {
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
            text.parse().map_or_else(|_| text.to_string(), |value| span(language, value, MEASURED_PARTS_MAX))
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
        (_, "unknown") => unknown(language),
        _ => kind,
    }
}

/// A length of time in its largest parts, the smaller ones left out.
fn span(language: Language, span: Span, parts_max: usize) -> String {
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

fn unknown(language: Language) -> &'static str {
    match language {
        Language::Zh => "未知",
        Language::En => "unknown",
    }
}

fn plain(value: &Reading) -> String {
    match value {
        Reading::Bool(value) => value.to_string(),
        Reading::Int(value) => value.to_string(),
        Reading::Text(value) => value.to_string(),
    }
}
