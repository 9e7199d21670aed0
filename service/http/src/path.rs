//! Paths as clients write them: percent-decoded, split, checked.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Longest path and query together. A host name is at most 255 bytes and the longest route has four parts
/// and a reason; beyond this it is a mistake or an attack.
pub(crate) const URI_MAX_BYTES: usize = 8 * 1024;

/// Why a path cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidPath {
    /// Longer than [`URI_MAX_BYTES`].
    #[error("URI too long")]
    TooLong,
    /// A `%` is not followed by two hexadecimal digits.
    #[error("invalid percent-encoding in path")]
    Escape,
    /// What is encoded is not UTF-8.
    #[error("path is not UTF-8")]
    NotUtf8,
}

/// Decodes a whole path before it is split, as the original does: an encoded slash separates, too.
pub(crate) fn decode(path: &str) -> Result<Cow<'_, str>, InvalidPath> {
    if path.len() > URI_MAX_BYTES {
        return Err(InvalidPath::TooLong);
    }
    if !has_valid_escapes(path) {
        return Err(InvalidPath::Escape);
    }
    percent_decode_str(path).decode_utf8().map_err(|_| InvalidPath::NotUtf8)
}

fn has_valid_escapes(path: &str) -> bool {
    path.split('%').skip(1).all(|after| {
        let mut digits = after.bytes().take(2);
        digits.len() == 2 && digits.all(|digit| digit.is_ascii_hexdigit())
    })
}

/// The query string, decoded: of a repeated name the first counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a raw query; what is not valid there stands as it is.
    pub(crate) fn parse(raw: &str) -> Self {
        let decode =
            |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = raw.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(k, v)| (decode(k), decode(v)))
                .collect(),
        )
    }

    /// The value of `name`; empty when it is not there.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// The value of `name` is `true`.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name) == "true"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_bad_ones_named() {
        assert_eq!(decode("/a%20b/%C3%A9").unwrap(), "/a b/é");
        assert_eq!(decode("/a+b").unwrap(), "/a+b");
        for path in ["/%", "/%1", "/%zz", "/a%2"] {
            assert_eq!(decode(path), Err(InvalidPath::Escape), "{path}");
        }
        assert_eq!(decode("/%ff"), Err(InvalidPath::NotUtf8));
        assert_eq!(decode(&"/a".repeat(URI_MAX_BYTES)), Err(InvalidPath::TooLong));
    }

    #[test]
    fn a_query_is_decoded_and_its_first_value_counts() {
        let query = Query::parse("comment=a+b%26c&x&comment=later&skipProcesses=true");
        assert_eq!(query.get("comment"), "a b&c");
        assert_eq!(query.get("x"), "");
        assert_eq!(query.get("none"), "");
        assert!(query.is_true("skipProcesses"));
    }
}
