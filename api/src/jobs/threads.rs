//! The threads that jobs run on.

use std::future::Future;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Threads that compute.
const WORKERS: usize = 2;
/// Threads on which jobs decode what they read. They end when there is nothing to do.
const BLOCKING_MAX: usize = 2;
/// How far they stand back, as `nice` has it: with ten, a thread of the live path gets nine times as much of a busy processor.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// A runtime of its own, so that neither jobs nor what they spawn keep the tasks of live traffic waiting.
pub(super) struct Threads(Option<Runtime>);

impl Threads {
    pub(super) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(BLOCKING_MAX)
            .thread_name("jobs")
            .on_thread_start(stand_back)
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    pub(super) fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.0.as_ref().expect("it is there until it is dropped").spawn(work)
    }
}

impl Drop for Threads {
    /// Waits for nothing: whoever drops this may be a task that must not be kept waiting.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(target_os = "linux")]
fn stand_back() {
    // Of Linux this sets the priority of the calling thread, not of the process.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(error = &error as &dyn std::error::Error, "threads of jobs keep their priority");
    }
}

/// Elsewhere the call would be about the whole process.
#[cfg(not(target_os = "linux"))]
const fn stand_back() {}
