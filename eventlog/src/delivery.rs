//! What names a delivery.

use domain::ids::MerchantId;
use sha2::{Digest, Sha256};

use crate::DeliveryKey;

/// The key of a message: SHA-256 over merchant, source and message id, each led by its length in bytes as a big-endian 64-bit
/// number, cut to 16 bytes.
pub fn delivery_key(merchant: &MerchantId, source: &str, message_id: &str) -> DeliveryKey {
    let mut hash = Sha256::new();
    for part in [merchant.as_str(), source, message_id] {
        hash.update(u64::try_from(part.len()).expect("a length fits 64 bits").to_be_bytes());
        hash.update(part);
    }
    let mut key = [0; 16];
    key.copy_from_slice(&hash.finalize()[..16]);
    DeliveryKey(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(merchant: &str, source: &str, message_id: &str) -> DeliveryKey {
        delivery_key(&merchant.parse().unwrap(), source, message_id)
    }

    #[test]
    fn a_key_never_changes() {
        assert_eq!(hex::encode(key("acme", "douyin", "42").0), "6b1dcbcf2ac7d799d5bfa8dfde2b3954");
    }

    #[test]
    fn the_three_parts_do_not_run_into_each_other() {
        let keys = [key("ab", "c", "d"), key("a", "bc", "d"), key("a", "b", "cd"), key("a", "", "bcd")];
        for (index, one) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(one), "{index}");
        }
    }
}
