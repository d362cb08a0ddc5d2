//! Reading an order's personal data out of the vault, and showing it masked.
//!
//! Each message that said something personal has a row of its own. The newest fact by event time wins, field by field, as
//! it does in the log; a row whose customer was erased is no longer there, and its fields are simply absent.

use domain::ids::{MerchantId, OrderId};
use domain::notice::{PersonalData, mask_name, mask_phone, mask_street};
use domain::order::{Facts, OrderEvent};
use domain::time::Timestamp;
use eventlog::{LogError, Position, StreamId, VaultRow};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::problem::Problem;

/// The buyer, masked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct CustomerView {
    /// The merchant's id of the customer.
    #[schema(example = "u-77")]
    pub id: Option<String>,
    /// The merchant's own level.
    #[schema(example = 2)]
    pub level: Option<u32>,
    /// The buyer's number with its middle struck out.
    #[schema(example = "138****8000")]
    pub phone_masked: Option<String>,
}

/// Where an order goes, masked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct DeliveryView {
    /// The first character of the name on the parcel.
    #[schema(example = "李*")]
    pub recipient_masked: Option<String>,
    /// The recipient's number with its middle struck out.
    #[schema(example = "139****9000")]
    pub phone_masked: Option<String>,
    /// ISO 3166 alpha-2.
    #[schema(example = "CN")]
    pub country: Option<String>,
    /// The province, Chinese ones under their full official name.
    #[schema(example = "浙江省")]
    pub province: Option<String>,
    /// The city.
    #[schema(example = "杭州市")]
    pub city: Option<String>,
    /// The district.
    #[schema(example = "西湖区")]
    pub district: Option<String>,
    /// The beginning of the street.
    #[schema(example = "文三路****")]
    pub street_masked: Option<String>,
}

/// The personal data of an order as its messages told it, merged. `events` are those of its stream.
///
/// # Errors
/// When the log cannot be read, or holds a row that is not the one its event committed to.
pub async fn of_order<'a>(
    app: &App,
    merchant: &MerchantId,
    order: &OrderId,
    stream: StreamId,
    events: impl Iterator<Item = (Position, &'a OrderEvent)>,
) -> Result<PersonalData, Problem> {
    Ok(kept(app, merchant, order, stream, events).await?.personal)
}

/// What is still there of what an order's messages told of people.
pub struct Kept {
    /// Merged.
    pub personal: PersonalData,
    messages: usize,
    rows: usize,
}

impl Kept {
    /// Whether something was told and none of it is there any more.
    pub const fn is_erased(&self) -> bool {
        self.messages > 0 && self.rows == 0
    }
}

/// As [`of_order`], with what tells whether it was erased.
///
/// # Errors
/// As [`of_order`].
pub async fn kept<'a>(
    app: &App,
    merchant: &MerchantId,
    order: &OrderId,
    stream: StreamId,
    events: impl Iterator<Item = (Position, &'a OrderEvent)>,
) -> Result<Kept, Problem> {
    let told: Vec<Told<'_>> = events.filter_map(|(position, event)| Told::by(position, event)).collect();
    if told.is_empty() {
        return Ok(Kept { personal: PersonalData::default(), messages: 0, rows: 0 });
    }
    let mut pieces: Vec<(Timestamp, PersonalData)> = Vec::with_capacity(told.len());
    for row in app.log.read_vault(&[stream]).await? {
        let Some(told) = told.iter().find(|told| told.position == row.position) else {
            // Appended after the events were read.
            continue;
        };
        pieces.push((told.as_of, opened(app, merchant, order, &row, told.commitment)?));
    }
    // Stable, so that of two facts from one time the later arrival wins.
    pieces.sort_by_key(|(as_of, _)| *as_of);
    let (messages, rows) = (told.len(), pieces.len());
    let personal = pieces.into_iter().fold(PersonalData::default(), |known, (_, piece)| overlaid(known, piece));
    Ok(Kept { personal, messages, rows })
}

/// A message that said something personal.
struct Told<'a> {
    position: Position,
    as_of: Timestamp,
    commitment: &'a str,
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

fn opened(
    app: &App,
    merchant: &MerchantId,
    order: &OrderId,
    row: &VaultRow,
    commitment: &str,
) -> Result<PersonalData, Problem> {
    let key = &row.subject_key;
    let key = app.vault.unwrap_subject_key(merchant, &key.subject, &key.wrapped);
    let key = key.map_err(|error| Problem::internal(&error))?;
    let text = app.vault.verify_commitment(&key, order.as_str().as_bytes(), &row.sealed, commitment);
    let text = text.map_err(|error| Problem::internal(&error))?;
    serde_json::from_slice(&text).map_err(|_| {
        // The parser's words could quote what it read.
        let place = format!("vault row at position {} is no personal data", row.position);
        Problem::internal(&LogError::Damaged(place))
    })
}

/// What is known, with whatever the newer piece says in its place.
fn overlaid(known: PersonalData, newer: PersonalData) -> PersonalData {
    PersonalData {
        customer_id: newer.customer_id.or(known.customer_id),
        name: newer.name.or(known.name),
        phone: newer.phone.or(known.phone),
        recipient: newer.recipient.or(known.recipient),
        delivery_phone: newer.delivery_phone.or(known.delivery_phone),
        district: newer.district.or(known.district),
        street: newer.street.or(known.street),
        postcode: newer.postcode.or(known.postcode),
        device_id: newer.device_id.or(known.device_id),
        user_agent: newer.user_agent.or(known.user_agent),
        ip: newer.ip.or(known.ip),
    }
}

impl CustomerView {
    /// `None` when nothing is known of the buyer.
    pub fn of(facts: &Facts, personal: &PersonalData) -> Option<Self> {
        let view = Self {
            id: personal.customer_id.clone(),
            level: facts.customer.as_ref().and_then(|customer| customer.level),
            phone_masked: personal.phone.as_deref().map(mask_phone),
        };
        let is_known = facts.customer.is_some() || view.id.is_some() || view.phone_masked.is_some();
        is_known.then_some(view)
    }
}

impl DeliveryView {
    /// `None` when nothing is known of where it goes.
    pub fn of(facts: &Facts, personal: &PersonalData) -> Option<Self> {
        let coarse = facts.delivery.clone().unwrap_or_default();
        let view = Self {
            recipient_masked: personal.recipient.as_deref().map(mask_name),
            phone_masked: personal.delivery_phone.as_deref().map(mask_phone),
            country: coarse.country.map(Into::into),
            province: coarse.province.map(Into::into),
            city: coarse.city.map(Into::into),
            district: personal.district.clone(),
            street_masked: personal.street.as_deref().map(mask_street),
        };
        let is_personal = [&view.recipient_masked, &view.phone_masked, &view.district, &view.street_masked];
        let is_known = facts.delivery.is_some() || is_personal.into_iter().any(Option::is_some);
        is_known.then_some(view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_message_says_replaces_and_what_it_leaves_out_stays() {
        let known = PersonalData {
            name: Some("张三".to_owned()),
            phone: Some("13800138000".to_owned()),
            ..PersonalData::default()
        };
        let newer = PersonalData { phone: Some("13900139000".to_owned()), ..PersonalData::default() };
        let merged = overlaid(known, newer);
        assert_eq!(merged.name.as_deref(), Some("张三"));
        assert_eq!(merged.phone.as_deref(), Some("13900139000"));
    }

    #[test]
    fn nothing_known_is_shown_as_nothing() {
        let (facts, personal) = (Facts::default(), PersonalData::default());
        assert_eq!(CustomerView::of(&facts, &personal), None);
        assert_eq!(DeliveryView::of(&facts, &personal), None);
    }
}
