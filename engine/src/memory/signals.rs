//! The signals of one merchant: which there are, and their values, each for as long after its expiry as windows reach, unless others
//! need the room.
//!
//! A fold over the merchant's signal events and the time at which they were recorded, and nothing else: which values are still
//! remembered when an order is screened is a function of the log.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use cqrs_es::Aggregate;
use domain::feature::{Feature, FeatureRef, Value};
use domain::ids::Token;
use domain::order::Facts;
use domain::signal::{
    KEPT_FOR_LATE, Signal, SignalEvent, SignalName, SignalSet, SignalValue, SignalWithdrawn, Subject, SubjectKind,
    VALUES_MAX, ValueEvent, built_in,
};
use domain::time::Timestamp;
use eventlog::StreamId;
use rustc_hash::FxHashMap;

use crate::bytes::{Reader, Writer};

/// The signals of one merchant.
#[derive(Default)]
pub(crate) struct Signals {
    signals: BTreeMap<SignalName, Known>,
    /// When each value expires, the earliest first.
    expiries: BTreeSet<(Timestamp, SignalName, Subject)>,
    /// Until when the last value counted that was forgotten.
    forgotten_until: Timestamp,
}

/// One signal.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) signal: Signal,
    /// What it is about where the merchant has not declared it.
    built_in: Option<SubjectKind>,
    /// Where its declarations are, and how many there were.
    pub(crate) declared: Tail,
    /// The same of its values.
    pub(crate) set: Tail,
    /// Shared with a snapshot that is being written.
    values: Arc<Values>,
}

/// The end of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tail {
    pub(crate) stream: Option<StreamId>,
    pub(crate) sequence: u64,
}

impl Tail {
    const fn advance(&mut self, stream: StreamId) {
        self.stream = Some(stream);
        self.sequence += 1;
    }
}

/// The values of a signal, by what an order is looked up by.
#[derive(Clone, Default)]
struct Values {
    tokens: FxHashMap<Token, Held>,
    regions: FxHashMap<Box<str>, Held>,
    merchant: Option<Held>,
}

/// A value, and until when it counts.
type Held = (SignalValue, Timestamp);

/// What signals are made of at one moment, for a snapshot.
pub(crate) struct KeptSignals {
    signals: Vec<(SignalName, Known)>,
    forgotten_until: Timestamp,
}

impl Signals {
    /// A signal; `None` when nobody declared it, or told a value of one that is built in.
    pub(crate) fn find(&self, name: SignalName) -> Option<&Known> {
        self.signals.get(&name)
    }

    /// How many signals the merchant has declared.
    pub(crate) fn count(&self) -> usize {
        self.signals.values().filter(|known| known.signal.declared().is_some()).count()
    }

    /// How many values take room that a new one cannot have.
    pub(crate) fn values(&self, now: Timestamp) -> usize {
        let makes_room = self.expiries.first().is_some_and(|(expires_at, ..)| *expires_at <= now);
        self.expiries.len() - usize::from(makes_room && self.expiries.len() == VALUES_MAX)
    }

    /// Whether all values are remembered that counted at a time.
    pub(crate) fn remember(&self, time: Timestamp) -> bool {
        time >= self.forgotten_until
    }

    pub(crate) fn declare(&mut self, name: SignalName, stream: StreamId, event: &SignalEvent) {
        let known = self.signals.entry(name).or_insert_with(|| Known::new(name));
        known.signal.apply(event.clone());
        known.declared.advance(stream);
    }

    /// Folds an event about a value, and forgets what had expired long before it was recorded, or at all where room is needed.
    pub(crate) fn apply(&mut self, name: SignalName, stream: StreamId, event: &ValueEvent, recorded_at: Timestamp) {
        let known = self.signals.entry(name).or_insert_with(|| Known::new(name));
        known.set.advance(stream);
        let values = Arc::make_mut(&mut known.values);
        let (subject, before) = match event {
            ValueEvent::SignalSet(SignalSet { subject, value, expires_at }) => {
                self.expiries.insert((*expires_at, name, subject.clone()));
                (subject, values.put(subject, (*value, *expires_at)).filter(|(_, before)| before != expires_at))
            }
            ValueEvent::SignalWithdrawn(SignalWithdrawn { subject }) => (subject, values.take(subject)),
        };
        if let Some((_, expires_at)) = before {
            self.expiries.remove(&(expires_at, name, subject.clone()));
        }
        self.forget(recorded_at);
    }

    fn forget(&mut self, now: Timestamp) {
        let long_ago = now.minus(KEPT_FOR_LATE);
        while let Some((expires_at, ..)) = self.expiries.first() {
            let until = if self.expiries.len() > VALUES_MAX { now } else { long_ago };
            if *expires_at > until {
                return;
            }
            let Some((expires_at, name, subject)) = self.expiries.pop_first() else { return };
            self.forgotten_until = expires_at;
            if let Some(known) = self.signals.get_mut(&name) {
                Arc::make_mut(&mut known.values).take(&subject);
            }
        }
    }

    /// Reads the features that are signals of an order that lies at a time; the other entries of `out` stay.
    pub(crate) fn observe(
        &self,
        facts: &Facts,
        time: impl FnOnce() -> Option<Timestamp>,
        features: &[FeatureRef],
        out: &mut [Option<Value>],
    ) {
        if self.signals.is_empty() {
            return;
        }
        let time = time();
        for (feature, out) in features.iter().zip(out) {
            if let Feature::Signal(name) = feature.feature {
                *out = self.read(name, facts, time).map(|value| Value::Decimal(value.decimal()));
            }
        }
    }

    fn read(&self, name: SignalName, facts: &Facts, time: Option<Timestamp>) -> Option<SignalValue> {
        let known = self.signals.get(&name)?;
        let held = match known.subject()? {
            SubjectKind::Region => known.values.regions.get(facts.delivery.as_ref()?.province.as_deref()?),
            SubjectKind::Merchant => known.values.merchant.as_ref(),
            // Recorded with the order, it does not expire.
            SubjectKind::Order => return facts.score.filter(|score| score.signal == name).map(|score| score.value),
            subject => known.values.tokens.get(&subject.token(facts)?),
        };
        let (value, expires_at) = held?;
        (time? < *expires_at).then_some(*value)
    }

    /// What they are made of now.
    pub(crate) fn kept(&self) -> KeptSignals {
        let signals = self.signals.iter().map(|(name, known)| (*name, known.clone())).collect();
        KeptSignals { signals, forgotten_until: self.forgotten_until }
    }

    /// Reads what [`KeptSignals::write`] wrote.
    pub(crate) fn restore(reader: &mut Reader<'_>) -> Option<Self> {
        let forgotten_until = Timestamp::from_millis(reader.signed()?);
        let mut signals = Self { forgotten_until, ..Self::default() };
        for _ in 0..reader.count()? {
            let name: SignalName = reader.text()?.parse().ok()?;
            let signal: Signal = serde_json::from_str(reader.text()?).ok()?;
            let (declared, set) = (read_tail(reader)?, read_tail(reader)?);
            let mut values = Values::default();
            for _ in 0..reader.count()? {
                let subject: Subject = serde_json::from_str(reader.text()?).ok()?;
                let value = SignalValue::from_bytes(reader.array()?);
                let expires_at = Timestamp::from_millis(reader.signed()?);
                values.put(&subject, (value, expires_at));
                signals.expiries.insert((expires_at, name, subject));
            }
            let built_in = built_in(name).map(|declaration| declaration.subject);
            signals.signals.insert(name, Known { signal, built_in, declared, set, values: Arc::new(values) });
        }
        Some(signals)
    }
}

impl KeptSignals {
    /// Writes everything, the values in one order whatever maps say.
    pub(crate) fn write(
        &self,
        writer: &mut Writer,
        spill: &mut dyn FnMut(&mut Writer) -> io::Result<()>,
    ) -> io::Result<()> {
        writer.signed(self.forgotten_until.millis());
        writer.count(self.signals.len());
        for (name, known) in &self.signals {
            writer.text(name.as_str());
            writer.text(&serde_json::to_string(&known.signal).expect("a signal has a JSON form"));
            write_tail(writer, known.declared);
            write_tail(writer, known.set);
            let mut values = known.all();
            values.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            writer.count(values.len());
            for (subject, (value, expires_at)) in values {
                writer.text(&serde_json::to_string(&subject).expect("a subject has a JSON form"));
                writer.plain(&value.to_bytes());
                writer.signed(expires_at.millis());
            }
            spill(writer)?;
        }
        Ok(())
    }
}

fn write_tail(writer: &mut Writer, tail: Tail) {
    // Streams are counted from 1.
    writer.number(tail.stream.unwrap_or(0));
    writer.number(tail.sequence);
}

fn read_tail(reader: &mut Reader<'_>) -> Option<Tail> {
    let stream = Some(reader.number()?).filter(|stream| *stream > 0);
    Some(Tail { stream, sequence: reader.number()? })
}

impl Known {
    pub(crate) fn new(name: SignalName) -> Self {
        Self {
            signal: Signal::default(),
            built_in: built_in(name).map(|declaration| declaration.subject),
            declared: Tail::default(),
            set: Tail::default(),
            values: Arc::default(),
        }
    }

    /// What its values are about: as the merchant declared it, or as it is from the beginning.
    pub(crate) fn subject(&self) -> Option<SubjectKind> {
        self.signal.declared().map(|declared| declared.subject).or(self.built_in)
    }

    /// What it was told of, if it was.
    pub(crate) fn told(&self) -> Option<SubjectKind> {
        self.subject().filter(|_| self.set != Tail::default())
    }

    /// What a subject has.
    pub(crate) fn held(&self, subject: &Subject) -> Option<Held> {
        match subject {
            Subject::Region(name) => self.values.regions.get(name).copied(),
            Subject::Merchant => self.values.merchant,
            _ => self.values.tokens.get(&token(subject)?).copied(),
        }
    }

    /// Every value with its subject.
    fn all(&self) -> Vec<(Subject, Held)> {
        let Some(kind) = self.subject() else { return vec![] };
        let tokens = self.values.tokens.iter().filter_map(|(token, held)| Some((of_token(kind, *token)?, *held)));
        let regions = self.values.regions.iter().map(|(name, held)| (Subject::Region(name.clone()), *held));
        let merchant = self.values.merchant.map(|held| (Subject::Merchant, held));
        tokens.chain(regions).chain(merchant).collect()
    }
}

impl Values {
    /// Puts a value in the place of the one before.
    fn put(&mut self, subject: &Subject, held: Held) -> Option<Held> {
        match subject {
            Subject::Region(name) => self.regions.insert(name.clone(), held),
            Subject::Merchant => self.merchant.replace(held),
            _ => self.tokens.insert(token(subject)?, held),
        }
    }

    fn take(&mut self, subject: &Subject) -> Option<Held> {
        match subject {
            Subject::Region(name) => self.regions.remove(name),
            Subject::Merchant => self.merchant.take(),
            _ => self.tokens.remove(&token(subject)?),
        }
    }
}

const fn token(subject: &Subject) -> Option<Token> {
    match subject {
        Subject::Ip(token)
        | Subject::Ip24(token)
        | Subject::Phone(token)
        | Subject::Device(token)
        | Subject::Customer(token)
        | Subject::Address(token) => Some(*token),
        Subject::Region(_) | Subject::Merchant => None,
    }
}

const fn of_token(kind: SubjectKind, token: Token) -> Option<Subject> {
    Some(match kind {
        SubjectKind::Ip => Subject::Ip(token),
        SubjectKind::Ip24 => Subject::Ip24(token),
        SubjectKind::Phone => Subject::Phone(token),
        SubjectKind::Device => Subject::Device(token),
        SubjectKind::Customer => Subject::Customer(token),
        SubjectKind::Address => Subject::Address(token),
        SubjectKind::Region | SubjectKind::Merchant | SubjectKind::Order => return None,
    })
}

#[cfg(test)]
mod tests {
    use domain::signal::Declaration;
    use serde_json::json;

    use super::*;

    fn name() -> SignalName {
        "blocked".parse().unwrap()
    }

    fn device(number: u8) -> Subject {
        Subject::Device(Token::new([number; 16]))
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1_000)
    }

    fn set(subject: Subject, value: u32, expires_at: i64) -> ValueEvent {
        let value = SignalValue::read(&json!(value)).unwrap();
        ValueEvent::SignalSet(SignalSet { subject, value, expires_at: second(expires_at) })
    }

    fn declared() -> Signals {
        let mut signals = Signals::default();
        let declaration =
            Declaration { subject: SubjectKind::Device, unit: "".into(), description: "known fraud".into() };
        signals.declare(name(), 7, &SignalEvent::SignalDeclared(declaration));
        signals
    }

    /// What an order of a device at a time reads.
    fn seen(signals: &Signals, number: u8, at: i64) -> Option<String> {
        let facts = Facts { device: Some(Token::new([number; 16])), ..Facts::default() };
        signals.read(name(), &facts, Some(second(at))).map(|value| value.to_string())
    }

    #[test]
    fn a_value_counts_until_it_expires_and_is_forgotten_when_no_window_reaches_it() {
        let (mut signals, long) = (declared(), KEPT_FOR_LATE.millis() / 1_000);
        signals.apply(name(), 8, &set(device(1), 1, 100), second(0));
        assert_eq!((seen(&signals, 1, 99), seen(&signals, 1, 100)), (Some("1".into()), None));
        assert_eq!(seen(&signals, 2, 99), None, "another device");
        signals.apply(name(), 8, &set(device(2), 1, 1_000), second(99 + long));
        assert_eq!((seen(&signals, 1, 99), signals.expiries.len()), (Some("1".into()), 2), "an order may be late");
        assert!(signals.remember(second(0)));
        signals.apply(name(), 8, &set(device(2), 1, 2_000), second(100 + long));
        assert_eq!((seen(&signals, 1, 99), signals.expiries.len()), (None, 1), "as late as that none is");
        assert_eq!([99, 100].map(|at| signals.remember(second(at))), [false, true]);
    }

    #[test]
    fn where_room_is_needed_the_first_that_expired_is_forgotten() {
        let mut signals = declared();
        let device = |number: usize| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            Subject::Device(Token::new(bytes))
        };
        for number in 0..VALUES_MAX {
            signals.apply(name(), 8, &set(device(number), 1, if number == 7 { 50 } else { 100 }), second(0));
        }
        assert_eq!([49, 50].map(|now| signals.values(second(now))), [VALUES_MAX, VALUES_MAX - 1]);
        signals.apply(name(), 8, &set(device(VALUES_MAX), 1, 100), second(50));
        assert_eq!((signals.expiries.len(), signals.forgotten_until), (VALUES_MAX, second(50)));
    }

    #[test]
    fn the_latest_value_of_a_subject_is_the_one_that_counts() {
        let mut signals = declared();
        for (value, expires_at) in [(1, 100), (2, 50), (3, 50)] {
            signals.apply(name(), 8, &set(device(1), value, expires_at), second(0));
        }
        assert_eq!((seen(&signals, 1, 49), seen(&signals, 1, 50), signals.expiries.len()), (Some("3".into()), None, 1));
        let withdrawn = ValueEvent::SignalWithdrawn(SignalWithdrawn { subject: device(1) });
        signals.apply(name(), 8, &withdrawn, second(0));
        assert_eq!((seen(&signals, 1, 49), signals.expiries.len()), (None, 0));
        let tail = Tail { stream: Some(8), sequence: 4 };
        assert_eq!(signals.find(name()).map(|known| known.set), Some(tail));
    }

    #[test]
    fn signals_that_were_written_are_read_as_they_were() {
        let mut signals = declared();
        for number in 0..50 {
            signals.apply(name(), 8, &set(device(number), number.into(), 100 + i64::from(number)), second(0));
        }
        let written = |signals: &Signals| {
            let mut writer = Writer::default();
            signals.kept().write(&mut writer, &mut |_| Ok(())).unwrap();
            writer.into_bytes()
        };
        let bytes = written(&signals);
        let mut reader = Reader::new(&bytes);
        let read = Signals::restore(&mut reader).unwrap();
        assert!(reader.is_at_end());
        assert_eq!((read.expiries.len(), seen(&read, 7, 106), seen(&read, 7, 107)), (50, Some("7".into()), None));
        assert_eq!(written(&read), bytes);
        assert!(Signals::restore(&mut Reader::new(&bytes[..bytes.len() - 1])).is_none());
    }
}
