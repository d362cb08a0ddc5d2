//! An order's placement as far as screenings, and what becomes of them, depend on it.
//!
//! Whoever goes through a whole log decodes one for each order. What no feature and no signal looks at is passed over where it
//! stands: who goes on to compare facts, or to tell them, needs all of them and reads [`Placed`](domain::order::Placed).

use domain::ids::{Channel, Token};
use domain::order::{CustomerFacts, DeliveryFacts, Facts, IpFacts, Line, PhoneFacts};
use domain::signal::OrderScore;
use domain::time::Timestamp;
use eventlog::Shown;
use serde::{Deserialize, Deserializer};

use crate::memory::FoldError;
use crate::pages::read;

/// See the module. The other facts are unknown, whether they are or not.
#[derive(Deserialize)]
#[cfg_attr(test, derive(PartialEq, Debug))]
pub(crate) struct Placement {
    pub(crate) channel: Channel,
    #[serde(default)]
    pub(crate) as_of: Option<Timestamp>,
    #[serde(deserialize_with = "FactsNeeded::deserialize")]
    pub(crate) facts: Facts,
}

impl Placement {
    pub(crate) fn read(event: Shown<'_>) -> Result<Box<Self>, FoldError> {
        #[derive(Deserialize)]
        struct Payload {
            #[serde(rename = "Placed")]
            placed: Box<Placement>,
        }
        read::<Payload>(event).map(|payload| payload.placed)
    }
}

#[derive(Deserialize)]
#[serde(remote = "Facts")]
struct FactsNeeded {
    placed_at: Option<Timestamp>,
    #[serde(skip)]
    display_no: Option<Box<str>>,
    currency: Option<Box<str>>,
    amount: Option<i64>,
    #[serde(default, deserialize_with = "lines")]
    lines: Option<Vec<Line>>,
    customer: Option<CustomerFacts>,
    #[serde(default, deserialize_with = "delivery")]
    delivery: Option<DeliveryFacts>,
    device: Option<Token>,
    ip: Option<IpFacts>,
    payment_due_at: Option<Timestamp>,
    #[serde(skip)]
    personal: Option<Token>,
    score: Option<OrderScore>,
}

#[derive(Deserialize)]
#[serde(remote = "DeliveryFacts")]
struct DeliveryNeeded {
    address: Option<Token>,
    phone: Option<PhoneFacts>,
    #[serde(skip)]
    country: Option<Box<str>>,
    province: Option<Box<str>>,
    #[serde(skip)]
    city: Option<Box<str>>,
    #[serde(skip)]
    district: Option<Token>,
    #[serde(skip)]
    street: Option<Token>,
}

#[derive(Deserialize)]
#[serde(remote = "Line")]
struct LineNeeded {
    sku: Box<str>,
    #[serde(skip)]
    title: Option<Box<str>>,
    quantity: u32,
    #[serde(skip)]
    unit_price: Option<i64>,
}

fn lines<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Line>>, D::Error> {
    #[derive(Deserialize)]
    struct Needed(#[serde(deserialize_with = "LineNeeded::deserialize")] Line);
    let lines = Option::<Vec<Needed>>::deserialize(deserializer)?;
    Ok(lines.map(|lines| lines.into_iter().map(|Needed(line)| line).collect()))
}

fn delivery<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DeliveryFacts>, D::Error> {
    #[derive(Deserialize)]
    struct Needed(#[serde(deserialize_with = "DeliveryNeeded::deserialize")] DeliveryFacts);
    Ok(Option::<Needed>::deserialize(deserializer)?.map(|Needed(delivery)| delivery))
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use domain::feature::{CATALOGUE, FeatureRef, Value};
    use domain::order::{OrderEvent, Placed};
    use domain::signal::SubjectKind;
    use domain::time::Span;
    use eventlog::StreamName;

    use super::*;
    use crate::windows::Windows;

    const PLACED: [&str; 2] = [
        include_str!("../../domain/tests/golden/events/Placed.json"),
        include_str!("../../domain/tests/golden/events/Placed.scored.json"),
    ];

    fn both(payload: &str) -> (Placed, Box<Placement>) {
        let merchant = "shop".parse().unwrap();
        let shown = Shown {
            partition: 0,
            position: 1,
            stream: 1,
            key: StreamName { merchant: &merchant, aggregate_type: "order", aggregate_id: "web:A1001" },
            sequence: 1,
            event_type: "Placed",
            event_version: "1",
            payload,
            occurred_at: Timestamp::default(),
            recorded_at: Timestamp::default(),
        };
        let OrderEvent::Placed(placed) = read(shown).unwrap() else { panic!("{payload}") };
        (placed, Placement::read(shown).unwrap())
    }

    fn observed(facts: &Facts, channel: &Channel) -> Vec<Option<Value>> {
        let window = |takes_window: bool| takes_window.then_some(Span::from_hours(1));
        let features = CATALOGUE
            .iter()
            .map(|spec| FeatureRef { feature: spec.feature, window: window(spec.takes_window()) })
            .collect::<Vec<_>>();
        let (mut windows, mut values) = (Windows::new(), Vec::new());
        windows.place(1, facts, facts.placed_at.unwrap());
        windows.observe(1, channel.as_str(), facts, Tz::Asia__Shanghai, &features, &mut values);
        values
    }

    #[test]
    fn features_and_signals_find_all_that_they_look_at() {
        for payload in PLACED {
            let (placed, needed) = both(payload);
            assert_eq!((&needed.channel, needed.as_of), (&placed.channel, placed.as_of));
            assert_eq!(observed(&needed.facts, &needed.channel), observed(&placed.facts, &placed.channel));
            for kind in SubjectKind::ALL {
                assert_eq!(kind.token(&needed.facts), kind.token(&placed.facts), "{kind:?}");
            }
            let province = |facts: &Facts| facts.delivery.as_ref().and_then(|delivery| delivery.province.clone());
            assert_eq!(province(&needed.facts), province(&placed.facts));
            assert_eq!(needed.facts.score, placed.facts.score);
            assert_eq!(needed.facts.payment_due_at, placed.facts.payment_due_at);
        }
    }

    #[test]
    fn the_others_are_passed_over() {
        let (placed, needed) = both(PLACED[0]);
        let mut rest = placed.facts;
        (rest.display_no, rest.personal) = (None, None);
        for line in rest.lines.iter_mut().flatten() {
            (line.title, line.unit_price) = (None, None);
        }
        let delivery = rest.delivery.as_mut().unwrap();
        (delivery.country, delivery.city, delivery.district, delivery.street) = (None, None, None, None);
        assert_eq!(needed.facts, rest);
    }
}
