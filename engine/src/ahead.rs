//! Orders for which something is about to be due are read beside the writer before deadlines are taken: nobody whose order is decided
//! meanwhile waits for that.

use std::sync::Arc;

use domain::time::Timestamp;
use eventlog::{EventLog, LogError, StreamId};
use tokio::sync::oneshot;

use crate::orders::{Folded, folded};
use crate::wishes::DUE_AT_ONCE_MAX;
use crate::writer::{DUE_GATHERED_FOR, Writer};

/// How far this is for the deadlines that are taken next.
pub(crate) enum Ahead {
    /// Nothing was read for them.
    Idle,
    Reading {
        group: Group,
        read: oneshot::Receiver<Result<Vec<Folded>, LogError>>,
    },
    /// What was not at hand for these was read.
    Read(Group),
}

/// Deadlines for which is read together.
#[derive(Clone, Copy)]
pub(crate) struct Group {
    /// They are all before then.
    pub(crate) until: Timestamp,
    /// So many of the first are not taken so far.
    pub(crate) left: usize,
}

impl Ahead {
    /// Begins to read, which goes on by itself.
    fn of(streams: Vec<StreamId>, group: Group, log: Arc<dyn EventLog>) -> Self {
        if streams.is_empty() {
            return Self::Read(group);
        }
        let (end, read) = oneshot::channel();
        tokio::spawn(async move {
            let events = log.read_streams(&streams).await;
            drop(end.send(events.and_then(|events| folded(&events))));
        });
        Self::Reading { group, read }
    }

    pub(crate) const fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    pub(crate) const fn is_read(&self) -> bool {
        matches!(self, Self::Read(_))
    }

    /// Waits for what is being read; for ever when nothing is. May be dropped and called again.
    pub(crate) async fn end(&mut self) -> Result<Vec<Folded>, LogError> {
        let Self::Reading { group, read } = self else { return std::future::pending().await };
        let (group, ended) = (*group, read.await);
        *self = Self::Read(group);
        ended.unwrap_or_else(|_| Err(LogError::Store("a read ended without a word".into())))
    }
}

impl Writer {
    /// Reads the orders of the first of those deadlines that will be over before long; one of them is.
    pub(crate) fn read_ahead(&mut self) {
        let until = (self.tools.clock)().plus(DUE_GATHERED_FOR);
        let coming: Vec<_> = self.memory.deadlines.coming(until).take(DUE_AT_ONCE_MAX).collect();
        let group = Group { until, left: coming.len() };
        let coming = coming.into_iter().filter(|(_, deadline)| self.is_wanted(deadline));
        let coming: Vec<_> = coming.map(|(stream, it)| (stream, (it.merchant.clone(), it.order.clone()))).collect();
        self.ahead = Ahead::of(self.orders.expect(coming), group, self.tools.log.clone());
    }

    /// When all that was read for is taken, or settled before it is, what is due next has yet to be read.
    pub(crate) fn forget_settled(&mut self) {
        let first = self.memory.deadlines.next();
        let is_settled = |group: Group| group.left == 0 || first.is_none_or(|first| first >= group.until);
        if matches!(self.ahead, Ahead::Read(group) if is_settled(group)) {
            self.ahead = Ahead::Idle;
        }
    }

    /// Takes in what was read. Where that failed it is looked up with what it is decided with.
    pub(crate) fn take_read(&mut self, read: Result<Vec<Folded>, LogError>) {
        let read = read.unwrap_or_else(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(partition = self.numbers.partition, error, "orders cannot be read ahead");
            Vec::new()
        });
        self.orders.take_expected(read);
    }
}
