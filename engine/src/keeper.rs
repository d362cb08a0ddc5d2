//! Who keeps which partition: a process takes its fair share, gives away what is more, and takes over what nobody keeps.
//!
//! Each partition has a keeper task that holds the partition's mailbox for as long as the process lives. While the partition is
//! wanted here the keeper runs its writer, and begins again from the log whenever that ended; while it is not, work is told to go
//! elsewhere. Where one process alone can have the log open, everything is wanted and nothing moves.

use std::sync::Arc;
use std::time::Duration;

use eventlog::{EventLog, LogError, Member};
use tokio::sync::{Notify, mpsc, watch};

use crate::work::{Refusal, Work};
use crate::writer::{Ended, OpenError, Tools, Writer};

/// How often it is looked whether the shares are fair.
const BALANCE_EVERY: Duration = Duration::from_millis(500);
/// The pause before the log is tried again after it failed.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// How a partition stands in this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Its writer works here.
    Here,
    /// It is wanted here, and its log is being folded or cannot be read now.
    Opening,
    /// It is another process's, or nobody's so far.
    Elsewhere,
}

/// What is known of a partition all over the process.
pub(crate) struct Partition {
    number: u32,
    wanted: watch::Sender<bool>,
    standing: watch::Sender<Standing>,
    /// Told when the store says that the partition is this process's no more, which a writer without work would not notice.
    lost: Notify,
}

impl Partition {
    pub(crate) fn new(number: u32, is_wanted: bool) -> Self {
        let standing = if is_wanted { Standing::Opening } else { Standing::Elsewhere };
        let (wanted, standing) = (watch::Sender::new(is_wanted), watch::Sender::new(standing));
        Self { number, wanted, standing, lost: Notify::new() }
    }

    pub(crate) fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    fn is_wanted(&self) -> bool {
        *self.wanted.borrow()
    }
}

/// Keeps a partition until its mailbox is closed. `writer` is one that was opened beforehand.
pub(crate) async fn keep(
    partition: Arc<Partition>,
    tools: Tools,
    mut writer: Option<Writer>,
    mut mailbox: mpsc::Receiver<Work>,
) {
    let mut wanted = partition.wanted.subscribe();
    loop {
        if !*wanted.borrow_and_update() {
            partition.standing.send_replace(Standing::Elsewhere);
            if refuse_until(&mut mailbox, &Refusal::Elsewhere, wanted.changed()).await.is_none() {
                return;
            }
            continue;
        }
        let opened = match writer.take() {
            Some(writer) => Ok(writer),
            None => {
                let open = Writer::open(tools.clone(), partition.number);
                match refuse_until(&mut mailbox, &Refusal::Unavailable, open).await {
                    Some(opened) => opened,
                    None => return,
                }
            }
        };
        match opened {
            Ok(writer) => {
                partition.standing.send_replace(Standing::Here);
                let ended = writer.run(&mut mailbox, &mut wanted, &partition.lost).await;
                partition.standing.send_replace(Standing::Opening);
                match ended {
                    Ended::Closed => return,
                    Ended::Unwanted => give_away(&partition, &*tools.log).await,
                    Ended::Failed => metrics::counter!("orderlight_writer_restarts_total").increment(1),
                }
            }
            Err(OpenError::Log(LogError::Owned { .. })) => {
                partition.wanted.send_replace(false);
            }
            Err(error) => {
                let number = partition.number;
                tracing::error!(partition = number, error = &error as &dyn std::error::Error, "log cannot be folded");
                let pause = tokio::time::sleep(RETRY_PAUSE);
                if refuse_until(&mut mailbox, &Refusal::Unavailable, pause).await.is_none() {
                    return;
                }
            }
        }
    }
}

async fn give_away(partition: &Partition, log: &dyn EventLog) {
    match log.release(partition.number).await {
        Ok(()) => tracing::info!(partition = partition.number, "partition is given away"),
        // The store frees it when it finds this process gone, and the epoch keeps it from writing until then.
        Err(error) => {
            tracing::warn!(
                partition = partition.number,
                error = &error as &dyn std::error::Error,
                "partition cannot be given away"
            );
        }
    }
}

/// Refuses work until something is done. `None` when the mailbox was closed before.
async fn refuse_until<T>(
    mailbox: &mut mpsc::Receiver<Work>,
    refusal: &Refusal,
    done: impl Future<Output = T>,
) -> Option<T> {
    tokio::pin!(done);
    loop {
        tokio::select! {
            done = &mut done => return Some(done),
            work = mailbox.recv() => work?.refuse(refusal.clone()),
        }
    }
}

/// How many partitions a process may take at start; all where it is alone.
pub(crate) async fn first_share(log: &dyn EventLog) -> Result<usize, LogError> {
    Ok(share(log.partitions(), &log.members().await?))
}

/// An equal share for each process that can be reached. One that cannot, such as a command, takes only what nobody keeps.
fn share(partitions: u32, members: &[Member]) -> usize {
    let reachable = members.iter().filter(|member| member.address.is_some()).count();
    usize::try_from(partitions).unwrap_or(usize::MAX).div_ceil(reachable.max(1))
}

/// Keeps the shares fair among the processes that live, for as long as it is let.
pub(crate) async fn balance(partitions: Vec<Arc<Partition>>, log: Arc<dyn EventLog>) {
    loop {
        tokio::time::sleep(BALANCE_EVERY).await;
        if let Err(error) = balance_once(&partitions, &*log).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "shares cannot be looked at");
        }
    }
}

async fn balance_once(partitions: &[Arc<Partition>], log: &dyn EventLog) -> Result<(), LogError> {
    for partition in partitions.iter().filter(|partition| partition.standing() == Standing::Here) {
        if !log.holds(partition.number) {
            partition.lost.notify_one();
        }
    }
    let members = log.members().await?;
    let share = share(log.partitions(), &members);
    let wanted = partitions.iter().filter(|partition| partition.is_wanted());
    let surplus: Vec<_> = wanted.skip(share).collect();
    for partition in surplus {
        partition.wanted.send_replace(false);
    }
    let mut room = share.saturating_sub(partitions.iter().filter(|partition| partition.is_wanted()).count());
    for partition in partitions.iter().filter(|partition| !partition.is_wanted()) {
        if room == 0 {
            break;
        }
        let owner = log.owner(partition.number).await?;
        if owner.is_none_or(|owner| !members.iter().any(|member| member.id == owner.id)) {
            partition.wanted.send_replace(true);
            room -= 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_all_partitions() {
        let member = |id: u64| Member { id, address: Some("http://127.0.0.1:8080".into()) };
        for (members, expected) in [(0, 16), (1, 16), (2, 8), (3, 6), (16, 1), (40, 1)] {
            let mut members: Vec<Member> = (0..members).map(member).collect();
            members.push(Member { id: 99, address: None });
            assert_eq!(share(16, &members), expected, "{members:?}");
        }
    }
}
