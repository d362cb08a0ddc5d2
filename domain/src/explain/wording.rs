//! Facts in words: what a feature's value says, and what it would have had to be.

mod phrases;
mod units;

use super::otherwise::FactChange;
use crate::feature::{Feature, FeatureSpec, Measure, SIGNAL_PREFIX, Value};
use crate::order::{Reading, Readings};
use crate::rulebook::{Relation, Test};
use crate::time::Span;

/// The language of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Language {
    Zh,
    En,
}

impl Language {
    fn of<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }
}

/// What a feature's value says; the feature is named as in evidence.
pub(super) fn evidence(language: Language, name: &str, value: Option<&Reading>, features: &Readings) -> String {
    let Some((name, spec, window)) = named(name) else {
        return format!("{name}: {}", value.map_or_else(|| unknown(language).to_owned(), plain));
    };
    let Some(value) = value else {
        return phrases::not_known(language, spec.feature).map_or_else(
            || match language {
                Language::Zh => format!("{}未知", subject(language, name, spec, window)),
                Language::En => format!("not known: {}", subject(language, name, spec, window)),
            },
            str::to_owned,
        );
    };
    if let Some(phrase) = phrases::phrase(language, spec, window, value, features) {
        return phrase;
    }
    let (subject, value) = (subject(language, name, spec, window), units::worded(language, spec, value, features));
    match language {
        Language::Zh => format!("{subject}：{value}"),
        Language::En => format!("{subject}: {value}"),
    }
}

/// What a fact would have had to be, and what it was.
pub(super) fn otherwise(language: Language, change: &FactChange, features: &Readings) -> String {
    let name = change.feature.to_string();
    let Some((base, spec, window)) = named(&name) else {
        return format!("{name} {}", bound(language, &change.to, &plain));
    };
    let value = |reading: &Reading| units::worded(language, spec, reading, features);
    let supposed = match change.nearest {
        Value::Bool(is_so) => phrases::supposed(language, spec.feature, is_so),
        _ => None,
    };
    let (clause, says_what_was) = match supposed {
        Some(supposed) => (supposed.to_owned(), true),
        None => {
            let subject = match spec.feature {
                Feature::PhoneKind => language.of("手机号", "the phone number").to_owned(),
                Feature::CustomerAge => language.of(spec.zh, "the time from registration to order").to_owned(),
                Feature::DeviceKnownFor => {
                    language.of(spec.zh, "the time since the customer first used the device").to_owned()
                }
                Feature::Windowed(_, Measure::UnpaidShare) => {
                    let article = language.of("", "the ");
                    format!("{article}{}", subject(language, base, spec, window))
                }
                _ => subject(language, base, spec, window),
            };
            let space = language.of("", " ");
            let says_what_was = matches!(change.to, Test::Is(Relation::NotEqual, _) | Test::NotIn(_));
            (format!("{subject}{space}{}", bound(language, &change.to, &value)), says_what_was)
        }
    };
    match (&change.from, language) {
        (None, Language::Zh) => format!("{clause}（当时未知）"),
        (None, Language::En) => format!("{clause} (it was not known)"),
        (Some(_), _) if says_what_was => clause,
        (Some(from), Language::Zh) => format!("{clause}（当时{}）", spaced("为", &value(&from.reading()))),
        (Some(from), Language::En) => format!("{clause} instead of {}", value(&from.reading())),
    }
}

fn bound(language: Language, to: &Test, value: &dyn Fn(&Reading) -> String) -> String {
    let values = |values: &[Value]| {
        let values: Vec<_> = values.iter().map(|it| value(&it.reading())).collect();
        match language {
            Language::Zh => format!("{} 之一", values.join("、")),
            Language::En => values.join(" or "),
        }
    };
    let (zh, en, value) = match to {
        Test::In(constants) => ("为", "had been", values(constants)),
        Test::NotIn(constants) => ("不是", "had not been", values(constants)),
        Test::Is(relation, constant) => {
            let (zh, en) = match relation {
                Relation::Equal => ("为", "had been"),
                Relation::NotEqual => ("不是", "had not been"),
                Relation::Less => ("少于", "had been less than"),
                Relation::AtMost => ("不超过", "had been at most"),
                Relation::Greater => ("超过", "had been more than"),
                Relation::AtLeast => ("至少为", "had been at least"),
            };
            (zh, en, value(&constant.reading()))
        }
    };
    match language {
        Language::Zh => spaced(zh, &value),
        Language::En => format!("{en} {value}"),
    }
}

/// Chinese, with a space before what is written in Latin letters or digits.
pub(super) fn spaced(before: &str, after: &str) -> String {
    let space = if after.starts_with(|first: char| first.is_ascii()) { " " } else { "" };
    format!("{before}{space}{after}")
}

/// A name without its window, what the catalogue says of it, and the window.
fn named(name: &str) -> Option<(&str, &'static FeatureSpec, Option<Span>)> {
    let (base, window) = name.split_once('[').map_or((name, None), |(base, window)| (base, Some(window)));
    let window = window.and_then(|window| window.trim_end_matches(']').parse().ok());
    Some((base, Feature::named(base)?.spec(), window))
}

/// What a feature is about, with its window.
fn subject(language: Language, name: &str, spec: &FeatureSpec, window: Option<Span>) -> String {
    if let Some(signal) = name.strip_prefix(SIGNAL_PREFIX) {
        // What a signal says only its merchant knows; its name has to do.
        return format!("{} {signal}", language.of(spec.zh, spec.en));
    }
    let window = window.map(|window| units::span(language, window, usize::MAX));
    match (language, window) {
        (Language::Zh, None) => spec.zh.to_owned(),
        (Language::Zh, Some(window)) => format!("{window}内{}", spec.zh),
        (Language::En, None) => spec.en.to_owned(),
        (Language::En, Some(window)) => match spec.en.split_once(" against ") {
            Some((what, against)) => format!("{what} within {window} against {against}"),
            None => format!("{} within {window}", spec.en),
        },
    }
}

const fn unknown(language: Language) -> &'static str {
    match language {
        Language::Zh => "未知",
        Language::En => "not known",
    }
}

fn plain(value: &Reading) -> String {
    match value {
        Reading::Bool(value) => value.to_string(),
        Reading::Int(value) => value.to_string(),
        Reading::Text(value) => value.to_string(),
    }
}
