//! Orders made up for the examples: three events each, whose customers, devices and so on come back among them.

use std::error::Error;

use domain::ids::{MerchantId, OrderId, Token};
use domain::order::{
    CustomerFacts, DeliveryFacts, Facts, Hit, IpFacts, Line, OrderEvent, PhoneFacts, Placed, Reading, Readings,
    Released, ReleasedCause, Scored, ScoredCause,
};
use domain::phone::PhoneKind;
use domain::time::{Span, Timestamp};
use eventlog::{Batch, EventLog, NewEvent, StreamKey, ids_of, partition_of};

const BATCH_ORDERS: u32 = 256;

/// Whose they are.
pub(crate) fn merchant() -> MerchantId {
    "default".parse().expect("it is a name")
}

/// The id of the order with a number.
pub(crate) fn order_id(number: u32) -> OrderId {
    format!("web:A{number:08}").parse().expect("it is an id")
}

/// Fills an empty log with orders of the merchant `default`.
pub(crate) async fn fill(log: &dyn EventLog, orders: u32) -> Result<(), Box<dyn Error>> {
    let partition = partition_of(&merchant(), log.partitions());
    let acquired = log.acquire(partition).await?;
    let mut head = acquired.head;
    for first in (0..orders).step_by(usize::try_from(BATCH_ORDERS)?) {
        let mut batch = Batch { partition, epoch: acquired.epoch, after: head, ..Batch::default() };
        for number in first..orders.min(first + BATCH_ORDERS) {
            let stream = ids_of(partition).start() + u64::from(number);
            let recorded_at = Timestamp::from_millis(1_794_355_200_000).plus(Span::from_millis(i64::from(number) / 10));
            let key = StreamKey {
                merchant: merchant(),
                aggregate_type: "order".into(),
                aggregate_id: order_id(number).as_str().into(),
            };
            batch.streams.push((stream, key));
            for (sequence, event) in (1..).zip(events(number, recorded_at)?) {
                batch.events.push(NewEvent {
                    stream,
                    sequence,
                    event_type: event.name(),
                    event_version: "1",
                    payload: serde_json::to_string(&event)?,
                    metadata: r#"{"actor":"web","source":"web"}"#.into(),
                    occurred_at: recorded_at,
                    recorded_at,
                });
            }
        }
        head += u64::try_from(batch.events.len())?;
        log.append(batch).await?;
    }
    Ok(())
}

/// A token of one of `count` things; spread like a keyed digest.
fn token(number: u32, count: u32, kind: u64) -> Token {
    let one = (u64::from(number.wrapping_mul(2_654_435_761) % count) << 8) | kind;
    let spread = one.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&spread.to_be_bytes());
    Token::new(bytes)
}

fn events(number: u32, placed_at: Timestamp) -> Result<[OrderEvent; 3], Box<dyn Error>> {
    let phone = |kind| Some(PhoneFacts { token: token(number, 40_000, kind), kind: PhoneKind::Mobile });
    let facts = Facts {
        placed_at: Some(placed_at),
        currency: Some("CNY".into()),
        amount: Some(39_900),
        lines: Some(vec![Line {
            sku: "MASK-01".into(),
            title: Some("面膜".into()),
            quantity: 2,
            unit_price: Some(19_950),
        }]),
        customer: Some(CustomerFacts {
            token: Some(token(number, 40_000, 1)),
            phone: phone(2),
            level: Some(2),
            registered_at: Some(placed_at),
        }),
        delivery: Some(DeliveryFacts {
            address: Some(token(number, 45_000, 3)),
            phone: phone(4),
            country: Some("CN".into()),
            province: Some("浙江省".into()),
            city: Some("杭州市".into()),
            ..DeliveryFacts::default()
        }),
        device: Some(token(number, 40_000, 5)),
        ip: Some(IpFacts { token: token(number, 30_000, 6), net: token(number, 3_000, 7) }),
        payment_due_at: Some(placed_at.plus(Span::from_mins(30))),
        ..Facts::default()
    };
    let placed = Placed {
        channel: "web".parse()?,
        order_no: order_id(number).order_no().parse()?,
        as_of: None,
        facts,
        vault: Some("00".repeat(32).into()),
    };
    let readings = |names: &[&str]| {
        Readings(names.iter().map(|name| ((*name).into(), Some(Reading::Int(i64::from(number % 9))))).collect())
    };
    let scored = Scored {
        score: 30,
        tier: "pass".into(),
        hits: vec![Hit { rule: "address_changed".into(), points: 30, evidence: readings(&["address.changed"]) }],
        features: readings(&[
            "address.changed",
            "address.familiar",
            "customer.level",
            "customer.orders[1h]",
            "device.customers[24h]",
            "device.orders[5m]",
            "ip.orders[10m]",
            "ip24.unpaid_share[1h]",
            "order.amount",
            "phone.kind",
        ]),
        rulebook_version: 3,
        rulebook_hash: "00".repeat(32).into(),
        exemption: None,
        cause: ScoredCause::Placed,
        trigger: None,
        swept: vec![],
        shadow: None,
    };
    let released = Released::by_itself(ReleasedCause::Clean);
    Ok([OrderEvent::Placed(placed), OrderEvent::Scored(scored), OrderEvent::Released(released)])
}
