//! A drive for optical discs: a unit that stays while the medium behind it comes and goes.

use std::io;
use std::path::Path;
use std::sync::Arc;

use ferrite_api::{IdentitySpec, Iqn, Refusal, codes};
use ferrite_backends::{Backend, DiskError, DiskOptions, FileDisk, FileRing, Geometry, Job, Op};
use ferrite_scsi::{Book, LogicalUnit, Medium};

use super::identity::{identity, unique_name};
use super::{House, Lun};

/// What is in a drive without a disc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EmptyDrive;

/// Opens the image of a disc, for reading only; others may read it, too.
///
/// # Errors
/// It is not there, not ours to read, or somebody writes to it.
pub(crate) fn open_disc(path: &Path) -> Result<Arc<dyn Backend>, Refusal> {
    let options = DiskOptions { read_only: true, ..DiskOptions::default() };
    match FileDisk::open(path, &options) {
        Ok(disc) => Ok(Arc::new(disc)),
        Err(error) => Err(Refusal::new(codes::DISK_UNAVAILABLE, error.to_string())),
    }
}

impl Lun {
    /// Puts a drive with `disc` in it, or with an [`EmptyDrive`], behind LUN `number` of `target`. What it is called
    /// does not depend on the disc.
    ///
    /// # Errors
    /// The disc has no whole block of 2048 bytes or too many of them, or the identity has texts that do not fit.
    pub fn drive(
        id: u64,
        target: &Iqn,
        number: u16,
        disc: Arc<dyn Backend>,
        spec: &IdentitySpec,
        house: &House,
    ) -> Result<Self, Refusal> {
        let about = format!("lun {number} of {target}");
        let unique = unique_name(spec, None, || format!("lun:{target}/{number}"));
        let mut identity = identity(spec, &unique).map_err(|refusal| refusal.about(&about))?;
        if spec.product.is_none() {
            identity = identity.with_product(PRODUCT).expect("a product that fits");
        }
        let transfer_max = house.transfer_max;
        let medium = medium(&*disc, transfer_max).map_err(|refusal| refusal.about(&about))?;
        let unit = LogicalUnit::drive(identity, Some(medium), Arc::new(Book::new()));
        Ok(Self::lasting_nothing(id, number, unit, disc, transfer_max))
    }

    /// The same drive with another disc in it, or with an [`EmptyDrive`]. Whoever changes the disc opens the tray
    /// before and shuts it afterwards, so that no command meets a disc that its initiator has not heard of.
    ///
    /// # Errors
    /// As of [`Lun::drive`].
    ///
    /// # Panics
    /// When this is no drive.
    pub fn with_disc(&self, disc: Arc<dyn Backend>) -> Result<Self, Refusal> {
        assert!(self.unit.is_drive(), "a disk has no tray");
        let medium = medium(&*disc, self.transfer_max)?;
        let unit = LogicalUnit::drive(self.unit.identity().clone(), Some(medium), self.unit.book().clone());
        Ok(self.changed(unit, disc))
    }
}

fn medium(disc: &dyn Backend, transfer_max: usize) -> Result<Medium, Refusal> {
    let geometry = disc.geometry();
    let medium = Medium::disc(geometry.bytes).map_err(|error| {
        let what = format!("{} cannot be shown as a disc: {error}", disc.describe());
        Refusal::new(codes::DISK_UNFIT, what)
    })?;
    if medium.block_size % geometry.block_size != 0 {
        let what = format!(
            "{} has blocks of {} bytes, and a disc has {}",
            disc.describe(),
            geometry.block_size,
            medium.block_size
        );
        return Err(Refusal::new(codes::DISK_UNFIT, what));
    }
    Ok(Medium { max_transfer: (transfer_max as u64 / u64::from(medium.block_size)) as u32, ..medium })
}

/// Nothing can be read, and nothing is left to be written.
impl Backend for EmptyDrive {
    fn geometry(&self) -> Geometry {
        Geometry { read_only: true, ..Geometry::plain(512, 0) }
    }

    fn submit(&self, job: Job, _ring: &mut dyn FileRing) {
        let done = if job.op() == Op::Flush { Ok(()) } else { Err(DiskError::Gone) };
        job.finish(done);
    }

    fn refresh(&self) -> io::Result<Geometry> {
        Ok(self.geometry())
    }

    fn describe(&self) -> String {
        "no disc".to_owned()
    }
}

/// PRODUCT IDENTIFICATION of a drive that is given no other.
const PRODUCT: &str = "VIRTUAL CD-ROM";
