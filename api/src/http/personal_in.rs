//! What people write must hold nothing personal, and they paste numbers as they come: this finds those that have a form.
//!
//! It is a help against slips, and no proof: names and addresses have no form, and whoever means to can write a number in words.

/// What is found, as the refusal calls it; `None` where nothing is.
pub(super) fn personal_in(text: &str) -> Option<&'static str> {
    let text: Vec<char> = text.chars().map(narrow).collect();
    if holds_email(&text) {
        return Some("e-mail address");
    }
    if runs(&text).any(|run| is_identity_number(&run)) {
        return Some("number of an identity card");
    }
    lines_of_digits(&text).any(|groups| holds_mobile_number(&groups)).then_some("phone number")
}

/// Full-width letters, digits and signs are the same as narrow ones, and all kinds of spaces and dashes are one.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{a0}' | '\u{3000}' | '\u{2000}'..='\u{200a}' | '\u{202f}' => ' ',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' => '-',
        _ => c,
    }
}

/// The longest stretches of letters and digits.
fn runs(text: &[char]) -> impl Iterator<Item = String> {
    text.split(|c| !c.is_ascii_alphanumeric()).filter(|run| !run.is_empty()).map(|run| run.iter().collect())
}

/// Groups of digits that stand together with no more than two separators between them. A break between lines keeps them apart.
fn lines_of_digits(text: &[char]) -> impl Iterator<Item = Vec<String>> {
    const SEPARATORS: [char; 7] = [' ', '-', '.', '(', ')', '+', '\u{b7}'];
    let stretches = text.split(|c| !(c.is_ascii_digit() || SEPARATORS.contains(c)));
    stretches.flat_map(|stretch| {
        let (mut lines, mut groups, mut apart) = (Vec::new(), Vec::<String>::new(), 0);
        for c in stretch {
            if !c.is_ascii_digit() {
                apart += 1;
                continue;
            }
            if apart > 2 {
                lines.push(std::mem::take(&mut groups));
            }
            match groups.last_mut().filter(|_| apart == 0) {
                Some(group) => group.push(*c),
                None => groups.push(c.to_string()),
            }
            apart = 0;
        }
        lines.push(groups);
        lines
    })
}

/// Whether some of the groups that follow each other are a mobile number of the mainland, with or without its country code. A number is
/// not cut in its first group to two digits, but dates are.
fn holds_mobile_number(groups: &[String]) -> bool {
    (0..groups.len()).any(|first| {
        let mut digits = String::new();
        groups[first..].iter().take(MOBILE_DIGITS + 1).any(|group| {
            digits.push_str(group);
            let national = ["0086", "86"].into_iter().find_map(|code| digits.strip_prefix(code));
            is_mobile(&digits) && groups[first].len() != 2 || national.is_some_and(is_mobile)
        })
    })
}

const MOBILE_DIGITS: usize = 11;

fn is_mobile(digits: &str) -> bool {
    digits.len() == MOBILE_DIGITS && matches!(digits.as_bytes(), [b'1', b'3'..=b'9', ..])
}

/// Of the mainland: 17 digits, six of the place, eight of the birthday and three of the count, then a check character by ISO 7064
/// MOD 11-2 (GB 11643-1999).
fn is_identity_number(run: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];
    let Some((body, check)) = run.char_indices().nth(17).map(|(end, _)| run.split_at(end)) else { return false };
    let digits: Option<Vec<u32>> = body.chars().map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits.filter(|_| check.len() == 1) else { return false };
    let number = |from: usize, to: usize| digits[from..to].iter().fold(0, |number, digit| number * 10 + digit);
    let is_birthday = (1900..2100).contains(&number(6, 10))
        && (1..=12).contains(&number(10, 12))
        && (1..=31).contains(&number(12, 14));
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    is_birthday && CHECKS.get(sum as usize % 11).is_some_and(|due| check.eq_ignore_ascii_case(&due.to_string()))
}

/// Something before an at sign, and a name with a dot and a top level of letters behind it.
fn holds_email(text: &[char]) -> bool {
    let is_of_name = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '%');
    text.iter().enumerate().filter(|(_, c)| **c == '@').any(|(at, _)| {
        let is_named = at.checked_sub(1).is_some_and(|before| is_of_name(&text[before]));
        let host: String = text[at + 1..].iter().take_while(|c| is_of_name(c)).collect();
        let top = host.trim_end_matches('.').rsplit_once('.').filter(|(name, _)| !name.is_empty());
        is_named && top.is_some_and(|(_, top)| top.len() >= 2 && top.bytes().all(|byte| byte.is_ascii_alphabetic()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_about_orders_is_nothing_personal() {
        for fine in [
            "order 20261111000012345 of 2026-11-11 10:00",
            "2 of 3, at 13:00 on 15-11-2026",
            "客户说 15 分钟前下过单",
            "13-11-2026 100 and 200",
            "paid 1380013800 fen",
            "tracking SF1380013800012",
            "order 110101199003070001 is no identity card",
            "see @ann, and mail@home",
            "138\n00138000",
            "5 parcels, 1 380",
        ] {
            assert_eq!(personal_in(fine), None, "{fine}");
        }
    }

    #[test]
    fn mobile_numbers_are_found_however_they_are_written() {
        for personal in [
            "call 13800138000",
            "电话:138-0013-8000。",
            "+86 138 0013 8000",
            "8613800138000",
            "+86-138-0013-8000",
            "0086 13800138000",
            "(+86)13800138000",
            "（＋８６）１３８００１３８０００",
            "１３８－００１３－８０００",
            "138.0013.8000",
            "138\u{a0}0013\u{3000}8000",
            "138–0013–8000",
            "2 parcels 13800138000 today",
            "on 2026-11-11 13800138000",
            "1 3 8 0 0 1 3 8 0 0 0",
            "1-380-013-8000",
        ] {
            assert_eq!(personal_in(personal), Some("phone number"), "{personal}");
        }
    }

    #[test]
    fn addresses_of_mail_and_numbers_of_identity_cards_are_found() {
        for personal in ["write to li.si@example.com.", "邮箱ａ＠ｂ．ｃｎ", "a_b+c@mail.example.co.uk"] {
            assert_eq!(personal_in(personal), Some("e-mail address"), "{personal}");
        }
        // The first is the example of GB 11643-1999.
        for personal in [
            "身份证11010519491231002X",
            "11010519491231002x",
            "440524198001010013",
            "４４０５２４１９８００１０１００１３",
        ] {
            assert_eq!(personal_in(personal), Some("number of an identity card"), "{personal}");
        }
        assert_eq!(personal_in("110105194912310021"), None, "its check is wrong");
    }
}
