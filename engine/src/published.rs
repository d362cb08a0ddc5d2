//! What the metrics tell of the memory of the partitions that this process writes.

use crate::memory::REMEMBERED_MAX;

/// Tells of a partition for as long as it is written here. Beyond that another process tells of it.
pub(crate) struct Published {
    partition: u32,
}

impl Published {
    /// Begins with what a writer begins with.
    pub(crate) fn of(partition: u32, remembered: usize) -> Self {
        tell(partition, remembered);
        tell_limit(partition, REMEMBERED_MAX);
        Self { partition }
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        tell(self.partition, 0);
        tell_limit(self.partition, 0);
    }
}

/// How many orders the partition remembers now.
pub(crate) fn tell(partition: u32, remembered: usize) {
    let remembered = f64::from(u32::try_from(remembered).unwrap_or(u32::MAX));
    metrics::gauge!("orderlight_remembered_orders", "partition" => partition.to_string()).set(remembered);
}

fn tell_limit(partition: u32, limit: usize) {
    let limit = f64::from(u32::try_from(limit).unwrap_or(u32::MAX));
    metrics::gauge!("orderlight_remembered_orders_limit", "partition" => partition.to_string()).set(limit);
}
