//! Where a merchant lives, and which ids are whose.

use std::ops::RangeInclusive;

use domain::ids::MerchantId;
use sha2::{Digest, Sha256};

/// Stream ids and subject key ids count from 1 in the lowest 40 bits; the partition stands above them. So each writer hands out its
/// own, and none is handed out twice.
const ID_BITS: u32 = 40;

/// The ids of a partition: those of its streams, and those of its subject keys.
pub fn ids_of(partition: u32) -> RangeInclusive<u64> {
    let none = no_id_of(partition);
    none + 1..=none + (1 << ID_BITS) - 1
}

/// What stands for the last id of a partition that has not handed one out.
pub(crate) fn no_id_of(partition: u32) -> u64 {
    u64::from(partition) << ID_BITS
}

/// The partition of an id.
pub(crate) fn partition_of_id(id: u64) -> u32 {
    u32::try_from(id >> ID_BITS).expect("what stands above 40 of 64 bits fits 32")
}

/// The one partition of a merchant: the first eight bytes of the SHA-256 of its name as a big-endian number, modulo the number of
/// partitions. Windows of a merchant therefore live in one writer. `partitions` is not zero.
pub fn partition_of(merchant: &MerchantId, partitions: u32) -> u32 {
    let digest = Sha256::digest(merchant.as_str());
    let mut head = [0; 8];
    head.copy_from_slice(&digest[..8]);
    u32::try_from(u64::from_be_bytes(head) % u64::from(partitions)).expect("a remainder is below its divisor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merchant_never_moves() {
        assert_eq!(partition_of(&"acme".parse().unwrap(), 16), 0);
        assert_eq!(partition_of(&"shop-2".parse().unwrap(), 16), 12);
        assert_eq!(partition_of(&"shop-2".parse().unwrap(), 1), 0);
    }

    #[test]
    fn ids_of_partitions_lie_beside_each_other_and_those_of_the_first_count_from_one() {
        assert_eq!(ids_of(0), 1..=0xff_ffff_ffff);
        assert_eq!(ids_of(15), 0xf00_0000_0001..=0xfff_ffff_ffff);
    }
}
