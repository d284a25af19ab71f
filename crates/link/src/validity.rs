//! From when until when a certificate is valid, read from its DER (RFC 5280 §4.1).

use std::time::Duration;

use model::Timestamp;

use crate::der::{SEQUENCE, certificate, element, tagged};

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// When a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub from: Timestamp,
    /// The last one.
    pub until: Timestamp,
}

impl Validity {
    /// Reads it; `None` where this is no certificate.
    pub fn of(der: &[u8]) -> Option<Self> {
        let mut signed = certificate(der)?;
        // The serial number, the algorithm of the signature, and who issued it.
        for _ in 0..3 {
            signed = element(signed)?.rest;
        }
        let from = element(tagged(SEQUENCE, signed)?.content)?;
        let until = element(from.rest)?;
        let (from, until) = (time(from.tag, from.content)?, time(until.tag, until.content)?);
        (from <= until).then_some(Self { from, until })
    }

    /// For how long.
    pub fn lifetime(self) -> Duration {
        let millis = self.until.millis().saturating_sub(self.from.millis());
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    /// When the next one is to be asked for: once two thirds of its time are over.
    pub fn renewal(self) -> Timestamp {
        let span = self.until.millis().saturating_sub(self.from.millis());
        Timestamp::from_millis(self.from.millis().saturating_add(span / 3 * 2))
    }
}

/// A time such as `261201014800Z`, with a year of two digits or of four.
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (century, text) = match (tag, text.len()) {
        (UTC_TIME, 12) => (if text < "5" { "20" } else { "19" }, text),
        (GENERALIZED_TIME, 14) => text.split_at(2),
        _ => return None,
    };
    let part = |at: usize| &text[at..at + 2];
    let (year, month, day) = (part(0), part(2), part(4));
    let (hour, minute, second) = (part(6), part(8), part(10));
    format!("{century}{year}-{month}-{day}T{hour}:{minute}:{second}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn made(from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["cw.example.org".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn times_of_both_forms_are_read() {
        let validity = Validity::of(&made((2026, 2, 28), (2026, 3, 30))).unwrap();
        assert_eq!(validity.from.millis(), 1_772_236_800_000);
        assert_eq!(validity.lifetime(), Duration::from_secs(30 * 24 * 3600));
        assert_eq!(validity.renewal().millis(), 1_772_236_800_000 + 20 * 24 * 3_600_000);
        let long = Validity::of(&made((1996, 2, 29), (2100, 1, 1))).unwrap();
        assert_eq!((long.from.millis(), long.until.millis()), (825_552_000_000, 4_102_444_800_000));
    }

    #[test]
    fn what_is_no_certificate_is_refused_wherever_it_ends() {
        let whole = made((2026, 2, 28), (2026, 3, 30));
        for end in 0..whole.len() {
            assert_eq!(Validity::of(&whole[..end]), None, "{end}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0xff;
            let _ = Validity::of(&changed);
        }
    }
}
