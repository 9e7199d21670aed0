//! The little of X.509 that rustls does not tell: how long a certificate is valid, and of which units.
//!
//! Only certificates that rustls verified, or that this node was given, are read; what is not understood is
//! `None`.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The first second in which it is valid.
    pub not_before: Timestamp,
    /// The last second in which it is valid.
    pub not_after: Timestamp,
    /// Organisational units of the subject, in its order.
    pub units: Vec<String>,
}

const INTEGER: u8 = 0x02;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const BMP_STRING: u8 = 0x1e;
/// The version, which certificates of version 1 leave out.
const VERSION: u8 = 0xa0;
/// 2.5.4.11, `organizationalUnitName`.
const UNIT: &[u8] = &[0x55, 0x04, 0x0b];

impl Facts {
    /// Reads a certificate in DER; `None` when it is none.
    pub fn read(der: &[u8]) -> Option<Self> {
        let mut certificate = Reader(der).inside(SEQUENCE)?.inside(SEQUENCE)?;
        if certificate.0.first() == Some(&VERSION) {
            certificate.next()?;
        }
        certificate.inside(INTEGER)?; // serial number
        certificate.inside(SEQUENCE)?; // algorithm
        certificate.inside(SEQUENCE)?; // issuer
        let mut validity = certificate.inside(SEQUENCE)?;
        let (not_before, not_after) = (time(validity.next()?)?, time(validity.next()?)?);
        Some(Self { not_before, not_after, units: units(certificate.inside(SEQUENCE)?)? })
    }
}

fn units(mut subject: Reader<'_>) -> Option<Vec<String>> {
    let mut units = Vec::new();
    while !subject.0.is_empty() {
        let mut names = subject.inside(SET)?;
        while !names.0.is_empty() {
            let mut name = names.inside(SEQUENCE)?;
            let (kind, value) = (name.inside(OBJECT_ID)?, name.next()?);
            if kind.0 == UNIT {
                units.push(text(value)?);
            }
        }
    }
    Some(units)
}

fn text((tag, bytes): (u8, &[u8])) -> Option<String> {
    if tag != BMP_STRING {
        return String::from_utf8(bytes.to_vec()).ok();
    }
    let units: Vec<u16> =
        bytes.chunks(2).map(|pair| pair.iter().fold(0, |sum, b| sum << 8 | u16::from(*b))).collect();
    String::from_utf16(&units).ok()
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280 §4.1.2.5).
fn time((tag, bytes): (u8, &[u8])) -> Option<Timestamp> {
    let digits = std::str::from_utf8(bytes).ok()?.strip_suffix('Z')?;
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match tag {
        UTC_TIME => digits.split_at_checked(2)?,
        GENERALIZED_TIME => digits.split_at_checked(4)?,
        _ => return None,
    };
    let year: i16 = match (tag, year.parse().ok()?) {
        (UTC_TIME, short @ 50..) => 1900 + short,
        (UTC_TIME, short) => 2000 + short,
        (_, full) => full,
    };
    let at = |from: usize| rest.get(from..from + 2)?.parse::<i8>().ok();
    let moment = DateTime::new(year, at(0)?, at(2)?, at(4)?, at(6)?, at(8)?, 0).ok()?;
    TimeZone::UTC.to_timestamp(moment).ok().filter(|_| rest.len() == 10)
}

/// The rest of a run of elements.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next element: its tag and what is in it.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            short @ ..=0x7f => (usize::from(short), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// What is in the next element, which must be of this kind.
    fn inside(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| Reader(content))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(names: &[(DnType, &str)], not_after: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["orc-0".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in names {
            params.distinguished_name.push(kind.clone(), *value);
        }
        params.not_before = date_time_ymd(2001, 2, 3);
        params.not_after = date_time_ymd(not_after, 12, 31);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn validity_and_units_are_read() {
        let names = [(DnType::CommonName, "orc-0"), (DnType::OrganizationalUnitName, "Bücher & DBA")];
        for (year, not_after) in [(2049, "2049-12-31T00:00:00Z"), (2050, "2050-12-31T00:00:00Z")] {
            let facts = Facts::read(&certificate(&names, year)).unwrap();
            assert_eq!(facts.not_before.to_string(), "2001-02-03T00:00:00Z");
            assert_eq!(facts.not_after.to_string(), not_after);
            assert_eq!(facts.units, ["Bücher & DBA"]);
        }
        assert!(Facts::read(&certificate(&names[..1], 2049)).unwrap().units.is_empty());
    }

    #[test]
    fn what_is_cut_or_garbled_is_nothing_and_never_a_panic() {
        let whole = certificate(&[(DnType::OrganizationalUnitName, "dba")], 2049);
        for length in 0..whole.len() {
            assert_eq!(Facts::read(&whole[..length]), None, "{length}");
        }
        for at in 0..whole.len() {
            for byte in [0x00, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut garbled = whole.clone();
                garbled[at] = byte;
                let _ = Facts::read(&garbled);
            }
        }
    }

    #[test]
    fn strings_of_two_bytes_are_read() {
        assert_eq!(text((BMP_STRING, &[0, b'd', 0, b'b', 0, b'a'])).unwrap(), "dba");
        assert_eq!(text((BMP_STRING, &[0xd8, 0])), None);
        assert_eq!(text((0x0c, &[0xff])), None);
    }
}
