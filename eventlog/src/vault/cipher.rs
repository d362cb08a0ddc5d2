//! AES-256-GCM-SIV with a random nonce in front of the ciphertext. It stays safe should a nonce ever repeat.

use aes_gcm_siv::aead::{Aead, Payload};
use aes_gcm_siv::{Aes256GcmSiv, KeyInit, Nonce};
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;

use super::{Key, VaultError, random};

const NONCE_BYTES: usize = 12;

/// Nonce and ciphertext.
pub(super) fn encrypt(key: &Key, context: &[u8], plaintext: &[u8]) -> Result<Box<[u8]>, VaultError> {
    let nonce = random::<NONCE_BYTES>()?;
    let ciphertext = cipher(key)
        .encrypt(&Nonce::from(nonce), Payload { msg: plaintext, aad: context })
        .expect("texts of this service are far below the 64 GiB of the cipher");
    Ok([nonce.as_slice(), &ciphertext].concat().into())
}

/// The plaintext, when key and context are those of the encryption.
pub(super) fn decrypt(key: &Key, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(VaultError::Sealed)?;
    cipher(key)
        .decrypt(&Nonce::from(*nonce), Payload { msg: ciphertext, aad: context })
        .map(Zeroizing::new)
        .map_err(|_| VaultError::Sealed)
}

fn cipher(key: &Key) -> Aes256GcmSiv {
    Aes256GcmSiv::new(key.expose_secret().into())
}
