//! Which jobs there are: those that run, and the last of those that ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::MerchantId;

use super::{Job, NoRoom, RUNNING_MAX, RUNNING_OF_MERCHANT_MAX, State};

/// Ended jobs that are kept.
const KEPT_MAX: usize = 256;
/// Those of one merchant.
const KEPT_OF_MERCHANT_MAX: usize = 16;
/// All of their results.
const KEPT_BYTES_MAX: usize = 64 << 20;
/// So many run when one place is left.
const LAST_PLACE: usize = RUNNING_MAX - 1;
/// How long one is kept.
const KEPT_FOR: Duration = Duration::from_secs(3_600);

/// See the module.
#[derive(Default)]
pub(super) struct Shelf {
    /// In the order in which they were started.
    jobs: Vec<Arc<Job>>,
    is_closed: bool,
}

impl Shelf {
    /// Makes sure that one more job may run.
    pub(super) fn make_room(&mut self, merchant: &MerchantId) -> Result<(), NoRoom> {
        if self.is_closed {
            return Err(NoRoom::Stopping);
        }
        self.tidy();
        let running = || self.jobs.iter().filter(|job| job.is_worked_on());
        match (running().filter(|job| job.merchant == *merchant).count(), running().count()) {
            (RUNNING_OF_MERCHANT_MAX.., _) => Err(NoRoom::OfMerchant),
            (_, RUNNING_MAX..) => Err(NoRoom::Altogether),
            (1.., LAST_PLACE) => Err(NoRoom::LastPlace),
            _ => Ok(()),
        }
    }

    pub(super) fn put(&mut self, job: Arc<Job>) {
        self.jobs.push(job);
    }

    pub(super) fn find(&mut self, merchant: &MerchantId, id: &str) -> Option<Arc<Job>> {
        self.tidy();
        self.jobs.iter().find(|job| job.id == id && job.merchant == *merchant).cloned()
    }

    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.jobs.iter().for_each(|job| job.cancel());
    }

    /// Forgets what ended too long ago, and of the rest the earliest that are too many.
    fn tidy(&mut self) {
        let (mut kept, mut bytes, mut of_merchant) = (0, 0, HashMap::<MerchantId, usize>::new());
        let mut is_kept = |job: &Job| {
            let standing = job.standing.borrow();
            let Some(ended) = standing.state.ended() else { return true };
            let of_merchant = of_merchant.entry(job.merchant.clone()).or_default();
            let size = if let State::Done(result, _) = &standing.state { result.get().len() } else { 0 };
            let fits = ended.elapsed() < KEPT_FOR
                && kept < KEPT_MAX
                && *of_merchant < KEPT_OF_MERCHANT_MAX
                && bytes + size <= KEPT_BYTES_MAX;
            if fits {
                (kept, bytes, *of_merchant) = (kept + 1, bytes + size, *of_merchant + 1);
            }
            fits || job.is_worked_on()
        };
        let mut newest_first: Vec<_> = self.jobs.drain(..).rev().filter(|job| is_kept(job)).collect();
        newest_first.reverse();
        self.jobs = newest_first;
    }
}
