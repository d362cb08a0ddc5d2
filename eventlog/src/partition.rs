//! Where a merchant lives.

use domain::ids::MerchantId;
use sha2::{Digest, Sha256};

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
}
