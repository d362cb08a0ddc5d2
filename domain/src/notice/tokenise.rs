//! Turning a notice's facts into what the log may hold: tokens and coarse facts for the log, the rest for the vault.
//!
//! Each `*_token` and `*_facts` function here is also how a look-up or a signal finds the token of a value: whoever has the
//! value and the merchant's key gets the same token.

use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::{Customer, Delivery, OrderFacts};
use crate::ids::Token;
use crate::order::{CustomerFacts, DeliveryFacts, Facts, IpFacts, PhoneFacts, address, plain};
use crate::phone;
use crate::region;

/// Makes tokens with one merchant's key.
pub trait Tokeniser {
    /// The token of a normalised value; `kind` keeps equal texts of different kinds apart.
    fn token(&self, kind: &'static str, value: &str) -> Token;
}

/// The personal data of one notice: what goes into the vault. The order of the fields is part of the stored form, which
/// a commitment in the log binds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PersonalData {
    /// The merchant's id of the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    /// The buyer's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The buyer's number, as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The name on the parcel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// The recipient's number, as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_phone: Option<String>,
    /// The district.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub district: Option<String>,
    /// Street and number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub street: Option<String>,
    /// The postcode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postcode: Option<String>,
    /// What identifies the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// What its browser says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The address it was placed from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
}

/// Splits an order's facts into those that the log may hold and the personal ones, if there are any.
pub fn tokenise(order: &OrderFacts, tokeniser: &dyn Tokeniser) -> (Facts, Option<PersonalData>) {
    let country = order.delivery.as_ref().and_then(|delivery| delivery.country.as_deref());
    let personal = personal_data(order);
    let facts = Facts {
        placed_at: order.placed_at,
        display_no: order.display_no.as_deref().map(Into::into),
        currency: order.currency.as_deref().map(Into::into),
        amount: order.amount,
        lines: order.lines.clone(),
        customer: order.customer.as_ref().and_then(|customer| customer_facts(customer, country, tokeniser)),
        delivery: order.delivery.as_ref().and_then(|delivery| delivery_facts(delivery, tokeniser)),
        device: order.device.as_ref().and_then(|device| Some(device_token(device.id.as_deref()?, tokeniser))),
        ip: order.ip.map(|ip| ip_facts(ip, tokeniser)),
        payment_due_at: order.payment_due_at,
        personal: personal.as_ref().map(|data| personal_token(data, tokeniser)),
        score: None,
    };
    (facts, personal)
}

/// Whose key seals an order's personal data, and with whose erasure it goes: the customer's, or that of whom the buyer's or
/// the recipient's number belongs to, or the order's own when none of them is known.
pub fn subject(facts: &Facts, order: Token) -> Token {
    let customer = facts.customer.as_ref().and_then(|customer| customer.token);
    customer.or_else(|| facts.phone().map(|phone| phone.token)).unwrap_or(order)
}

/// The token of a customer's id.
pub fn customer_token(id: &str, tokeniser: &dyn Tokeniser) -> Token {
    tokeniser.token("customer", id.trim())
}

/// The token of a device's id.
pub fn device_token(id: &str, tokeniser: &dyn Tokeniser) -> Token {
    tokeniser.token("device", id.trim())
}

/// The token and kind of a number in any notation; a buyer's and a recipient's are of one kind, so that they match.
/// `None` when the text holds no number, or one whose digits are masked: that would match strangers.
pub fn phone_facts(text: &str, default_country: Option<&str>, tokeniser: &dyn Tokeniser) -> Option<PhoneFacts> {
    let phone = phone::normalise(text, default_country)?;
    Some(PhoneFacts { token: tokeniser.token("phone", &phone.number), kind: phone.kind })
}

/// The tokens of an address of the Internet and of its /24 (IPv4) or /48 (IPv6). An IPv4 address in IPv6 notation is one of
/// IPv4.
pub fn ip_facts(ip: IpAddr, tokeniser: &dyn Tokeniser) -> IpFacts {
    let ip = ip.to_canonical();
    let net = match ip {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    };
    IpFacts { token: tokeniser.token("ip", &ip.to_string()), net: tokeniser.token("ip_net", &net) }
}

/// The token of where something is delivered, whoever receives it; `None` without a street. See
/// [`address`](crate::order::address()), which composes it. A street that repeats the province, city or district told with it
/// is the same street without them.
pub fn address_token(delivery: &Delivery, tokeniser: &dyn Tokeniser) -> Option<Token> {
    delivery_facts(delivery, tokeniser)?.address
}

fn customer_facts(customer: &Customer, country: Option<&str>, tokeniser: &dyn Tokeniser) -> Option<CustomerFacts> {
    let facts = CustomerFacts {
        token: customer.id.as_deref().map(|id| customer_token(id, tokeniser)),
        phone: customer.phone.as_deref().and_then(|phone| phone_facts(phone, country, tokeniser)),
        level: customer.level,
        registered_at: customer.registered_at,
    };
    (facts != CustomerFacts::default()).then_some(facts)
}

fn delivery_facts(delivery: &Delivery, tokeniser: &dyn Tokeniser) -> Option<DeliveryFacts> {
    let country = delivery.country.as_deref();
    let mut facts = DeliveryFacts {
        address: None,
        phone: delivery.phone.as_deref().and_then(|phone| phone_facts(phone, country, tokeniser)),
        country: country.map(Into::into),
        province: delivery.province.as_deref().map(|province| region::province(province).into()),
        city: delivery.city.as_deref().map(|city| city.trim().into()),
        district: plain_token("district", delivery.district.as_deref().map(plain), tokeniser),
        street: plain_token("street", street(delivery), tokeniser),
    };
    facts.address = address(&facts);
    (facts != DeliveryFacts::default()).then_some(facts)
}

fn plain_token(kind: &'static str, text: Option<String>, tokeniser: &dyn Tokeniser) -> Option<Token> {
    text.filter(|text| !text.is_empty()).map(|text| tokeniser.token(kind, &text))
}

/// The street without the province, city and district that are told with it.
fn street(delivery: &Delivery) -> Option<String> {
    let street = plain(delivery.street.as_deref()?);
    let mut rest = street.as_str();
    let province = delivery.province.as_deref().map(region::province);
    for part in [province, delivery.city.as_deref(), delivery.district.as_deref()] {
        let part = plain(part.unwrap_or_default());
        rest = rest.strip_prefix(part.as_str()).filter(|rest| !rest.is_empty()).unwrap_or(rest);
    }
    Some(rest.to_owned())
}

fn personal_data(order: &OrderFacts) -> Option<PersonalData> {
    let mut data = PersonalData::default();
    if let Some(customer) = &order.customer {
        data.customer_id.clone_from(&customer.id);
        data.name.clone_from(&customer.name);
        data.phone.clone_from(&customer.phone);
    }
    if let Some(delivery) = &order.delivery {
        data.recipient.clone_from(&delivery.recipient);
        data.delivery_phone.clone_from(&delivery.phone);
        data.district.clone_from(&delivery.district);
        data.street.clone_from(&delivery.street);
        data.postcode.clone_from(&delivery.postcode);
    }
    if let Some(device) = &order.device {
        data.device_id.clone_from(&device.id);
        data.user_agent.clone_from(&device.user_agent);
    }
    data.ip = order.ip.map(|ip| ip.to_canonical().to_string());
    (data != PersonalData::default()).then_some(data)
}

fn personal_token(data: &PersonalData, tokeniser: &dyn Tokeniser) -> Token {
    let text = serde_json::to_string(data).expect("texts alone are always JSON");
    tokeniser.token("personal", &text)
}
