//! Long tasks that somebody starts and asks after: replays, back-tests.
//!
//! * A job belongs to a merchant; to every other it is not there.
//! * Jobs are kept in memory, with a limit on how many run and how many finished ones are kept, of each merchant and altogether. They
//!   change nothing, so one that is lost is started again.
//! * They run on a few threads of their own that everything else goes before, so that live traffic notices little of them.
//! * They end with the service.

mod shelf;
mod threads;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use axum::http::StatusCode;
use domain::ids::MerchantId;
use domain::merchant::Role;
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use self::shelf::Shelf;
use self::threads::Threads;
use crate::clock;
use crate::http::problem::Problem;

/// Jobs that run at once. The last place is kept for a merchant that has none running, so that two of them do not take all.
pub const RUNNING_MAX: usize = 4;
/// Those of one merchant.
pub const RUNNING_OF_MERCHANT_MAX: usize = 2;
/// How long one may run.
pub const RUNS_FOR_MAX: Duration = Duration::from_secs(3_600);
/// The largest result, as JSON.
pub const RESULT_BYTES_MAX: usize = 16 << 20;

/// What is done, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct JobKind {
    /// Its name in the API.
    pub name: &'static str,
    /// Who may start such a job, and ask after it.
    pub roles: &'static [Role],
}

/// The jobs of a service.
pub struct Jobs {
    shelf: Mutex<Shelf>,
    threads: Threads,
    process: u64,
}

/// One job.
#[derive(Debug)]
pub struct Job {
    /// `j-`, the number of the process that it runs in, and 16 hexadecimal digits.
    pub id: String,
    /// Whose it is.
    pub merchant: MerchantId,
    /// What it does.
    pub kind: JobKind,
    /// The key that it was started with.
    pub started_by: String,
    /// When.
    pub started_at: Timestamp,
    standing: watch::Sender<Standing>,
    task: OnceLock<AbortHandle>,
    /// Whoever works on it: a cancelled one counts as running until its work has let go.
    work: Weak<()>,
}

/// How a job stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// How much of it is done, in whatever the kind of job counts.
    pub done: u64,
    /// Of how much; 0 while that is not known.
    pub total: u64,
    /// Whether it goes on.
    pub state: State,
}

/// Whether a job goes on, and how it ended.
#[derive(Clone, Debug)]
pub enum State {
    /// It goes on.
    Running,
    /// It ended with this result.
    Done(Arc<RawValue>, Instant),
    /// It could not be done.
    Failed(Box<Problem>, Instant),
    /// Somebody, or the end of the service, ended it.
    Cancelled(Instant),
}

impl State {
    /// Its name in the API.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done(..) => "done",
            Self::Failed(..) => "failed",
            Self::Cancelled(_) => "cancelled",
        }
    }

    /// Whether nothing more comes of it.
    pub const fn is_over(&self) -> bool {
        self.ended().is_some()
    }

    const fn ended(&self) -> Option<Instant> {
        match self {
            Self::Running => None,
            Self::Done(_, at) | Self::Failed(_, at) | Self::Cancelled(at) => Some(*at),
        }
    }
}

/// With what a job's work says how far it is, and learns that it is not wanted any more. Whoever works holds one.
#[derive(Clone, Debug)]
pub struct Progress {
    job: Arc<Job>,
    _work: Arc<()>,
}

impl Progress {
    /// So much is done. For every page of the work and not for every order: each call may wake those who watch.
    pub fn tell(&self, done: u64, total: u64) {
        self.job.standing.send_modify(|standing| (standing.done, standing.total) = (done, total));
    }

    /// Whether the work should end: asked now and then by work that waits for nothing. Work that waits is ended where it does.
    pub fn is_cancelled(&self) -> bool {
        self.job.standing.borrow().state.is_over()
    }
}

/// Why no job was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoRoom {
    /// The merchant has [`RUNNING_OF_MERCHANT_MAX`].
    #[error("{RUNNING_OF_MERCHANT_MAX} jobs of the merchant are running")]
    OfMerchant,
    /// The merchant has one, and the last place is kept for one that has none.
    #[error("a job of the merchant is running, and the last place is kept for merchants that have none")]
    LastPlace,
    /// There are [`RUNNING_MAX`].
    #[error("{RUNNING_MAX} jobs are running")]
    Altogether,
    /// The service stops.
    #[error("the service is stopping")]
    Stopping,
}

impl Jobs {
    /// None so far. `process` is the number by which others on the same log find this process.
    pub fn new(process: Option<u64>) -> std::io::Result<Self> {
        Ok(Self { shelf: Mutex::default(), threads: Threads::start()?, process: process.unwrap_or_default() })
    }

    /// Has work done that is no job, on the same threads, until the service ends.
    pub(crate) fn stand_by(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.threads.spawn(work));
    }

    /// Starts a job. Its work is begun on the threads of jobs, and what it spawns stays there.
    ///
    /// The work ends at its next wait when the job is cancelled; when it waits for nothing, it asks [`Progress::is_cancelled`]. It
    /// should hold no more of the service than it needs, and never the service itself.
    pub fn start<R, Work>(
        &self,
        merchant: &MerchantId,
        starter: &str,
        kind: JobKind,
        work: impl FnOnce(Progress) -> Work + Send + 'static,
    ) -> Result<Arc<Job>, Problem>
    where
        R: Serialize,
        Work: Future<Output = Result<R, Problem>> + Send,
    {
        let mut shelf = self.shelf();
        shelf.make_room(merchant)?;
        let holder = Arc::new(());
        let job = Arc::new(Job {
            id: new_id(self.process)?,
            merchant: merchant.clone(),
            kind,
            started_by: starter.to_owned(),
            started_at: clock::now(),
            standing: watch::Sender::new(Standing { done: 0, total: 0, state: State::Running }),
            task: OnceLock::new(),
            work: Arc::downgrade(&holder),
        });
        let (unended, progress) = (Unended(job.clone()), Progress { job: job.clone(), _work: holder });
        let task = self.threads.spawn(async move {
            let ended = timeout(RUNS_FOR_MAX, async { work(progress).await }).await;
            unended.0.end(outcome(ended.unwrap_or_else(|_| Err(too_slow()))));
        });
        job.task.set(task.abort_handle()).expect("a new job has no task");
        shelf.put(job.clone());
        Ok(job)
    }

    /// A job of a merchant, if it is there.
    pub fn find(&self, merchant: &MerchantId, id: &str) -> Option<Arc<Job>> {
        self.shelf().find(merchant, id)
    }

    /// Cancels all jobs and starts none any more.
    pub fn stop(&self) {
        self.shelf().close();
    }

    /// The process that a job runs in, when that is another one.
    pub fn elsewhere(&self, id: &str) -> Option<u64> {
        let (process, _) = id.strip_prefix("j-")?.split_once('-')?;
        process.parse().ok().filter(|process| *process != self.process)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    /// How it stands, now and from now on.
    pub fn watch(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// How many watch it.
    pub fn watchers(&self) -> usize {
        self.standing.receiver_count()
    }

    /// Ends it, unless it has ended.
    pub fn cancel(&self) {
        self.end(State::Cancelled(Instant::now()));
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    fn end(&self, state: State) {
        self.standing.send_if_modified(|standing| {
            let ends = !standing.state.is_over();
            if ends {
                standing.state = state;
            }
            ends
        });
    }

    fn is_worked_on(&self) -> bool {
        self.work.strong_count() > 0
    }
}

/// A job whose work has not said how it ended. Where it never does, because it panicked, the job has failed.
struct Unended(Arc<Job>);

impl Drop for Unended {
    fn drop(&mut self) {
        if !self.0.standing.borrow().state.is_over() {
            let problem = Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "The service failed",
                "the job broke off; the failure was logged",
            );
            self.0.end(State::Failed(Box::new(problem), Instant::now()));
        }
    }
}

fn outcome<R: Serialize>(ended: Result<R, Problem>) -> State {
    let result = ended.and_then(|result| to_raw_value(&result).map_err(|error| Problem::internal(&error)));
    match result {
        Ok(result) if result.get().len() > RESULT_BYTES_MAX => State::Failed(Box::new(too_much()), Instant::now()),
        Ok(result) => State::Done(result.into(), Instant::now()),
        Err(problem) => State::Failed(Box::new(problem), Instant::now()),
    }
}

fn too_slow() -> Problem {
    let detail = format!("a job may take {} seconds; ask for less at once", RUNS_FOR_MAX.as_secs());
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "job_too_slow", "The job took too long", detail)
}

fn too_much() -> Problem {
    let detail = format!("a job's result may have {RESULT_BYTES_MAX} bytes; ask for less at once");
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "result_too_large", "The job's result is too large", detail)
}

impl From<NoRoom> for Problem {
    fn from(reason: NoRoom) -> Self {
        match reason {
            NoRoom::OfMerchant | NoRoom::LastPlace | NoRoom::Altogether => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_jobs",
                "Too many jobs are running",
                format!("{reason}; wait for one to end, or end it with DELETE /v1/jobs/{{job}}"),
            )
            .retry_after(5),
            NoRoom::Stopping => Self::unavailable("stopping", reason.to_string()),
        }
    }
}

fn new_id(process: u64) -> Result<String, Problem> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| Problem::internal(&error))?;
    Ok(format!("j-{process}-{}", hex::encode(random)))
}

#[cfg(test)]
mod tests;
