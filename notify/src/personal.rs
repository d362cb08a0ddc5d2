//! The phone number of an order's customer, out of the vault.

use domain::ids::{MerchantId, OrderId};
use domain::notice::PersonalData;
use domain::order::{Facts, OrderEvent};
use domain::phone;
use domain::time::Timestamp;
use eventlog::vault::Vault;
use eventlog::{EventLog, LogError, Position, StreamId};
use secrecy::SecretString;

/// What the vault says of a customer.
pub(crate) enum Phone {
    /// The number, in E.164 where it has that form.
    Known(SecretString),
    /// The messages told none.
    Untold,
    /// The customer's data was erased.
    Erased,
}

/// A message that said something personal.
struct Told<'a> {
    position: Position,
    as_of: Timestamp,
    commitment: &'a str,
}

/// The number to reach the buyer of an order at, or the recipient where that one is unknown; of two messages the newer one by its
/// own time counts. `events` are those of the order's stream up to what is told of.
pub(crate) async fn phone(
    log: &dyn EventLog,
    vault: &Vault,
    merchant: &MerchantId,
    order: &OrderId,
    stream: StreamId,
    events: &[(Position, OrderEvent)],
) -> Result<Phone, LogError> {
    let told: Vec<Told<'_>> = events.iter().filter_map(|(position, event)| Told::by(*position, event)).collect();
    if told.is_empty() {
        return Ok(Phone::Untold);
    }
    let [mut buyers, mut recipients]: [Option<(Timestamp, String)>; 2] = [None, None];
    let mut is_there = false;
    for row in log.read_vault(&[stream]).await? {
        let Some(told) = told.iter().find(|told| told.position == row.position) else { continue };
        is_there = true;
        let key = vault.unwrap_subject_key(merchant, &row.subject_key.subject, &row.subject_key.wrapped);
        let text =
            key.and_then(|key| vault.verify_commitment(&key, order.as_str().as_bytes(), &row.sealed, told.commitment));
        let damaged = || LogError::Damaged(format!("vault row at position {}", row.position));
        let data: PersonalData = serde_json::from_slice(&text.map_err(|_| damaged())?).map_err(|_| damaged())?;
        newest(&mut buyers, told.as_of, data.phone);
        newest(&mut recipients, told.as_of, data.delivery_phone);
    }
    if !is_there {
        return Ok(Phone::Erased);
    }
    let Some((_, written)) = buyers.or(recipients) else { return Ok(Phone::Untold) };
    let country = country(events);
    let number = phone::normalise(&written, country).map_or(written, |phone| phone.number);
    Ok(Phone::Known(SecretString::from(number)))
}

fn newest(known: &mut Option<(Timestamp, String)>, as_of: Timestamp, said: Option<String>) {
    if let Some(said) = said
        && known.as_ref().is_none_or(|(before, _)| *before <= as_of)
    {
        *known = Some((as_of, said));
    }
}

/// Where the order goes, which says how a number without a country's code is read.
fn country(events: &[(Position, OrderEvent)]) -> Option<&str> {
    fn of(facts: &Facts) -> Option<&str> {
        facts.delivery.as_ref()?.country.as_deref()
    }
    events.iter().rev().find_map(|(_, event)| match event {
        OrderEvent::Placed(placed) => of(&placed.facts),
        OrderEvent::Amended(amended) => of(&amended.changes),
        _ => None,
    })
}

impl<'a> Told<'a> {
    fn by(position: Position, event: &'a OrderEvent) -> Option<Self> {
        let (as_of, commitment) = match event {
            OrderEvent::Placed(placed) => {
                (placed.as_of.or(placed.facts.placed_at).unwrap_or_default(), placed.vault.as_deref())
            }
            OrderEvent::Amended(amended) => (amended.as_of, amended.vault.as_deref()),
            _ => return None,
        };
        Some(Self { position, as_of, commitment: commitment? })
    }
}
