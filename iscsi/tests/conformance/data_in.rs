//! Read data: how it is cut, how it ends, and what the residual says (RFC 7143 §4.2.5.3, §11.4, §11.7).

use ferrite_iscsi::Attribute;
use ferrite_iscsi::initiator::{Initiator, Keys, Request, Residual, cdb};
use ferrite_iscsi::wire::{DataIn, NO_TAG, Opcode, ScsiCommand, ScsiResponse};

use crate::kit::{BLOCK, Kit, Wire, assert_silent, next, pattern};

fn read(blocks: u16, expected: u32) -> Request {
    Request::new(0, &cdb::read10(0, blocks)).reading(expected)
}

/// A kit whose disk is full of something to tell apart.
fn full() -> Kit {
    let kit = Kit::new();
    let len = kit.target().disk.bytes.len();
    kit.target().disk.bytes = pattern(len, 77);
    kit
}

/// All Data-In PDUs of one read, raw.
fn pieces(initiator: &mut Initiator<Wire>, blocks: u16) -> Vec<(DataIn, Vec<u8>)> {
    initiator.submit(&read(blocks, u32::from(blocks) * BLOCK)).unwrap();
    let mut pieces = Vec::new();
    loop {
        let pdu = next(initiator);
        assert_eq!(pdu.opcode(), Some(Opcode::DataIn));
        let header = DataIn::decode(&pdu.bhs);
        pieces.push((header, pdu.data));
        if header.status_here {
            assert_silent(initiator);
            return pieces;
        }
    }
}

/// §13.12, §13.13: no PDU longer than the initiator takes, no sequence longer than MaxBurstLength, F at its end.
#[test]
fn data_is_cut_into_segments_and_bursts() {
    for (segment, burst) in [(512, 512), (512, 2048), (1000, 3000), (4096, 6000), (8192, 4096), (262_144, 16_776_192)] {
        let kit = full();
        let keys = Keys {
            max_recv_data_segment_length: segment,
            max_burst_length: burst,
            first_burst_length: 512,
            ..Keys::default()
        };
        let mut initiator = kit.login_with(keys);
        let pieces = pieces(&mut initiator, 40);
        let (mut offset, mut sequence) = (0, 0);
        for (index, (header, data)) in pieces.iter().enumerate() {
            let last = index + 1 == pieces.len();
            assert_eq!((header.data_sn, header.offset), (index as u32, offset));
            assert!(!data.is_empty() && data.len() as u32 <= segment);
            offset += data.len() as u32;
            sequence += data.len() as u32;
            assert!(sequence <= burst, "a sequence of {sequence} bytes");
            assert_eq!((header.status_here, header.ttt), (last, NO_TAG));
            if last {
                assert!(header.fin, "the last PDU has F");
            } else if header.fin {
                assert!(sequence + 4 > burst, "a sequence of {sequence} bytes ends before its time");
                sequence = 0;
            }
        }
        let data: Vec<u8> = pieces.into_iter().flat_map(|(_, data)| data).collect();
        assert_eq!(data, kit.target().disk.bytes[..40 * BLOCK as usize]);
    }
}

/// §11.7.3: GOOD comes with the last data; nothing else is sent.
#[test]
fn good_comes_with_the_last_data() {
    let mut initiator = full().login();
    let pieces = pieces(&mut initiator, 1);
    assert_eq!(pieces.len(), 1);
    let last = pieces[0].0;
    assert_eq!((last.status, last.residual, last.underflow, last.overflow), (0, 0, false, false));
}

/// §11.4.5: less than expected, more than expected, nothing expected.
#[test]
fn residuals_of_a_read_tell_what_was_not_moved() {
    let kit = full();
    let mut initiator = kit.login();
    let less = initiator.command(&read(2, 3 * BLOCK)).unwrap();
    assert_eq!((less.residual, less.data.len()), (Residual::Underflow(BLOCK), 2 * BLOCK as usize));
    let more = initiator.command(&read(3, 2 * BLOCK)).unwrap();
    assert_eq!((more.residual, more.data.len()), (Residual::Overflow(BLOCK), 2 * BLOCK as usize));
    assert_eq!(more.data, kit.target().disk.bytes[..2 * BLOCK as usize]);
    let odd = initiator.command(&read(1, 333)).unwrap();
    assert_eq!((odd.residual, odd.data.len()), (Residual::Overflow(BLOCK - 333), 333));
    let none = initiator.command(&read(1, 0)).unwrap();
    assert_eq!((none.residual, none.data.len()), (Residual::Overflow(BLOCK), 0));
    assert!([less, more, odd, none].iter().all(|result| result.is_good()));
}

/// §11.4.7: sense comes with its length in front, in a SCSI Response.
#[test]
fn check_condition_brings_its_sense_along() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    let result = initiator.command(&Request::new(0, &[0xff; 6]).reading(100)).unwrap();
    assert_eq!((result.response, result.status, result.sense.len()), (0, 2, 18));
    assert_eq!(result.sense_code(), Some((5, 0x20, 0)));
    assert_eq!(result.residual, Residual::Underflow(100));

    initiator.submit(&Request::new(0, &[0xff; 6])).unwrap();
    let pdu = next(&mut initiator);
    assert_eq!(ScsiResponse::decode(&pdu.bhs).exp_data_sn, 0);
    assert_eq!((pdu.data.len(), &pdu.data[..2]), (20, &[0, 18][..]));
}

/// §11.2.2.3: a CDB longer than 16 bytes comes whole, of any length.
#[test]
fn long_cdbs_arrive_whole() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    for len in [16, 17, 18, 19, 20, 32, 128, 259, 260] {
        let mut cdb = pattern(len, 1);
        cdb[0] = 0x7f;
        let result = initiator.command(&Request::new(0, &cdb).reading(260)).unwrap();
        assert_eq!(result.data, cdb, "a CDB of {len} bytes");
    }
}

/// §11.3: LUN, attribute, direction and expected length reach the owner as they were sent.
#[test]
fn commands_reach_the_owner_as_they_were_sent() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    let attributes =
        [Attribute::Untagged, Attribute::Simple, Attribute::Ordered, Attribute::HeadOfQueue, Attribute::Aca];
    for (bits, attribute) in attributes.into_iter().enumerate() {
        let mut request = Request::new(300, &cdb::inquiry(None, 255)).reading(255);
        request.attribute = bits as u8;
        initiator.command(&request).unwrap();
        let command = kit.target().commands.last().unwrap().clone();
        assert_eq!((command.attribute, command.lun), (attribute, [0x41, 44, 0, 0, 0, 0, 0, 0]));
        assert_eq!((command.read, command.write, command.expected, command.data_follows), (true, false, 255, false));
        assert_eq!(command.cdb[..6], cdb::inquiry(None, 255));
    }
    initiator.command(&Request::new(0, &cdb::write10(0, 1)).writing(vec![0; 512]).immediately()).unwrap();
    let command = kit.target().commands.last().unwrap().clone();
    assert_eq!((command.read, command.write, command.expected), (false, true, 512));
    assert!(command.immediate && command.data_follows);
}

/// §11.3.1: attributes 5 to 7 are reserved; the command is rejected, the connection goes on.
#[test]
fn a_reserved_attribute_is_rejected() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    for attribute in 5..=7 {
        let cmd_sn = initiator.take_cmd_sn();
        let command = ScsiCommand { fin: true, attribute, itt: 0x50, cmd_sn, ..ScsiCommand::default() };
        initiator.frames().send(&command.encode(), &[], &[]).unwrap();
        assert_eq!(next(&mut initiator).opcode(), Some(Opcode::Reject));
    }
    assert!(kit.target().commands.is_empty());
    initiator.test_unit_ready(0).unwrap();
}

/// §4.2.5.3: reads of many commands may be mixed with each other, each in its own order.
#[test]
fn reads_in_flight_together_do_not_mix() {
    let kit = full();
    let mut initiator = kit.login_with(Keys { max_recv_data_segment_length: 512, ..Keys::default() });
    kit.target().holding = true;
    let submitted: Vec<(u32, u32)> = (0..50)
        .map(|lba| {
            let request = Request::new(0, &cdb::read10(lba, 1 + lba as u16 % 5)).reading((1 + lba % 5) * BLOCK);
            (initiator.submit(&request).unwrap(), lba)
        })
        .collect();
    assert_silent(&mut initiator);
    kit.target().release();
    for (itt, lba) in submitted {
        let ferrite_iscsi::initiator::Answer::Scsi(result) = initiator.complete_one(itt).unwrap() else {
            panic!("a read ends with a SCSI result");
        };
        let at = (lba * BLOCK) as usize;
        assert_eq!(result.data, kit.target().disk.bytes[at..at + ((1 + lba % 5) * BLOCK) as usize], "block {lba}");
    }
}
