//! What a signal is about: one region, one device, one customer, …

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{MerchantId, Token};
use crate::notice::{
    Delivery, TEXT_BYTES_MAX, Tokeniser, address_token, customer_token, device_token, ip_facts, phone_facts,
    read_delivery,
};
use crate::order::Facts;
use crate::region::province;

/// What kind of thing a signal is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// A province, Chinese ones under their full official name.
    Region,
    /// An IP address.
    Ip,
    /// A /24 (/48 for IPv6).
    Ip24,
    /// A phone number: the buyer's, or the recipient's where that is unknown.
    Phone,
    /// A device.
    Device,
    /// A customer.
    Customer,
    /// A delivery address.
    Address,
    /// The merchant itself: one value for all orders.
    Merchant,
    /// The order itself: what the merchants' own model says of it. Nobody pushes it.
    Order,
}

impl SubjectKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Region,
        Self::Ip,
        Self::Ip24,
        Self::Phone,
        Self::Device,
        Self::Customer,
        Self::Address,
        Self::Merchant,
        Self::Order,
    ];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Ip => "ip",
            Self::Ip24 => "ip24",
            Self::Phone => "phone",
            Self::Device => "device",
            Self::Customer => "customer",
            Self::Address => "address",
            Self::Merchant => "merchant",
            Self::Order => "order",
        }
    }
}

impl fmt::Display for SubjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text is no kind of subject.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected region, ip, ip24, phone, device, customer, address, merchant or order")]
pub struct SubjectKindError;

impl FromStr for SubjectKind {
    type Err = SubjectKindError;

    fn from_str(text: &str) -> Result<Self, SubjectKindError> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(SubjectKindError)
    }
}

/// One thing that a signal has a value for, without personal data. The variants' names are the storage format.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A province.
    Region(Box<str>),
    /// Stands for an IP address.
    Ip(Token),
    /// Stands for a network.
    Ip24(Token),
    /// Stands for a number.
    Phone(Token),
    /// Stands for a device.
    Device(Token),
    /// Stands for a customer.
    Customer(Token),
    /// Stands for a delivery address.
    Address(Token),
    /// The merchant itself.
    Merchant,
}

/// A subject as a message tells it, personal data and all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// A text: the value itself, or an address as the JSON of a delivery.
    Text(String),
    /// An address, told as an order tells it.
    Address(Box<Delivery>),
}

impl Subject {
    /// The subject that a message tells of.
    ///
    /// # Errors
    /// What was expected.
    pub fn read(
        kind: SubjectKind,
        told: &Told,
        merchant: &MerchantId,
        tokens: &dyn Tokeniser,
    ) -> Result<Self, &'static str> {
        match (kind, told) {
            (SubjectKind::Address, Told::Address(delivery)) => address(delivery, tokens),
            (SubjectKind::Address, Told::Text(text)) => {
                let json = crate::json::read(text.as_bytes()).map_err(|_| ADDRESS)?;
                address(&read_delivery(json, "").map_err(|_| ADDRESS)?, tokens)
            }
            (_, Told::Address(_)) => Err("expected a text: only a signal about an address is told with an object"),
            (_, Told::Text(text)) => of_text(kind, text.trim(), merchant, tokens),
        }
    }

    /// What kind of thing it is.
    pub const fn kind(&self) -> SubjectKind {
        match self {
            Self::Region(_) => SubjectKind::Region,
            Self::Ip(_) => SubjectKind::Ip,
            Self::Ip24(_) => SubjectKind::Ip24,
            Self::Phone(_) => SubjectKind::Phone,
            Self::Device(_) => SubjectKind::Device,
            Self::Customer(_) => SubjectKind::Customer,
            Self::Address(_) => SubjectKind::Address,
            Self::Merchant => SubjectKind::Merchant,
        }
    }
}

impl SubjectKind {
    /// The token of an order's own subject of this kind; `None` where it is not known or has none.
    pub fn token(self, facts: &Facts) -> Option<Token> {
        match self {
            Self::Ip => facts.ip.map(|ip| ip.token),
            Self::Ip24 => facts.ip.map(|ip| ip.net),
            Self::Phone => facts.phone().map(|phone| phone.token),
            Self::Device => facts.device,
            Self::Customer => facts.customer.as_ref()?.token,
            Self::Address => facts.delivery.as_ref()?.address,
            Self::Region | Self::Merchant | Self::Order => None,
        }
    }
}

const REGION: &str = "expected a province's name: at most 64 characters, without three digits in a row";
/// The longest name of a region, in characters.
const REGION_CHARS_MAX: usize = 64;

/// A region's name. It is the one subject that the log holds in clear, so nothing that may be a number of somebody's passes for one.
fn region(text: &str) -> Result<Subject, &'static str> {
    let is_digits = |chars: &[char]| chars.iter().all(|one| one.is_numeric());
    let chars: Vec<char> = text.chars().collect();
    if chars.len() > REGION_CHARS_MAX || chars.windows(3).any(is_digits) {
        return Err(REGION);
    }
    Ok(Subject::Region(province(text).into()))
}

const ADDRESS: &str = "expected where something is delivered, as in an order, with at least its street";

fn address(delivery: &Delivery, tokens: &dyn Tokeniser) -> Result<Subject, &'static str> {
    address_token(delivery, tokens).map(Subject::Address).ok_or(ADDRESS)
}

fn of_text(
    kind: SubjectKind,
    text: &str,
    merchant: &MerchantId,
    tokens: &dyn Tokeniser,
) -> Result<Subject, &'static str> {
    if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
        return Err("expected 1 to 512 bytes without control characters");
    }
    match kind {
        SubjectKind::Region => region(text),
        SubjectKind::Ip => {
            let ip: IpAddr = text.parse().map_err(|_| "expected an IPv4 or IPv6 address")?;
            Ok(Subject::Ip(ip_facts(ip, tokens).token))
        }
        SubjectKind::Ip24 => {
            let ip = network(text).ok_or("expected a network such as 203.0.113.0/24 or 2001:db8:1::/48")?;
            Ok(Subject::Ip24(ip_facts(ip, tokens).net))
        }
        SubjectKind::Phone => {
            let phone = phone_facts(text, None, tokens).ok_or("expected a phone number with all of its digits")?;
            Ok(Subject::Phone(phone.token))
        }
        SubjectKind::Device => Ok(Subject::Device(device_token(text, tokens))),
        SubjectKind::Customer => Ok(Subject::Customer(customer_token(text, tokens))),
        SubjectKind::Merchant if text == merchant.as_str() => Ok(Subject::Merchant),
        SubjectKind::Merchant => Err("expected the merchant's own id"),
        SubjectKind::Address => Err(ADDRESS),
        SubjectKind::Order => Err("expected nothing: the merchant's own model gives an order its value"),
    }
}

/// Any address of a network, told alone or with the length that our networks have.
fn network(text: &str) -> Option<IpAddr> {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.parse().ok()?;
    let expected = if address.to_canonical().is_ipv4() { "24" } else { "48" };
    length.is_none_or(|length| length == expected).then_some(address)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::notice::{Customer, Device, OrderFacts, tokenise};

    struct Hash;

    impl Tokeniser for Hash {
        fn token(&self, kind: &'static str, value: &str) -> Token {
            let digest = Sha256::digest(format!("{kind}:{value}"));
            Token::new(std::array::from_fn(|index| digest[index]))
        }
    }

    fn read(kind: SubjectKind, text: &str) -> Result<Subject, &'static str> {
        Subject::read(kind, &Told::Text(text.to_owned()), &"shop".parse().expect("an id"), &Hash)
    }

    fn delivery() -> Delivery {
        Delivery {
            province: Some("浙江".into()),
            city: Some("杭州市".into()),
            street: Some("文三路 1 号".into()),
            ..Delivery::default()
        }
    }

    #[test]
    fn a_subject_has_the_token_that_an_order_of_it_has() {
        let order = OrderFacts {
            customer: Some(Customer {
                id: Some("u-77".into()),
                phone: Some("138 0013 8000".into()),
                ..Customer::default()
            }),
            delivery: Some(delivery()),
            device: Some(Device { id: Some(" d-9f1c ".into()), user_agent: None }),
            ip: Some("203.0.113.7".parse().expect("an address")),
            ..OrderFacts::default()
        };
        let (facts, _) = tokenise(&order, &Hash);
        let told = [
            (SubjectKind::Ip, "203.0.113.7"),
            (SubjectKind::Ip24, "203.0.113.0/24"),
            (SubjectKind::Ip24, "203.0.113.99"),
            (SubjectKind::Phone, "+8613800138000"),
            (SubjectKind::Device, "d-9f1c"),
            (SubjectKind::Customer, "u-77 "),
            (SubjectKind::Address, r#"{"province": "浙江省", "city": "杭州市", "street": "文三路1号"}"#),
        ];
        for (kind, text) in told {
            let subject = read(kind, text).unwrap_or_else(|expected| panic!("{kind} {text}: {expected}"));
            let json = serde_json::to_value(&subject).expect("json");
            let token = kind.token(&facts).expect("known").to_string();
            assert_eq!((subject.kind(), &json[kind.name()]), (kind, &token.into()), "{text}");
        }
        let object = Told::Address(Box::new(delivery()));
        let address = Subject::read(SubjectKind::Address, &object, &"shop".parse().expect("an id"), &Hash);
        assert_eq!(address.ok(), kind_token(&facts));
        assert_eq!(read(SubjectKind::Region, " 浙江 "), Ok(Subject::Region("浙江省".into())));
        assert_eq!(read(SubjectKind::Merchant, "shop"), Ok(Subject::Merchant));
    }

    #[test]
    fn what_may_be_a_number_of_somebodys_is_no_region() {
        for text in [
            "13800138000",
            "138 0013 8000",
            "+86 138-0013-8000",
            "浙江 310",
            "１３８００１３８０００",
            &"长".repeat(65),
        ] {
            assert_eq!(read(SubjectKind::Region, text), Err(REGION), "{text}");
        }
        for text in ["Île-de-France", "Région 11", &"长".repeat(64)] {
            assert_eq!(read(SubjectKind::Region, text), Ok(Subject::Region(text.into())), "{text}");
        }
    }

    fn kind_token(facts: &Facts) -> Option<Subject> {
        SubjectKind::Address.token(facts).map(Subject::Address)
    }

    #[test]
    fn what_is_no_subject_of_its_kind_is_refused() {
        for (kind, text) in [
            (SubjectKind::Region, ""),
            (SubjectKind::Ip, "203.0.113"),
            (SubjectKind::Ip24, "203.0.113.0/16"),
            (SubjectKind::Ip24, "2001:db8::/24"),
            (SubjectKind::Phone, "138****8000"),
            (SubjectKind::Device, "a\nb"),
            (SubjectKind::Customer, " "),
            (SubjectKind::Merchant, "another"),
            (SubjectKind::Order, "web:A1"),
            (SubjectKind::Address, "文三路"),
            (SubjectKind::Address, r#"{"province": "浙江省"}"#),
            (SubjectKind::Address, r#"{"street": "文三路", "floor": 3}"#),
        ] {
            assert!(read(kind, text).is_err(), "{kind} {text:?}");
        }
    }
}
