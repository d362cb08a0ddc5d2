use std::collections::HashSet;

use super::*;

fn vault() -> Vault {
    Vault::from_bytes([7; 32])
}

fn merchant(name: &str) -> MerchantId {
    name.parse().unwrap()
}

const SUBJECT: Token = Token::new([9; 16]);

#[test]
fn a_token_never_changes() {
    let tokeniser = vault().tokeniser(&merchant("acme"));
    assert_eq!(tokeniser.token("phone", "+8613800138000").to_string(), "3d59f9dfdf0156e8b2406f889790537a");
    assert_eq!(hex::encode(vault().digester(&merchant("acme")).digest(b"{}")), "25757f85c03c53407378bc4c7d8e167a");
}

#[test]
fn tokens_differ_by_merchant_kind_value_and_master_key() {
    let acme = vault().tokeniser(&merchant("acme"));
    let tokens = [
        acme.token("phone", "1"),
        acme.token("phone", "2"),
        acme.token("device", "1"),
        vault().tokeniser(&merchant("other")).token("phone", "1"),
        Vault::from_bytes([8; 32]).tokeniser(&merchant("acme")).token("phone", "1"),
    ];
    for (index, token) in tokens.iter().enumerate() {
        assert!(!tokens[..index].contains(token), "{index}");
    }
    assert_eq!(acme.token("phone", "1"), vault().tokeniser(&merchant("acme")).token("phone", "1"));
}

#[test]
fn a_body_digest_differs_by_merchant_and_body() {
    let digest = vault().digester(&merchant("acme")).digest(b"a");
    assert_eq!(digest, vault().digester(&merchant("acme")).digest(b"a"));
    assert_ne!(digest, vault().digester(&merchant("acme")).digest(b"b"));
    assert_ne!(digest, vault().digester(&merchant("other")).digest(b"a"));
}

#[test]
fn a_challenge_code_never_changes() {
    let code = |challenge: &str| vault().challenge_code(&merchant("acme"), &challenge.parse().unwrap()).to_string();
    assert_eq!([code("0-3"), code("0-4")], ["846443", "383655"]);
}

#[test]
fn challenge_codes_tell_nothing_of_one_another() {
    let codes = |vault: &Vault, shop: &str| -> Vec<String> {
        let code = |n| vault.challenge_code(&merchant(shop), &format!("0-{n}").parse().unwrap()).to_string();
        (1..=1_000).map(code).collect()
    };
    let acme = codes(&vault(), "acme");
    let distinct: HashSet<&String> = acme.iter().collect();
    assert!(distinct.len() >= 995, "{} of 1,000 are distinct", distinct.len());
    for place in 0..6 {
        for digit in b'0'..=b'9' {
            let count = acme.iter().filter(|code| code.as_bytes()[place] == digit).count();
            assert!((60..=140).contains(&count), "place {place} is {} in {count} of 1,000", char::from(digit));
        }
    }
    for others in [codes(&vault(), "other"), codes(&Vault::from_bytes([8; 32]), "acme")] {
        let same = acme.iter().zip(&others).filter(|(code, other)| code == other).count();
        assert!(same <= 3, "{same} of 1,000 are the same");
    }
}

#[test]
fn a_challenge_is_answered_by_its_own_code_alone() {
    let (acme, challenge) = (merchant("acme"), "0-3".parse().unwrap());
    assert!(vault().is_challenge_code(&acme, &challenge, "846443"));
    for wrong in ["846442", "846443 ", "84644", "", "383655"] {
        assert!(!vault().is_challenge_code(&acme, &challenge, wrong), "{wrong:?}");
    }
}

#[test]
fn a_subject_key_comes_back_from_its_wrapped_form() {
    let (key, wrapped) = vault().new_subject_key(&merchant("acme"), &SUBJECT).unwrap();
    let sealed = vault().seal(&key, b"web:A1", "张三".as_bytes()).unwrap();
    let key = vault().unwrap_subject_key(&merchant("acme"), &SUBJECT, &wrapped).unwrap();
    assert_eq!(vault().open(&key, b"web:A1", &sealed.blob).unwrap().as_slice(), "张三".as_bytes());
}

#[test]
fn a_subject_key_unwraps_for_its_subject_alone() {
    let (_, wrapped) = vault().new_subject_key(&merchant("acme"), &SUBJECT).unwrap();
    let other_vault = Vault::from_bytes([8; 32]);
    for refused in [
        vault().unwrap_subject_key(&merchant("other"), &SUBJECT, &wrapped),
        vault().unwrap_subject_key(&merchant("acme"), &Token::new([1; 16]), &wrapped),
        other_vault.unwrap_subject_key(&merchant("acme"), &SUBJECT, &wrapped),
        vault().unwrap_subject_key(&merchant("acme"), &SUBJECT, &wrapped[..5]),
    ] {
        assert!(matches!(refused, Err(VaultError::Sealed)));
    }
}

#[test]
fn a_sealed_text_opens_in_its_context_alone_and_unaltered() {
    let (key, _) = vault().new_subject_key(&merchant("acme"), &SUBJECT).unwrap();
    let sealed = vault().seal(&key, b"web:A1", b"secret").unwrap();
    assert!(matches!(vault().open(&key, b"web:A2", &sealed.blob), Err(VaultError::Sealed)));
    for place in [0, 12, sealed.blob.len() - 1] {
        let mut altered = sealed.blob.clone();
        altered[place] ^= 1;
        assert!(matches!(vault().open(&key, b"web:A1", &altered), Err(VaultError::Sealed)), "{place}");
    }
    let (other_key, _) = vault().new_subject_key(&merchant("acme"), &SUBJECT).unwrap();
    assert!(matches!(vault().open(&other_key, b"web:A1", &sealed.blob), Err(VaultError::Sealed)));
}

#[test]
fn a_commitment_holds_for_its_own_row_alone_and_says_nothing_of_the_text() {
    let (key, _) = vault().new_subject_key(&merchant("acme"), &SUBJECT).unwrap();
    let one = vault().seal(&key, b"web:A1", b"secret").unwrap();
    let two = vault().seal(&key, b"web:A1", b"secret").unwrap();
    assert_ne!(one.commitment, two.commitment, "the salt differs");
    assert_eq!(one.commitment.len(), 64);
    let opened = vault().verify_commitment(&key, b"web:A1", &one.blob, &one.commitment).unwrap();
    assert_eq!(opened.as_slice(), b"secret");
    let swapped = vault().verify_commitment(&key, b"web:A1", &two.blob, &one.commitment);
    assert!(matches!(swapped, Err(VaultError::Commitment)));
}

#[test]
fn a_merchant_secret_opens_for_its_merchant_and_label_alone() {
    let sealed = vault().seal_secret(&merchant("acme"), "channel/douyin", b"app-secret").unwrap();
    let opened = vault().open_secret(&merchant("acme"), "channel/douyin", &sealed).unwrap();
    assert_eq!(opened.as_slice(), b"app-secret");
    assert!(vault().open_secret(&merchant("other"), "channel/douyin", &sealed).is_err());
    assert!(vault().open_secret(&merchant("acme"), "channel/jd", &sealed).is_err());
}

#[test]
fn a_master_key_is_sixty_four_digits() {
    let key = "07".repeat(32);
    let token = |vault: &Vault| vault.tokeniser(&merchant("acme")).token("phone", "1");
    assert_eq!(token(&Vault::from_hex(&format!("{key}\n")).unwrap()), token(&vault()));
    for wrong in ["", &key[1..], &format!("{key}00"), &"zz".repeat(32)] {
        assert!(matches!(Vault::from_hex(wrong), Err(VaultError::KeyForm)), "{wrong}");
    }
}

#[test]
fn keys_are_not_printed() {
    let (key, _) = vault().new_subject_key(&merchant("acme"), &SUBJECT).unwrap();
    let printed = format!("{:?} {key:?} {:?}", vault(), vault().tokeniser(&merchant("acme")));
    assert_eq!(printed, "Vault DataKey MerchantTokeniser");
}

#[cfg(unix)]
mod key_file {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_new_key_file_is_its_owners_alone_and_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        let first = Vault::open_or_create(&path).unwrap();
        let again = Vault::open_or_create(&path).unwrap();
        assert_eq!(first.digester(&merchant("acme")).digest(b"a"), again.digester(&merchant("acme")).digest(b"a"));
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.len(), metadata.permissions().mode() & 0o777), (32, 0o600));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no draft stays behind");
    }

    #[test]
    fn a_key_file_open_to_others_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        Vault::open_or_create(&path).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert!(
                matches!(Vault::open_or_create(&path), Err(VaultError::KeyFileMode { mode: found }) if found == mode)
            );
        }
    }

    #[test]
    fn a_key_file_of_another_length_is_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        fs::write(&path, b"short").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(Vault::open_or_create(&path), Err(VaultError::KeyFileLength { found: 5 })));
        assert_eq!(fs::read(&path).unwrap(), b"short");
    }
}
