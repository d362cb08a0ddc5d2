//! Publishing rulebooks: which version is in force from which position on.
//!
//! A publication is an event in its merchant's partition, so the version in force at each position is fixed for ever.

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

use crate::forecast::{Forecast, ForecastLeft};
use crate::ids::DraftId;
use crate::rulebook::Rulebook;

/// The id of a merchant's one stream of publications.
pub const LIVE: &str = "live";
/// The most versions of one merchant.
pub const VERSIONS_MAX: u32 = 100_000;

/// What happened to a merchant's live rulebook.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum RulebookEvent {
    /// A version came into force.
    RulebookPublished(RulebookPublished),
}

/// See [`RulebookEvent::RulebookPublished`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RulebookPublished {
    /// From 1, without gaps.
    pub version: u32,
    /// The whole of it.
    pub rulebook: Rulebook,
    /// Hex SHA-256 of its canonical form.
    pub hash: Box<str>,
    /// Who put it in force.
    pub actor: Box<str>,
    /// Who wrote it, where it was written here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Box<str>>,
    /// The draft that it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<DraftId>,
    /// The earlier version that it brings back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<u32>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Box<str>>,
    /// What it is expected to do, where it is to be replaced by itself when it does something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Forecast>,
    /// Where it came into force by itself: what the version before it did in place of what was expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast_left: Option<ForecastLeft>,
}

/// A merchant's live rulebook: which version it is. What it says stands in the event of that version.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LiveRulebook {
    version: u32,
}

impl LiveRulebook {
    /// With this version in force; 0 before the first.
    pub const fn at(version: u32) -> Self {
        Self { version }
    }

    /// The version in force; 0 before the first.
    pub const fn version(self) -> u32 {
        self.version
    }
}

/// What somebody wants of the live rulebook.
#[derive(Clone, PartialEq, Debug)]
pub enum RulebookCommand {
    /// Put this one in force.
    Publish {
        /// The whole of it.
        rulebook: Rulebook,
        /// Who.
        actor: Box<str>,
        /// Who wrote it.
        author: Option<Box<str>>,
        /// The draft that it was.
        draft: Option<DraftId>,
        /// Why.
        note: Option<Box<str>>,
        /// What it is expected to do.
        expected: Option<Forecast>,
    },
    /// Put in force again what an earlier version said.
    RollBack {
        /// Which version.
        to_version: u32,
        /// What it said.
        rulebook: Rulebook,
        /// Who wrote it.
        author: Option<Box<str>>,
        /// Who.
        actor: Box<str>,
        /// Why.
        note: Option<Box<str>>,
        /// What the version in force did in place of what was expected.
        forecast_left: Option<ForecastLeft>,
    },
}

/// Why a command was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RulebookRejection {
    /// There is nothing to bring back.
    #[error("version {version} is in force")]
    InForce {
        /// Which.
        version: u32,
    },
    /// It came into force without what is expected of it now.
    #[error(
        "version {version} is in force already, and what is expected of a version is told when it comes into force; begin another draft"
    )]
    ForecastTooLate {
        /// Which.
        version: u32,
    },
    /// It was never in force.
    #[error("there is no version {version}")]
    NoSuchVersion {
        /// Which.
        version: u32,
    },
    /// More than [`VERSIONS_MAX`].
    #[error("the merchant has 100000 versions already")]
    TooManyVersions,
}

/// What follows from a command.
pub fn decide(live: LiveRulebook, command: RulebookCommand) -> Result<Vec<RulebookEvent>, RulebookRejection> {
    // What may be replaced by itself needs room for what replaces it.
    let needed = if matches!(command, RulebookCommand::Publish { expected: Some(_), .. }) { 2 } else { 1 };
    if live.version + needed > VERSIONS_MAX {
        return Err(RulebookRejection::TooManyVersions);
    }
    let version = live.version + 1;
    let published = match command {
        RulebookCommand::RollBack { to_version, .. } if to_version == live.version => {
            return Err(RulebookRejection::InForce { version: to_version });
        }
        RulebookCommand::RollBack { to_version, .. } if !(1..version).contains(&to_version) => {
            return Err(RulebookRejection::NoSuchVersion { version: to_version });
        }
        RulebookCommand::RollBack { to_version, rulebook, author, actor, note, forecast_left } => {
            let published = RulebookPublished::new(version, rulebook, actor);
            RulebookPublished { author, restores: Some(to_version), note, forecast_left, ..published }
        }
        RulebookCommand::Publish { rulebook, actor, author, draft, note, expected } => {
            RulebookPublished { author, draft, note, expected, ..RulebookPublished::new(version, rulebook, actor) }
        }
    };
    Ok(vec![RulebookEvent::RulebookPublished(published)])
}

impl RulebookPublished {
    /// Of a rulebook of which no more is known than who puts it in force.
    fn new(version: u32, rulebook: Rulebook, actor: Box<str>) -> Self {
        let hash = rulebook.hash().into();
        Self {
            version,
            rulebook,
            hash,
            actor,
            author: None,
            draft: None,
            restores: None,
            note: None,
            expected: None,
            forecast_left: None,
        }
    }
}

impl RulebookEvent {
    /// The event's name in the log.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RulebookPublished(_) => "RulebookPublished",
        }
    }
}

impl DomainEvent for RulebookEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for LiveRulebook {
    const TYPE: &'static str = "rulebook";
    type Command = RulebookCommand;
    type Event = RulebookEvent;
    type Error = RulebookRejection;
    type Services = ();

    async fn handle(
        &mut self,
        command: RulebookCommand,
        _services: &(),
        sink: &EventSink<Self>,
    ) -> Result<(), RulebookRejection> {
        for event in decide(*self, command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: RulebookEvent) {
        let RulebookEvent::RulebookPublished(published) = event;
        self.version = published.version;
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::{AggregateTestExecutor, TestFramework};

    use super::*;

    fn given(versions: u32) -> AggregateTestExecutor<LiveRulebook> {
        TestFramework::<LiveRulebook>::with(()).given((1..=versions).map(|version| published(version, None)).collect())
    }

    fn book() -> Rulebook {
        let book = r#"{"name": "None", "rules": [], "tiers": []}"#;
        Rulebook::read(book.as_bytes()).expect("a rulebook")
    }

    fn published(version: u32, restores: Option<u32>) -> RulebookEvent {
        RulebookEvent::RulebookPublished(RulebookPublished {
            version,
            rulebook: book(),
            hash: book().hash().into(),
            actor: "rita".into(),
            author: Some("ana".into()),
            draft: None,
            restores,
            note: None,
            expected: None,
            forecast_left: None,
        })
    }

    fn roll_back(to_version: u32) -> RulebookCommand {
        RulebookCommand::RollBack {
            to_version,
            rulebook: book(),
            author: Some("ana".into()),
            actor: "rita".into(),
            note: None,
            forecast_left: None,
        }
    }

    fn publish(expected: Option<Forecast>) -> RulebookCommand {
        let (rulebook, author) = (book(), Some("ana".into()));
        RulebookCommand::Publish { rulebook, actor: "rita".into(), author, draft: None, note: None, expected }
    }

    #[test]
    fn versions_follow_each_other_without_a_gap() {
        for versions in [0, 1, 5] {
            given(versions).when(publish(None)).then_expect_events(vec![published(versions + 1, None)]);
        }
    }

    #[test]
    fn rolling_back_makes_a_new_version_of_an_old_one() {
        given(3).when(roll_back(1)).then_expect_events(vec![published(4, Some(1))]);
        given(3).when(roll_back(3)).then_expect_error(RulebookRejection::InForce { version: 3 });
        for version in [0, 4] {
            given(3).when(roll_back(version)).then_expect_error(RulebookRejection::NoSuchVersion { version });
        }
    }

    #[test]
    fn versions_have_a_limit() {
        let refused = decide(LiveRulebook::at(VERSIONS_MAX), roll_back(1));
        assert_eq!(refused, Err(RulebookRejection::TooManyVersions));
        let forecast = Forecast { challenge_ppm: 0, freeze_ppm: 0, factor_percent: 200, after_orders: 200 };
        let last = LiveRulebook::at(VERSIONS_MAX - 1);
        assert!(decide(last, publish(None)).is_ok());
        let refused = decide(last, publish(Some(forecast)));
        assert_eq!(refused, Err(RulebookRejection::TooManyVersions), "it could not be replaced by itself");
    }
}
