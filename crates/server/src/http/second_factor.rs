//! Second factors: codes that follow from a secret and the time (TOTP, RFC 6238), as the apps on phones
//! make them, and recovery codes.
//!
//! The secret is kept sealed with the installation's key. Each proof holds once, which the ledger sees
//! to; wrong ones are counted by `factor_limits`.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use model::{Caller, Code, FactorProof, IdentityCommand, Refused, Timestamp, User, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::Secret;
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::clock::SystemIds;
use crate::http::state::{Origin, State};
use crate::ledger::LedgerError;

/// How long a code is shown.
const PERIOD: u64 = 30;
const DIGITS: usize = 6;
/// How many steps the clock of a phone may be behind or ahead.
const DRIFT: u64 = 1;
/// A secret has as many bytes as HMAC-SHA-1 returns, which RFC 4226 recommends. SHA-1 is the one hash that
/// all apps on phones support.
const SECRET_BYTES: usize = 20;
/// How long a new secret waits for its first code.
const ENROLMENT_LIFE: Duration = Duration::from_secs(15 * 60);
/// How many recovery codes a user gets.
const RECOVERY_CODES: usize = 10;
/// The length of a recovery code: 16 characters in Base32, which nobody guesses.
const RECOVERY_BYTES: usize = 10;
/// The most characters of a code that are looked at.
const LONGEST: usize = 64;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The number of the time step at a time.
fn step_at(now: Timestamp) -> u64 {
    now.since(Timestamp::from_millis(0)).as_secs() / PERIOD
}

/// The code of a time step (RFC 4226, 5.3).
fn code_of(secret: &[u8], step: u64) -> [u8; DIGITS] {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = ring::hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let at = usize::from(bytes.last().copied().unwrap_or_default() & 0xf);
    let part = bytes.get(at..at + 4).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
    let mut number = u32::from_be_bytes(part) & 0x7fff_ffff;
    let mut digits = [b'0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    digits
}

/// The time step that a code is of, among those around now. How long it takes tells nothing of the code.
fn step_of(secret: &[u8], code: &str, now: Timestamp) -> Option<u64> {
    let (mut found, mut step) = (subtle::Choice::from(0), 0);
    let here = step_at(now);
    for near in here.saturating_sub(DRIFT)..=here.saturating_add(DRIFT) {
        let same = code_of(secret, near).as_slice().ct_eq(code.as_bytes());
        step = u64::conditional_select(&step, &near, same);
        found |= same;
    }
    bool::from(found).then_some(step)
}

/// Base32 without padding (RFC 4648).
fn base32(bytes: &[u8]) -> String {
    let bit = |n: usize| bytes.get(n / 8).is_some_and(|byte| byte >> (7 - n % 8) & 1 == 1);
    let digit = |at: usize| {
        let value = (0..5).fold(0, |value, n| value << 1 | usize::from(bit(at * 5 + n)));
        char::from(ALPHABET[value])
    };
    (0..(bytes.len() * 8).div_ceil(5)).map(digit).collect()
}

/// What was typed, without what people put between digits.
fn plain(code: &str) -> String {
    let typed = code.chars().take(LONGEST).filter(|c| !c.is_whitespace() && *c != '-');
    typed.map(|c| c.to_ascii_uppercase()).collect()
}

/// The hash that is kept of a recovery code.
fn recovery_hash(plain: &str) -> String {
    hex::encode(Sha256::digest(plain.as_bytes()))
}

/// Recovery codes that follow from something that is made up for them and kept nowhere.
pub(crate) fn recovery_codes(secret: &Secret, from: &str) -> Vec<String> {
    let code = |n| {
        let bytes = secret.derive("recovery-code", &format!("{n} {from}"));
        let text = base32(&bytes[..RECOVERY_BYTES]);
        let parts = [0, 4, 8, 12].map(|at| text.get(at..at + 4).unwrap_or_default());
        parts.join("-").to_lowercase()
    };
    (0..RECOVERY_CODES).map(code).collect()
}

/// What is kept of recovery codes.
pub(crate) fn recovery_hashes(codes: &[String]) -> BTreeSet<String> {
    codes.iter().map(|code| recovery_hash(&plain(code))).collect()
}

fn sealed_for(user: UserId) -> Vec<u8> {
    format!("second factor of {user}").into_bytes()
}

/// A new secret that waits for its first code. It is nowhere but with the user, who sends it back.
#[derive(Serialize, Deserialize)]
struct Enrolment {
    user: UserId,
    secret: String,
    made: Timestamp,
}

/// The context of the encryption, so that the text is not valid for anything else.
const ENROLMENT: &[u8] = b"second factor enrolment";

/// A secret as its user is told it.
pub(crate) struct Offer {
    /// The secret, to be typed.
    pub(crate) secret: String,
    /// The same as an address that apps on phones read.
    pub(crate) url: String,
    /// What to send back with the first code.
    pub(crate) enrolment: String,
}

/// Makes a secret for a user.
///
/// # Errors
///
/// It cannot be encrypted.
pub(crate) fn offer(state: &State, user: &User, now: Timestamp) -> store::Result<Offer> {
    let mut bytes = [0; 32];
    for half in bytes.chunks_mut(16) {
        half.copy_from_slice(&model::IdSource::next_bits(&mut SystemIds).to_be_bytes());
    }
    offer_of(state, user, &bytes[..SECRET_BYTES], now)
}

/// Makes a secret for a user that is the same whenever it is asked for in a session of the dashboard: a page
/// that is loaded again, or in the other language, shows what the phone has already.
///
/// # Errors
///
/// It cannot be encrypted.
pub(crate) fn offer_in_session(
    state: &State,
    user: &User,
    session: &str,
    now: Timestamp,
) -> store::Result<Offer> {
    let bytes = state.secret.derive("second-factor-offer", &format!("{session} {}", user.id));
    offer_of(state, user, &bytes[..SECRET_BYTES], now)
}

/// An offer that somebody sent back with a wrong code, as it was; `None` if it is another user's or too old.
pub(crate) fn offered_before(
    state: &State,
    user: &User,
    enrolment: &str,
    now: Timestamp,
) -> Option<Offer> {
    let before = open_enrolment(state, user.id, enrolment, now)?;
    offer_of(state, user, &hex::decode(&before.secret).ok()?, before.made).ok()
}

fn offer_of(state: &State, user: &User, bytes: &[u8], made: Timestamp) -> store::Result<Offer> {
    let enrolment = Enrolment { user: user.id, secret: hex::encode(bytes), made };
    let text = serde_json::to_vec(&enrolment).expect("an enrolment is plain data");
    let secret = base32(bytes);
    let email: String = form_urlencoded::byte_serialize(user.email.as_bytes()).collect();
    let issuer = format!("Causeway%20{}", state.settings().instance);
    let url = format!(
        "otpauth://totp/{issuer}:{email}?secret={secret}&issuer={issuer}&algorithm=SHA1\
         &digits={DIGITS}&period={PERIOD}"
    );
    let enrolment = BASE64.encode(state.secret.seal(&text, ENROLMENT)?);
    Ok(Offer { secret, url, enrolment })
}

/// The secret of an offer that somebody sends back with its first code, sealed as it is kept, and the
/// step of that code. `None` if the offer is another user's or too old, or the code is wrong.
pub(crate) fn take_up(
    state: &State,
    user: UserId,
    enrolment: &str,
    code: &str,
    now: Timestamp,
) -> Option<(String, u64)> {
    let offered = open_enrolment(state, user, enrolment, now)?;
    let bytes = hex::decode(&offered.secret).ok()?;
    let step = step_of(&bytes, &plain(code), now)?;
    let sealed = state.secret.seal(&bytes, &sealed_for(user)).ok()?;
    Some((hex::encode(sealed), step))
}

/// What was offered to a user a while ago.
fn open_enrolment(
    state: &State,
    user: UserId,
    enrolment: &str,
    now: Timestamp,
) -> Option<Enrolment> {
    let text = state.secret.open(&BASE64.decode(enrolment).ok()?, ENROLMENT).ok()?;
    let offered: Enrolment = serde_json::from_slice(&text).ok()?;
    let live = offered.made <= now && now < offered.made + ENROLMENT_LIFE;
    (offered.user == user && live).then_some(offered)
}

/// Why somebody has not proved to have a second factor.
#[derive(Debug)]
pub(crate) enum NotProved {
    /// The code is wrong, too old, or was used.
    Wrong,
    /// Too many were wrong; the time until the next one is looked at.
    TooMany(Duration),
    /// The proof could not be recorded.
    Failed(LedgerError),
}

/// A proof that was found right and has not been used yet.
pub(crate) struct Checked {
    /// The proof.
    pub(crate) proof: FactorProof,
    user: UserId,
}

/// Checks a code of a user, without using it up. The attempt is counted before, so that many at once are
/// no way around.
///
/// # Errors
///
/// The code is wrong, or too many were.
pub(crate) fn check(
    state: &State,
    user: &User,
    code: &str,
    now: Timestamp,
) -> Result<Checked, NotProved> {
    state.factor_limits.begin(user.id, now).map_err(NotProved::TooMany)?;
    let proof = proof_of(&state.secret, user, code, now).ok_or(NotProved::Wrong)?;
    Ok(Checked { proof, user: user.id })
}

fn proof_of(secret: &Secret, user: &User, code: &str, now: Timestamp) -> Option<FactorProof> {
    let factor = user.second_factor.as_ref()?;
    let code = plain(code);
    if code.len() == DIGITS && code.bytes().all(|c| c.is_ascii_digit()) {
        let sealed = hex::decode(&factor.sealed_secret).ok()?;
        let bytes = secret.open(&sealed, &sealed_for(user.id)).ok()?;
        return step_of(&bytes, &code, now).map(|step| FactorProof::Code { step });
    }
    let hash = recovery_hash(&code);
    factor.recovery.contains(&hash).then_some(FactorProof::Recovery { hash })
}

/// Takes back the attempt of a proof that is used.
pub(crate) fn was_right(state: &State, checked: &Checked) {
    state.factor_limits.succeeded(checked.user);
}

/// Checks a code with which a user signs in, and uses it up.
///
/// # Errors
///
/// Somebody has not proved to be the user.
pub(crate) async fn prove(
    state: &State,
    user: &User,
    code: &str,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), NotProved> {
    let checked = check(state, user, code, now)?;
    let using = IdentityCommand::UseSecondFactor { user: user.id, proof: checked.proof.clone() };
    match state.submit(Caller::System, using, origin).await {
        Ok(_) => {
            was_right(state, &checked);
            Ok(())
        }
        Err(LedgerError::Refused(Refused { code: Code::Conflict, .. })) => Err(NotProved::Wrong),
        Err(error) => Err(NotProved::Failed(error)),
    }
}

/// The code that an app on a phone shows for a secret as its user is told it.
#[cfg(test)]
pub(crate) fn shown_code(secret: &str, now: Timestamp) -> String {
    let (mut bytes, mut bits, mut have) = (Vec::new(), 0u32, 0);
    for digit in secret.bytes() {
        let value = ALPHABET.iter().position(|known| *known == digit).unwrap();
        bits = bits << 5 | value as u32;
        have += 5;
        if have >= 8 {
            have -= 8;
            bytes.push((bits >> have) as u8);
        }
    }
    String::from_utf8(code_of(&bytes, step_at(now)).to_vec()).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// RFC 6238, appendix B, without the first two of eight digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code_of(SECRET, step_at(at(seconds))), code.as_bytes(), "{seconds}");
            assert_eq!(step_of(SECRET, code, at(seconds)), Some(seconds as u64 / PERIOD));
            assert_eq!(shown_code(&base32(SECRET), at(seconds)), code);
        }
    }

    #[test]
    fn a_code_holds_one_step_before_and_after_and_no_longer() {
        let code = code_of(SECRET, 1000);
        let code = std::str::from_utf8(&code).unwrap();
        for (seconds, holds) in
            [(29_969, false), (29_970, true), (30_000, true), (30_059, true), (30_060, false)]
        {
            let found = step_of(SECRET, code, at(seconds));
            assert_eq!(found, holds.then_some(1000), "{seconds}");
        }
        for wrong in ["", "000000", "28708", "2870821", "287082\0", "２８７０８２"] {
            assert_eq!(step_of(SECRET, wrong, at(59)), None, "{wrong}");
        }
        assert!(step_of(SECRET, code, at(0)).is_none(), "the beginning of time is no trouble");
    }

    /// RFC 4648, section 10, without padding.
    #[test]
    fn base32_is_that_of_the_standard() {
        for (plain, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(plain.as_bytes()), text);
        }
    }

    #[test]
    fn what_people_type_is_understood() {
        assert_eq!(plain(" 123 456 "), "123456");
        assert_eq!(plain("abcd-efgh"), "ABCDEFGH");
        assert_eq!(plain(&"1".repeat(1000)).len(), LONGEST);
    }
}
