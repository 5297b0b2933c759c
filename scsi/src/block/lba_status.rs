//! GET LBA STATUS: which blocks have space (SBC-3)?

use super::range::within;
use crate::command::Asked;
use crate::medium::Medium;
use crate::plan::{Answer, Mapped, Mapping, Plan, Question};
use crate::sense::Sense;

/// GET LBA STATUS (16). Only a disk with logical block provisioning has anything to ask about; of any other all is
/// mapped.
pub(crate) fn sixteen(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    status(asked, asked.cdb.u64(2), asked.cdb.u32(10))
}

/// With what the disk said.
pub(crate) fn sixteen_answered(asked: &mut Asked<'_>, answer: &Answer) -> Result<Plan, Sense> {
    answered(asked, asked.cdb.u64(2), asked.cdb.u32(10), answer)
}

/// GET LBA STATUS (32).
pub(crate) fn variable(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    status(asked, asked.cdb.u64(12), asked.cdb.u32(28))
}

/// With what the disk said.
pub(crate) fn variable_answered(asked: &mut Asked<'_>, answer: &Answer) -> Result<Plan, Sense> {
    answered(asked, asked.cdb.u64(12), asked.cdb.u32(28), answer)
}

fn status(asked: &Asked<'_>, lba: u64, allocation_length: u32) -> Result<Plan, Sense> {
    let medium = asked.unit.medium();
    let first = within(medium, lba, 1)?;
    if medium.unmap.is_none() {
        return answered(asked, lba, allocation_length, &Answer::Unknown);
    }
    Ok(Plan::Ask(Question::Mapped { at: first.at, len: medium.bytes() - first.at }))
}

/// As many descriptors as there is room for, at least one. Whoever gets the last of them without having reached the end
/// of the medium asks again from there.
fn answered(asked: &Asked<'_>, lba: u64, allocation_length: u32, answer: &Answer) -> Result<Plan, Sense> {
    let medium = asked.unit.medium();
    within(medium, lba, 1)?;
    let all = [Mapped { len: medium.bytes() - lba * u64::from(medium.block_size), mapping: Mapping::Mapped }];
    let runs: &[Mapped] = match answer {
        Answer::Mapped(runs) => runs,
        Answer::Unknown | Answer::Usage { .. } => &all,
    };
    let room = (allocation_length as usize).saturating_sub(HEADER) / DESCRIPTOR;
    let mut statuses = statuses(medium, lba, runs);
    statuses.truncate(room.clamp(1, DESCRIPTORS_MAX));
    let len = HEADER + statuses.len() * DESCRIPTOR;
    let mut data = Vec::with_capacity(len);
    data.extend_from_slice(&(len as u32 - 4).to_be_bytes());
    data.extend_from_slice(&[0; 4]);
    for Status { lba, blocks, mapping } in statuses {
        data.extend_from_slice(&lba.to_be_bytes());
        data.extend_from_slice(&blocks.to_be_bytes());
        data.extend_from_slice(&[provisioning_status(mapping), 0, 0, 0]);
    }
    Ok(Plan::data(data, allocation_length))
}

/// A run of blocks, as a descriptor can say it.
struct Status {
    lba: u64,
    blocks: u32,
    mapping: Mapping,
}

/// The runs in whole blocks from `lba` on, neighbours of a kind put together, at most [`DESCRIPTORS_MAX`]. A block that
/// has space anywhere in it is mapped.
fn statuses(medium: &Medium, lba: u64, runs: &[Mapped]) -> Vec<Status> {
    let block = u64::from(medium.block_size);
    let mut found: Vec<Status> = Vec::new();
    let mut next = lba;
    let mut add = |until: u64, mapping: Mapping| {
        while next < until && found.len() < DESCRIPTORS_MAX {
            let left = until - next;
            let room = match found.last() {
                Some(last) if last.mapping == mapping => u32::MAX - last.blocks,
                _ => 0,
            };
            let blocks = match room {
                0 => u32::try_from(left).unwrap_or(u32::MAX),
                room => u32::try_from(left).unwrap_or(u32::MAX).min(room),
            };
            match found.last_mut() {
                Some(last) if room != 0 => last.blocks += blocks,
                _ => found.push(Status { lba: next, blocks, mapping }),
            }
            next += u64::from(blocks);
        }
    };
    let mut from = lba * block;
    for run in runs {
        let until = from.saturating_add(run.len).min(medium.bytes());
        let (first, end) = (from.div_ceil(block), until / block);
        if run.mapping != Mapping::Mapped && first < end {
            add(first, Mapping::Mapped);
            add(end, run.mapping);
        }
        from = until;
    }
    add(from.div_ceil(block).max(lba + 1), Mapping::Mapped);
    found
}

/// PROVISIONING STATUS.
fn provisioning_status(mapping: Mapping) -> u8 {
    match mapping {
        Mapping::Mapped => 0,
        Mapping::Deallocated => 1,
        Mapping::Anchored => 2,
    }
}

/// Bytes before the first LBA status descriptor.
const HEADER: usize = 8;

/// Bytes of an LBA status descriptor.
const DESCRIPTOR: usize = 16;

/// Descriptors of one answer, however much room there is: 16 KiB.
const DESCRIPTORS_MAX: usize = 1023;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Bench, good, refused};

    fn cdb(lba: u64, room: u32) -> [u8; 16] {
        let mut cdb = [0; 16];
        (cdb[0], cdb[1]) = (0x9E, 0x12);
        cdb[2..10].copy_from_slice(&lba.to_be_bytes());
        cdb[10..14].copy_from_slice(&room.to_be_bytes());
        cdb
    }

    fn run(len: u64, mapping: Mapping) -> Mapped {
        Mapped { len, mapping }
    }

    fn golden(descriptors: &[(u64, u32, u8)]) -> Vec<u8> {
        let len = 4 + 16 * descriptors.len() as u32;
        let mut data = [len.to_be_bytes(), [0; 4]].concat();
        for (lba, blocks, status) in descriptors {
            data.extend_from_slice(&lba.to_be_bytes());
            data.extend_from_slice(&blocks.to_be_bytes());
            data.extend_from_slice(&[*status, 0, 0, 0]);
        }
        data
    }

    #[test]
    fn a_disk_without_provisioning_is_mapped_to_its_end() {
        assert_eq!(Bench::disk().ask(&cdb(0, 24)), good(&golden(&[(0, 2048, 0)])));
        assert_eq!(Bench::disk().ask(&cdb(2047, 255)), good(&golden(&[(2047, 1, 0)])));
    }

    #[test]
    fn a_thin_disk_is_asked_from_the_address_to_its_end() {
        let question = Question::Mapped { at: 3 * 512, len: 2045 * 512 };
        assert_eq!(Bench::thin_disk().plan(&cdb(3, 24)), Plan::Ask(question));
    }

    #[test]
    fn runs_become_descriptors_and_neighbours_of_a_kind_one_descriptor() {
        use Mapping::*;
        let runs = [run(1024, Mapped), run(512, Mapped), run(1024, Deallocated), run(512, Anchored), run(512, Mapped)];
        let data = golden(&[(3, 3, 0), (6, 2, 1), (8, 1, 2), (9, 1, 0)]);
        assert_eq!(Bench::thin_disk().answered(&cdb(3, 255), &Answer::Mapped(runs.to_vec())), good(&data));
    }

    #[test]
    fn a_block_with_space_anywhere_in_it_is_mapped() {
        use Mapping::*;
        let runs = [run(100, Deallocated), run(50, Mapped), run(1536 - 100, Deallocated), run(512, Mapped)];
        let data = golden(&[(0, 1, 0), (1, 2, 1), (3, 2, 0)]);
        assert_eq!(Bench::thin_disk().answered(&cdb(0, 255), &Answer::Mapped(runs.to_vec())), good(&data));
    }

    #[test]
    fn an_answer_is_cut_to_the_room_and_has_one_whole_descriptor_in_its_length() {
        use Mapping::*;
        let runs: Vec<_> = (0..8).flat_map(|_| [run(512, Mapped), run(512, Deallocated)]).collect();
        let answer = Answer::Mapped(runs);
        let mut bench = Bench::thin_disk();
        let data = golden(&[(0, 1, 0), (1, 1, 1)]);
        assert_eq!(bench.answered(&cdb(0, 40), &answer), good(&data));
        assert_eq!(bench.answered(&cdb(0, 55), &answer), good(&data));
        let one = golden(&[(0, 1, 0)]);
        assert_eq!(bench.answered(&cdb(0, 10), &answer), good(&one[..10]));
        assert_eq!(bench.answered(&cdb(0, 0), &answer), good(&[]));
    }

    #[test]
    fn no_answer_has_more_descriptors_than_the_limit() {
        use Mapping::*;
        let mut bench = Bench::thin_with(|medium| Medium { blocks: 1 << 20, ..medium });
        let runs: Vec<_> = (0..DESCRIPTORS_MAX).flat_map(|_| [run(512, Mapped), run(512, Deallocated)]).collect();
        let Plan::Reply(reply) = bench.answered(&cdb(0, u32::MAX), &Answer::Mapped(runs)) else {
            panic!("an answer is a reply")
        };
        assert_eq!(reply.data.len(), HEADER + DESCRIPTORS_MAX * DESCRIPTOR);
        assert_eq!(reply.data[..4], (reply.data.len() as u32 - 4).to_be_bytes());
    }

    #[test]
    fn a_run_that_is_longer_than_its_field_goes_on_in_the_next_descriptor() {
        let mut bench = Bench::with(|medium| Medium { blocks: (1 << 33) + 5, ..medium });
        let data = golden(&[(0, u32::MAX, 0), (u32::MAX.into(), u32::MAX, 0), ((1 << 33) - 2, 7, 0)]);
        assert_eq!(bench.ask(&cdb(0, 255)), good(&data));
    }

    #[test]
    fn a_disk_that_cannot_tell_is_mapped() {
        let answer = Bench::thin_disk().answered(&cdb(5, 24), &Answer::Unknown);
        assert_eq!(answer, good(&golden(&[(5, 2043, 0)])));
    }

    #[test]
    fn an_answer_beyond_the_end_or_of_nothing_still_tells_one_block_that_exists() {
        let mut bench = Bench::thin_disk();
        let beyond = Answer::Mapped(vec![run(u64::MAX, Mapping::Deallocated)]);
        assert_eq!(bench.answered(&cdb(2040, 255), &beyond), good(&golden(&[(2040, 8, 1)])));
        assert_eq!(bench.answered(&cdb(2040, 255), &Answer::Mapped(vec![])), good(&golden(&[(2040, 1, 0)])));
    }

    #[test]
    fn blocks_that_do_not_exist_have_no_status() {
        for lba in [2048, 2049, 1 << 63, u64::MAX] {
            assert_eq!(Bench::thin_disk().ask(&cdb(lba, 24)), refused(Sense::LBA_OUT_OF_RANGE));
            assert_eq!(Bench::thin_disk().answered(&cdb(lba, 24), &Answer::Unknown), refused(Sense::LBA_OUT_OF_RANGE));
        }
    }

    #[test]
    fn the_longer_form_answers_the_same() {
        let mut cdb = [0; 32];
        (cdb[0], cdb[7], cdb[9], cdb[19], cdb[31]) = (0x7F, 0x18, 0x12, 3, 24);
        let question = Question::Mapped { at: 3 * 512, len: 2045 * 512 };
        assert_eq!(Bench::thin_disk().plan(&cdb), Plan::Ask(question));
        let runs = vec![run(2045 * 512, Mapping::Anchored)];
        let answer = Bench::thin_disk().answered(&cdb, &Answer::Mapped(runs));
        assert_eq!(answer, good(&golden(&[(3, 2045, 2)])));
        for (at, bit) in [(10, 0), (20, 7), (27, 0)] {
            let mut other = cdb;
            other[usize::from(at)] = 1 << bit;
            assert_eq!(Bench::disk().ask(&other), refused(Sense::invalid_bit(at, bit)));
        }
    }

    #[test]
    fn another_report_type_is_refused() {
        let mut mapped_only = cdb(0, 24);
        mapped_only[14] = 2;
        assert_eq!(Bench::disk().ask(&mapped_only), refused(Sense::invalid_bit(14, 1)));
    }
}
