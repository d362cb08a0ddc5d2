//! A real log whose pages can be kept back from those who read it from end to end.

use async_trait::async_trait;
use eventlog::{EventLog, LogError, Look, Position};
use tokio::sync::watch;

use crate::interfered::Interference;

/// Holds the last position after which a page is given out.
pub(crate) struct Gate(pub(crate) watch::Receiver<Position>);

#[async_trait]
impl Interference for Gate {
    async fn scan(
        &self,
        log: &dyn EventLog,
        partition: u32,
        after: Position,
        limit: u32,
        look: Look,
    ) -> Result<(), LogError> {
        self.0.clone().wait_for(|opened_to| after <= *opened_to).await.expect("the test holds the gate");
        log.scan(partition, after, limit, look).await
    }
}
