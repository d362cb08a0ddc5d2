//! Features that a person would not put as a name and a value.

use super::Language;
use super::units::{span, worded};
use crate::feature::{Entity, Feature, FeatureSpec, Measure};
use crate::order::{Reading, Readings};
use crate::time::Span;

/// The value as a clause of its own; none where name and value say it well.
pub(super) fn phrase(
    language: Language,
    spec: &FeatureSpec,
    window: Option<Span>,
    value: &Reading,
    features: &Readings,
) -> Option<String> {
    let words = || worded(language, spec, value, features);
    let window = || window.map_or_else(String::new, |window| span(language, window, usize::MAX));
    let (zh, en) = match (spec.feature, value) {
        (feature, Reading::Bool(is_so)) => {
            let (zh, en, _) = statement(feature, *is_so)?;
            return Some(language.of(zh, en).to_owned());
        }
        (Feature::OrderAmount, _) => (format!("订单金额为 {}", words()), format!("the order amounts to {}", words())),
        (Feature::OrderHour, _) => {
            (format!("商家时区 {}下单", words()), format!("placed in hour {} of the merchant's day", words()))
        }
        (Feature::OrderChannel, _) => (format!("下单渠道为 {}", words()), format!("placed on channel {}", words())),
        (Feature::OrderCurrency, _) => (format!("币种为 {}", words()), format!("paid in {}", words())),
        (Feature::CustomerLevel, _) => {
            (format!("客户等级为 {}", words()), format!("the customer has level {}", words()))
        }
        (Feature::CustomerAge, _) => {
            (format!("注册 {}后下单", words()), format!("placed {} after the customer registered", words()))
        }
        (Feature::DeviceKnownFor, _) => (
            format!("该客户首次使用此设备是在 {}前", words()),
            format!("the customer first used the device {} before", words()),
        ),
        (Feature::PhoneKind, _) => (format!("手机号为{}", words()), format!("the phone number is {}", words())),
        (Feature::Windowed(Entity::Ip24, Measure::UnpaidShare), _) => (
            format!("{}内全店未付款订单的 {} 来自该 IP 段", window(), words()),
            format!(
                "{} of the merchant's unpaid orders within {} come from this /24 (/48 for IPv6)",
                words(),
                window()
            ),
        ),
        (Feature::Windowed(Entity::Region, Measure::Heat), _) => (
            format!("该省 {}内的订单数是此前 24 小时均值的 {}", window(), words()),
            format!("orders to this province within {} are {} their mean over the 24 hours before", window(), words()),
        ),
        _ => return None,
    };
    Some(match language {
        Language::Zh => zh,
        Language::En => en,
    })
}

/// What would have had to be so, after an "if".
pub(super) fn supposed(language: Language, feature: Feature, is_so: bool) -> Option<&'static str> {
    statement(feature, is_so).map(|(zh, _, en)| language.of(zh, en))
}

/// That it is not known what is true.
pub(super) fn not_known(language: Language, feature: Feature) -> Option<&'static str> {
    let (zh, en) = match feature {
        Feature::CustomerIsNew => {
            ("不知道这是否该客户的首单", "it is not known whether this is the customer's first order")
        }
        Feature::CustomerAgeKnown => ("不知道该客户何时注册", "it is not known when the customer registered"),
        Feature::DeviceKnown => {
            ("不知道该客户以前是否用过此设备", "it is not known whether the customer used the device before")
        }
        Feature::AddressChanged => (
            "不知道收货地址是否与该客户上一单不同",
            "it is not known whether the delivery address differs from the customer's previous order",
        ),
        Feature::AddressFamiliar => (
            "不知道该客户是否在此地址顺利收过货",
            "it is not known whether earlier orders of the customer to the address went well",
        ),
        _ => return None,
    };
    Some(language.of(zh, en))
}

/// A truth value in Chinese, in English, and in English as supposed.
const fn statement(feature: Feature, is_so: bool) -> Option<(&'static str, &'static str, &'static str)> {
    Some(match (feature, is_so) {
        (Feature::CustomerIsNew, true) => (
            "这是该客户的首单",
            "this is the customer's first known order",
            "this had been the customer's first known order",
        ),
        (Feature::CustomerIsNew, false) => {
            ("该客户以前下过单", "the customer has ordered before", "the customer had ordered before")
        }
        (Feature::CustomerAgeKnown, true) => (
            "知道该客户何时注册",
            "it is known when the customer registered",
            "it had been known when the customer registered",
        ),
        (Feature::CustomerAgeKnown, false) => (
            "不知道该客户何时注册",
            "it is not known when the customer registered",
            "it had not been known when the customer registered",
        ),
        (Feature::DeviceKnown, true) => {
            ("该客户以前用过此设备", "the customer used the device before", "the customer had used the device before")
        }
        (Feature::DeviceKnown, false) => (
            "该客户从未用过此设备",
            "the customer never used the device before",
            "the customer had never used the device before",
        ),
        (Feature::AddressChanged, true) => (
            "收货地址与该客户上一单不同",
            "the delivery address differs from the customer's previous order",
            "the delivery address had differed from the customer's previous order",
        ),
        (Feature::AddressChanged, false) => (
            "收货地址与该客户上一单相同",
            "the delivery address is that of the customer's previous order",
            "the delivery address had been that of the customer's previous order",
        ),
        (Feature::AddressFamiliar, true) => (
            "该客户至少有两单在此地址顺利收货",
            "at least two earlier orders of the customer to the address went well",
            "at least two earlier orders of the customer to the address had gone well",
        ),
        (Feature::AddressFamiliar, false) => (
            "该客户在此地址顺利收货还不到两单",
            "fewer than two earlier orders of the customer to the address went well",
            "fewer than two earlier orders of the customer to the address had gone well",
        ),
        _ => return None,
    })
}
