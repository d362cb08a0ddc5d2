//! Personal data with most of it struck out: what those see who may not see it all.
//!
//! A mask says enough to recognise what one already knows, and never the length of what it hides.

use crate::phone::{self, PhoneKind};

/// `138****8000` for a mainland mobile number in any notation; of any other the last four digits at most.
pub fn mask_phone(text: &str) -> String {
    let normal = phone::normalise(text, None);
    let (number, kind) = match &normal {
        Some(phone) => (phone.number.as_str(), phone.kind),
        None => return "****".into(),
    };
    let main = number.split_once('-').map_or(number, |(main, _)| main);
    let digits = main.strip_prefix("+86").unwrap_or(main);
    match kind {
        PhoneKind::Mobile | PhoneKind::Virtual | PhoneKind::Privacy if digits.len() == 11 => {
            format!("{}****{}", &digits[..3], &digits[7..])
        }
        _ if digits.len() >= 8 => format!("****{}", &digits[digits.len() - 4..]),
        _ => "****".into(),
    }
}

/// `张*` for 张三 and for 张三丰.
pub fn mask_name(name: &str) -> String {
    struck_out(name, 1, "*")
}

/// The street's first three characters, or fewer of a short one: `文三路****`.
pub fn mask_street(street: &str) -> String {
    let half = street.trim().chars().count() / 2;
    struck_out(street, half.min(3), "****")
}

fn struck_out(text: &str, shown: usize, stars: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    text.chars().take(shown).chain(stars.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_number_shows_its_ends_at_most() {
        for (text, masked) in [
            ("+8613800138000", "138****8000"),
            ("138-0013-8000", "138****8000"),
            ("13800138000转1234", "138****8000"),
            ("0571-88886666", "****6666"),
            ("+14155552671", "****2671"),
            ("95588", "****"),
            ("138****8000", "****"),
            ("", "****"),
        ] {
            assert_eq!(mask_phone(text), masked, "{text}");
        }
    }

    #[test]
    fn a_masked_name_is_its_first_character() {
        for (name, masked) in [("张三", "张*"), ("欧阳娜娜", "欧*"), (" John Smith", "J*"), ("", "")] {
            assert_eq!(mask_name(name), masked);
        }
    }

    #[test]
    fn a_masked_street_hides_the_house() {
        for (street, masked) in [("文三路 1 号", "文三路****"), ("1号", "1****"), ("A", "****"), ("", "")] {
            assert_eq!(mask_street(street), masked);
        }
    }
}
