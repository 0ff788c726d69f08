//! RecordIO: whatever the pieces, the records come out; whatever the bytes, nothing panics.

mod random;

use headroom_proto::mesos::recordio::{Decoder, RecordError, encode};
use proptest::prelude::*;

const MAX: usize = 1_000;

fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, Result<(), RecordError>) {
    pieces(&[bytes])
}

fn pieces(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Result<(), RecordError>) {
    let mut decoder = Decoder::new(MAX);
    let mut records = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_record() {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next_record(), Err(error), "an error stays");
                    return (records, Err(error));
                }
            }
        }
    }
    (records, decoder.finish())
}

#[test]
fn a_record_is_its_length_a_line_feed_and_its_bytes() {
    assert_eq!(encode(b"{\"type\":\"HEARTBEAT\"}"), b"20\n{\"type\":\"HEARTBEAT\"}");
    assert_eq!(encode(b""), b"", "no record is empty");
    let (records, end) = read(include_bytes!("corpus/records"));
    assert_eq!(records, [&b"{\"a\":"[..], b"{}", b"{\"type\":\"HEARTBEAT\"}"]);
    assert_eq!(end, Ok(()));
}

#[test]
fn what_is_no_length_is_refused() {
    let cases: [(&[u8], RecordError); 8] = [
        (b"2\r\n{}", RecordError::Length(b'\r')),
        (b"-2\n{}", RecordError::Length(b'-')),
        (b" 2\n{}", RecordError::Length(b' ')),
        (b"\n{}", RecordError::NoLength),
        (b"0\n", RecordError::Empty),
        (b"1001\n", RecordError::TooLong { max: MAX }),
        (include_bytes!("corpus/lies.records"), RecordError::TooLong { max: MAX }),
        (b"000000000000000000001\nx", RecordError::TooLong { max: MAX }),
    ];
    for (bytes, error) in cases {
        assert_eq!(read(bytes), (vec![], Err(error)), "{bytes:?}");
    }
    assert_eq!(read(include_bytes!("corpus/crlf.records")).1, Err(RecordError::Length(b'\r')));
}

#[test]
fn an_end_inside_a_record_is_told() {
    for bytes in [&b"1"[..], b"3\n", b"3\nab", b"1\na3\nab"] {
        assert_eq!(read(bytes).1, Err(RecordError::Truncated), "{bytes:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_do_not_matter(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..8),
        size in 1_usize..40,
    ) {
        let stream: Vec<u8> = bodies.iter().flat_map(|body| encode(body)).collect();
        let cut: Vec<_> = stream.chunks(size).collect();
        prop_assert_eq!(pieces(&cut), (bodies, Ok(())));
    }

    #[test]
    fn no_bytes_make_it_panic(seed: u64, noise: Vec<u8>, size in 1_usize..9) {
        for bytes in random::corpus().into_iter().chain([noise]) {
            let damaged = random::damaged(seed, &bytes);
            let _ = pieces(&damaged.chunks(size).collect::<Vec<_>>());
        }
    }
}
