//! Personal data at rest, and every key that protects it.
//!
//! One master key; it is used for nothing but deriving others by HMAC-SHA-256 over a label and the merchant. Each customer of a
//! merchant has a random data key, stored wrapped; deleting it makes everything sealed with it unreadable. All encryption is
//! AES-256-GCM-SIV, with the context in which a text belongs as associated data, so that a row moved elsewhere does not open.
//! Its keys and salts are drawn here and nowhere else. No key is ever printed.

mod cipher;
mod key_file;

use std::fmt;
use std::path::Path;

use domain::ids::{ChallengeId, MerchantId, Token};
use domain::notice::Tokeniser;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Length of every key.
const KEY_BYTES: usize = 32;

/// Length of the salt that leads every sealed plaintext.
const SALT_BYTES: usize = 32;

const TOKEN_LABEL: &str = "orderlight/token/v1";
const BODY_LABEL: &str = "orderlight/body/v1";
const SECRET_LABEL: &str = "orderlight/secret/v1";
const CHALLENGE_LABEL: &str = "orderlight/challenge/v1";
const WRAP_LABEL: &str = "orderlight/wrap/v1";

type Key = SecretBox<[u8; KEY_BYTES]>;

/// Why the vault refused.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// A master key is 32 bytes, written as 64 hexadecimal digits.
    #[error("expected a master key of 32 bytes, written as 64 hexadecimal digits")]
    KeyForm,
    /// The key file does not hold a key.
    #[error("key file holds {found} bytes in place of 32")]
    KeyFileLength {
        /// How many it holds.
        found: u64,
    },
    /// Others than its owner may read or write the key file.
    #[error("key file has mode {mode:04o}; expected 0600")]
    KeyFileMode {
        /// Its permission bits.
        mode: u32,
    },
    /// The key file cannot be read or made.
    #[error("key file cannot be used")]
    KeyFile(#[source] std::io::Error),
    /// The system gives no random bytes.
    #[error("no random bytes")]
    Randomness(#[source] getrandom::Error),
    /// The text is altered, belongs elsewhere, or was sealed with another key.
    #[error("sealed text does not open")]
    Sealed,
    /// The text opens, but is not the one that was committed to.
    #[error("sealed text is not the one committed to")]
    Commitment,
}

/// The master key and what is derived from it.
pub struct Vault {
    master: Key,
    wrap: Key,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

/// One customer's key.
pub struct DataKey(Key);

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

/// Personal data made unreadable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealed {
    /// SHA-256 over salt and plaintext, as 64 hexadecimal digits: what the event carries.
    pub commitment: String,
    /// Nonce and ciphertext of salt and plaintext: what the vault row holds.
    pub blob: Box<[u8]>,
}

impl Vault {
    /// From the key's bytes.
    pub fn from_bytes(master: [u8; KEY_BYTES]) -> Self {
        let master = Key::new(Box::new(master));
        let wrap = derive(&master, WRAP_LABEL, "");
        Self { master, wrap }
    }

    /// From 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`VaultError::KeyForm`] for anything else.
    pub fn from_hex(master: &str) -> Result<Self, VaultError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        hex::decode_to_slice(master.trim(), bytes.as_mut()).map_err(|_| VaultError::KeyForm)?;
        Ok(Self::from_bytes(*bytes))
    }

    /// From a file of 32 bytes that only its owner may read; makes one with a new key where there is none.
    ///
    /// # Errors
    /// When the file is open to others, has another length, or cannot be used.
    pub fn open_or_create(path: &Path) -> Result<Self, VaultError> {
        key_file::read_or_create(path).map(|bytes| Self::from_bytes(*bytes))
    }

    /// Makes a merchant's tokens. Worth keeping: deriving its key costs more than a token.
    pub fn tokeniser(&self, merchant: &MerchantId) -> MerchantTokeniser {
        MerchantTokeniser { keyed: keyed(&derive(&self.master, TOKEN_LABEL, merchant.as_str())) }
    }

    /// Makes digests of a merchant's messages. Worth keeping, like the tokeniser.
    pub fn digester(&self, merchant: &MerchantId) -> MerchantDigester {
        MerchantDigester { keyed: keyed(&derive(&self.master, BODY_LABEL, merchant.as_str())) }
    }

    /// Seals a merchant's secret, such as a channel's credentials. It opens under the same merchant and label only.
    ///
    /// # Errors
    /// [`VaultError::Randomness`].
    pub fn seal_secret(&self, merchant: &MerchantId, label: &str, secret: &[u8]) -> Result<Box<[u8]>, VaultError> {
        cipher::encrypt(&derive(&self.master, SECRET_LABEL, merchant.as_str()), label.as_bytes(), secret)
    }

    /// Opens what [`Vault::seal_secret`] sealed.
    ///
    /// # Errors
    /// [`VaultError::Sealed`].
    pub fn open_secret(
        &self,
        merchant: &MerchantId,
        label: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        cipher::decrypt(&derive(&self.master, SECRET_LABEL, merchant.as_str()), label.as_bytes(), sealed)
    }

    /// The six digits that answer a challenge: the first eight bytes of an HMAC-SHA-256 over the challenge's id, under a key of the
    /// merchant's own, modulo a million. Nobody without the master key can tell them, and nothing of them need be stored.
    pub fn challenge_code(&self, merchant: &MerchantId, challenge: &ChallengeId) -> Zeroizing<String> {
        let key = derive(&self.master, CHALLENGE_LABEL, merchant.as_str());
        let digest: [u8; 32] = keyed(&key).chain_update(challenge.as_str()).finalize().into_bytes().into();
        let mut number = [0; 8];
        number.copy_from_slice(&digest[..8]);
        Zeroizing::new(format!("{:06}", u64::from_be_bytes(number) % 1_000_000))
    }

    /// Whether a code answers a challenge; takes as long for any code of six characters.
    pub fn is_challenge_code(&self, merchant: &MerchantId, challenge: &ChallengeId, code: &str) -> bool {
        self.challenge_code(merchant, challenge).as_bytes().ct_eq(code.as_bytes()).into()
    }

    /// A new key for a subject, and its wrapped form for the log.
    ///
    /// # Errors
    /// [`VaultError::Randomness`].
    pub fn new_subject_key(&self, merchant: &MerchantId, subject: &Token) -> Result<(DataKey, Box<[u8]>), VaultError> {
        let key = Key::new(Box::new(random()?));
        let wrapped = cipher::encrypt(&self.wrap, &subject_context(merchant, subject), key.expose_secret())?;
        Ok((DataKey(key), wrapped))
    }

    /// A subject's key from its wrapped form.
    ///
    /// # Errors
    /// [`VaultError::Sealed`] when it was wrapped for another subject or by another master key.
    pub fn unwrap_subject_key(
        &self,
        merchant: &MerchantId,
        subject: &Token,
        wrapped: &[u8],
    ) -> Result<DataKey, VaultError> {
        let bytes = cipher::decrypt(&self.wrap, &subject_context(merchant, subject), wrapped)?;
        let bytes = bytes.as_slice().try_into().map_err(|_| VaultError::Sealed)?;
        Ok(DataKey(Key::new(Box::new(bytes))))
    }

    /// Seals personal data. `context` is what it belongs to, such as the order's id; it opens in that context only.
    ///
    /// # Errors
    /// [`VaultError::Randomness`].
    pub fn seal(&self, key: &DataKey, context: &[u8], plaintext: &[u8]) -> Result<Sealed, VaultError> {
        let mut salted = Zeroizing::new(Vec::with_capacity(SALT_BYTES + plaintext.len()));
        salted.extend_from_slice(&random::<SALT_BYTES>()?);
        salted.extend_from_slice(plaintext);
        let blob = cipher::encrypt(&key.0, context, &salted)?;
        Ok(Sealed { commitment: hex::encode(Sha256::digest(&salted)), blob })
    }

    /// Opens what [`Vault::seal`] sealed.
    ///
    /// # Errors
    /// [`VaultError::Sealed`].
    pub fn open(&self, key: &DataKey, context: &[u8], blob: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let salted = open_salted(key, context, blob)?;
        Ok(Zeroizing::new(salted[SALT_BYTES..].to_vec()))
    }

    /// Opens a vault row and checks that it is what its event committed to.
    ///
    /// # Errors
    /// [`VaultError::Sealed`], or [`VaultError::Commitment`] when the row was put in another's place.
    pub fn verify_commitment(
        &self,
        key: &DataKey,
        context: &[u8],
        blob: &[u8],
        commitment: &str,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let salted = open_salted(key, context, blob)?;
        let found = hex::encode(Sha256::digest(&salted));
        if bool::from(found.as_bytes().ct_eq(commitment.as_bytes())) {
            Ok(Zeroizing::new(salted[SALT_BYTES..].to_vec()))
        } else {
            Err(VaultError::Commitment)
        }
    }
}

/// Makes digests of one merchant's messages.
#[derive(Clone)]
pub struct MerchantDigester {
    keyed: Hmac<Sha256>,
}

impl fmt::Debug for MerchantDigester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MerchantDigester")
    }
}

impl MerchantDigester {
    /// Keyed digest of a message's content, so that a reused key is told from a repeated message.
    pub fn digest(&self, body: &[u8]) -> [u8; 16] {
        first_half(&self.keyed.clone().chain_update(body).finalize().into_bytes().into())
    }
}

/// Makes one merchant's tokens.
#[derive(Clone)]
pub struct MerchantTokeniser {
    keyed: Hmac<Sha256>,
}

impl fmt::Debug for MerchantTokeniser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MerchantTokeniser")
    }
}

impl Tokeniser for MerchantTokeniser {
    fn token(&self, kind: &'static str, value: &str) -> Token {
        let mac = self.keyed.clone().chain_update(kind).chain_update([0]).chain_update(value);
        Token::new(first_half(&mac.finalize().into_bytes().into()))
    }
}

/// `HMAC-SHA-256(master, label || 0x00 || merchant)`: labels hold no zero byte, so no two pairs meet.
fn derive(master: &Key, label: &str, merchant: &str) -> Key {
    let mac = keyed(master).chain_update(label).chain_update([0]).chain_update(merchant);
    Key::new(Box::new(mac.finalize().into_bytes().into()))
}

fn keyed(key: &Key) -> Hmac<Sha256> {
    Hmac::new_from_slice(key.expose_secret()).expect("HMAC takes a key of any length")
}

fn open_salted(key: &DataKey, context: &[u8], blob: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let salted = cipher::decrypt(&key.0, context, blob)?;
    if salted.len() < SALT_BYTES { Err(VaultError::Sealed) } else { Ok(salted) }
}

fn subject_context(merchant: &MerchantId, subject: &Token) -> Vec<u8> {
    [merchant.as_str().as_bytes(), &[0], subject.as_bytes()].concat()
}

fn first_half(digest: &[u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

fn random<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(VaultError::Randomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
