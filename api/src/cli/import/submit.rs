//! Lines put to the engine, many under way at once, and their answers taken in.
//!
//! When the writer began anew, what was in its mailbox is answered as unknown. Nothing further is submitted then until those
//! notices were put to it again in their order; those that were stored all the same are known by their delivery keys.

use std::collections::VecDeque;
use std::time::Duration;

use domain::fault::Fault;
use domain::ids::MerchantId;
use domain::notice::{Notice, read_notice};
use engine::{Pending, Receipt, Refusal, WhenFull};
use indicatif::ProgressBar;

use super::lines::Line;
use super::summary::Summary;
use crate::service::{Service, notice_origin};

/// Notices that wait for their commit at once.
const IN_FLIGHT_MAX: usize = 1_024;
/// How often a notice is put to the engine again.
const REPEATS_MAX: u32 = 3;
/// How long the writer is given to begin anew; it tries five times a second.
const REPEAT_PAUSE: Duration = Duration::from_millis(500);

/// An import under way.
pub(super) struct Submission<'a> {
    service: &'a Service,
    merchant: &'a MerchantId,
    progress: ProgressBar,
    summary: Summary,
    waiting: VecDeque<Waiting>,
}

/// A line's notice, kept until it is answered.
struct Numbered {
    line: u64,
    notice: Notice,
}

/// A notice that was submitted.
struct Waiting {
    numbered: Numbered,
    pending: Result<Pending, Refusal>,
}

impl<'a> Submission<'a> {
    pub(super) fn new(service: &'a Service, merchant: &'a MerchantId, progress: ProgressBar) -> anyhow::Result<Self> {
        let waiting = VecDeque::with_capacity(IN_FLIGHT_MAX);
        Ok(Self { service, merchant, progress, summary: Summary::new()?, waiting })
    }

    /// Submits a line, waiting for room.
    pub(super) async fn take(&mut self, Line { number, content, .. }: Line) {
        if self.waiting.len() == IN_FLIGHT_MAX {
            self.settle_oldest().await;
        }
        match read(content) {
            Ok(Some(notice)) => {
                let waiting = self.submit(Numbered { line: number, notice }).await;
                self.waiting.push_back(waiting);
            }
            Ok(None) => {}
            Err(faults) => self.summary.refuse(number, &faults, &self.progress),
        }
    }

    /// Waits for all answers.
    pub(super) async fn finish(mut self) -> Summary {
        while !self.waiting.is_empty() {
            self.settle_oldest().await;
        }
        self.summary
    }

    async fn submit(&self, numbered: Numbered) -> Waiting {
        let notice = numbered.notice.clone();
        let origin = notice_origin("import", &notice);
        let pending = self.service.engine.submit(self.merchant, origin, notice, WhenFull::Wait).await;
        Waiting { numbered, pending }
    }

    /// Takes the oldest answer in; when it is unknown what became of that notice, settles all that wait.
    async fn settle_oldest(&mut self) {
        let Some(Waiting { numbered, pending }) = self.waiting.pop_front() else { return };
        match answer(pending).await {
            Err(Refusal::Unavailable) => self.repeat(numbered).await,
            answer => self.summary.take(numbered.line, answer, &self.progress),
        }
    }

    /// Puts a notice and those after it again, until all are answered or it was tried often enough.
    async fn repeat(&mut self, first: Numbered) {
        let waiting = std::mem::take(&mut self.waiting);
        let mut unknown = self.settle(waiting, vec![first]).await;
        for repeat in 1..=REPEATS_MAX {
            tokio::time::sleep(REPEAT_PAUSE).await;
            let mut waiting = VecDeque::with_capacity(unknown.len());
            for numbered in unknown {
                waiting.push_back(self.submit(numbered).await);
            }
            if repeat == REPEATS_MAX {
                for Waiting { numbered, pending } in waiting {
                    self.summary.take(numbered.line, answer(pending).await, &self.progress);
                }
                return;
            }
            unknown = self.settle(waiting, vec![]).await;
            if unknown.is_empty() {
                return;
            }
        }
    }

    /// Takes answers in, and gives the notices back that are to be put again: those of which it is unknown what became, and
    /// those refused after them, which may have needed them.
    async fn settle(&mut self, waiting: VecDeque<Waiting>, mut unknown: Vec<Numbered>) -> Vec<Numbered> {
        for Waiting { numbered, pending } in waiting {
            match answer(pending).await {
                Err(refusal) if refusal == Refusal::Unavailable || !unknown.is_empty() => unknown.push(numbered),
                answer => self.summary.take(numbered.line, answer, &self.progress),
            }
        }
        unknown
    }
}

async fn answer(pending: Result<Pending, Refusal>) -> Result<Receipt, Refusal> {
    pending?.receipt().await
}

/// The notice of a line; none of an empty one.
fn read(content: Result<serde_json::Value, String>) -> Result<Option<Notice>, String> {
    let content = content?;
    if content.is_null() {
        return Ok(None);
    }
    read_notice(content).map(Some).map_err(|faults| told(&faults))
}

fn told(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::faulty_log::Faults;
    use crate::service::default_merchant;

    fn lines() -> Vec<Value> {
        let line = |number: u64| {
            let order_no = format!("A{}", number / 2);
            let placed = json!({"kind": "placed", "order": {
                "channel": "web", "order_no": order_no, "placed_at": "2026-11-11T00:00:00Z", "currency": "CNY", "amount": 100,
                "lines": [{"sku": "MASK-01", "quantity": 1}],
            }});
            let amended = json!({"kind": "amended", "order": {
                "channel": "web", "order_no": order_no, "device": {"id": format!("d-{number}")},
            }});
            if number.is_multiple_of(2) { placed } else { amended }
        };
        (0..40).map(line).collect()
    }

    /// Imports all lines, with faults of the log from before the first one; how many orders, updates and duplicates it
    /// stored, and how many lines it refused.
    async fn imported(fault: impl FnOnce(&Faults)) -> (u64, u64, u64, u64) {
        let directory = tempfile::tempdir().unwrap();
        let (log, service) = Faults::service(directory.path()).await;
        let merchant = default_merchant().unwrap();
        fault(&log);
        let mut submission = Submission::new(&service, &merchant, ProgressBar::hidden()).unwrap();
        for (content, number) in lines().into_iter().zip(1..) {
            submission.take(Line { number, read_bytes: 0, content: Ok(content) }).await;
        }
        let summary = submission.finish().await;
        service.stop().await;
        (summary.created, summary.updated, summary.duplicates, summary.refused)
    }

    #[tokio::test]
    async fn lines_that_the_writer_lost_are_put_to_it_again() {
        assert_eq!(imported(|_| ()).await, (20, 20, 0, 0));
        assert_eq!(imported(|log| log.lose(2)).await, (20, 20, 0, 0));
    }

    #[tokio::test]
    async fn lines_that_were_stored_though_unsaid_are_known_again() {
        let (created, updated, duplicates, refused) = imported(|log| log.store_unsaid(1)).await;
        assert_eq!((created + updated + duplicates, refused), (40, 0));
        assert!(duplicates > 0, "something was stored before");
    }

    #[tokio::test]
    async fn a_store_that_stays_away_is_not_tried_for_ever() {
        assert_eq!(imported(|log| log.lose(usize::MAX)).await, (0, 0, 0, 40));
    }
}
