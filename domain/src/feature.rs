//! The catalogue of features: every typed value that a rule may ask about an order, declared once.
//!
//! A feature that takes a window counts over `(t − w, t]` in event time, the order itself included.

use std::fmt;
use std::sync::Arc;

use rust_decimal::Decimal;

use crate::order::Reading;
use crate::phone::PhoneKind;
use crate::signal::SignalName;
use crate::time::Span;

/// The shortest window a feature can take.
pub const WINDOW_MIN: Span = Span::from_secs(1);
/// The longest window a feature can take.
pub const WINDOW_MAX: Span = Span::from_days(30);

/// What type a feature's value has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FeatureType {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A decimal with at most four places.
    Decimal,
    /// A text.
    Text,
    /// A length of time.
    Duration,
}

impl FeatureType {
    /// The word for it in the API and in error texts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Decimal => "decimal",
            Self::Text => "text",
            Self::Duration => "duration",
        }
    }
}

/// One feature's value. Unknown is `Option::None` around it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// Of type bool.
    Bool(bool),
    /// Of type int.
    Int(i64),
    /// Of type decimal.
    Decimal(Decimal),
    /// Of type text.
    Text(Arc<str>),
    /// Of type duration.
    Duration(Span),
}

impl Value {
    /// Its type.
    pub const fn feature_type(&self) -> FeatureType {
        match self {
            Self::Bool(_) => FeatureType::Bool,
            Self::Int(_) => FeatureType::Int,
            Self::Decimal(_) => FeatureType::Decimal,
            Self::Text(_) => FeatureType::Text,
            Self::Duration(_) => FeatureType::Duration,
        }
    }

    /// From its stored form; none where that is of another type.
    pub fn read(reading: &Reading, feature_type: FeatureType) -> Option<Self> {
        match (reading, feature_type) {
            (Reading::Bool(value), FeatureType::Bool) => Some(Self::Bool(*value)),
            (Reading::Int(value), FeatureType::Int) => Some(Self::Int(*value)),
            (Reading::Text(text), FeatureType::Decimal) => text.parse().ok().map(Self::Decimal),
            (Reading::Text(text), FeatureType::Text) => Some(Self::Text(text.clone())),
            (Reading::Text(text), FeatureType::Duration) => text.parse().ok().map(Self::Duration),
            _ => None,
        }
    }

    /// Its stored form.
    pub fn reading(&self) -> Reading {
        match self {
            Self::Bool(value) => Reading::Bool(*value),
            Self::Int(value) => Reading::Int(*value),
            Self::Decimal(value) => Reading::Text(value.normalize().to_string().into()),
            Self::Text(value) => Reading::Text(value.clone()),
            Self::Duration(value) => Reading::Text(value.to_string().into()),
        }
    }
}

/// Whose orders a windowed feature looks at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Entity {
    /// Orders of the same customer.
    Customer,
    /// Orders from the same device.
    Device,
    /// Orders from the same IP address.
    Ip,
    /// Orders from the same /24 (/48 for IPv6).
    Ip24,
    /// Orders with the same phone number.
    Phone,
    /// Orders to the same delivery address.
    Address,
    /// Orders to the same province.
    Region,
}

/// What a windowed feature counts or sums over its entity's orders.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Measure {
    /// The orders.
    Orders,
    /// Those not paid so far, cancelled ones among them.
    Unpaid,
    /// Those cancelled or overdue without payment.
    Abandoned,
    /// The sum of the amounts, minor units.
    Amount,
    /// The sum of the units.
    Quantity,
    /// The most units of one of this order's SKUs.
    SkuQuantity,
    /// Distinct customers.
    Customers,
    /// Distinct devices.
    Devices,
    /// Distinct delivery addresses.
    Addresses,
    /// Distinct delivery addresses that are not familiar to this order's customer.
    UnfamiliarAddresses,
    /// Distinct phone numbers.
    Phones,
    /// The share of the merchant's unpaid orders that this entity's unpaid orders make up.
    UnpaidShare,
    /// The orders against their mean over the 24 hours before the window.
    Heat,
}

/// A feature of the catalogue.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the catalogue describes each of them in two languages")]
pub enum Feature {
    OrderAmount,
    OrderQuantity,
    OrderLines,
    OrderMaxLineQuantity,
    OrderHour,
    OrderChannel,
    OrderCurrency,
    CustomerLevel,
    CustomerAge,
    CustomerAgeKnown,
    CustomerIsNew,
    DeviceKnown,
    DeviceKnownFor,
    PhoneKind,
    AddressChanged,
    AddressFamiliar,
    Windowed(Entity, Measure),
    Signal(SignalName),
}

/// What the catalogue says of one feature.
#[derive(Clone, Copy, Debug)]
pub struct FeatureSpec {
    /// The feature.
    pub feature: Feature,
    /// Its name in rules, such as `device.orders`.
    pub name: &'static str,
    /// Its type.
    pub feature_type: FeatureType,
    /// The unit of its values; empty where there is none.
    pub unit: &'static str,
    /// What it says, in Chinese.
    pub zh: &'static str,
    /// What it says, in English.
    pub en: &'static str,
    /// The values a text feature can have, where they are few.
    pub values: &'static [&'static str],
}

impl FeatureSpec {
    /// Whether it takes a window.
    pub const fn takes_window(&self) -> bool {
        matches!(self.feature, Feature::Windowed(..))
    }
}

impl Feature {
    /// Its line in the catalogue; [`SIGNAL`] for every signal.
    pub fn spec(self) -> &'static FeatureSpec {
        CATALOGUE.iter().find(|spec| spec.feature == self).unwrap_or(&SIGNAL)
    }

    /// The feature of that name. Whether a signal is declared the catalogue does not know.
    pub fn named(name: &str) -> Option<Self> {
        if let Some(signal) = name.strip_prefix(SIGNAL_PREFIX) {
            return signal.parse().ok().map(Self::Signal);
        }
        CATALOGUE.iter().find(|spec| spec.name == name).map(|spec| spec.feature)
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(name) => write!(f, "{SIGNAL_PREFIX}{name}"),
            _ => f.write_str(self.spec().name),
        }
    }
}

/// What the name of every feature that reads a signal begins with.
pub const SIGNAL_PREFIX: &str = "signal.";

/// What holds for every feature that reads a signal. Each merchant declares its own, which the catalogue does not list.
pub const SIGNAL: FeatureSpec = FeatureSpec {
    feature: Feature::Signal(SignalName::ANY),
    name: "signal",
    feature_type: FeatureType::Decimal,
    unit: "",
    zh: "外部信号",
    en: "the signal",
    values: &[],
};

/// A feature with the window it is asked for, if it takes one. Displays as `device.orders[5m]` or `order.amount`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct FeatureRef {
    /// Which feature.
    pub feature: Feature,
    /// Over which window; `Some` exactly when the feature takes one.
    pub window: Option<Span>,
}

impl fmt::Display for FeatureRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.feature.fmt(f)?;
        self.window.map_or(Ok(()), |window| write!(f, "[{window}]"))
    }
}

macro_rules! catalogue {
    ($($name:literal $feature:expr, $type:ident, $unit:literal, $zh:literal, $en:literal $(, $values:expr)?;)+) => {
        /// Every feature there is.
        pub const CATALOGUE: &[FeatureSpec] = &[$(FeatureSpec {
            feature: $feature,
            name: $name,
            feature_type: FeatureType::$type,
            unit: $unit,
            zh: $zh,
            en: $en,
            values: { const VALUES: &[&str] = &[]; let values = VALUES; $(let values = { let _ = values; $values };)? values },
        }),+];
    };
}

use Entity::{Address, Customer, Device, Ip, Ip24, Phone, Region};
use Feature::Windowed;
use Measure as M;

catalogue! {
    "order.amount" Feature::OrderAmount, Int, "minor units", "订单金额", "the order's amount";
    "order.quantity" Feature::OrderQuantity, Int, "units", "订单总件数", "units in the order";
    "order.lines" Feature::OrderLines, Int, "lines", "订单行数", "lines of the order";
    "order.max_line_quantity" Feature::OrderMaxLineQuantity, Int, "units", "单行最大件数", "units of the order's largest line";
    "order.hour" Feature::OrderHour, Int, "hour of day", "下单时刻（商家时区，0–23 点）", "hour of day it was placed, in the merchant's time zone";
    "order.channel" Feature::OrderChannel, Text, "", "下单渠道", "the channel it was placed on";
    "order.currency" Feature::OrderCurrency, Text, "", "币种", "the currency of the amount";
    "customer.level" Feature::CustomerLevel, Int, "level", "客户等级", "the customer's level at the merchant";
    "customer.age" Feature::CustomerAge, Duration, "", "注册到下单的时长", "time from the customer's registration to this order";
    "customer.age_known" Feature::CustomerAgeKnown, Bool, "", "知道该客户何时注册", "whether it is known when the customer registered";
    "customer.is_new" Feature::CustomerIsNew, Bool, "", "首次下单的客户", "whether this is the customer's first known order";
    "customer.orders" Windowed(Customer, M::Orders), Int, "orders", "该客户的订单数", "orders of this customer";
    "customer.unpaid" Windowed(Customer, M::Unpaid), Int, "orders", "该客户未付款的订单数", "orders of this customer not paid so far";
    "customer.abandoned" Windowed(Customer, M::Abandoned), Int, "orders", "该客户取消或逾期未付的订单数", "orders of this customer cancelled or overdue without payment";
    "customer.addresses" Windowed(Customer, M::Addresses), Int, "addresses", "该客户使用的收货地址数", "delivery addresses this customer used";
    "customer.unfamiliar_addresses" Windowed(Customer, M::UnfamiliarAddresses), Int, "addresses", "该客户使用的陌生收货地址数", "delivery addresses this customer used that are not familiar";
    "customer.devices" Windowed(Customer, M::Devices), Int, "devices", "该客户使用的设备数", "devices this customer used";
    "customer.amount" Windowed(Customer, M::Amount), Int, "minor units", "该客户的订单总金额", "the sum of this customer's orders";
    "customer.quantity" Windowed(Customer, M::Quantity), Int, "units", "该客户购买的总件数", "units this customer ordered";
    "customer.sku_quantity" Windowed(Customer, M::SkuQuantity), Int, "units", "该客户购买本单某一商品的最大件数", "most units of one of this order's SKUs that this customer ordered";
    "device.known" Feature::DeviceKnown, Bool, "", "该客户以前用过此设备", "whether this customer used the device before";
    "device.known_for" Feature::DeviceKnownFor, Duration, "", "该客户首次使用此设备到本单的时长", "time from this customer's first order on the device to this order";
    "device.orders" Windowed(Device, M::Orders), Int, "orders", "同一设备的订单数", "orders from this device";
    "device.customers" Windowed(Device, M::Customers), Int, "customers", "同一设备的客户数", "customers on this device";
    "device.addresses" Windowed(Device, M::Addresses), Int, "addresses", "同一设备的收货地址数", "delivery addresses of this device's orders";
    "device.phones" Windowed(Device, M::Phones), Int, "numbers", "同一设备的手机号数", "phone numbers of this device's orders";
    "device.unpaid" Windowed(Device, M::Unpaid), Int, "orders", "同一设备未付款的订单数", "orders from this device not paid so far";
    "device.amount" Windowed(Device, M::Amount), Int, "minor units", "同一设备的订单总金额", "the sum of this device's orders";
    "device.sku_quantity" Windowed(Device, M::SkuQuantity), Int, "units", "同一设备购买本单某一商品的最大件数", "most units of one of this order's SKUs ordered from this device";
    "ip.orders" Windowed(Ip, M::Orders), Int, "orders", "同一 IP 的订单数", "orders from this IP address";
    "ip.customers" Windowed(Ip, M::Customers), Int, "customers", "同一 IP 的客户数", "customers on this IP address";
    "ip.devices" Windowed(Ip, M::Devices), Int, "devices", "同一 IP 的设备数", "devices on this IP address";
    "ip.unpaid" Windowed(Ip, M::Unpaid), Int, "orders", "同一 IP 未付款的订单数", "orders from this IP address not paid so far";
    "ip24.orders" Windowed(Ip24, M::Orders), Int, "orders", "同一 IP 段的订单数", "orders from this /24 (/48 for IPv6)";
    "ip24.customers" Windowed(Ip24, M::Customers), Int, "customers", "同一 IP 段的客户数", "customers in this /24 (/48 for IPv6)";
    "ip24.devices" Windowed(Ip24, M::Devices), Int, "devices", "同一 IP 段的设备数", "devices in this /24 (/48 for IPv6)";
    "ip24.unpaid" Windowed(Ip24, M::Unpaid), Int, "orders", "同一 IP 段未付款的订单数", "orders from this /24 (/48 for IPv6) not paid so far";
    "ip24.unpaid_share" Windowed(Ip24, M::UnpaidShare), Decimal, "0..1", "全店未付款订单中来自该 IP 段的比例", "share of the merchant's unpaid orders that come from this /24 (/48 for IPv6)";
    "phone.kind" Feature::PhoneKind, Text, "", "手机号类型", "what kind of phone number it is", PhoneKind::NAMES;
    "phone.customers" Windowed(Phone, M::Customers), Int, "customers", "同一手机号的客户数", "customers with this phone number";
    "phone.orders" Windowed(Phone, M::Orders), Int, "orders", "同一手机号的订单数", "orders with this phone number";
    "address.changed" Feature::AddressChanged, Bool, "", "收货地址与该客户上一单不同", "whether the delivery address differs from this customer's previous order";
    "address.familiar" Feature::AddressFamiliar, Bool, "", "收货地址是该客户熟悉的", "whether at least two earlier orders of this customer to the address were paid, delivered and not refunded";
    "address.orders" Windowed(Address, M::Orders), Int, "orders", "同一收货地址的订单数", "orders to this delivery address";
    "address.customers" Windowed(Address, M::Customers), Int, "customers", "同一收货地址的客户数", "customers who ordered to this delivery address";
    "address.devices" Windowed(Address, M::Devices), Int, "devices", "同一收货地址的设备数", "devices that ordered to this delivery address";
    "address.sku_quantity" Windowed(Address, M::SkuQuantity), Int, "units", "同一收货地址购买本单某一商品的最大件数", "most units of one of this order's SKUs that go to this delivery address";
    "region.orders" Windowed(Region, M::Orders), Int, "orders", "同一省份的订单数", "orders to this province";
    "region.heat" Windowed(Region, M::Heat), Decimal, "ratio", "该省订单数与此前 24 小时均值之比", "orders to this province against their mean over the 24 hours before";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_and_features_are_unique_and_find_each_other() {
        let names: HashSet<_> = CATALOGUE.iter().map(|spec| spec.name).collect();
        let features: HashSet<_> = CATALOGUE.iter().map(|spec| spec.feature).collect();
        assert_eq!((names.len(), features.len()), (CATALOGUE.len(), CATALOGUE.len()));
        for spec in CATALOGUE {
            assert_eq!(Feature::named(spec.name), Some(spec.feature));
            assert_eq!(spec.feature.spec().name, spec.name);
            assert!(!spec.zh.is_empty() && !spec.en.is_empty(), "{}", spec.name);
        }
    }

    #[test]
    fn a_signal_is_a_feature_under_its_own_name() {
        let weather = Feature::named("signal.weather").expect("a signal");
        assert_eq!(weather.to_string(), "signal.weather");
        assert_eq!((weather.spec().feature_type, weather.spec().takes_window()), (FeatureType::Decimal, false));
        assert_ne!(Some(weather), Feature::named("signal.traffic"));
        for none in ["signal", "signal.", "signal.Weather", "signal.a.b"] {
            assert_eq!(Feature::named(none), None, "{none}");
        }
    }

    #[test]
    fn a_reference_reads_as_in_evidence() {
        let reference = FeatureRef { feature: Windowed(Device, M::Orders), window: Some(Span::from_mins(5)) };
        assert_eq!(reference.to_string(), "device.orders[5m]");
    }
}
