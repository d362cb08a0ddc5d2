//! What back-tests need of events, as bytes.
//!
//! An entry is a kind, the event's stream, its place there, when it was recorded, whose it is, and what it says: the frequent
//! kinds of events in a form of their own, all others as they stand in the log. A text is written out where a block has it first,
//! and is a number from then on; the names of the features that screenings read are one such number together.

use std::borrow::Cow;

use domain::ids::{MerchantId, Token};
use domain::order::{CustomerFacts, DeliveryFacts, Facts, IpFacts, Line, PhoneFacts, Reading, ScoredCause, Status};
use domain::phone::PhoneKind;
use domain::time::Timestamp;
use eventlog::{Position, Shown, StreamName};
use rustc_hash::FxHashMap;

use super::super::asked::{Name, Told};
use super::super::step::{Place, RecordedHit, Said, Scored};
use crate::bytes::{Reader, Writer};
use crate::placement::Placement;

const PLACED: u8 = 0;
const REPORTED: u8 = 1;
const SCORED: u8 = 2;
const HELD: u8 = 3;
const HELD_NO_MORE: u8 = 4;
const NOTHING: u8 = 5;
const OTHER: u8 = 6;

/// By these places; what has none is written as it stands in the log.
const STATUSES: [Status; 8] = [
    Status::Paid,
    Status::PartiallyShipped,
    Status::Shipped,
    Status::Delivered,
    Status::Completed,
    Status::Cancelled,
    Status::RefundRequested,
    Status::Refunded,
];
const CAUSES: [ScoredCause; 5] =
    [ScoredCause::Placed, ScoredCause::Amended, ScoredCause::LateEvidence, ScoredCause::Sibling, ScoredCause::Manual];
const PHONE_KINDS: [PhoneKind; 6] = [
    PhoneKind::Mobile,
    PhoneKind::Virtual,
    PhoneKind::Privacy,
    PhoneKind::Landline,
    PhoneKind::Foreign,
    PhoneKind::Unknown,
];

const UNKNOWN: u8 = 0;
const NO: u8 = 1;
const YES: u8 = 2;
const INT: u8 = 3;
const TEXT: u8 = 4;

fn place_of<T: PartialEq>(all: &[T], one: &T) -> Option<u8> {
    u8::try_from(all.iter().position(|other| other == one)?).ok()
}

/// Entries of one block, on their way into it.
#[derive(Default)]
pub(in crate::backtest) struct Entries {
    writer: Writer,
    texts: FxHashMap<Box<str>, u64>,
    /// The names of the features of screenings, each with the values of one.
    rows: Vec<Vec<Box<str>>>,
    recorded_at: i64,
}

impl Entries {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.writer.into_bytes()
    }

    /// Adds the next event.
    pub(in crate::backtest) fn add(&mut self, event: Shown<'_>, said: &Said<'_>) {
        match said {
            Said::Placed(placement) if is_plain(placement) => {
                self.begin(PLACED, event);
                self.placement(placement, event.recorded_at);
            }
            Said::Reported(status, at) if let Some(status) = place_of(&STATUSES, status) => {
                self.begin(REPORTED, event);
                self.writer.byte(status);
                self.time(*at, event.recorded_at);
            }
            Said::Scored(scored) if let Some(cause) = place_of(&CAUSES, &scored.cause) => {
                self.begin(SCORED, event);
                self.scored(scored, cause);
            }
            Said::Held(is_held) => self.begin(if *is_held { HELD } else { HELD_NO_MORE }, event),
            Said::Nothing => self.begin(NOTHING, event),
            Said::Placed(_) | Said::Reported(..) | Said::Scored(_) | Said::Other(_) => {
                self.begin(OTHER, event);
                self.text(event.key.aggregate_type);
                self.writer.text(event.key.aggregate_id);
                self.text(event.event_type);
                self.text(event.event_version);
                self.time(event.occurred_at, event.recorded_at);
                self.writer.text(event.payload);
            }
        }
    }

    fn begin(&mut self, kind: u8, event: Shown<'_>) {
        self.writer.byte(kind);
        self.writer.number(event.stream);
        self.writer.number(event.sequence);
        let recorded_at = event.recorded_at.millis();
        self.writer.signed(recorded_at.wrapping_sub(self.recorded_at));
        self.recorded_at = recorded_at;
        self.text(event.key.merchant.as_str());
    }

    /// As the distance from the time at which the event was recorded.
    fn time(&mut self, time: Timestamp, recorded_at: Timestamp) {
        self.writer.signed(time.millis().wrapping_sub(recorded_at.millis()));
    }

    fn text(&mut self, text: &str) {
        if let Some(number) = self.texts.get(text) {
            return self.writer.number(*number);
        }
        self.writer.number(0);
        self.writer.text(text);
        self.texts.insert(text.into(), self.texts.len() as u64 + 1);
    }

    /// Whether something is there, and then what it is.
    fn maybe<T>(&mut self, known: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.writer.byte(known.is_some().into());
        if let Some(known) = known {
            write(self, known);
        }
    }

    fn scored(&mut self, scored: &Scored<'_>, cause: u8) {
        let Scored { score, tier, hits, features, exemption, cause: _, trigger } = scored;
        self.writer.byte(cause);
        self.writer.byte(trigger.is_some().into());
        self.writer.signed(*score);
        self.maybe(tier.as_deref(), Self::text);
        self.maybe(exemption.as_deref(), Self::text);
        self.writer.count(hits.len());
        for RecordedHit { rule, points } in hits {
            self.text(rule);
            self.writer.signed(*points);
        }
        self.row(features);
        for (_, reading) in &features.0 {
            match reading {
                None => self.writer.byte(UNKNOWN),
                Some(Reading::Bool(holds)) => self.writer.byte(if *holds { YES } else { NO }),
                Some(Reading::Int(number)) => {
                    self.writer.byte(INT);
                    self.writer.signed(*number);
                }
                Some(Reading::Text(text)) => {
                    self.writer.byte(TEXT);
                    self.text(text);
                }
            }
        }
    }

    fn row(&mut self, features: &Told<'_>) {
        let is_this = |row: &Vec<Box<str>>| {
            row.len() == features.0.len() && row.iter().zip(&features.0).all(|(name, (told, _))| **name == *told.0)
        };
        if let Some(place) = self.rows.iter().position(is_this) {
            return self.writer.count(place + 1);
        }
        self.writer.number(0);
        self.writer.count(features.0.len());
        features.0.iter().for_each(|(name, _)| self.writer.text(&name.0));
        self.rows.push(features.0.iter().map(|(name, _)| (*name.0).into()).collect());
    }

    fn placement(&mut self, placement: &Placement, recorded_at: Timestamp) {
        let Placement { channel, as_of, facts } = placement;
        self.text(channel.as_str());
        self.maybe(*as_of, |entries, as_of| entries.time(as_of, recorded_at));
        // What a placement passes over is not there.
        let Facts {
            placed_at,
            display_no: _,
            currency,
            amount,
            lines,
            customer,
            delivery,
            device,
            ip,
            payment_due_at,
            personal: _,
            score: _,
        } = facts;
        self.maybe(*placed_at, |entries, placed_at| entries.time(placed_at, recorded_at));
        self.maybe(currency.as_deref(), Self::text);
        self.maybe(*amount, |entries, amount| entries.writer.signed(amount));
        self.maybe(lines.as_deref(), |entries, lines| {
            entries.writer.count(lines.len());
            for Line { sku, title: _, quantity, unit_price: _ } in lines {
                entries.text(sku);
                entries.writer.number((*quantity).into());
            }
        });
        self.maybe(customer.as_ref(), |entries, customer| {
            let CustomerFacts { token, phone, level, registered_at } = customer;
            entries.maybe(*token, Self::token);
            entries.maybe(*phone, Self::phone);
            entries.maybe(*level, |entries, level| entries.writer.number(level.into()));
            entries.maybe(*registered_at, |entries, since| entries.time(since, recorded_at));
        });
        self.maybe(delivery.as_ref(), |entries, delivery| {
            let DeliveryFacts { address, phone, country: _, province, city: _, district: _, street: _ } = delivery;
            entries.maybe(*address, Self::token);
            entries.maybe(*phone, Self::phone);
            entries.maybe(province.as_deref(), Self::text);
        });
        self.maybe(*device, Self::token);
        self.maybe(*ip, |entries, IpFacts { token, net }| {
            entries.token(token);
            entries.token(net);
        });
        self.maybe(*payment_due_at, |entries, due_at| entries.time(due_at, recorded_at));
    }

    fn token(&mut self, token: Token) {
        self.writer.plain(token.as_bytes());
    }

    fn phone(&mut self, PhoneFacts { token, kind }: PhoneFacts) {
        self.writer.byte(place_of(&PHONE_KINDS, &kind).unwrap_or_default());
        self.token(token);
    }
}

/// A model's own score and a kind of number that has no place here are told by the log's form alone.
fn is_plain(placement: &Placement) -> bool {
    let Facts { customer, delivery, score, .. } = &placement.facts;
    let phones = [customer.as_ref().and_then(|it| it.phone), delivery.as_ref().and_then(|it| it.phone)];
    score.is_none() && phones.iter().flatten().all(|phone| PHONE_KINDS.contains(&phone.kind))
}

/// The entries of a block, one after the other.
pub(in crate::backtest) struct Block<'a> {
    reader: Reader<'a>,
    partition: u32,
    position: Position,
    texts: Vec<&'a str>,
    rows: Vec<Vec<&'a str>>,
    recorded_at: i64,
    merchants: FxHashMap<&'a str, MerchantId>,
}

impl<'a> Block<'a> {
    /// Of the events of a partition after a position.
    pub(in crate::backtest) fn new(bytes: &'a [u8], partition: u32, after: Position) -> Self {
        let reader = Reader::new(bytes);
        let (texts, rows, merchants) = (Vec::new(), Vec::new(), FxHashMap::default());
        Self { reader, partition, position: after, texts, rows, recorded_at: 0, merchants }
    }

    pub(in crate::backtest) const fn is_at_end(&self) -> bool {
        self.reader.is_at_end()
    }

    /// Shows the next event, whose merchant is lent; `None` where the bytes were not written by [`Entries`].
    pub(in crate::backtest) fn next<T>(&mut self, show: impl FnOnce(Place<'_>, Said<'_>) -> T) -> Option<T> {
        let kind = self.reader.byte()?;
        let (stream, sequence) = (self.reader.number()?, self.reader.number()?);
        self.recorded_at = self.recorded_at.wrapping_add(self.reader.signed()?);
        let recorded_at = Timestamp::from_millis(self.recorded_at);
        let merchant = self.text()?;
        if !self.merchants.contains_key(merchant) {
            self.merchants.insert(merchant, merchant.parse().ok()?);
        }
        self.position += 1;
        let said = match kind {
            PLACED => Said::Placed(Box::new(self.placement(recorded_at)?)),
            REPORTED => {
                let status = *STATUSES.get(usize::from(self.reader.byte()?))?;
                Said::Reported(status, self.time(recorded_at)?)
            }
            SCORED => Said::Scored(self.scored()?),
            HELD => Said::Held(true),
            HELD_NO_MORE => Said::Held(false),
            NOTHING => Said::Nothing,
            OTHER => return self.other(stream, sequence, recorded_at, merchant, show),
            _ => return None,
        };
        let merchant = &self.merchants[merchant];
        Some(show(Place { position: self.position, stream, sequence, recorded_at, merchant }, said))
    }

    fn other<T>(
        &mut self,
        stream: u64,
        sequence: u64,
        recorded_at: Timestamp,
        merchant: &str,
        show: impl FnOnce(Place<'_>, Said<'_>) -> T,
    ) -> Option<T> {
        let (aggregate_type, aggregate_id) = (self.text()?, self.reader.text()?);
        let (event_type, event_version) = (self.text()?, self.text()?);
        let (occurred_at, payload) = (self.time(recorded_at)?, self.reader.text()?);
        let key = StreamName { merchant: &self.merchants[merchant], aggregate_type, aggregate_id };
        let (partition, position) = (self.partition, self.position);
        let event = Shown {
            partition,
            position,
            stream,
            key,
            sequence,
            event_type,
            event_version,
            payload,
            occurred_at,
            recorded_at,
        };
        Some(show(Place::of(event), Said::of(event, None).ok()?))
    }

    fn time(&mut self, recorded_at: Timestamp) -> Option<Timestamp> {
        Some(Timestamp::from_millis(recorded_at.millis().wrapping_add(self.reader.signed()?)))
    }

    fn text(&mut self) -> Option<&'a str> {
        match self.reader.number()? {
            0 => {
                let text = self.reader.text()?;
                self.texts.push(text);
                Some(text)
            }
            number => self.texts.get(usize::try_from(number).ok()? - 1).copied(),
        }
    }

    /// `None` where the bytes end; what is not known is none within.
    fn maybe<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.reader.byte()? {
            0 => Some(None),
            _ => read(self).map(Some),
        }
    }

    fn owned(&mut self) -> Option<Box<str>> {
        self.text().map(Into::into)
    }

    fn scored(&mut self) -> Option<Scored<'a>> {
        let cause = *CAUSES.get(usize::from(self.reader.byte()?))?;
        let trigger = (self.reader.byte()? != 0).then_some(serde::de::IgnoredAny);
        let score = self.reader.signed()?;
        let (tier, exemption) = (self.maybe(Self::owned)?, self.maybe(Self::owned)?);
        let count = self.reader.count()?;
        let hit = |_| Some(RecordedHit { rule: self.owned()?, points: self.reader.signed()? });
        let hits = (0..count).map(hit).collect::<Option<_>>()?;
        Some(Scored { score, tier, hits, features: self.features()?, exemption, cause, trigger })
    }

    fn features(&mut self) -> Option<Told<'a>> {
        let row = match self.reader.number()? {
            0 => {
                let count = self.reader.count()?;
                let names = (0..count).map(|_| self.reader.text()).collect::<Option<_>>()?;
                self.rows.push(names);
                self.rows.len() - 1
            }
            number => usize::try_from(number).ok()? - 1,
        };
        let mut told = Vec::with_capacity(self.rows.get(row)?.len());
        for place in 0..self.rows[row].len() {
            let reading = match self.reader.byte()? {
                UNKNOWN => None,
                NO => Some(Reading::Bool(false)),
                YES => Some(Reading::Bool(true)),
                INT => Some(Reading::Int(self.reader.signed()?)),
                TEXT => Some(Reading::Text(self.text()?.into())),
                _ => return None,
            };
            told.push((Name(Cow::Borrowed(self.rows[row][place])), reading));
        }
        Some(Told(told))
    }

    fn placement(&mut self, recorded_at: Timestamp) -> Option<Placement> {
        let channel = self.text()?.parse().ok()?;
        let as_of = self.maybe(|block| block.time(recorded_at))?;
        let placed_at = self.maybe(|block| block.time(recorded_at))?;
        let currency = self.maybe(Self::owned)?;
        let amount = self.maybe(|block| block.reader.signed())?;
        let lines = self.maybe(Self::lines)?;
        let customer = self.maybe(|block| {
            Some(CustomerFacts {
                token: block.maybe(Self::token)?,
                phone: block.maybe(Self::phone)?,
                level: block.maybe(|block| u32::try_from(block.reader.number()?).ok())?,
                registered_at: block.maybe(|block| block.time(recorded_at))?,
            })
        })?;
        let delivery = self.maybe(|block| {
            Some(DeliveryFacts {
                address: block.maybe(Self::token)?,
                phone: block.maybe(Self::phone)?,
                province: block.maybe(Self::owned)?,
                ..DeliveryFacts::default()
            })
        })?;
        let device = self.maybe(Self::token)?;
        let ip = self.maybe(|block| Some(IpFacts { token: block.token()?, net: block.token()? }))?;
        let payment_due_at = self.maybe(|block| block.time(recorded_at))?;
        let facts = Facts {
            placed_at,
            currency,
            amount,
            lines,
            customer,
            delivery,
            device,
            ip,
            payment_due_at,
            ..Facts::default()
        };
        Some(Placement { channel, as_of, facts })
    }

    fn lines(&mut self) -> Option<Vec<Line>> {
        let count = self.reader.count()?;
        // Most orders have one line, and many orders are kept: no room is made for more.
        let mut lines = Vec::with_capacity(count);
        for _ in 0..count {
            let (sku, quantity) = (self.owned()?, u32::try_from(self.reader.number()?).ok()?);
            lines.push(Line { sku, title: None, quantity, unit_price: None });
        }
        Some(lines)
    }

    fn token(&mut self) -> Option<Token> {
        self.reader.array().map(Token::new)
    }

    fn phone(&mut self) -> Option<PhoneFacts> {
        let kind = *PHONE_KINDS.get(usize::from(self.reader.byte()?))?;
        Some(PhoneFacts { token: self.token()?, kind })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sha2::{Digest, Sha256};

    use super::*;

    /// The form of every event, of two merchants, as they lie beside the domain's tests.
    fn golden() -> Vec<(String, String)> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/tests/golden/events");
        let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(files.len() > 40);
        let told = |path: &std::path::PathBuf| {
            let name = path.file_stem().unwrap().to_str().unwrap();
            (name.split('.').next().unwrap().to_owned(), std::fs::read_to_string(path).unwrap())
        };
        files.iter().map(told).collect()
    }

    fn shown<'a>(number: u64, (event_type, payload): &'a (String, String), merchant: &'a MerchantId) -> Shown<'a> {
        let aggregate_type = if event_type.starts_with("Rulebook") { "rulebook" } else { "order" };
        let aggregate_type = if event_type.starts_with("Signal") { "signal_values" } else { aggregate_type };
        let millis = (number * 7_919 % 1_000).cast_signed();
        Shown {
            partition: 3,
            position: 2_000 + number + 1,
            stream: number * 31 % 17 + 1,
            key: StreamName { merchant, aggregate_type, aggregate_id: "web:A1" },
            sequence: number % 5 + 1,
            event_type,
            event_version: "1",
            payload,
            occurred_at: Timestamp::from_millis(1_794_355_200_000 - millis),
            recorded_at: Timestamp::from_millis(1_794_355_200_000 + millis),
        }
    }

    fn merchants() -> [MerchantId; 2] {
        ["north", "south"].map(|id| id.parse().unwrap())
    }

    fn entries(events: &[Shown<'_>]) -> Vec<u8> {
        let mut entries = Entries::default();
        events.iter().for_each(|event| entries.add(*event, &Said::of(*event, None).unwrap()));
        entries.into_bytes()
    }

    #[test]
    fn what_events_say_comes_back() {
        let (golden, merchants) = (golden(), merchants());
        // Twice, so that texts are written out and then only named.
        let all = golden.iter().chain(&golden).zip(merchants.iter().cycle());
        let events: Vec<Shown<'_>> =
            (0..).zip(all).map(|(number, (told, merchant))| shown(number, told, merchant)).collect();
        let bytes = entries(&events);
        let mut block = Block::new(&bytes, 3, 2_000);
        for event in &events {
            let is_same = block.next(|place, said| {
                let expected = Place::of(*event);
                assert_eq!((place.position, place.stream), (expected.position, expected.stream));
                assert_eq!((place.sequence, place.recorded_at), (expected.sequence, expected.recorded_at));
                assert_eq!(place.merchant, expected.merchant);
                assert_eq!(said, Said::of(*event, None).unwrap(), "{}", event.payload);
            });
            assert!(is_same.is_some(), "{}", event.payload);
        }
        assert!(block.is_at_end());
    }

    /// A file of today must not be read tomorrow as if it said something else.
    #[test]
    fn what_stands_in_blocks_of_this_format_does_not_change() {
        let (golden, [merchant, _]) = (golden(), merchants());
        let pinned = ["Challenged", "Frozen", "Placed", "Released", "Scored", "StatusReported", "Verified"];
        let pinned = golden.iter().filter(|(event_type, _)| pinned.contains(&event_type.as_str()));
        let events: Vec<_> = (0..).zip(pinned).map(|(number, told)| shown(number, told, &merchant)).collect();
        assert_eq!(
            Sha256::digest(entries(&events)).iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            "613350f378d034eec63fd1ff00fec974573adce11a1bc6e451c43085b60d2d3b",
            "where this is no mistake, FORMAT is to be raised"
        );
    }

    #[test]
    fn frequent_events_take_few_bytes() {
        let (golden, merchants) = (golden(), merchants());
        for (event_type, share) in [("Placed", 2), ("Scored", 8), ("StatusReported", 4), ("Released", 1)] {
            let told = golden.iter().find(|(name, _)| name == event_type).unwrap();
            let [once, often] = [1, 101].map(|count| {
                let events: Vec<_> = (0..count).map(|number| shown(number, told, &merchants[0])).collect();
                entries(&events).len()
            });
            assert!((often - once) / 100 * share <= told.1.len(), "{event_type}: {} bytes", (often - once) / 100);
        }
    }

    #[test]
    fn what_is_cut_off_or_altered_is_told_apart_or_read_and_breaks_nothing() {
        let (golden, merchants) = (golden(), merchants());
        let events: Vec<_> = (0..).zip(&golden).map(|(number, told)| shown(number, told, &merchants[0])).collect();
        let bytes = entries(&events);
        let read = |bytes: &[u8]| {
            let mut block = Block::new(bytes, 3, 2_000);
            let mut count = 0;
            while !block.is_at_end() && block.next(|_, _| ()).is_some() {
                count += 1;
            }
            (count, block.is_at_end())
        };
        assert_eq!(read(&bytes), (events.len(), true));
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).0 < events.len());
        }
        for place in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[place] ^= 0x55;
            read(&altered);
        }
    }
}
