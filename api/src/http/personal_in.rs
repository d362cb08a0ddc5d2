//! What people write must hold nothing personal, and they paste numbers as they come: this finds those of the mainland in the notations
//! that are common, and addresses of e-mail.
//!
//! It is a help against slips, and no proof: names and addresses have no form, and whoever means to can write a number in words.

/// What is found, as the refusal calls it; `None` where nothing is.
pub(super) fn personal_in(text: &str) -> Option<&'static str> {
    let text: Vec<char> = text.chars().filter(|c| !is_invisible(*c)).map(narrow).collect();
    if holds_email(&text) {
        return Some("e-mail address");
    }
    if groups(&text, |c| matches!(c, '0'..='9' | 'x' | 'X')).iter().any(|groups| holds_identity_number(groups)) {
        return Some("number of an identity card");
    }
    let undated = without_dates(&text);
    groups(&undated, |c| c.is_ascii_digit()).iter().any(|groups| holds_mobile_number(groups)).then_some("phone number")
}

/// Takes no room between two digits, or only says how lines may break there.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
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

/// Groups of digits that stand together with no more than [`APART_MAX`] separators between them. A break between lines keeps them
/// apart, and so does whatever else is neither.
fn groups(text: &[char], is_digit: fn(char) -> bool) -> Vec<Vec<String>> {
    let (mut together, mut groups, mut apart) = (Vec::new(), Vec::<String>::new(), 0);
    for &c in text {
        if is_digit(c) {
            if apart > APART_MAX {
                together.push(std::mem::take(&mut groups));
            }
            match groups.last_mut().filter(|_| apart == 0) {
                Some(group) => group.push(c),
                None => groups.push(c.to_string()),
            }
            apart = 0;
        } else if SEPARATORS.contains(&c) {
            apart += 1;
        } else {
            together.push(std::mem::take(&mut groups));
            apart = 0;
        }
    }
    together.push(groups);
    together
}

const SEPARATORS: [char; 9] = [' ', '-', '.', '(', ')', '+', '/', '_', '\u{b7}'];
/// As in `138 - 0013`.
const APART_MAX: usize = 3;

/// The text with a break in place of each date of the calendar.
fn without_dates(text: &[char]) -> Vec<char> {
    let (mut undated, mut rest) = (Vec::with_capacity(text.len()), text);
    while let [first, others @ ..] = rest {
        let may_begin =
            undated.last().is_none_or(|before: &char| !before.is_ascii_digit() && !DATE_SIGNS.contains(before));
        match may_begin.then(|| date_length(rest)).flatten() {
            Some(length) => {
                undated.push('\n');
                rest = &rest[length..];
            }
            None => {
                undated.push(*first);
                rest = others;
            }
        }
    }
    undated
}

const DATE_SIGNS: [char; 3] = ['-', '/', '.'];

/// How long the date is that a text begins with: the year first or last, the same sign between its parts, and nothing joined to it by
/// that.
fn date_length(text: &[char]) -> Option<usize> {
    let sign = *text.iter().find(|c| !c.is_ascii_digit()).filter(|c| DATE_SIGNS.contains(c))?;
    let length = text.iter().position(|c| !c.is_ascii_digit() && *c != sign).unwrap_or(text.len());
    let parts: Vec<String> = text[..length].split(|c| *c == sign).map(|part| part.iter().collect()).collect();
    let is_year = |part: &str| part.len() == 4 && (part.starts_with("19") || part.starts_with("20"));
    let is_day = |part: &str| part.len() <= 2 && part.parse().is_ok_and(|number: u32| (1..=31).contains(&number));
    // A sentence may end with a date and a full stop.
    let (first, second, third) = match &parts[..] {
        [first, second, third] => (first, second, third),
        [first, second, third, end] if end.is_empty() => (first, second, third),
        _ => return None,
    };
    let is_date = is_day(second) && (is_year(first) && is_day(third) || is_day(first) && is_year(third));
    is_date.then_some(length)
}

/// Whether some of the groups that follow each other are a mobile number of the mainland, with or without its country code. A number is
/// not cut in its first group to two digits.
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

/// Whether some of the groups that follow each other are the number of an identity card. A word before it may end with an x.
fn holds_identity_number(groups: &[String]) -> bool {
    (0..groups.len()).any(|first| {
        let mut number = String::new();
        groups[first..].iter().take(IDENTITY_CHARACTERS).any(|group| {
            number.push_str(group);
            is_identity_number(number.trim_start_matches(['x', 'X']))
        })
    })
}

const IDENTITY_CHARACTERS: usize = 18;

/// Of the mainland: 17 digits, six of the place, eight of the birthday and three of the count, then a check character by ISO 7064
/// MOD 11-2 (GB 11643-1999).
fn is_identity_number(run: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];
    let Some((body, check)) = run.char_indices().nth(IDENTITY_CHARACTERS - 1).map(|(end, _)| run.split_at(end)) else {
        return false;
    };
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
            "paid 199 2026-11-11",
            "paid 199, 2026/11/11. 100 left",
            "since 1/3/2026 12345",
            "199 2026.11.11.",
            "box x 110101199003070001",
        ] {
            assert_eq!(personal_in(fine), None, "{fine}");
        }
    }

    #[test]
    fn mobile_numbers_are_found_in_their_common_notations() {
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
            "138/0013/8000",
            "138_0013_8000",
            "138 - 0013 - 8000",
            "138\u{200b}0013\u{200b}8000",
            "\u{202d}13800138000\u{202c}",
            "138\u{ad}0013\u{2060}8000",
            "tel13800138000",
            "199 2026 1111",
            "199-2026-1111",
            "199-2026-11-11",
            "2026-11-11-13800138000",
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
            "ID11010519491231002X",
            "box11010519491231002X",
            "110105 1949 1231 002X",
            "110105 1949-12-31 002 x",
            "110105-19491231-002X",
            "440524/19800101/0013",
            "440524_19800101_0013",
            "440524\u{200b}198001010013",
            "11010519491231002X的",
        ] {
            assert_eq!(personal_in(personal), Some("number of an identity card"), "{personal}");
        }
        assert_eq!(personal_in("110105194912310021"), None, "its check is wrong");
    }
}
