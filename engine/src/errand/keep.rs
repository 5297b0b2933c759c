//! What lasts of a unit's state is put on stable storage, and then made true.

use ferrite_scsi::{Amendment, Plan, Sense};

use super::Commission;

/// Both happen here, whatever becomes of the command meanwhile: the book and the file never differ.
pub(super) fn keep(amendment: Amendment, commission: &Commission) -> Plan {
    let lun = &commission.lun;
    let keeper = lun.keeper.as_ref().expect("a book that keeps has a keeper");
    match keeper.save(&amendment.keep) {
        Ok(()) => lun.unit.book().amend(amendment),
        Err(error) => {
            tracing::error!(
                target = commission.target.as_str(),
                lun = lun.number,
                file = %keeper.path().display(),
                %error,
                "the state of a unit could not be kept; the command that changes it fails"
            );
            Sense::INTERNAL_FAILURE.into()
        }
    }
}
