//! Phone numbers: normalised, and put into kinds.

use serde::{Deserialize, Serialize};

/// What kind of number it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneKind {
    /// A mainland mobile number of a carrier with a network of its own.
    Mobile,
    /// A mainland mobile number of a virtual operator.
    Virtual,
    /// A number that a platform put in place of the real one; never evidence against the customer.
    Privacy,
    /// A mainland landline.
    Landline,
    /// A number of another country.
    Foreign,
    /// None of these, or masked.
    Unknown,
}

impl PhoneKind {
    /// All names, as rules write them.
    pub const NAMES: &'static [&'static str] = &["mobile", "virtual", "privacy", "landline", "foreign", "unknown"];
}

/// A number in its one notation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Phone {
    /// E.164 where the number has such a form (`+8613800138000`), its digits otherwise; an extension follows after a `-`.
    pub number: String,
    /// What kind of number it is.
    pub kind: PhoneKind,
}

/// The longest text that is looked at, in characters, and the longest number, in digits.
const CHARS_MAX: usize = 64;
const DIGITS_MAX: usize = 40;
/// The longest extension, in digits; what is longer is a second number.
const EXTENSION_MAX: usize = 8;

/// Puts a number of any common notation into one form and names its kind.
///
/// Without a country code a number is one of `default_country` (ISO 3166 alpha-2), or of the mainland where none is given;
/// eleven digits that form a mainland mobile number are one in every country, so that a look-up need not know the country.
/// A platform's number with an extension is `privacy`, and the extension tells its users apart.
///
/// `None` when the text holds no number that could be told from others: without digits, all of them the same, or masked
/// like `138****8000`, which would make one number of thousands.
pub fn normalise(text: &str, default_country: Option<&str>) -> Option<Phone> {
    let written = Written::scan(text)?;
    let mainland_by_default = default_country.is_none_or(|country| country.eq_ignore_ascii_case("CN"));
    if let Some(national) = written.mainland_national() {
        return Some(mainland(&written, national, true).unwrap_or_else(|| written.unknown()));
    }
    if written.is_international() {
        return Some(abroad(&written.international(), None).unwrap_or_else(|| written.unknown()));
    }
    if !mainland_by_default && !is_mobile(written.digits.as_str()) {
        let country = default_country.and_then(|country| country.to_ascii_uppercase().parse().ok());
        if let Some(phone) = abroad(&written.digits, country) {
            return Some(phone);
        }
    }
    Some(mainland(&written, 0, false).unwrap_or_else(|| written.unknown()))
}

/// A number as it was written: its digits, and where something stood between them.
struct Written {
    digits: String,
    /// How many digits stood before each separator.
    breaks: Vec<usize>,
    /// How many digits stood before a mark that can only begin an extension.
    extension_at: Option<usize>,
    plus: bool,
}

impl Written {
    fn scan(text: &str) -> Option<Self> {
        let mut written =
            Self { digits: String::with_capacity(16), breaks: Vec::new(), extension_at: None, plus: false };
        let mut crosses = 0;
        for c in text.chars().take(CHARS_MAX).map(half_width) {
            let so_far = written.digits.len();
            match c {
                '0'..='9' => {
                    written.digits.push(c);
                    crosses = 0;
                    continue;
                }
                '*' | '•' | '●' => return None,
                '+' if so_far == 0 => written.plus = true,
                '转' | ',' | '、' | '#' | ';' | 'x' | 'X' if so_far > 0 => {
                    crosses += usize::from(matches!(c, 'x' | 'X'));
                    written.extension_at = written.extension_at.or(Some(so_far));
                }
                _ => {}
            }
            if crosses > 1 {
                return None;
            }
            if so_far > 0 && written.breaks.last() != Some(&so_far) {
                written.breaks.push(so_far);
            }
        }
        let first = written.digits.bytes().next()?;
        let tells = written.digits.bytes().any(|digit| digit != first) && written.digits.len() <= DIGITS_MAX;
        tells.then_some(written)
    }

    /// Where the national number begins, if the country code is the mainland's.
    fn mainland_national(&self) -> Option<usize> {
        let zeros = self.digits.len() - self.digits.trim_start_matches('0').len();
        let after = self.digits[zeros..].strip_prefix("86")?;
        let begins = zeros + 2;
        let said = (self.plus && zeros == 0) || zeros == 2;
        // Without a + only a whole mobile number, or a break, shows that 86 is a country code.
        let meant = after.get(..11).is_some_and(is_mobile) || self.breaks.first() == Some(&begins);
        (said || meant).then_some(begins)
    }

    fn is_international(&self) -> bool {
        self.plus || self.digits.starts_with("00")
    }

    /// The number from its `+` on, without an extension that is marked as such.
    fn international(&self) -> String {
        let main = &self.digits[..self.extension_at.unwrap_or(self.digits.len())];
        format!("+{}", if self.plus { main } else { main.trim_start_matches('0') })
    }

    /// Splits the national number after `length` digits where something stood there, into itself and an extension.
    fn extension(&self, national: usize, length: usize) -> Option<&str> {
        let at = national + length;
        let extension = self.digits.get(at..)?;
        (!extension.is_empty() && self.breaks.contains(&at)).then_some(extension)
    }

    fn unknown(&self) -> Phone {
        let plus = if self.is_international() { "+" } else { "" };
        let digits = if self.plus { &*self.digits } else { self.digits.strip_prefix("00").unwrap_or(&self.digits) };
        Phone { number: format!("{plus}{digits}"), kind: PhoneKind::Unknown }
    }
}

/// A mainland number whose national part begins at `begins`; after a country code the area code has no 0 before it.
fn mainland(written: &Written, begins: usize, after_country_code: bool) -> Option<Phone> {
    let zero = usize::from(written.digits[begins..].starts_with('0'));
    let national = begins + zero;
    let digits = &written.digits[national..];
    if let Some(mobile) = digits.get(..11).filter(|mobile| is_mobile(mobile)) {
        return mobile_number(written, national, mobile);
    }
    if zero == 0 && digits.starts_with("95") && digits.len() > 5 {
        let number = format!("+86{}-{}", &digits[..5], &digits[5..]);
        return Some(Phone { number, kind: PhoneKind::Privacy });
    }
    if zero == 0 && !after_country_code {
        return None;
    }
    landline(written, national)
}

fn mobile_number(written: &Written, national: usize, mobile: &str) -> Option<Phone> {
    let whole = written.digits.len() == national + mobile.len();
    let number = format!("+86{mobile}");
    let kind = if is_virtual(mobile) { PhoneKind::Virtual } else { PhoneKind::Mobile };
    if whole {
        return Some(Phone { number, kind });
    }
    let extension = written.extension(national, mobile.len())?;
    if extension.len() > EXTENSION_MAX {
        return Some(Phone { number, kind });
    }
    Some(Phone { number: format!("{number}-{extension}"), kind: PhoneKind::Privacy })
}

/// Area code and seven or eight digits, of which the first is 2 to 8; an office's extension stays part of the number.
fn landline(written: &Written, national: usize) -> Option<Phone> {
    let digits = &written.digits[national..];
    let area = match digits.as_bytes() {
        [b'1', b'0', ..] | [b'2', ..] => 2,
        [b'3'..=b'9', ..] => 3,
        _ => return None,
    };
    digits[..].get(area..)?.bytes().next().filter(|first| (b'2'..=b'8').contains(first))?;
    for length in [area + 8, area + 7] {
        let Some(main) = digits.get(..length) else { continue };
        let number = format!("+86{main}");
        if digits.len() == length {
            return Some(Phone { number, kind: PhoneKind::Landline });
        }
        if let Some(extension) = written.extension(national, length).filter(|rest| rest.len() <= EXTENSION_MAX) {
            return Some(Phone { number: format!("{number}-{extension}"), kind: PhoneKind::Landline });
        }
    }
    None
}

fn is_mobile(digits: &str) -> bool {
    matches!(digits.as_bytes(), [b'1', b'3'..=b'9', ..]) && digits.len() == 11
}

/// Prefixes of the virtual operators. 192 is not among them: China Broadnet has a network of its own.
fn is_virtual(mobile: &str) -> bool {
    matches!(&mobile[..3], "162" | "165" | "167" | "170" | "171")
}

/// A number of another country, if it can be one.
fn abroad(text: &str, country: Option<phonenumber::country::Id>) -> Option<Phone> {
    let parsed = phonenumber::parse(country, text).ok().filter(phonenumber::is_valid)?;
    let number = parsed.format().mode(phonenumber::Mode::E164).to_string();
    Some(Phone { number, kind: PhoneKind::Foreign })
}

/// The half-width form of a full-width character; any other is its own.
pub(crate) fn half_width(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cases: &[(&str, &str, PhoneKind)]) {
        for (text, number, kind) in cases {
            let phone = normalise(text, None);
            assert_eq!(phone, Some(Phone { number: (*number).into(), kind: *kind }), "{text}");
        }
    }

    #[test]
    fn every_notation_of_a_mainland_mobile_number_is_one_number() {
        for text in [
            "13800138000",
            "138-0013-8000",
            "138 0013 8000",
            " 138.0013.8000 ",
            "+8613800138000",
            "+86 138 0013 8000",
            "+86-138-0013-8000",
            "(+86)13800138000",
            "+86 (138) 0013-8000",
            "8613800138000",
            "86-13800138000",
            "86 138 0013 8000",
            "008613800138000",
            "0086-138-0013-8000",
            "013800138000",
            "+86 013800138000",
            "13800138000",
            "+86 138-0013-8000",
            "138—0013—8000",
            "\u{202d}13800138000\u{202c}",
            "tel:+8613800138000",
            "13800138000/13900139000",
            "13800138000,13900139000",
        ] {
            check(&[(text, "+8613800138000", PhoneKind::Mobile)]);
        }
    }

    #[test]
    fn an_extension_makes_a_number_a_privacy_number() {
        for text in [
            "13800138000-1234",
            "13800138000转1234",
            "13800138000 转 1234",
            "13800138000,1234",
            "13800138000，1234",
            "13800138000#1234",
            "138-0013-8000-1234",
            "+86-13800138000,1234",
            "13800138000 ext. 1234",
            "13800138000x1234",
            "13800138000分机1234",
            "13800138000[1234]",
        ] {
            check(&[(text, "+8613800138000-1234", PhoneKind::Privacy)]);
        }
        check(&[
            ("17000138000-1234", "+8617000138000-1234", PhoneKind::Privacy),
            ("95013-123456", "+8695013-123456", PhoneKind::Privacy),
            ("95013123456", "+8695013-123456", PhoneKind::Privacy),
            ("95013转123456", "+8695013-123456", PhoneKind::Privacy),
            ("+8695013-123456", "+8695013-123456", PhoneKind::Privacy),
            ("95588", "95588", PhoneKind::Unknown),
        ]);
    }

    #[test]
    fn virtual_operators_are_told_from_carriers() {
        for prefix in ["162", "165", "167", "170", "171"] {
            let phone = normalise(&format!("{prefix}00138000"), None).expect("a number");
            assert_eq!(phone.kind, PhoneKind::Virtual, "{prefix}");
        }
        for prefix in ["130", "134", "153", "166", "172", "173", "188", "190", "192", "199"] {
            let phone = normalise(&format!("{prefix}00138000"), None).expect("a number");
            assert_eq!(phone.kind, PhoneKind::Mobile, "{prefix}");
        }
    }

    #[test]
    fn landlines_keep_their_extension() {
        check(&[
            ("010-12345678", "01012345678", PhoneKind::Unknown),
            ("010-62345678", "+861062345678", PhoneKind::Landline),
            ("01062345678", "+861062345678", PhoneKind::Landline),
            ("+86 10 6234 5678", "+861062345678", PhoneKind::Landline),
            ("+86 (0)10 6234 5678", "+861062345678", PhoneKind::Landline),
            ("86-571-88886666", "+8657188886666", PhoneKind::Landline),
            ("(0571)88886666", "+8657188886666", PhoneKind::Landline),
            ("0571 8888 6666", "+8657188886666", PhoneKind::Landline),
            ("0571-88886666-801", "+8657188886666-801", PhoneKind::Landline),
            ("0571-88886666转801", "+8657188886666-801", PhoneKind::Landline),
            ("0370-2223344", "+863702223344", PhoneKind::Landline),
        ]);
    }

    #[test]
    fn numbers_of_other_countries_are_foreign() {
        check(&[
            ("+1 415-555-2671", "+14155552671", PhoneKind::Foreign),
            ("001 415 555 2671", "+14155552671", PhoneKind::Foreign),
            ("+44 20 7946 0958", "+442079460958", PhoneKind::Foreign),
            ("0044 20 7946 0958", "+442079460958", PhoneKind::Foreign),
            ("+852 9123 4567", "+85291234567", PhoneKind::Foreign),
            ("+886 912 345 678", "+886912345678", PhoneKind::Foreign),
            ("+999 12345", "+99912345", PhoneKind::Unknown),
        ]);
        let cases = [
            ("(415) 555-2671", "US", "+14155552671", PhoneKind::Foreign),
            ("020 7946 0958", "GB", "+442079460958", PhoneKind::Foreign),
            ("090-1234-5678", "JP", "+819012345678", PhoneKind::Foreign),
            ("9123 4567", "hk", "+85291234567", PhoneKind::Foreign),
            ("13800138000", "US", "+8613800138000", PhoneKind::Mobile),
            ("13802134567", "US", "+8613802134567", PhoneKind::Mobile),
            ("+86 138 0013 8000", "DE", "+8613800138000", PhoneKind::Mobile),
            ("13800138000-1234", "US", "+8613800138000-1234", PhoneKind::Privacy),
            ("4155552671", "ZZ", "4155552671", PhoneKind::Unknown),
        ];
        for (text, country, number, kind) in cases {
            let phone = normalise(text, Some(country)).expect("a number");
            assert_eq!((phone.number.as_str(), phone.kind), (number, kind), "{text} in {country}");
        }
    }

    #[test]
    fn what_is_no_number_or_is_masked_is_none() {
        for text in ["", "无", "00000000000", "8", "138****8000", "138＊＊＊＊8000", "138xxxx8000", "138••••8000", "+"]
        {
            assert_eq!(normalise(text, None), None, "{text}");
        }
        let endless = "12".repeat(1_000);
        assert_eq!(normalise(&endless, None), None);
    }

    #[test]
    fn other_digits_are_kept_as_an_unknown_number() {
        check(&[
            ("4001234567", "4001234567", PhoneKind::Unknown),
            ("12345", "12345", PhoneKind::Unknown),
            ("+86 12345", "+8612345", PhoneKind::Unknown),
            ("138001380001234", "138001380001234", PhoneKind::Unknown),
        ]);
    }
}
