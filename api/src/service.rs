//! Everything a running service holds, put together on a store and taken apart again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use domain::ids::{DraftId, MerchantId};
use domain::merchant::{KeyCreated, MerchantCommand, MerchantRegistered, Role};
use domain::notice::{Content, Notice, tokenise};
use domain::rulebook::Rulebook;
use domain::signal::OrderScore;
use domain::time::Timestamp;
use engine::{Engine, MerchantReceipt, Origin, Refusal, Standing};
use eventlog::EventLog;
use eventlog::vault::Vault;
use notify::{Notifier, guard};
use projections::ReadModels;
use tokio::task::JoinSet;

use crate::directory::{Directory, hash_of};
use crate::jobs::Jobs;
use crate::rulebooks::Rulebooks;
use crate::scorer::Scorer;
use crate::signals::Signals;
use crate::store::Store;
use crate::streams::Streams;
use crate::{clock, extracts};

/// The merchant that a new store starts with.
pub const DEFAULT_MERCHANT: &str = "default";

/// A running service.
pub struct Service {
    /// Decides.
    pub engine: Engine,
    /// Answers look-ups.
    pub models: Arc<ReadModels>,
    /// Tells other systems, once it was asked to.
    pub notifier: Arc<Notifier>,
    /// Knows who may do what.
    pub directory: Arc<Directory>,
    /// Knows the drafts and versions of rulebooks.
    pub rulebooks: Rulebooks,
    /// Long tasks.
    pub jobs: Jobs,
    /// Who reads what happens as it happens.
    pub streams: Streams,
    /// Knows which signals are declared.
    pub signals: Signals,
    /// The merchants' own model, where there is one.
    pub scorer: Option<Scorer>,
    /// Where back-tests leave what the next ones need not read from the log, if they do.
    pub extracts: Option<PathBuf>,
    /// The log itself, for histories.
    pub log: Arc<dyn EventLog>,
    /// Tokens and personal data.
    pub vault: Arc<Vault>,
    /// Follow what other processes do; end with the service.
    followers: JoinSet<()>,
}

impl Service {
    /// Starts writers and projections on a store; a new store gets the merchant `default`.
    pub async fn start(store: Store, first_rulebook: Rulebook) -> anyhow::Result<Self> {
        Self::start_with(store, first_rulebook, notify::Terms::default()).await
    }

    /// As [`Service::start`], with other terms for the receivers of notifications.
    pub async fn start_with(store: Store, first_rulebook: Rulebook, terms: notify::Terms) -> anyhow::Result<Self> {
        let Store { log, vault, models, outbox, snapshots } = store;
        let directory = Arc::new(Directory::open(&*log).await.context("cannot read the merchants")?);
        let engine = Engine::open(log.clone(), vault.clone(), clock::system(), first_rulebook, snapshots.clone())
            .await
            .context("cannot start the engine")?;
        let models = ReadModels::open(&models, log.clone()).await.context("cannot open the read models")?;
        let (models, followers) = (Arc::new(models), JoinSet::new());
        let notifier =
            Notifier::open(&outbox, log.clone(), vault.clone(), clock::system(), terms, guard::system()).await;
        let notifier = Arc::new(notifier.context("cannot open the outbox")?);
        let (rulebooks, signals) = (Rulebooks::new(log.clone()), Signals::new(log.clone()));
        let jobs = Jobs::new(log.member()).context("cannot start the threads of jobs")?;
        let streams = Streams::default();
        let mut service = Self {
            engine,
            models,
            notifier,
            directory,
            rulebooks,
            jobs,
            streams,
            signals,
            scorer: None,
            extracts: snapshots,
            log,
            vault,
            followers,
        };
        if service.log.members().await.context("cannot read who else is at work")?.is_empty() {
            service.models.start().await;
        } else {
            service.follow_partitions();
        }
        service.register_default().await?;
        Ok(service)
    }

    /// Begins to tell other systems of what happens in the partitions that this process keeps.
    pub fn tell_others(&mut self) {
        for partition in 0..self.log.partitions() {
            let (notifier, mut standing) = (self.notifier.clone(), self.engine.standing(partition));
            self.followers.spawn(async move {
                loop {
                    if *standing.borrow_and_update() == Standing::Here {
                        notifier.follow(partition);
                    } else {
                        notifier.unfollow(partition).await;
                    }
                    if standing.changed().await.is_err() {
                        return;
                    }
                }
            });
        }
    }

    /// Begins to keep the extracts for back-tests of the partitions that this process keeps.
    pub fn keep_extracts(&self) {
        let Some(directory) = &self.extracts else { return };
        for partition in 0..self.log.partitions() {
            let (log, directory, standing) = (self.log.clone(), directory.clone(), self.engine.standing(partition));
            self.jobs.stand_by(extracts::keep(log, partition, directory, standing));
        }
    }

    /// Has all extracts for back-tests go on up to now.
    pub async fn extract(&self) -> anyhow::Result<()> {
        let Some(directory) = &self.extracts else { return Ok(()) };
        for partition in 0..self.log.partitions() {
            engine::extract(&*self.log, partition, directory, u64::MAX)
                .await
                .context("cannot make the extract for back-tests")?;
        }
        Ok(())
    }

    /// Of a log that several processes share, folds what is written here and learns of what is written elsewhere.
    fn follow_partitions(&mut self) {
        for partition in 0..self.log.partitions() {
            let (models, mut standing) = (self.models.clone(), self.engine.standing(partition));
            self.followers.spawn(async move {
                loop {
                    if *standing.borrow_and_update() == Standing::Elsewhere {
                        models.unfollow(partition).await;
                    } else {
                        models.follow(partition).await;
                    }
                    if standing.changed().await.is_err() {
                        return;
                    }
                }
            });
            let (directory, log, standing) =
                (self.directory.clone(), self.log.clone(), self.engine.standing(partition));
            self.followers.spawn(async move {
                directory.follow(&*log, partition, standing).await;
            });
        }
    }

    async fn register_default(&self) -> anyhow::Result<()> {
        let id = default_merchant()?;
        if self.directory.merchant(&id).is_some() {
            return Ok(());
        }
        let registered =
            MerchantRegistered { name: "Default".into(), time_zone: "Asia/Shanghai".into(), currency: "CNY".into() };
        match self.command(&id, "orderlight", MerchantCommand::Register(registered)).await {
            // Whoever keeps its partition registers it.
            Ok(_) | Err(Refusal::Elsewhere) => Ok(()),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Makes sure that somebody can call the API: with a token given from outside, or with a key that the first start makes
    /// and prints once.
    pub async fn bootstrap(&self, token: Option<&str>) -> anyhow::Result<()> {
        let id = default_merchant()?;
        // An empty variable is one that is not set: an empty token would let everybody in.
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            self.directory.set_bootstrap(id, token);
            return Ok(());
        }
        let has_keys = self.directory.merchant(&id).is_some_and(|merchant| !merchant.keys().is_empty());
        if has_keys {
            return Ok(());
        }
        let (key, created) = new_key("first", vec![Role::Admin, Role::Platform], None)?;
        match self.command(&id, "orderlight", MerchantCommand::CreateKey(created)).await {
            Ok(_) => say!("administrator's key of the merchant {DEFAULT_MERCHANT}, shown only now: {key}"),
            // Whoever keeps its partition made one.
            Err(Refusal::Elsewhere) => {}
            Err(refusal) => return Err(refusal.into()),
        }
        Ok(())
    }

    /// What the merchants' own model says of an order that is being placed; `None` where there is none, it does not answer, or the
    /// merchant has not declared its signal.
    pub async fn score(&self, merchant: &MerchantId, notice: &Notice) -> Option<OrderScore> {
        let (Some(scorer), Content::Placed(facts)) = (&self.scorer, &notice.content) else { return None };
        let partition = self.engine.partition_of(merchant);
        match self.signals.is_of_orders(partition, merchant, scorer.signal()).await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "signals cannot be read; the model is not asked"
                );
                return None;
            }
        }
        let (facts, _) = tokenise(facts, &self.vault.tokeniser(merchant));
        scorer.score(merchant, &notice.order, &facts).await
    }

    /// Decides a command about a merchant; the directory knows of it before the answer.
    pub async fn command(
        &self,
        merchant: &MerchantId,
        actor: &str,
        command: MerchantCommand,
    ) -> Result<MerchantReceipt, Refusal> {
        let origin = Origin { actor: actor.to_owned(), source: "api".to_owned() };
        let answer = self.engine.command(merchant, origin, command).await;
        // Also after a refusal: what was answered as unknown may have been stored, and told by nobody else.
        match self.directory.refresh(&*self.log, merchant).await {
            Ok(()) => answer,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "merchant cannot be read again");
                // A change that is not known here must not be called done: a repetition reads it again.
                answer.and(Err(Refusal::Unavailable))
            }
        }
    }

    /// Waits until the read models have folded all that the log holds now; false when that took longer than `limit`.
    pub async fn follow(&self, limit: Duration) -> bool {
        for partition in 0..self.log.partitions() {
            let Ok(head) = self.log.head(partition).await else { return false };
            for name in self.models.names() {
                if !self.models.wait_for(name, partition, head, limit).await {
                    return false;
                }
            }
        }
        true
    }

    /// Finishes what waits and closes the store.
    pub async fn stop(mut self) {
        self.jobs.stop();
        self.streams.stop();
        self.followers.shutdown().await;
        self.notifier.stop().await;
        self.engine.close().await;
        self.models.stop().await;
        self.log.close().await;
    }

    /// Closes the store under requests that do not end. What they still send is answered as unknown.
    pub async fn cut_off(&self) {
        self.jobs.stop();
        self.streams.stop();
        self.notifier.stop().await;
        self.models.stop().await;
        self.log.close().await;
    }
}

/// The id of [`DEFAULT_MERCHANT`].
pub fn default_merchant() -> anyhow::Result<MerchantId> {
    DEFAULT_MERCHANT.parse().context("the default merchant has an id")
}

/// Where a notice comes from that was sent by a key or read from a file: both count as one source, so that a file that was
/// sent over HTTP is known when it is imported, and the other way round. A status may name a source of its own.
pub fn notice_origin(actor: &str, notice: &Notice) -> Origin {
    let source = match &notice.content {
        Content::Status { source: Some(source), .. } => source.as_str(),
        Content::Status { source: None, .. } | Content::Placed(_) | Content::Amended(_) => "api",
    };
    Origin { actor: actor.to_owned(), source: source.to_owned() }
}

/// A new key, `olk_` and 64 hexadecimal digits, with what is kept of it.
pub fn new_key(name: &str, roles: Vec<Role>, expires_at: Option<Timestamp>) -> anyhow::Result<(String, KeyCreated)> {
    let mut random = [0; 40];
    getrandom::fill(&mut random).context("the system has no randomness")?;
    let (id, secret) = random.split_at(8);
    let key = format!("olk_{}", hex::encode(secret));
    let hash = hex::encode(hash_of(&key)).into();
    let created = KeyCreated { id: hex::encode(id).into(), name: name.into(), hash, roles, expires_at };
    Ok((key, created))
}

/// A new draft's id, `d-` and 16 hexadecimal digits.
pub fn new_draft_id() -> anyhow::Result<DraftId> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).context("the system has no randomness")?;
    format!("d-{}", hex::encode(random)).parse().context("such a text is a draft's id")
}

#[cfg(test)]
mod tests {
    use domain::merchant::KeyRevoked;

    use super::*;
    use crate::faulty_log::Faults;

    #[tokio::test]
    async fn a_key_whose_revocation_was_answered_as_unknown_does_not_count_any_more() {
        let directory = tempfile::tempdir().unwrap();
        let (log, service) = Faults::service(directory.path()).await;
        let id = default_merchant().unwrap();
        let (key, created) = new_key("till", vec![Role::Ingest], None).unwrap();
        let revoke = MerchantCommand::RevokeKey(KeyRevoked { id: created.id.clone() });
        let counts = || service.directory.caller(&key, clock::now()).is_some();
        service.command(&id, "test", MerchantCommand::CreateKey(created)).await.unwrap();
        assert!(counts());

        log.lose(1);
        assert_eq!(service.command(&id, "test", revoke.clone()).await.err(), Some(Refusal::Unavailable));
        assert!(counts(), "nothing was stored");
        log.store_unsaid(1);
        assert_eq!(service.command(&id, "test", revoke).await.err(), Some(Refusal::Unavailable));
        assert!(!counts(), "the revocation was stored");
        service.stop().await;
    }

    #[tokio::test]
    async fn an_empty_token_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let (_log, service) = Faults::service(directory.path()).await;
        service.bootstrap(Some("")).await.unwrap();
        assert!(service.directory.caller("", clock::now()).is_none());
        let merchant = service.directory.merchant(&default_merchant().unwrap()).unwrap();
        assert_eq!(merchant.keys().len(), 1, "the first key was made");
        service.stop().await;
    }
}
