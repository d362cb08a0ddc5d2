//! Where an order goes, as one token that is composed of its parts.
//!
//! A message may tell a part alone; what the order's parts come to is known only once they are merged. So the token of the
//! whole is a function of the parts, which the log holds: coarse ones as text, the others as keyed tokens.

use sha2::{Digest, Sha256};

use super::event::DeliveryFacts;
use crate::ids::Token;
use crate::phone::half_width;

/// The country of an address that names none.
const USUAL_COUNTRY: &str = "CN";

/// The token of where something is delivered, whoever receives it; `None` without a street.
///
/// Width, case, spaces and punctuation do not count, except that what stands between two digits keeps them apart: 3-12 is
/// not 31-2. China is understood where no country is said.
pub fn address(delivery: &DeliveryFacts) -> Option<Token> {
    let street = delivery.street?;
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(bytes);
    };
    let texts =
        [delivery.country.as_deref().or(Some(USUAL_COUNTRY)), delivery.province.as_deref(), delivery.city.as_deref()];
    for text in texts {
        part(plain(text.unwrap_or_default()).as_bytes());
    }
    part(delivery.district.as_ref().map_or(&[][..], |district| district.as_bytes()));
    part(street.as_bytes());
    let [first @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _]: [u8; 32] = hash.finalize().into();
    Some(Token::new(first))
}

/// Letters and digits alone, in half width and lower case, with a `-` for whatever stands between two digits.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut between = false;
    for c in text.chars().map(half_width) {
        if !c.is_alphanumeric() {
            between = true;
            continue;
        }
        if between && c.is_ascii_digit() && plain.ends_with(|last: char| last.is_ascii_digit()) {
            plain.push('-');
        }
        between = false;
        plain.extend(c.to_lowercase());
    }
    plain
}
