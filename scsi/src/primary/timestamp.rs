//! REPORT and SET TIMESTAMP: what time is it in the unit (SPC-4)?

use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// REPORT TIMESTAMP.
pub(crate) fn report(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let (timestamp, origin) = asked.unit.book().timestamp(asked.port.device.now_ms());
    let mut data = vec![0, 10, origin as u8, 0];
    data.extend_from_slice(&timestamp.to_be_bytes()[2..]);
    data.extend_from_slice(&[0, 0]);
    Ok(Plan::data(data, asked.cdb.u32(6)))
}

/// SET TIMESTAMP: the parameter list first. None is no error, and sets nothing.
pub(crate) fn set(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let len = asked.cdb.u32(6);
    match len {
        0 => Ok(Plan::good()),
        LIST..=LIST_MAX if asked.data_out < len => Err(Sense::DATA_OUT_LENGTH),
        LIST..=LIST_MAX => Ok(Plan::Gather { len }),
        _ => Err(Sense::PARAMETER_LIST_LENGTH),
    }
}

/// The unit's clock goes on from the timestamp; every other nexus hears it.
pub(crate) fn gathered(asked: &mut Asked<'_>, list: &[u8]) -> Result<Plan, Sense> {
    let timestamp = list.get(4..10).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    let timestamp = timestamp.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    asked.unit.book().set_timestamp(timestamp, asked.port.device.now_ms(), asked.nexus.id().session);
    Ok(Plan::good())
}

/// Bytes of the parameter list.
const LIST: u32 = 12;

/// Bytes that may follow it by a newer standard, with it.
const LIST_MAX: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::Attention;
    use crate::tests::{Bench, NOW_MS, attention, conflict, good, refused};

    const REPORT: [u8; 12] = [0xA3, 0x0F, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0];

    fn set(len: u16) -> Vec<u8> {
        [&[0xA4, 0x0F, 0, 0, 0, 0, 0, 0][..], &len.to_be_bytes(), &[0, 0]].concat()
    }

    #[test]
    fn the_clock_is_the_hosts_until_an_initiator_sets_it() {
        let mut bench = Bench::disk();
        let host = [&[0, 10, 0b011, 0][..], &NOW_MS.to_be_bytes()[2..], &[0, 0]].concat();
        assert_eq!(bench.ask(&REPORT), good(&host));
        bench.gives(&set(12), &[0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0]);
        assert_eq!(bench.ask(&REPORT), good(&[0, 10, 0b010, 0, 1, 2, 3, 4, 5, 6, 0, 0]));
    }

    #[test]
    fn the_others_hear_that_it_was_set() {
        let mut bench = Bench::disk();
        let mut other = bench.neighbour(2);
        bench.gives(&set(12), &[0; 12]);
        assert_eq!(other.ask(&[0; 6]), attention(Attention::TimestampChanged));
        assert_eq!([bench.ask(&[0; 6]), other.ask(&[0; 6])], [good(&[]), good(&[])]);
    }

    #[test]
    fn a_report_is_cut_to_the_allocation_length() {
        for room in [0, 1, 11, 12] {
            let mut short = REPORT;
            short[9] = room;
            assert_eq!(Bench::disk().data(&short).len(), usize::from(room));
        }
    }

    #[test]
    fn a_list_is_twelve_bytes_or_a_little_more() {
        for (len, plan) in [
            (0, good(&[])),
            (1, refused(Sense::PARAMETER_LIST_LENGTH)),
            (11, refused(Sense::PARAMETER_LIST_LENGTH)),
            (12, Plan::Gather { len: 12 }),
            (256, Plan::Gather { len: 256 }),
            (257, refused(Sense::PARAMETER_LIST_LENGTH)),
        ] {
            assert_eq!(Bench::disk().plan_with(&set(len), len.into()), plan, "{len}");
        }
        assert_eq!(Bench::disk().plan_with(&set(12), 11), refused(Sense::DATA_OUT_LENGTH));
    }

    #[test]
    fn a_reservation_keeps_others_from_setting_and_not_from_asking() {
        let mut holder = Bench::disk();
        let mut other = holder.neighbour(2);
        holder.done(&[0x16, 0, 0, 0, 0, 0]);
        assert_eq!(other.data(&REPORT).len(), 12);
        assert_eq!(other.plan_with(&set(12), 12), conflict());
    }
}
