//! Who reads the live stream: a seat for each reader, so many for each merchant and altogether, their turns at the store, and their
//! end with the service.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use domain::ids::MerchantId;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use crate::http::problem::Problem;

/// Readers at once.
pub const READERS_MAX: usize = 256;
/// Those of one merchant.
pub const READERS_OF_MERCHANT_MAX: usize = 32;
/// Pages of the log that are read for them at once. The store has a few connections that read, and the writer needs them too.
const READS_MAX: usize = 2;

/// The seats of a process.
pub struct Streams {
    taken: Arc<Mutex<HashMap<MerchantId, usize>>>,
    stopping: watch::Sender<bool>,
    reads: Semaphore,
}

impl Default for Streams {
    fn default() -> Self {
        Self { taken: Arc::default(), stopping: watch::Sender::new(false), reads: Semaphore::new(READS_MAX) }
    }
}

/// A place among the readers; free again when it is dropped.
pub struct Seat {
    taken: Arc<Mutex<HashMap<MerchantId, usize>>>,
    merchant: MerchantId,
}

/// Why there is no seat.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoSeat {
    /// The merchant has [`READERS_OF_MERCHANT_MAX`].
    #[error("{READERS_OF_MERCHANT_MAX} read the merchant's stream")]
    OfMerchant,
    /// There are [`READERS_MAX`].
    #[error("{READERS_MAX} read streams of this process")]
    Altogether,
    /// The service stops.
    #[error("the service is stopping")]
    Stopping,
}

impl Streams {
    /// A seat for one more reader.
    ///
    /// # Errors
    /// When all are taken.
    pub fn seat(&self, merchant: &MerchantId) -> Result<Seat, NoSeat> {
        if *self.stopping.borrow() {
            return Err(NoSeat::Stopping);
        }
        let mut taken = lock(&self.taken);
        if taken.get(merchant).is_some_and(|readers| *readers >= READERS_OF_MERCHANT_MAX) {
            return Err(NoSeat::OfMerchant);
        }
        if taken.values().sum::<usize>() >= READERS_MAX {
            return Err(NoSeat::Altogether);
        }
        *taken.entry(merchant.clone()).or_default() += 1;
        tell(&taken);
        Ok(Seat { taken: Arc::clone(&self.taken), merchant: merchant.clone() })
    }

    /// Leave to read a page, which readers are given one after the other.
    pub async fn turn(&self) -> SemaphorePermit<'_> {
        self.reads.acquire().await.expect("nobody closes it")
    }

    /// Becomes true when streams are to end.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Ends every stream, and lets none begin.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(readers) = taken.get_mut(&self.merchant) {
            *readers -= 1;
            if *readers == 0 {
                taken.remove(&self.merchant);
            }
        }
        tell(&taken);
    }
}

impl From<NoSeat> for Problem {
    fn from(reason: NoSeat) -> Self {
        match reason {
            NoSeat::OfMerchant => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_streams",
                "Too many read the stream",
                format!("{reason}; end one of them first"),
            )
            .retry_after(5),
            NoSeat::Altogether => {
                Self::unavailable("streams_full", format!("{reason}; come back later, or ask another process"))
                    .retry_after(5)
            }
            NoSeat::Stopping => Self::unavailable("stopping", reason.to_string()),
        }
    }
}

fn lock(taken: &Mutex<HashMap<MerchantId, usize>>) -> MutexGuard<'_, HashMap<MerchantId, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tell(taken: &HashMap<MerchantId, usize>) {
    let readers = u32::try_from(taken.values().sum::<usize>()).unwrap_or(u32::MAX);
    metrics::gauge!("orderlight_stream_readers").set(f64::from(readers));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merchant(number: usize) -> MerchantId {
        format!("shop-{number}").parse().unwrap()
    }

    #[test]
    fn a_merchant_has_so_many_seats_and_one_that_is_left_is_free_again() {
        let streams = Streams::default();
        let mut seats: Vec<Seat> = (0..READERS_OF_MERCHANT_MAX).map(|_| streams.seat(&merchant(1)).unwrap()).collect();
        assert_eq!(streams.seat(&merchant(1)).err(), Some(NoSeat::OfMerchant));
        assert!(streams.seat(&merchant(2)).is_ok(), "another merchant has its own");
        seats.pop();
        assert!(streams.seat(&merchant(1)).is_ok());
    }

    #[test]
    fn a_process_has_so_many_seats_altogether() {
        let streams = Streams::default();
        let seats: Vec<Seat> = (0..READERS_MAX).map(|number| streams.seat(&merchant(number)).unwrap()).collect();
        assert_eq!(streams.seat(&merchant(0)).err(), Some(NoSeat::Altogether));
        drop(seats);
        assert!(streams.seat(&merchant(0)).is_ok());
        assert!(lock(&streams.taken).is_empty(), "nothing is remembered of who left");
    }

    #[test]
    fn nobody_sits_down_when_the_service_stops() {
        let streams = Streams::default();
        let stopping = streams.stopping();
        streams.stop();
        assert!(*stopping.borrow());
        assert_eq!(streams.seat(&merchant(0)).err(), Some(NoSeat::Stopping));
    }
}
