//! The merchant: one tenant with its settings, its keys, its channels and its endpoints.
//!
//! A merchant's events lie in the merchant's own partition, before every event that depends on them.

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

use crate::endpoint::{ENDPOINTS_MAX, EndpointCreated, EndpointRemoved};
use crate::settings::{Settings, SettingsChanges};
use crate::time::Timestamp;

/// The most keys of one merchant, revoked ones included.
pub const KEYS_MAX: usize = 10_000;

/// What happened to a merchant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum MerchantEvent {
    /// It became a tenant.
    MerchantRegistered(MerchantRegistered),
    /// Somebody may call the API.
    KeyCreated(KeyCreated),
    /// Somebody may no longer call the API.
    KeyRevoked(KeyRevoked),
    /// A channel may send webhooks.
    ChannelConfigured(ChannelConfigured),
    /// It decided how the service works for it; these are all of its settings from then on.
    SettingsChanged(Settings),
    /// Another system is told of what happens from here on.
    EndpointCreated(EndpointCreated),
    /// Another system is told no more.
    EndpointRemoved(EndpointRemoved),
}

/// See [`MerchantEvent::MerchantRegistered`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MerchantRegistered {
    /// Its name.
    pub name: Box<str>,
    /// Its time zone in the IANA database.
    pub time_zone: Box<str>,
    /// ISO 4217.
    pub currency: Box<str>,
}

/// See [`MerchantEvent::KeyCreated`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyCreated {
    /// Its id, which is no secret.
    pub id: Box<str>,
    /// What people call it.
    pub name: Box<str>,
    /// Hex SHA-256 of the key. The key has 256 random bits, so no salt or slow hash is needed.
    pub hash: Box<str>,
    /// What it may do.
    pub roles: Vec<Role>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// See [`MerchantEvent::KeyRevoked`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyRevoked {
    /// Which one.
    pub id: Box<str>,
}

/// See [`MerchantEvent::ChannelConfigured`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChannelConfigured {
    /// Which channel.
    pub channel: Box<str>,
    /// Which of the merchant's shops there.
    pub shop: Box<str>,
    /// The credentials, sealed under the merchant's key, in base64.
    pub credentials: Box<str>,
    /// Those that count as well while they are being changed, sealed likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_credentials: Option<Box<str>>,
}

/// What a key may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Send notices.
    Ingest,
    /// Look up, personal data masked.
    Service,
    /// Work the queue, see personal data with a reason.
    Reviewer,
    /// Draft and test rulebooks.
    Analyst,
    /// Publish rulebooks.
    Approver,
    /// Read everything, prove, replay.
    Auditor,
    /// Everything of the merchant, keys among it.
    Admin,
    /// Register merchants.
    Platform,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 8] = [
        Self::Ingest,
        Self::Service,
        Self::Reviewer,
        Self::Analyst,
        Self::Approver,
        Self::Auditor,
        Self::Admin,
        Self::Platform,
    ];

    /// The word for it in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Service => "service",
            Self::Reviewer => "reviewer",
            Self::Analyst => "analyst",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
            Self::Platform => "platform",
        }
    }
}

/// A merchant's standing.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Merchant {
    registered: Option<MerchantRegistered>,
    keys: Vec<Key>,
    channels: Vec<ChannelConfigured>,
    #[serde(default)]
    settings: Option<Settings>,
    #[serde(default)]
    endpoints: Vec<EndpointCreated>,
}

/// A key and whether it counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Key {
    /// As it was made.
    pub created: KeyCreated,
    /// Whether it still counts.
    pub standing: KeyStanding,
}

/// Whether a key counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStanding {
    /// It does, until it expires.
    Active,
    /// It does not.
    Revoked,
}

impl Merchant {
    /// How it was registered; `None` when it was not.
    pub const fn registered(&self) -> Option<&MerchantRegistered> {
        self.registered.as_ref()
    }

    /// Its keys, oldest first.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Its channels' latest configurations.
    pub fn channels(&self) -> &[ChannelConfigured] {
        &self.channels
    }

    /// Its endpoints that were not removed, oldest first.
    pub fn endpoints(&self) -> &[EndpointCreated] {
        &self.endpoints
    }

    /// Its settings; `None` when it was not registered.
    pub fn settings(&self) -> Option<Settings> {
        let registered = self.registered.as_ref()?;
        Some(self.settings.clone().unwrap_or_else(|| Settings::in_zone(&registered.time_zone)))
    }
}

/// What somebody wants of a merchant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MerchantCommand {
    /// Make it a tenant.
    Register(MerchantRegistered),
    /// Let somebody call the API.
    CreateKey(KeyCreated),
    /// Let somebody no longer call the API.
    RevokeKey(KeyRevoked),
    /// Let a channel send webhooks.
    ConfigureChannel(ChannelConfigured),
    /// Decide how the service works for it.
    ChangeSettings(SettingsChanges),
    /// Tell another system.
    CreateEndpoint(EndpointCreated),
    /// Tell another system no more.
    RemoveEndpoint(EndpointRemoved),
}

/// Why a command was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MerchantRejection {
    /// Somebody has that id.
    #[error("the merchant is registered already")]
    AlreadyRegistered,
    /// Nobody has that id.
    #[error("the merchant is not registered")]
    NotRegistered,
    /// There is no such key.
    #[error("the merchant has no such key")]
    NoSuchKey,
    /// More than [`KEYS_MAX`].
    #[error("the merchant has 10000 keys already")]
    TooManyKeys,
    /// There is no such endpoint, or it was removed.
    #[error("the merchant has no such endpoint")]
    NoSuchEndpoint,
    /// More than [`ENDPOINTS_MAX`].
    #[error("the merchant has 16 endpoints already; remove one first")]
    TooManyEndpoints,
}

/// The merchant after an event.
pub fn evolve(mut merchant: Merchant, event: MerchantEvent) -> Merchant {
    match event {
        MerchantEvent::MerchantRegistered(registered) => merchant.registered = Some(registered),
        MerchantEvent::KeyCreated(created) => merchant.keys.push(Key { created, standing: KeyStanding::Active }),
        MerchantEvent::KeyRevoked(revoked) => {
            for key in merchant.keys.iter_mut().filter(|key| key.created.id == revoked.id) {
                key.standing = KeyStanding::Revoked;
            }
        }
        MerchantEvent::ChannelConfigured(configured) => {
            merchant.channels.retain(|known| known.channel != configured.channel || known.shop != configured.shop);
            merchant.channels.push(configured);
        }
        MerchantEvent::SettingsChanged(settings) => merchant.settings = Some(settings),
        MerchantEvent::EndpointCreated(created) => merchant.endpoints.push(created),
        MerchantEvent::EndpointRemoved(removed) => merchant.endpoints.retain(|known| known.id != removed.id),
    }
    merchant
}

/// What follows from a command. `Ok(vec![])`: already so.
pub fn decide(merchant: &Merchant, command: MerchantCommand) -> Result<Vec<MerchantEvent>, MerchantRejection> {
    match (&merchant.registered, command) {
        (None, MerchantCommand::Register(registered)) => Ok(vec![MerchantEvent::MerchantRegistered(registered)]),
        (Some(known), MerchantCommand::Register(registered)) if *known == registered => Ok(vec![]),
        (Some(_), MerchantCommand::Register(_)) => Err(MerchantRejection::AlreadyRegistered),
        (None, _) => Err(MerchantRejection::NotRegistered),
        (Some(_), MerchantCommand::CreateKey(_)) if merchant.keys.len() >= KEYS_MAX => {
            Err(MerchantRejection::TooManyKeys)
        }
        (Some(_), MerchantCommand::CreateKey(created)) => Ok(vec![MerchantEvent::KeyCreated(created)]),
        (Some(_), MerchantCommand::RevokeKey(revoked)) => {
            let key = merchant.keys.iter().find(|key| key.created.id == revoked.id);
            match key.ok_or(MerchantRejection::NoSuchKey)?.standing {
                KeyStanding::Active => Ok(vec![MerchantEvent::KeyRevoked(revoked)]),
                KeyStanding::Revoked => Ok(vec![]),
            }
        }
        (Some(_), MerchantCommand::ConfigureChannel(configured)) => {
            Ok(vec![MerchantEvent::ChannelConfigured(configured)])
        }
        (Some(_), MerchantCommand::ChangeSettings(changes)) => {
            let settings = merchant.settings().ok_or(MerchantRejection::NotRegistered)?;
            let changed = settings.clone().with(changes);
            Ok(if changed == settings { vec![] } else { vec![MerchantEvent::SettingsChanged(changed)] })
        }
        (Some(_), MerchantCommand::CreateEndpoint(_)) if merchant.endpoints.len() >= ENDPOINTS_MAX => {
            Err(MerchantRejection::TooManyEndpoints)
        }
        (Some(_), MerchantCommand::CreateEndpoint(created)) => Ok(vec![MerchantEvent::EndpointCreated(created)]),
        (Some(_), MerchantCommand::RemoveEndpoint(removed)) => {
            let is_there = merchant.endpoints.iter().any(|known| known.id == removed.id);
            if is_there {
                Ok(vec![MerchantEvent::EndpointRemoved(removed)])
            } else {
                Err(MerchantRejection::NoSuchEndpoint)
            }
        }
    }
}

impl MerchantEvent {
    /// The event's name in the log.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MerchantRegistered(_) => "MerchantRegistered",
            Self::KeyCreated(_) => "KeyCreated",
            Self::KeyRevoked(_) => "KeyRevoked",
            Self::ChannelConfigured(_) => "ChannelConfigured",
            Self::SettingsChanged(_) => "SettingsChanged",
            Self::EndpointCreated(_) => "EndpointCreated",
            Self::EndpointRemoved(_) => "EndpointRemoved",
        }
    }
}

impl DomainEvent for MerchantEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for Merchant {
    const TYPE: &'static str = "merchant";
    type Command = MerchantCommand;
    type Event = MerchantEvent;
    type Error = MerchantRejection;
    type Services = ();

    async fn handle(
        &mut self,
        command: MerchantCommand,
        _services: &(),
        sink: &EventSink<Self>,
    ) -> Result<(), MerchantRejection> {
        for event in decide(self, command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: MerchantEvent) {
        *self = evolve(std::mem::take(self), event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Notification, Target};
    use cqrs_es::test::TestFramework;

    fn registered() -> MerchantRegistered {
        MerchantRegistered { name: "Shop".into(), time_zone: "Asia/Shanghai".into(), currency: "CNY".into() }
    }

    fn key(id: &str) -> KeyCreated {
        let hash = "00".repeat(32).into();
        KeyCreated { id: id.into(), name: "till".into(), hash, roles: vec![Role::Ingest], expires_at: None }
    }

    fn given(events: Vec<MerchantEvent>) -> cqrs_es::test::AggregateTestExecutor<Merchant> {
        TestFramework::<Merchant>::with(()).given(events)
    }

    #[test]
    fn a_merchant_is_registered_once() {
        given(vec![])
            .when(MerchantCommand::Register(registered()))
            .then_expect_events(vec![MerchantEvent::MerchantRegistered(registered())]);
        given(vec![MerchantEvent::MerchantRegistered(registered())])
            .when(MerchantCommand::Register(registered()))
            .then_expect_events(vec![]);
        given(vec![MerchantEvent::MerchantRegistered(registered())])
            .when(MerchantCommand::Register(MerchantRegistered { name: "Other".into(), ..registered() }))
            .then_expect_error(MerchantRejection::AlreadyRegistered);
    }

    #[test]
    fn a_key_belongs_to_a_registered_merchant_and_is_revoked_once() {
        let registered = MerchantEvent::MerchantRegistered(registered());
        let revoke = || MerchantCommand::RevokeKey(KeyRevoked { id: "k1".into() });
        let revoked = MerchantEvent::KeyRevoked(KeyRevoked { id: "k1".into() });
        given(vec![]).when(MerchantCommand::CreateKey(key("k1"))).then_expect_error(MerchantRejection::NotRegistered);
        given(vec![registered.clone()]).when(revoke()).then_expect_error(MerchantRejection::NoSuchKey);
        given(vec![registered.clone(), MerchantEvent::KeyCreated(key("k1"))])
            .when(revoke())
            .then_expect_events(vec![revoked.clone()]);
        given(vec![registered, MerchantEvent::KeyCreated(key("k1")), revoked])
            .when(revoke())
            .then_expect_events(vec![]);
    }

    #[test]
    fn a_merchant_has_sixteen_endpoints_at_most_and_removes_each_once() {
        let created = |number: usize| EndpointCreated {
            id: format!("e{number}").into(),
            target: Target::Url("https://example.com/".into()),
            events: vec![Notification::OrderFrozen],
            secret: "".into(),
        };
        let remove = |id: &str| MerchantCommand::RemoveEndpoint(EndpointRemoved { id: id.into() });
        let mut history = vec![MerchantEvent::MerchantRegistered(registered())];
        history.extend((0..ENDPOINTS_MAX).map(|number| MerchantEvent::EndpointCreated(created(number))));
        let create = || MerchantCommand::CreateEndpoint(created(16));
        given(history.clone()).when(create()).then_expect_error(MerchantRejection::TooManyEndpoints);
        given(history.clone()).when(remove("e16")).then_expect_error(MerchantRejection::NoSuchEndpoint);
        let removed = MerchantEvent::EndpointRemoved(EndpointRemoved { id: "e3".into() });
        given(history.clone()).when(remove("e3")).then_expect_events(vec![removed.clone()]);
        history.push(removed);
        given(history.clone()).when(remove("e3")).then_expect_error(MerchantRejection::NoSuchEndpoint);
        given(history).when(create()).then_expect_events(vec![MerchantEvent::EndpointCreated(created(16))]);
    }

    #[test]
    fn settings_that_are_not_named_stay_and_the_same_ones_again_are_no_event() {
        let registered = MerchantEvent::MerchantRegistered(registered());
        let change = |changes| MerchantCommand::ChangeSettings(changes);
        let four_eyes = || SettingsChanges { four_eyes: Some(true), ..SettingsChanges::default() };
        let changed = Settings { four_eyes: true, ..Settings::in_zone("Asia/Shanghai") };
        given(vec![]).when(change(four_eyes())).then_expect_error(MerchantRejection::NotRegistered);
        given(vec![registered.clone()])
            .when(change(four_eyes()))
            .then_expect_events(vec![MerchantEvent::SettingsChanged(changed.clone())]);
        given(vec![registered.clone()]).when(change(SettingsChanges::default())).then_expect_events(vec![]);
        let before = vec![registered, MerchantEvent::SettingsChanged(changed.clone())];
        given(before.clone()).when(change(four_eyes())).then_expect_events(vec![]);
        let zone = SettingsChanges { time_zone: Some("Europe/Berlin".into()), ..SettingsChanges::default() };
        given(before).when(change(zone)).then_expect_events(vec![MerchantEvent::SettingsChanged(Settings {
            time_zone: "Europe/Berlin".into(),
            ..changed
        })]);
    }
}
