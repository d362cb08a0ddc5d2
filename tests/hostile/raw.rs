//! Requests that are hardly HTTP.

use tempfile::tempdir;

use super::{head, started, well_afterwards};
use crate::support::orders::plain;
use crate::support::service::TOKEN;

#[test]
fn requests_that_are_hardly_http_are_refused_without_harm() {
    let directory = tempdir().unwrap();
    let (service, _keys) = started(directory.path());
    let before = head(&service);
    let body = plain("BAD").to_string();
    let authorised =
        format!("Host: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nConnection: close\r\n");
    let post = |headers: &[u8], body: &str| {
        [b"POST /v1/orders HTTP/1.1\r\n", authorised.as_bytes(), headers, b"\r\n", body.as_bytes()].concat()
    };
    let of_length = |more: &[u8]| [format!("Content-Length: {}\r\n", body.len()).as_bytes(), more].concat();
    let cases: [(&str, Vec<u8>, &[u16]); 11] = [
        ("no HTTP at all", b"hello\r\n\r\n".to_vec(), &[400]),
        ("a version of one's own", b"GET /healthz HTTP/7.0\r\n\r\n".to_vec(), &[400, 505]),
        ("a header of 1 MB", post(&of_length(&[b"X: ", &vec![b'x'; 1 << 20][..], b"\r\n"].concat()), &body), &[431]),
        ("a thousand headers", post(&of_length("X: y\r\n".repeat(1_000).as_bytes()), &body), &[431]),
        (
            "an address of 100 KB",
            [b"GET /", &vec![b'a'; 100_000][..], b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"].concat(),
            &[404, 414, 431],
        ),
        ("a NUL in a header", post(&of_length(b"X: a\0b\r\n"), &body), &[400]),
        ("a header without a colon", post(&of_length(b"nonsense\r\n"), &body), &[400]),
        ("a negative length", post(b"Content-Length: -1\r\n", &body), &[400]),
        ("two lengths", post(&of_length(b"Content-Length: 7\r\n"), &body), &[400]),
        ("a piece of no length", post(b"Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"), &[400]),
        ("an idempotency key that is not ASCII", post(&of_length(b"Idempotency-Key: \xff\xfe\r\n"), &body), &[400]),
    ];
    for (name, request, expected) in cases {
        let answer = service.raw(&request);
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        assert!(status.is_some_and(|status: u16| expected.contains(&status)), "{name}: {answer:?}");
        assert_eq!(head(&service), before, "{name} left something behind");
    }
    well_afterwards(service);
}
