//! The other direction: what a hostile target may send to the initiator.

use std::io::{self, Read, Write};

use ferrite_iscsi::initiator::{Error, Initiator, Keys, Request, Settings, cdb, lun};
use ferrite_iscsi::wire::codes::{function, logout};
use ferrite_iscsi::wire::pdu::append;
use ferrite_iscsi::wire::{Digests, LoginResponse};

/// Plays bytes to an initiator, as a target before login, and as one after an orderly login with requests of every
/// kind in flight. It ends with an error or with answers, and holds no more than it asked for.
pub fn answers(bytes: &[u8]) {
    let mut settings = Settings::normal("iqn.2026-11.org.example:i", "iqn.2026-11.org.example:t");
    settings.keys = Keys { max_recv_data_segment_length: 1024, ..Keys::default() };
    let login = Initiator::login(Tape { bytes, at: 0 }, &settings);
    assert!(!matches!(login, Err(Error::Status(_) | Error::Rejected { .. })), "a login has no such end");
    let said = [accepted(), bytes.to_vec()].concat();
    let Ok(mut initiator) = Initiator::login(Tape { bytes: &said, at: 0 }, &settings) else {
        panic!("an orderly login is accepted");
    };
    initiator.submit(&Request::new(0, &cdb::read10(0, 4)).reading(2048)).expect("the tape takes everything");
    initiator.submit(&Request::new(0, &cdb::write10(0, 4)).writing(vec![1; 2048])).expect("as above");
    initiator.submit_manage(function::ABORT_TASK, lun(0), Some(1)).expect("as above");
    initiator.submit_ping(b"hello", true).expect("as above");
    initiator.submit_text(b"SendTargets=\0", true, None).expect("as above");
    initiator.submit_logout(logout::CLOSE_SESSION, 0).expect("as above");
    let mut received = 0;
    while initiator.in_flight() > 0 && initiator.advance().is_ok() {
        received += 1;
        assert!(received <= said.len() / 48, "every PDU has a header");
    }
    while initiator.poll_completion().is_some() || initiator.poll_notice().is_some() {}
}

/// The two Login Responses that an orderly target sends to an initiator with the keys above.
fn accepted() -> Vec<u8> {
    let security = LoginResponse { transit: true, csg: 0, nsg: 1, ..response(0, b"AuthMethod=None\0") };
    let text = b"HeaderDigest=None\0DataDigest=None\0DefaultTime2Wait=2\0DefaultTime2Retain=0\0ErrorRecoveryLevel=0\0\
        MaxConnections=1\0InitialR2T=No\0ImmediateData=Yes\0MaxBurstLength=1024\0FirstBurstLength=512\0\
        MaxOutstandingR2T=1\0DataPDUInOrder=Yes\0DataSequenceInOrder=Yes\0";
    let operational = LoginResponse { transit: true, csg: 1, nsg: 3, tsih: 1, ..response(1, text) };
    let mut bytes = Vec::new();
    append(&mut bytes, &security.encode(), &[], b"AuthMethod=None\0", Digests::default());
    append(&mut bytes, &operational.encode(), &[], text, Digests::default());
    bytes
}

fn response(stat_sn: u32, text: &[u8]) -> LoginResponse {
    LoginResponse {
        isid: [0x80, 0, 0, 0, 0, 1],
        stat_sn,
        exp_cmd_sn: 1,
        max_cmd_sn: 64,
        data_len: text.len() as u32,
        ..LoginResponse::default()
    }
}

/// Says what it was given and takes whatever it is told.
struct Tape<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Read for Tape<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = (&self.bytes[self.at..]).read(into)?;
        self.at += len;
        Ok(len)
    }
}

impl Write for Tape<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
