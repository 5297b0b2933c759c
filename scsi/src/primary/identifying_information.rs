//! REPORT and SET IDENTIFYING INFORMATION: what initiators have written on the unit, like a label on a drive (SPC-4).

use crate::attention::Attention;
use crate::command::Asked;
use crate::lasting::Lasting;
use crate::plan::{Amendment, Plan};
use crate::sense::Sense;

/// REPORT IDENTIFYING INFORMATION: what is written, or what can be. A label must outlast the process, so there is
/// none where nobody keeps it.
pub(crate) fn report(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let kind = asked.cdb.u8(10) >> 1;
    let information = match kind {
        SUPPORTED_TYPES if asked.unit.book().keeps() => TYPES.iter().flat_map(Type::descriptor).collect(),
        SUPPORTED_TYPES => Vec::new(),
        _ => {
            let its = of_kind(asked, kind)?;
            asked.unit.book().lasting().information.remove(&its.code).unwrap_or_default()
        }
    };
    let [high, low] = (information.len() as u16).to_be_bytes();
    Ok(Plan::data([&[0, 0, high, low], &information[..]].concat(), asked.cdb.u32(6)))
}

/// SET IDENTIFYING INFORMATION: the new label first. An empty one takes the label away.
pub(crate) fn set(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let kind = of_kind(asked, asked.cdb.u8(10) >> 1)?;
    let len = asked.cdb.u32(6);
    match len {
        0 => Ok(write(asked, kind, Vec::new())),
        _ if len > u32::from(kind.max) => Err(Sense::invalid_field(6)),
        _ if asked.data_out < len => Err(Sense::DATA_OUT_LENGTH),
        _ => Ok(Plan::Gather { len }),
    }
}

/// # Errors
/// 5/26/00 that points at the first byte of a text that is not UTF-8.
pub(crate) fn gathered(asked: &mut Asked<'_>, list: &[u8]) -> Result<Plan, Sense> {
    let kind = of_kind(asked, asked.cdb.u8(10) >> 1)?;
    let mut label = list.to_vec();
    if kind.text {
        std::str::from_utf8(list).map_err(|error| Sense::invalid_parameter(error.valid_up_to() as u16))?;
        // A text ends with NUL; whoever has left it out meant it.
        if !label.ends_with(&[0]) && label.len() < kind.max.into() {
            label.push(0);
        }
    }
    Ok(write(asked, kind, label))
}

/// The label once it is safe; every other nexus hears of a new one.
fn write(asked: &Asked<'_>, kind: &Type, label: Vec<u8>) -> Plan {
    let book = asked.unit.book();
    let (mut next, mut keep) = (book.lasting(), book.kept());
    for lasting in [&mut next, &mut keep] {
        lasting.write(kind.code, label.clone());
    }
    if keep == book.kept() {
        return Plan::good();
    }
    let posts = vec![(asked.nexus.id().session, Attention::IdentifierChanged)];
    Plan::Keep(Box::new(Amendment { keep, next, posts, told: Vec::new(), then: Plan::good() }))
}

impl Lasting {
    fn write(&mut self, kind: u8, label: Vec<u8>) {
        if label.is_empty() {
            self.information.remove(&kind);
        } else {
            self.information.insert(kind, label);
        }
    }
}

/// # Errors
/// 5/24/00 that points at IDENTIFYING INFORMATION TYPE.
fn of_kind(asked: &Asked<'_>, kind: u8) -> Result<&'static Type, Sense> {
    let known = TYPES.iter().find(|its| its.code == kind).filter(|_| asked.unit.book().keeps());
    known.ok_or(Sense::invalid_bit(10, 7))
}

/// One kind of label.
struct Type {
    /// IDENTIFYING INFORMATION TYPE.
    code: u8,
    /// MAXIMUM INFORMATION LENGTH in bytes, as much as the standard allows.
    max: u16,
    /// UTF-8 that ends with NUL.
    text: bool,
}

impl Type {
    /// The identifying information descriptor.
    fn descriptor(&self) -> [u8; 4] {
        let [high, low] = self.max.to_be_bytes();
        [self.code << 1, 0, high, low]
    }
}

/// PERIPHERAL DEVICE IDENTIFYING INFORMATION and PERIPHERAL DEVICE TEXT IDENTIFYING INFORMATION.
static TYPES: [Type; 2] = [Type { code: 0x00, max: 512, text: false }, Type { code: 0x02, max: 256, text: true }];

/// Asks which types there are.
const SUPPORTED_TYPES: u8 = 0x7F;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Bench, attention, conflict, good, refused};

    const BINARY: u8 = 0x00 << 1;
    const TEXT: u8 = 0x02 << 1;

    fn report(kind: u8) -> [u8; 12] {
        [0xA3, 0x05, 0, 0, 0, 0, 0, 0, 4, 0, kind, 0]
    }

    fn set(kind: u8, len: u16) -> Vec<u8> {
        [&[0xA4, 0x06, 0, 0, 0, 0, 0, 0][..], &len.to_be_bytes(), &[kind, 0]].concat()
    }

    fn labelled(bench: &mut Bench, kind: u8, label: &[u8]) {
        let plan = bench.gathered(&set(kind, label.len() as u16), label);
        assert_eq!(bench.kept(plan), good(&[]));
    }

    #[test]
    fn a_label_can_be_written_read_and_taken_away() {
        let mut bench = Bench::keeping(Lasting::default());
        assert_eq!(bench.ask(&report(BINARY)), good(&[0; 4]));
        labelled(&mut bench, BINARY, &[7, 0, 9]);
        labelled(&mut bench, TEXT, b"rack 4\0");
        assert_eq!(bench.ask(&report(BINARY)), good(&[0, 0, 0, 3, 7, 0, 9]));
        assert_eq!(bench.ask(&report(TEXT)), good(b"\0\0\0\x07rack 4\0"));
        let plan = bench.ask(&set(BINARY, 0));
        assert_eq!(bench.kept(plan), good(&[]));
        assert_eq!(bench.ask(&report(BINARY)), good(&[0; 4]));
        assert_eq!(bench.data(&report(TEXT)).len(), 11);
        assert_eq!(bench.unit.book().kept(), bench.unit.book().lasting());
    }

    #[test]
    fn a_label_is_true_only_once_it_is_safe_and_saves_nothing_else() {
        let mut bench = Bench::keeping(Lasting::default());
        bench.gives(&[0x15, 0x10, 0, 0, 16, 0], &[0, 0, 0, 0, 0x0A, 0x0A, 2, 0x10, 8, 0, 0, 0, 0xFF, 0xFF, 0, 0]);
        let plan = bench.gathered(&set(BINARY, 1), &[7]);
        assert_eq!(bench.ask(&report(BINARY)), good(&[0; 4]));
        assert_eq!(bench.kept(plan), good(&[]));
        assert_eq!(bench.data(&report(BINARY)), [0, 0, 0, 1, 7]);
        assert_eq!(bench.unit.book().kept().information[&0], [7]);
        assert!(bench.unit.book().lasting().settings.write_protect && !bench.unit.book().kept().settings.write_protect);
    }

    #[test]
    fn the_others_hear_of_a_new_label_and_not_of_the_old_one() {
        let mut bench = Bench::keeping(Lasting::default());
        let mut other = bench.neighbour(2);
        labelled(&mut bench, BINARY, &[7]);
        assert_eq!(other.ask(&[0; 6]), attention(Attention::IdentifierChanged));
        assert_eq!(bench.ask(&[0; 6]), good(&[]));
        assert_eq!(bench.gathered(&set(BINARY, 1), &[7]), good(&[]), "it is that already");
        assert_eq!(bench.ask(&set(TEXT, 0)), good(&[]), "there is none");
        assert_eq!(other.ask(&[0; 6]), good(&[]));
    }

    #[test]
    fn texts_are_utf_8_and_end_with_nul() {
        let mut bench = Bench::keeping(Lasting::default());
        labelled(&mut bench, TEXT, "Göteborg".as_bytes());
        assert_eq!(bench.data(&report(TEXT))[4..], *"Göteborg\0".as_bytes());
        assert_eq!(bench.gathered(&set(TEXT, 4), b"ab\xFF\0"), refused(Sense::invalid_parameter(2)));
    }

    #[test]
    fn each_type_has_its_longest_label() {
        for (kind, max) in [(BINARY, 512), (TEXT, 256)] {
            let mut bench = Bench::keeping(Lasting::default());
            assert_eq!(bench.plan_with(&set(kind, max), max.into()), Plan::Gather { len: max.into() });
            assert_eq!(bench.plan_with(&set(kind, max), u32::from(max) - 1), refused(Sense::DATA_OUT_LENGTH));
            assert_eq!(bench.plan_with(&set(kind, max + 1), 1000), refused(Sense::invalid_field(6)));
            labelled(&mut bench, kind, &vec![b'x'; max.into()]);
            assert_eq!(bench.data(&report(kind)).len(), 4 + usize::from(max));
        }
    }

    #[test]
    fn the_types_are_listed_and_others_are_pointed_at() {
        let mut bench = Bench::keeping(Lasting::default());
        assert_eq!(bench.ask(&report(0xFE)), good(&[0, 0, 0, 8, 0x00, 0, 2, 0, 0x04, 0, 1, 0]));
        for kind in [0x01 << 1, 0x03 << 1, 0x7E << 1] {
            assert_eq!(bench.ask(&report(kind)), refused(Sense::invalid_bit(10, 7)));
        }
        for kind in [0x01 << 1, 0xFE] {
            assert_eq!(bench.ask(&set(kind, 0)), refused(Sense::invalid_bit(10, 7)));
        }
        assert_eq!(bench.ask(&report(0x01)), refused(Sense::invalid_bit(10, 0)));
        let mut short = report(0xFE);
        short[8] = 0;
        assert_eq!(bench.ask(&short), good(&[]));
        short[9] = 6;
        assert_eq!(bench.ask(&short), good(&[0, 0, 0, 8, 0, 0]));
    }

    #[test]
    fn without_a_place_to_keep_labels_there_are_none() {
        let mut bench = Bench::disk();
        assert_eq!(bench.ask(&report(0xFE)), good(&[0; 4]));
        for kind in [BINARY, TEXT] {
            assert_eq!(bench.ask(&report(kind)), refused(Sense::invalid_bit(10, 7)));
            assert_eq!(bench.plan_with(&set(kind, 1), 1), refused(Sense::invalid_bit(10, 7)));
        }
    }

    #[test]
    fn a_reservation_keeps_others_from_writing_and_not_from_reading() {
        let mut holder = Bench::keeping(Lasting::default());
        let mut other = holder.neighbour(2);
        holder.done(&[0x16, 0, 0, 0, 0, 0]);
        other.data(&report(BINARY));
        assert_eq!(other.plan_with(&set(BINARY, 1), 1), conflict());
    }
}
