//! Names of things: merchants, channels, orders, and the keyed tokens that stand for personal data.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is no id. The text says what was expected.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct IdError(&'static str);

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $check:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.into())) } else { Err(IdError($expected)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

fn is_plain(text: &str, max: usize, extra: char) -> bool {
    !text.is_empty()
        && text.len() <= max
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == extra)
}

text_id!(
    /// One tenant: 1 to 64 of `a-z 0-9 _ -`.
    MerchantId,
    |text| is_plain(text, 64, '-'),
    "expected 1 to 64 of the characters a-z, 0-9, _ and -"
);
text_id!(
    /// Where an order was placed: 1 to 32 of `a-z 0-9 _`, such as `douyin` or `web`.
    Channel,
    |text| is_plain(text, 32, '_'),
    "expected 1 to 32 of the characters a-z, 0-9 and _"
);
text_id!(
    /// An order's number inside its channel: 1 to 128 bytes without control characters.
    OrderNo,
    |text| !text.is_empty() && text.len() <= 128 && text.trim() == text && !text.chars().any(char::is_control),
    "expected 1 to 128 bytes with no control characters and no space at either end"
);
text_id!(
    /// `{channel}:{order_no}`, unique inside its merchant.
    OrderId,
    |text| text
        .split_once(':')
        .is_some_and(|(channel, order_no)| channel.parse::<Channel>().is_ok() && order_no.parse::<OrderNo>().is_ok()),
    "expected {channel}:{order_no}, such as web:A1001"
);
text_id!(
    /// One question put to a customer; unique inside its merchant.
    ChallengeId,
    |text| is_plain(text, 64, '-'),
    "expected 1 to 64 of the characters a-z, 0-9, _ and -"
);

text_id!(
    /// One draft of a rulebook; unique inside its merchant, and never a number, for those are versions.
    DraftId,
    |text| is_plain(text, 64, '-') && !text.bytes().all(|byte| byte.is_ascii_digit()),
    "expected 1 to 64 of the characters a-z, 0-9, _ and -, not only digits"
);

impl OrderId {
    /// Joins its two parts.
    pub fn new(channel: &Channel, order_no: &OrderNo) -> Self {
        Self(format!("{channel}:{order_no}").into())
    }

    /// Where the order was placed.
    pub fn channel(&self) -> &str {
        self.0.split_once(':').map_or("", |(channel, _)| channel)
    }

    /// The order's number inside its channel.
    pub fn order_no(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, order_no)| order_no)
    }
}

/// Stands for one piece of personal data: the first 16 bytes of HMAC-SHA-256 under a key of the merchant.
/// Written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token([u8; 16]);

impl Token {
    /// From its bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Its first eight bytes as a number: what indexes and windows keep. Tokens are uniform, so two tokens of a merchant
    /// with a billion of them share a number with a chance of about 3 %, and then only in one place of one index.
    pub const fn short(&self) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 32];
        hex::encode_to_slice(self.0, &mut text).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Token {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: IdError = IdError("expected 32 hexadecimal digits");
        let digits: &[u8; 32] = text.as_bytes().try_into().map_err(|_| EXPECTED)?;
        let (mut bytes, mut is_digits) = ([0; 16], true);
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let (high, low) = (DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]);
            is_digits &= high | low != NO_DIGIT;
            *byte = high << 4 | low;
        }
        if is_digits { Ok(Self(bytes)) } else { Err(EXPECTED) }
    }
}

/// No digit's value has all of its bits, nor have two together.
const NO_DIGIT: u8 = 0xff;

/// What each byte is worth as a hexadecimal digit. A log has ten tokens in each order: by this table it is read and decoded a twelfth
/// faster than by the crate hex (`backtest_rate 150000`).
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        let digit = b"0123456789abcdef"[value as usize];
        digits[digit as usize] = value;
        digits[digit.to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    digits
};

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ReadToken)
    }
}

/// Reads a token where it stands: an event holds many, and none needs a text of its own.
struct ReadToken;

impl serde::de::Visitor<'_> for ReadToken {
    type Value = Token;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token of 32 hexadecimal digits")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Token, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_id_is_split_at_its_first_colon() {
        let id: OrderId = "web:A:1".parse().expect("an id");
        assert_eq!((id.channel(), id.order_no()), ("web", "A:1"));
        for wrong in ["", "web", "web:", ":A", "Web:A", "web:A\n", "web: A"] {
            assert!(wrong.parse::<OrderId>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_token_is_thirty_two_digits() {
        let token: Token = "000102030405060708090a0b0c0d0e0f".parse().expect("a token");
        assert_eq!(token.to_string(), "000102030405060708090a0b0c0d0e0f");
        assert_eq!(token.short(), 0x0001_0203_0405_0607);
        assert_eq!("000102030405060708090A0B0C0D0E0F".parse(), Ok(token));
        for wrong in ["", "00", "000102030405060708090a0b0c0d0e0f00", "000102030405060708090a0b0c0d0e0g", "g0", "０"] {
            assert!(wrong.parse::<Token>().is_err(), "{wrong:?}");
        }
        for place in 0..32 {
            for wrong in ['g', 'G', '/', ':', '@', '`', ' ', '\0', '\u{7f}'] {
                let mut digits: Vec<char> = token.to_string().chars().collect();
                digits[place] = wrong;
                let digits: String = digits.into_iter().collect();
                assert!(digits.parse::<Token>().is_err(), "{digits:?}");
            }
        }
    }
}
