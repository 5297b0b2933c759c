//! REPORT LUNS: which logical units does the target have (SPC-4)?

use crate::attention::Attention;
use crate::command::Asked;
use crate::lun;
use crate::plan::Plan;
use crate::sense::Sense;

/// The inventory of the port. Whoever has read it need not be told that it changed.
pub(crate) fn report(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let units = match asked.cdb.u8(2) {
        ADDRESSABLE | EVERYTHING => asked.port.units.len(),
        WELL_KNOWN => 0,
        _ => return Err(Sense::invalid_field(2)),
    };
    let mut list = Vec::with_capacity(8 + 8 * units);
    list.extend_from_slice(&(8 * units as u32).to_be_bytes());
    list.extend_from_slice(&[0; 4]);
    list.extend(asked.port.luns().take(units).flat_map(lun::to_bytes));
    asked.nexus.withdraw(Attention::LunsChanged);
    Ok(Plan::data(list, asked.cdb.u32(6)))
}

/// SELECT REPORT: units that are not well known ones.
const ADDRESSABLE: u8 = 0x00;
/// Well known logical units, of which there are none.
const WELL_KNOWN: u8 = 0x01;
const EVERYTHING: u8 = 0x02;

#[cfg(test)]
mod tests {
    use crate::attention::Attention;
    use crate::sense::Sense;
    use crate::tests::{Bench, attention, good, refused};

    fn report_luns(select: u8, room: u16) -> [u8; 12] {
        let [high, low] = room.to_be_bytes();
        [0xA0, 0, select, 0, 0, 0, 0, 0, high, low, 0, 0]
    }

    #[test]
    fn the_inventory_is_listed_in_ascending_order() {
        let mut bench = Bench::disk();
        bench.serve(&[0, 1, 300]);
        let mut list = vec![0; 32];
        list[3] = 24;
        list[17] = 1;
        list[24..26].copy_from_slice(&[0x41, 0x2C]);
        for select in [0, 2] {
            assert_eq!(bench.ask(&report_luns(select, 256)), good(&list));
        }
        assert_eq!(bench.ask(&report_luns(0, 16)), good(&list[..16]));
        assert_eq!(bench.ask(&report_luns(0, 0)), good(&[]));
    }

    #[test]
    fn there_are_no_well_known_units_and_no_other_reports() {
        assert_eq!(Bench::disk().ask(&report_luns(1, 256)), good(&[0; 8]));
        assert_eq!(Bench::disk().ask(&report_luns(3, 256)), refused(Sense::invalid_field(2)));
    }

    #[test]
    fn a_missing_unit_knows_the_inventory_too() {
        let mut bench = Bench::missing();
        bench.serve(&[7]);
        assert_eq!(bench.ask(&report_luns(0, 256)), good(&[0, 0, 0, 8, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn reading_the_inventory_settles_that_it_changed_and_nothing_else() {
        let mut bench = Bench::disk();
        bench.nexus.post(Attention::LunsChanged);
        bench.nexus.post(Attention::CapacityChanged);
        bench.done(&report_luns(0, 256));
        assert_eq!(bench.ask(&[0; 6]), attention(Attention::CapacityChanged));
        assert_eq!(bench.ask(&[0; 6]), good(&[]));
    }
}
