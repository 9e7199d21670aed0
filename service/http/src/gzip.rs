//! Compressed answers for clients that ask for them.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{
    HeaderMap, HeaderValue, Response,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY},
};

/// Smaller bodies fit one packet as they are; to compress them costs time and gains nothing.
const MIN_BYTES: usize = 1024;
/// Larger bodies take milliseconds and go to a thread that may block.
const INLINE_MAX_BYTES: usize = 64 * 1024;

/// Compresses a body if the client can read that and it is worth it.
pub(crate) async fn compress(request: HeaderMap, response: Response<Bytes>) -> Response<Bytes> {
    if response.body().len() < MIN_BYTES || !accepts(&request) {
        return response;
    }
    let body = response.body().clone();
    let compressed = if body.len() <= INLINE_MAX_BYTES {
        gzip(&body)
    } else {
        tokio::task::spawn_blocking(move || gzip(&body)).await.unwrap_or_else(|error| Err(error.into()))
    };
    match compressed {
        Ok(body) => encoded(response, body),
        Err(_) => response,
    }
}

fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

fn encoded(response: Response<Bytes>, body: Vec<u8>) -> Response<Bytes> {
    let mut response = response.map(|_| Bytes::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}

/// Names gzip, and does not rule it out.
fn accepts(request: &HeaderMap) -> bool {
    let values = request.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts.next() == Some("gzip");
        named && parts.all(|weight| !matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT_ENCODING, value.parse().unwrap())])
    }

    #[tokio::test]
    async fn what_is_compressed_reads_back() {
        for size in [MIN_BYTES, INLINE_MAX_BYTES * 2] {
            let body = Bytes::from(vec![b'a'; size]);
            let response = compress(headers("deflate, gzip;q=0.5"), Response::new(body.clone())).await;
            assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
            let mut back = Vec::new();
            flate2::read::GzDecoder::new(&response.body()[..]).read_to_end(&mut back).unwrap();
            assert_eq!(back, body);
        }
    }

    #[tokio::test]
    async fn small_bodies_and_other_clients_get_plain_text() {
        let large = Bytes::from(vec![b'a'; MIN_BYTES]);
        for (accept, body) in [("gzip", Bytes::from("ok")), ("br", large.clone()), ("gzip;q=0", large)] {
            let response = compress(headers(accept), Response::new(body.clone())).await;
            assert_eq!(response.into_body(), body);
        }
    }
}
