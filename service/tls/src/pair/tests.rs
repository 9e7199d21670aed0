use std::{path::Path, time::Duration};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::*;

/// A certificate of its own making and its key, both in PEM, valid from the beginning of one year to that of another.
fn signed(from: i32, to: i32) -> (String, String) {
    let mut params = CertificateParams::new(vec!["orc-0".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// The first second of 2020.
fn in_2020() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(1_577_836_800))
}

async fn file(folder: &Path, name: &str, text: &str) -> PemFile {
    std::fs::write(folder.join(name), text).unwrap();
    let key = if name == "key" { "KeyFile" } else { "CertFile" };
    PemFile::read(key, &folder.join(name)).await.unwrap()
}

/// What is said of a certificate and a key, with the folder left out.
async fn said(certificate: &str, key: &str) -> String {
    let folder = TempDir::new().unwrap();
    let (certificate, key) =
        (file(folder.path(), "cert", certificate).await, file(folder.path(), "key", key).await);
    let said = match Pair::of(&certificate, &key, in_2020()) {
        Ok(pair) => format!("until {}", pair.not_after),
        Err(error) => error.to_string(),
    };
    said.replace(&format!("{}/", folder.path().display()), "")
}

#[tokio::test]
async fn a_pair_is_valid_now_and_fits() {
    let (certificate, key) = signed(2019, 2021);
    assert_eq!(said(&certificate, &key).await, "until 2021-01-01T00:00:00Z");
    let (other, other_key) = signed(2019, 2021);
    assert_eq!(said(&certificate, &other_key).await, "KeyFile \"key\" is not the key of CertFile \"cert\"");
    let chain = format!("{other}{certificate}");
    assert_eq!(
        said(&chain, &key).await,
        "KeyFile \"key\" is not the key of CertFile \"cert\"",
        "wrong order"
    );
}

#[tokio::test]
async fn what_is_wrong_names_key_and_file() {
    let (good, key) = signed(2019, 2021);
    let ((over, over_key), (early, early_key)) = (signed(2018, 2019), signed(2021, 2022));
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let old_style =
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    for (certificate, key, expected) in [
        (&*over, &*over_key, "CertFile \"cert\" expired at 2019-01-01T00:00:00Z"),
        (&early, &early_key, "CertFile \"cert\" is not valid before 2021-01-01T00:00:00Z"),
        (&key, &key, "CertFile \"cert\" holds no certificate in PEM"),
        (garbage, &key, "CertFile \"cert\" holds something that is not a certificate"),
        (&good, &good, "KeyFile \"key\" holds no private key in PEM"),
        (&good, "", "KeyFile \"key\" holds no private key in PEM"),
        (&good, old_style, "KeyFile \"key\" is encrypted; give it without a passphrase"),
        (
            &good,
            "-----BEGIN ENCRYPTED PRIVATE KEY-----",
            "KeyFile \"key\" is encrypted; give it without a passphrase",
        ),
        (
            &good,
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "CertFile \"cert\" cannot be used",
        ),
    ] {
        assert_eq!(said(certificate, key).await, expected);
    }
    let missing = PemFile::read("CertFile", Path::new("/no/such/file")).await.err().unwrap();
    assert_eq!(missing.to_string(), "CertFile \"/no/such/file\" cannot be read");
}

#[tokio::test]
async fn a_certificate_is_due_in_its_last_week() {
    let folder = TempDir::new().unwrap();
    let (certificate, key) = signed(2019, 2021);
    let (certificate, key) =
        (file(folder.path(), "cert", &certificate).await, file(folder.path(), "key", &key).await);
    let pair = Pair::of(&certificate, &key, in_2020()).unwrap();
    let before_its_end = |days: u64| {
        let end = pair.not_after.as_second().unsigned_abs();
        UnixTime::since_unix_epoch(Duration::from_secs(end - days * 24 * 3600))
    };
    assert!(!pair.is_due(before_its_end(7)) && pair.is_due(before_its_end(6)));
}

#[tokio::test]
async fn authorities_that_are_over_do_not_count_and_one_must_be_left() {
    let folder = TempDir::new().unwrap();
    let ((good, _), (over, _)) = (signed(2019, 2021), signed(2018, 2019));
    let both = file(folder.path(), "both", &format!("{over}{good}")).await;
    assert_eq!(both.authorities(in_2020()).unwrap().len(), 1);
    let none = file(folder.path(), "none", &over).await.authorities(in_2020()).unwrap_err();
    assert!(matches!(none, FileError::Expired { .. }), "{none}");
    let empty = file(folder.path(), "empty", "").await.authorities(in_2020()).unwrap_err();
    assert!(matches!(empty, FileError::Pem { .. }), "{empty}");
}
