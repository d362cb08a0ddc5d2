//! What the log may hold of an order, and what of it goes into the vault.

use std::collections::BTreeSet;

use domain::ids::Token;
use domain::notice::{
    Customer, Delivery, Device, OrderFacts, PersonalData, Tokeniser, address_token, ip_facts, subject, tokenise,
};
use domain::order::{Facts, address};
use domain::phone::PhoneKind;
use sha2::{Digest, Sha256};

/// Tokens without a key: equal texts of one kind have equal tokens, and no others do.
struct Plain;

impl Tokeniser for Plain {
    fn token(&self, kind: &'static str, value: &str) -> Token {
        let hash = Sha256::new().chain_update(kind).chain_update([0]).chain_update(value).finalize();
        Token::new(hash[..16].try_into().expect("sixteen bytes"))
    }
}

fn order() -> OrderFacts {
    OrderFacts {
        placed_at: "2026-11-11T00:00:00Z".parse().ok(),
        amount: Some(39_900),
        customer: Some(Customer {
            id: Some("u-77".into()),
            name: Some("张三".into()),
            phone: Some("138-0013-8000".into()),
            level: Some(2),
            registered_at: None,
        }),
        delivery: Some(home()),
        device: Some(Device { id: Some("d-9f1c".into()), user_agent: Some("Mozilla/5.0".into()) }),
        ip: "203.0.113.7".parse().ok(),
        ..OrderFacts::default()
    }
}

fn home() -> Delivery {
    Delivery {
        recipient: Some("李四".into()),
        phone: Some("+86 13800138000".into()),
        country: Some("CN".into()),
        province: Some("浙江".into()),
        city: Some("杭州市".into()),
        district: Some("西湖区".into()),
        street: Some("文三路 1 号".into()),
        postcode: Some("310000".into()),
    }
}

#[test]
fn nothing_personal_stays_in_the_facts() {
    let (facts, personal) = tokenise(&order(), &Plain);
    let log = serde_json::to_string(&facts).expect("json");
    for secret in [
        "u-77",
        "张三",
        "李四",
        "13800138000",
        "138-0013-8000",
        "文三路",
        "西湖",
        "310000",
        "d-9f1c",
        "Mozilla",
        "203.0.113",
    ] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    let vault = serde_json::to_string(&personal).expect("json");
    assert_eq!(
        vault,
        "{\"customer_id\":\"u-77\",\"name\":\"张三\",\"phone\":\"138-0013-8000\",\"recipient\":\"李四\",\
         \"delivery_phone\":\"+86 13800138000\",\"district\":\"西湖区\",\"street\":\"文三路 1 号\",\
         \"postcode\":\"310000\",\"device_id\":\"d-9f1c\",\"user_agent\":\"Mozilla/5.0\",\"ip\":\"203.0.113.7\"}"
    );
    assert_eq!(serde_json::from_str::<PersonalData>(&vault).ok(), personal);
}

#[test]
fn coarse_facts_stay_readable() {
    let (facts, _) = tokenise(&order(), &Plain);
    let delivery = facts.delivery.expect("a delivery");
    assert_eq!((delivery.country.as_deref(), delivery.province.as_deref()), (Some("CN"), Some("浙江省")));
    assert_eq!(delivery.city.as_deref(), Some("杭州市"));
    let customer = facts.customer.expect("a customer");
    assert_eq!((customer.level, customer.phone.map(|phone| phone.kind)), (Some(2), Some(PhoneKind::Mobile)));
}

#[test]
fn the_buyers_and_the_recipients_number_match_in_any_notation() {
    let (facts, _) = tokenise(&order(), &Plain);
    let buyer = facts.customer.expect("a customer").phone.expect("a number");
    assert_eq!(Some(buyer), facts.delivery.expect("a delivery").phone);
}

#[test]
fn a_masked_number_is_no_evidence_but_is_kept() {
    let customer = Customer { phone: Some("138****8000".into()), ..Customer::default() };
    let (facts, personal) = tokenise(&OrderFacts { customer: Some(customer), ..OrderFacts::default() }, &Plain);
    assert_eq!(facts.customer, None);
    assert_eq!(personal.expect("personal data").phone.as_deref(), Some("138****8000"));
}

#[test]
fn an_order_without_personal_data_has_none() {
    let order = OrderFacts {
        amount: Some(1),
        delivery: Some(Delivery {
            province: Some("浙江".into()), city: Some("杭州市".into()), ..Delivery::default()
        }),
        ..OrderFacts::default()
    };
    let (facts, personal) = tokenise(&order, &Plain);
    assert_eq!((personal, facts.personal), (None, None));
    assert_eq!(facts.delivery.expect("a delivery").address, None);
    assert_eq!(tokenise(&OrderFacts::default(), &Plain), (Facts::default(), None));
}

#[test]
fn a_change_that_only_the_vault_shows_changes_the_facts() {
    let (before, _) = tokenise(&order(), &Plain);
    let mut changed = order();
    changed.customer.as_mut().expect("a customer").name = Some("张三丰".into());
    let (after, _) = tokenise(&changed, &Plain);
    assert_ne!(before.personal, after.personal);
    assert_eq!(Facts { personal: None, ..before }, Facts { personal: None, ..after });
}

#[test]
fn the_same_address_in_other_words_is_the_same_address() {
    let token = |change: fn(&mut Delivery)| {
        let mut delivery = home();
        change(&mut delivery);
        address_token(&delivery, &Plain)
    };
    let home = token(|_| {});
    assert!(home.is_some());
    let same: [fn(&mut Delivery); 8] = [
        |d| d.recipient = None,
        |d| d.postcode = None,
        |d| d.phone = None,
        |d| d.country = None,
        |d| d.province = Some(" 浙江省 ".into()),
        |d| d.street = Some("文三路1号。".into()),
        |d| d.street = Some("文三路　１　号".into()),
        |d| d.street = Some("浙江省杭州市西湖区文三路1号".into()),
    ];
    assert_eq!(tokenise(&order(), &Plain).0.delivery.expect("a delivery").address, home);
    for change in same {
        assert_eq!(token(change), home);
    }
    let other: [fn(&mut Delivery); 4] = [
        |d| d.street = Some("文三路 2 号".into()),
        |d| d.city = Some("宁波市".into()),
        |d| d.country = Some("US".into()),
        |d| d.province = None,
    ];
    for change in other {
        assert_ne!(token(change), home);
    }
    assert_eq!(token(|d| d.street = None), None);
    assert_eq!(token(|d| d.street = Some("——".into())), None);
}

#[test]
fn district_and_street_have_tokens_of_their_own() {
    let delivery = |street: &str| {
        let delivery = Delivery { street: Some(street.into()), ..home() };
        let (facts, _) = tokenise(&OrderFacts { delivery: Some(delivery), ..OrderFacts::default() }, &Plain);
        facts.delivery.expect("a delivery")
    };
    let known = delivery("文三路 1 号");
    assert_eq!(
        (known.district, known.street),
        (Some(Plain.token("district", "西湖区")), Some(Plain.token("street", "文三路1号")))
    );
    assert_eq!(known.address, address(&known));
    assert_eq!(delivery("浙江省杭州市西湖区文三路1号"), known);
}

#[test]
fn the_numbers_of_an_address_do_not_run_together() {
    let token = |street: &str| address_token(&Delivery { street: Some(street.into()), ..Delivery::default() }, &Plain);
    let streets = ["Elm Road 3-12", "Elm Road 31-2", "Elm Road 312"];
    assert_eq!(streets.map(token).into_iter().collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(token("ELM ROAD 3－12"), token("elm road, 3 / 12"));
}

#[test]
fn addresses_of_the_internet_are_grouped_by_their_net() {
    let facts = |text: &str| ip_facts(text.parse().expect("an address"), &Plain);
    assert_eq!(facts("203.0.113.7").net, facts("203.0.113.200").net);
    assert_ne!(facts("203.0.113.7").token, facts("203.0.113.200").token);
    assert_ne!(facts("203.0.113.7").net, facts("203.0.114.7").net);
    assert_eq!(facts("::ffff:203.0.113.7"), facts("203.0.113.7"));
    assert_eq!(facts("2001:db8:1:1::1").net, facts("2001:db8:1:ffff::2").net);
    assert_ne!(facts("2001:db8:1::1").net, facts("2001:db8:2::1").net);
    assert_eq!(facts("2001:db8:1::1"), facts("2001:0DB8:0001:0::0001"));
}

#[test]
fn personal_data_is_sealed_for_who_is_known_best() {
    let own = Plain.token("order", "web:A1001");
    let of = |order: &OrderFacts| subject(&tokenise(order, &Plain).0, own);
    let mut order = order();
    order.delivery.as_mut().expect("a delivery").phone = Some("13900139000".into());
    assert_eq!(of(&order), Plain.token("customer", "u-77"));
    order.customer.as_mut().expect("a customer").id = None;
    assert_eq!(of(&order), Plain.token("phone", "+8613800138000"));
    order.customer = None;
    assert_eq!(of(&order), Plain.token("phone", "+8613900139000"));
    order.delivery = None;
    assert_eq!(of(&order), own);
}
