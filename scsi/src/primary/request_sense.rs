//! REQUEST SENSE: what would the initiator be told, if it asked for something else (SPC-4)?

use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// The oldest attention, which is told by this; or how far an operation is that keeps the unit from being ready; or that
/// there is nothing to tell.
pub(crate) fn of_disk(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let attention = asked.nexus.queue().pop();
    let sense = attention.map(|attention| attention.sense()).or_else(|| asked.unit.book().underway());
    Ok(report(asked, sense.unwrap_or(Sense::NONE)))
}

/// That there is no such unit; the command itself succeeds.
pub(crate) fn of_missing(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    Ok(report(asked, Sense::NO_SUCH_UNIT))
}

fn report(asked: &Asked<'_>, sense: Sense) -> Plan {
    let descriptor = asked.cdb.flag(1, 0x01);
    Plan::data(sense.to_bytes(descriptor).to_vec(), asked.cdb.u8(4).into())
}

#[cfg(test)]
mod tests {
    use crate::attention::Attention;
    use crate::lasting::Operation;
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    const NOTHING: [u8; 18] = [0x70, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn an_attention_is_told_as_data_and_then_told_no_more() {
        let mut bench = Bench::disk();
        bench.nexus.post(Attention::CapacityChanged);
        let told = [0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x2A, 0x09, 0, 0, 0, 0];
        assert_eq!(bench.ask(&[3, 0, 0, 0, 252, 0]), good(&told));
        assert_eq!(bench.ask(&[3, 0, 0, 0, 252, 0]), good(&NOTHING));
        assert_eq!(bench.ask(&[0, 0, 0, 0, 0, 0]), good(&[]));
    }

    #[test]
    fn what_runs_tells_how_far_it_is_after_what_is_due() {
        let mut bench = Bench::disk();
        bench.nexus.post(Attention::CapacityChanged);
        let progress = bench.unit.book().begin(Operation::Format).unwrap();
        progress.set(1, 2);
        assert_eq!(bench.data(&[3, 0, 0, 0, 252, 0])[12..14], [0x2A, 0x09]);
        let told = [0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x04, 0x04, 0, 0x80, 0x80, 0];
        assert_eq!(bench.ask(&[3, 0, 0, 0, 252, 0]), good(&told));
    }

    #[test]
    fn the_format_is_the_one_asked_for() {
        assert_eq!(Bench::disk().ask(&[3, 1, 0, 0, 252, 0]), good(&[0x72, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(Bench::disk().ask(&[3, 2, 0, 0, 252, 0]), refused(Sense::invalid_bit(1, 1)));
    }

    #[test]
    fn sense_data_is_cut_to_the_allocation_length() {
        assert_eq!(Bench::disk().ask(&[3, 0, 0, 0, 8, 0]), good(&NOTHING[..8]));
        assert_eq!(Bench::disk().ask(&[3, 0, 0, 0, 0, 0]), good(&[]));
    }

    #[test]
    fn a_missing_unit_says_that_it_is_missing() {
        let told = [0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x25, 0, 0, 0, 0, 0];
        assert_eq!(Bench::missing().ask(&[3, 0, 0, 0, 252, 0]), good(&told));
    }
}
