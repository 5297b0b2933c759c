//! The wire: headers, segments, digests and text from bytes.

use ferrite_iscsi::wire::pdu::{Assembler, append};
use ferrite_iscsi::wire::{self, Bhs, Digests, ahs, text};

/// The longest data segment taken, in bytes.
const DATA_MAX: u32 = 2048;

/// Puts bytes through every decoder. A header that was read and written is read the same again, a PDU that was taken
/// whole from the stream is the one that its bytes say, and it does not matter how the stream is cut.
pub fn pdu(bytes: &[u8]) {
    ferrite_iscsi::fuzz::pdu(bytes);
    if let Some(bhs) = bytes.first_chunk() {
        headers(bhs);
    }
    if let Ok(found) = ahs::parse(bytes)
        && let Some(rest) = found.cdb_rest
    {
        let written = ahs::extended_cdb(rest);
        assert_eq!(ahs::parse(&written).map(|again| again.cdb_rest), Ok(Some(rest)));
    }
    if let Ok(pairs) = text::parse(bytes) {
        let mut written = Vec::new();
        pairs.iter().for_each(|(key, value)| text::push(&mut written, key, value));
        assert_eq!(text::parse(&written), Ok(pairs));
    }
    for digests in [Digests::default(), Digests { header: true, data: true }] {
        let whole = cut(bytes, digests, bytes.len());
        assert_eq!(whole, cut(bytes, digests, 1), "{digests:?}");
        assert_eq!(whole, cut(bytes, digests, 7), "{digests:?}");
    }
}

/// What is read must be written and read again as the same, for every kind of header.
fn headers(bhs: &Bhs) {
    macro_rules! again {
        ($($kind:ident),*) => { $(
            let read = wire::$kind::decode(bhs);
            assert_eq!(wire::$kind::decode(&read.encode()), read);
        )* };
    }
    again!(NopOut, ScsiCommand, TaskRequest, LoginRequest, TextRequest, DataOut, LogoutRequest, SnackRequest);
    again!(NopIn, ScsiResponse, TaskResponse, LoginResponse, TextResponse, DataIn, LogoutResponse, R2t, AsyncMessage);
    again!(Reject);
}

/// The PDUs of a stream that comes in pieces, written again, and the error that ended it.
fn cut(bytes: &[u8], digests: Digests, piece: usize) -> (Vec<Vec<u8>>, Option<String>) {
    let mut assembler = Assembler::new(DATA_MAX);
    assembler.agree(digests, DATA_MAX);
    let mut pdus = Vec::new();
    for mut piece in bytes.chunks(piece.max(1)) {
        while !piece.is_empty() {
            let taken = match assembler.feed(piece) {
                Ok(taken) => taken,
                Err(error) => return (pdus, Some(error.to_string())),
            };
            if let Some(pdu) = assembler.pdu() {
                let mut written = Vec::new();
                append(&mut written, pdu.bhs, pdu.ahs, pdu.data, digests);
                pdus.push(written);
                assembler.clear();
            } else {
                assert_eq!(taken, piece.len(), "bytes of an unfinished PDU are left lying");
            }
            piece = &piece[taken..];
        }
    }
    (pdus, None)
}
