//! Write data: immediate, unsolicited, asked for, and all that can be wrong with it (RFC 7143 §4.2.5.2, §11.7, §11.8).

use ferrite_iscsi::Offer;
use ferrite_iscsi::initiator::{Initiator, Keys, Notice, Pdu, Request, Residual, cdb};
use ferrite_iscsi::wire::codes::reject;
use ferrite_iscsi::wire::{DataOut, NO_TAG, Opcode, R2t, Reject, ScsiCommand};

use crate::kit::{BLOCK, Kit, Wire, assert_closed, assert_silent, next, pattern, solicited};

fn write(lba: u32, data: &[u8]) -> Request {
    Request::new(0, &cdb::write10(lba, (data.len() as u32 / BLOCK) as u16)).writing(data.to_vec())
}

/// §13.10, §13.11: every way that data may take, at and around every limit on it.
#[test]
fn data_arrives_under_every_agreement() {
    for bits in 0..4 {
        for (first_burst, max_burst, segment, outstanding) in [
            (512, 512, 512, 1),
            (4096, 8192, 1024, 1),
            (4096, 8192, 1024, 4),
            (8192, 8192, 65_536, 16),
            (3000, 5000, 777, 3),
        ] {
            let offer = Offer { target_segment: segment, max_outstanding_r2t: outstanding, ..Offer::default() };
            let kit = Kit::offering(offer);
            let mut initiator = kit.login_with(Keys {
                initial_r2t: bits & 1 == 0,
                immediate_data: bits & 2 == 0,
                first_burst_length: first_burst,
                max_burst_length: max_burst,
                max_outstanding_r2t: outstanding,
                ..Keys::default()
            });
            for (seed, blocks) in [1, 2, 7, 8, 9, 15, 16, 17, 24, 33].into_iter().enumerate() {
                let data = pattern((blocks * BLOCK) as usize, seed as u32);
                let result = initiator.command(&write(3, &data)).unwrap();
                assert!(result.is_good() && result.residual == Residual::None, "{result:?}");
                assert_eq!(initiator.read(0, 3, blocks, BLOCK).unwrap(), data, "{blocks} blocks, agreement {bits}");
            }
        }
    }
}

/// §13.17: R2Ts up to MaxOutstandingR2T at once, each for one burst, in order, and the next when one is served.
#[test]
fn r2ts_keep_to_the_burst_and_the_number_outstanding() {
    for outstanding in [1, 2, 5, 16] {
        let (mut initiator, _kit) = asking(outstanding, 4096);
        let data = pattern(10 * 4096 + 512, 9);
        let itt = initiator.submit(&write(0, &data)).unwrap();
        let mut asked = asked(&mut initiator);
        assert_eq!(asked.len(), outstanding.min(11) as usize);
        for index in 0..11usize {
            let r2t = asked.remove(0);
            let (offset, desired) = (4096 * index as u32, if index == 10 { 512 } else { 4096 });
            assert_eq!((r2t.r2t_sn, r2t.offset, r2t.desired), (index as u32, offset, desired));
            assert_eq!((r2t.itt, r2t.lun), (itt, [0; 8]));
            assert_ne!(r2t.ttt, NO_TAG);
            serve(&mut initiator, &r2t, &data);
            if index + (outstanding as usize) < 11 {
                asked.extend(self::asked(&mut initiator));
                assert_eq!(asked.len(), outstanding as usize, "one served, one more asked for");
            }
        }
        initiator.manners.answer_r2t = true;
        let pdu = next(&mut initiator);
        assert_eq!(pdu.opcode(), Some(Opcode::ScsiResponse));
        assert_eq!(pdu.bhs[36..40], 11u32.to_be_bytes(), "ExpDataSN counts the R2Ts");
    }
}

/// §4.2.5.2: nothing is asked for before the unsolicited data has ended.
#[test]
fn r2ts_wait_for_the_end_of_unsolicited_data() {
    let kit = Kit::new();
    let mut initiator = kit.login_with(Keys {
        immediate_data: false,
        first_burst_length: 1024,
        max_burst_length: 4096,
        ..Keys::default()
    });
    let data = pattern(4096, 1);
    let itt = begin(&mut initiator, 8, 0, false, &[]);
    assert_silent(&mut initiator);
    data_out(&mut initiator, itt, NO_TAG, (0, 0), &data[..512], false);
    assert_silent(&mut initiator);
    data_out(&mut initiator, itt, NO_TAG, (1, 512), &data[512..1024], true);
    let r2t = R2t::decode(&next(&mut initiator).bhs);
    assert_eq!((r2t.offset, r2t.desired), (1024, 3072));
}

/// §11.7.1: the initiator may end its unsolicited data early; the rest is asked for.
#[test]
fn unsolicited_data_may_end_early() {
    let kit = Kit::new();
    let mut initiator = kit.login_with(Keys { first_burst_length: 4096, max_burst_length: 8192, ..Keys::default() });
    let itt = begin(&mut initiator, 16, 0, false, &pattern(512, 0));
    data_out(&mut initiator, itt, NO_TAG, (0, 512), &pattern(512, 0), true);
    let r2t = R2t::decode(&next(&mut initiator).bhs);
    assert_eq!((r2t.offset, r2t.desired), (1024, 7168));
}

/// §11.4.5: SCSI wants more than the initiator offers, or less.
#[test]
fn residuals_of_a_write_tell_what_was_not_moved() {
    let kit = Kit::new();
    for keys in [Keys::default(), solicited(512)] {
        let mut initiator = kit.login_with(keys);
        let data = pattern(4 * BLOCK as usize, 3);
        let short = initiator.command(&Request::new(0, &cdb::write10(0, 6)).writing(data.clone())).unwrap();
        assert_eq!(short.residual, Residual::Overflow(2 * BLOCK));
        let long = initiator.command(&Request::new(0, &cdb::write10(0, 3)).writing(data.clone())).unwrap();
        assert_eq!(long.residual, Residual::Underflow(BLOCK));
        assert_eq!(initiator.read(0, 0, 3, BLOCK).unwrap(), data[..3 * BLOCK as usize]);
        initiator.test_unit_ready(0).unwrap();
    }
}

/// §11.3: data for a command that wants none is let pass, whichever way it comes.
#[test]
fn data_of_a_command_that_fails_is_let_pass() {
    let kit = Kit::new();
    for keys in [Keys::default(), Keys { immediate_data: false, ..Keys::default() }] {
        let mut initiator = kit.login_with(Keys { first_burst_length: 65_536, ..keys });
        for len in [1, 512, 4097, 100_000] {
            let unknown = Request::new(0, &[0xc0; 16]).writing(pattern(len, 0));
            let result = initiator.command(&unknown).unwrap();
            assert_eq!(result.sense_code(), Some((5, 0x20, 0)));
            assert_eq!(result.residual, Residual::Underflow(len as u32));
        }
        initiator.test_unit_ready(0).unwrap();
    }
}

/// What is wrong with one Data-Out PDU that answers an R2T for 1024 bytes at 0 of task `itt`.
type Wrong = fn(&mut DataOut);

/// §11.7: a Data-Out that is not the next one of its sequence ends the connection, after a Reject.
#[test]
fn solicited_data_out_of_order_is_rejected() {
    let cases: [(&str, Wrong, &str); 7] = [
        ("DataSN", |pdu| pdu.data_sn = 1, "RFC 7143 §11.7.4"),
        ("a later offset", |pdu| pdu.offset = 512, "RFC 7143 §13.18"),
        ("an offset at the end of numbers", |pdu| pdu.offset = u32::MAX, "RFC 7143 §13.18"),
        ("too much", |pdu| pdu.data_len = 1536, "RFC 7143 §11.8.4"),
        ("F too early", |pdu| pdu.fin = true, "RFC 7143 §11.7.1"),
        ("another task's tag", |pdu| pdu.itt ^= 1, "RFC 7143 §11.7.3"),
        ("a tag nobody gave", |pdu| pdu.ttt ^= 0x5a5a_0000, "RFC 7143 §11.7.3"),
    ];
    for (what, wrong, clause) in cases {
        let (mut initiator, kit) = asking(1, 1024);
        let itt = initiator.submit(&write(0, &pattern(4096, 0))).unwrap();
        let r2t = asked(&mut initiator).remove(0);
        let mut pdu = DataOut { itt, ttt: r2t.ttt, data_len: 512, ..DataOut::default() };
        wrong(&mut pdu);
        initiator.frames().send_pdu(&Pdu::new(pdu.encode(), [], pattern(pdu.data_len as usize, 0))).unwrap();
        assert_rejected(&mut initiator, &kit, clause, what);
    }
}

/// §11.7.1: the last PDU that an R2T is served with has F.
#[test]
fn a_burst_without_its_end_is_rejected() {
    let (mut initiator, kit) = asking(1, 1024);
    let itt = initiator.submit(&write(0, &pattern(4096, 0))).unwrap();
    let r2t = asked(&mut initiator).remove(0);
    data_out(&mut initiator, itt, r2t.ttt, (0, 0), &pattern(1024, 0), false);
    assert_rejected(&mut initiator, &kit, "RFC 7143 §11.7.1", "no F");
}

/// §13.10, §13.11, §13.14, §11.3.4: data that nobody agreed to.
#[test]
fn unsolicited_data_beyond_the_agreement_is_rejected() {
    let keys = |immediate_data, initial_r2t| Keys {
        immediate_data,
        initial_r2t,
        first_burst_length: 1024,
        max_burst_length: 4096,
        ..Keys::default()
    };
    let kit = Kit::new();
    let mut initiator = kit.login_with(keys(false, false));
    begin(&mut initiator, 8, 0, true, &pattern(512, 0));
    assert_rejected(&mut initiator, &kit, "RFC 7143 §13.11", "immediate data");

    let kit = Kit::new();
    let mut initiator = kit.login_with(keys(true, true));
    begin(&mut initiator, 8, 0, false, &[]);
    assert_rejected(&mut initiator, &kit, "RFC 7143 §13.10", "a sequence under InitialR2T=Yes");

    let kit = Kit::new();
    let mut initiator = kit.login_with(keys(true, false));
    begin(&mut initiator, 8, 0, true, &pattern(1028, 0));
    assert_rejected(&mut initiator, &kit, "RFC 7143 §13.14", "immediate data past FirstBurstLength");

    let kit = Kit::new();
    let mut initiator = kit.login_with(keys(true, false));
    begin(&mut initiator, 1, 0, true, &pattern(516, 0));
    assert_rejected(&mut initiator, &kit, "RFC 7143 §11.3.4", "more than is expected");

    let kit = Kit::new();
    let mut initiator = kit.login_with(keys(true, false));
    let itt = begin(&mut initiator, 8, 0, false, &pattern(512, 0));
    data_out(&mut initiator, itt, NO_TAG, (0, 512), &pattern(516, 0), true);
    assert_rejected(&mut initiator, &kit, "RFC 7143 §13.14", "a sequence past FirstBurstLength");

    let kit = Kit::new();
    let mut initiator = kit.login_with(keys(true, false));
    data_out(&mut initiator, 0x99, NO_TAG, (0, 0), &pattern(512, 0), true);
    assert_rejected(&mut initiator, &kit, "RFC 7143 §11.7.3", "data for no command");

    let kit = Kit::new();
    let mut initiator = kit.login_with(keys(true, false));
    kit.target().holding = true;
    let itt = begin(&mut initiator, 8, 0, true, &[]);
    data_out(&mut initiator, itt, NO_TAG, (0, 0), &pattern(512, 0), true);
    assert_rejected(&mut initiator, &kit, "RFC 7143 §4.2.5.2", "data after F");
}

/// §13.14: exactly FirstBurstLength is welcome.
#[test]
fn unsolicited_data_up_to_the_agreement_is_taken() {
    let kit = Kit::new();
    let mut initiator = kit.login_with(Keys { first_burst_length: 1024, max_burst_length: 4096, ..Keys::default() });
    let data = pattern(1024, 5);
    begin(&mut initiator, 2, 0, true, &data);
    assert_eq!(next(&mut initiator).opcode(), Some(Opcode::ScsiResponse));
    let itt = begin(&mut initiator, 2, 2, false, &data[..4]);
    data_out(&mut initiator, itt, NO_TAG, (0, 4), &data[4..], true);
    assert_eq!(next(&mut initiator).opcode(), Some(Opcode::ScsiResponse));
    assert_eq!(initiator.read(0, 2, 2, BLOCK).unwrap(), data);
}

/// §13.12: a data segment longer than the target declared.
#[test]
fn a_segment_longer_than_declared_ends_the_connection() {
    let kit = Kit::offering(Offer { target_segment: 1024, ..Offer::default() });
    let mut initiator = kit.login();
    begin(&mut initiator, 8, 0, true, &pattern(1028, 0));
    assert_rejected(&mut initiator, &kit, "RFC 7143 §13.12", "1028 bytes where 1024 were declared");
}

/// §11.3.1: a command that carries data without W makes no sense, and costs no more than itself.
#[test]
fn data_without_the_write_bit_is_rejected() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    let cmd_sn = initiator.take_cmd_sn();
    let command = ScsiCommand { fin: true, read: true, itt: 0x50, expected: 512, cmd_sn, ..ScsiCommand::default() };
    initiator.frames().send_pdu(&Pdu::new(command.encode(), [], pattern(100, 0))).unwrap();
    let reject = Reject::decode(&next(&mut initiator).bhs);
    assert_eq!(reject.reason, reject::INVALID_FIELD);
    initiator.test_unit_ready(0).unwrap();
}

/// §11.7.4: DataSN starts anew with every R2T.
#[test]
fn data_numbers_start_over_with_each_burst() {
    let (mut initiator, _kit) = asking(1, 1024);
    let data = pattern(2048, 8);
    let itt = initiator.submit(&write(0, &data)).unwrap();
    for at in [0, 1024] {
        let r2t = asked(&mut initiator).remove(0);
        let (first, second) = (at as usize, at as usize + 512);
        data_out(&mut initiator, itt, r2t.ttt, (0, at), &data[first..first + 512], false);
        data_out(&mut initiator, itt, r2t.ttt, (1, at + 512), &data[second..second + 512], true);
    }
    assert_eq!(next(&mut initiator).opcode(), Some(Opcode::ScsiResponse));
}

/// An initiator that leaves R2Ts to the test, all writes asked for in bursts.
fn asking(outstanding: u32, max_burst: u32) -> (Initiator<Wire>, Kit) {
    let kit = Kit::new();
    let keys = Keys { max_outstanding_r2t: outstanding, ..solicited(max_burst) };
    let mut initiator = kit.login_with(keys);
    assert_eq!(initiator.agreed().max_outstanding_r2t, outstanding);
    initiator.manners.answer_r2t = false;
    (initiator, kit)
}

/// The R2Ts that the target has sent by now.
fn asked(initiator: &mut Initiator<Wire>) -> Vec<R2t> {
    while initiator.advance().is_ok() {}
    std::iter::from_fn(|| initiator.poll_notice())
        .map(|notice| match notice {
            Notice::Asked(r2t) => r2t,
            other => panic!("an R2T was expected, not {other:?}"),
        })
        .collect()
}

/// Serves an R2T with one PDU.
fn serve(initiator: &mut Initiator<Wire>, r2t: &R2t, data: &[u8]) {
    let range = r2t.offset as usize..(r2t.offset + r2t.desired) as usize;
    data_out(initiator, r2t.itt, r2t.ttt, (0, r2t.offset), &data[range], true);
}

/// Sends WRITE(10) of `blocks` blocks with this immediate data, and says whether it is all that comes unasked.
fn begin(initiator: &mut Initiator<Wire>, blocks: u16, lba: u32, fin: bool, immediate: &[u8]) -> u32 {
    let cmd_sn = initiator.take_cmd_sn();
    let itt = 0x7000 + cmd_sn;
    let mut command = ScsiCommand {
        fin,
        write: true,
        attribute: 1,
        itt,
        expected: u32::from(blocks) * BLOCK,
        cmd_sn,
        exp_stat_sn: initiator.exp_stat_sn(),
        ..ScsiCommand::default()
    };
    command.cdb[..10].copy_from_slice(&cdb::write10(lba, blocks));
    initiator.frames().send_pdu(&Pdu::new(command.encode(), [], immediate)).unwrap();
    itt
}

fn data_out(
    initiator: &mut Initiator<Wire>,
    itt: u32,
    ttt: u32,
    (data_sn, offset): (u32, u32),
    data: &[u8],
    fin: bool,
) {
    let exp_stat_sn = initiator.exp_stat_sn();
    let pdu = DataOut { fin, itt, ttt, data_sn, offset, exp_stat_sn, ..DataOut::default() };
    initiator.frames().send_pdu(&Pdu::new(pdu.encode(), [], data)).unwrap();
}

/// A Reject, then the end, and the clause in the target's log.
#[track_caller]
fn assert_rejected(initiator: &mut Initiator<Wire>, kit: &Kit, clause: &str, what: &str) {
    let mut pdu = initiator.receive_pdu();
    while matches!(&pdu, Ok(pdu) if pdu.opcode() == Some(Opcode::R2t)) {
        pdu = initiator.receive_pdu();
    }
    let pdu = pdu.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(pdu.opcode(), Some(Opcode::Reject), "{what}");
    assert_closed(initiator);
    assert_eq!(kit.target().faults.last().map(|fault| fault.clause), Some(clause), "{what}");
}
