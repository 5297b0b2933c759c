//! A logical unit with the disk behind it.

use std::sync::Arc;

use ferrite_api::{BackendSpec, IdentitySpec, Iqn, LunSpec, Percent, Refusal, codes};
use ferrite_backends::{Backend, BlockDisk, Create, DiskOptions, FileDisk, Geometry, MemoryDisk, NullDisk};
use ferrite_scsi::{AtomicLimits, Book, LogicalUnit, Medium, Provisioning, Rotation, UnmapLimits};

use super::drive::{EmptyDrive, open_disc};
use super::identity::{identity, unique_name};
use crate::lane::Lane;
use crate::state::{Keeper, StateDir};

/// A logical unit of a target. Immutable: a resize makes another with the same `id`, disk and book.
pub struct Lun {
    /// The same as long as it is the same disk under the same number.
    pub id: u64,
    /// Its number in its target.
    pub number: u16,
    /// It was asked for so; the disk may be read-only by itself as well.
    read_only: bool,
    /// Bytes of the longest transfer there are buffers for.
    pub(super) transfer_max: usize,
    /// What initiators see.
    pub unit: Arc<LogicalUnit>,
    /// What does the work.
    pub disk: Arc<dyn Backend>,
    /// What must not happen to it at the same time.
    pub(crate) lane: Arc<Lane>,
    /// Its initiators are told when it uses this share of the space that it can have.
    pub soft_threshold: Option<Percent>,
    /// Where what lasts of its state is kept, if anywhere.
    pub keeper: Option<Keeper>,
}

/// What the engine has for every LUN.
pub struct House {
    /// What lasts of the units' state is kept there.
    pub state_dir: Option<Arc<StateDir>>,
    /// Bytes of the longest transfer there are buffers for.
    pub transfer_max: usize,
}

impl Lun {
    /// Puts `disk` behind LUN `number` of `target`. What lasts of its state is read from the state directory,
    /// and kept there.
    ///
    /// # Errors
    /// The disk has a shape that cannot be shown as one, the identity has texts that do not fit, or what was kept of
    /// its state cannot be used.
    pub fn new(
        id: u64,
        target: &Iqn,
        number: u16,
        disk: Arc<dyn Backend>,
        spec: &IdentitySpec,
        read_only: bool,
        house: &House,
    ) -> Result<Self, Refusal> {
        let geometry = disk.geometry();
        let about = format!("lun {number} of {target}");
        let transfer_max = house.transfer_max;
        let medium = medium(&*disk, &geometry, read_only, transfer_max).map_err(|refusal| refusal.about(&about))?;
        let unique = unique_name(spec, geometry.identity, || format!("lun:{target}/{number}"));
        let identity = identity(spec, &unique).map_err(|refusal| refusal.about(&about))?;
        let keeper = house.state_dir.as_ref().map(|state| state.keeper(target.as_str(), &unique));
        let book = match &keeper {
            Some(keeper) => Book::keeping(keeper.load().map_err(|refusal| refusal.about(&about))?),
            None => Book::new(),
        };
        let unit = Arc::new(LogicalUnit::new(identity, medium, Arc::new(book)));
        Ok(Self { id, number, read_only, transfer_max, unit, disk, lane: Lane::new(), soft_threshold: None, keeper })
    }

    /// The same with a soft threshold (SBC-3, thin provisioning).
    ///
    /// # Errors
    /// The disk cannot tell how much space it has: nobody would ever be warned.
    pub fn with_soft_threshold(self, soft_threshold: Option<Percent>) -> Result<Self, Refusal> {
        if soft_threshold.is_some() && matches!(self.disk.usage(), Ok(None)) {
            let what = format!("{} cannot tell how much space it has left", self.disk.describe());
            return Err(Refusal::new(codes::DISK_UNFIT, what)
                .hint("leave `soft_threshold` out, and watch the space of the pool behind the device on the host"));
        }
        Ok(Self { soft_threshold, ..self })
    }

    /// A unit that is only read, and of whose state nothing lasts.
    pub(super) fn lasting_nothing(
        id: u64,
        number: u16,
        unit: LogicalUnit,
        disk: Arc<dyn Backend>,
        transfer_max: usize,
    ) -> Self {
        let (unit, lane) = (Arc::new(unit), Lane::new());
        Self { id, number, read_only: true, transfer_max, unit, disk, lane, soft_threshold: None, keeper: None }
    }

    /// The same, as another unit with the same book, on another disk or on the same.
    pub(super) fn changed(&self, unit: LogicalUnit, disk: Arc<dyn Backend>) -> Self {
        let (lane, keeper) = (self.lane.clone(), self.keeper.clone());
        Self { unit: Arc::new(unit), disk, lane, keeper, ..*self }
    }

    /// The same disk, looked at again. `None` when nothing has changed; a disc does not change while it is in its drive.
    ///
    /// # Errors
    /// The disk cannot be looked at, is smaller (unless `shrink`), or is no longer the same disk.
    pub fn looked_at_again(&self, shrink: bool) -> Result<Option<Self>, Refusal> {
        if self.unit.is_drive() {
            return Ok(None);
        }
        let geometry = self
            .disk
            .refresh()
            .map_err(|error| Refusal::new(codes::DISK_UNAVAILABLE, format!("lun {}: {error}", self.number)))?;
        let medium = medium(&*self.disk, &geometry, self.read_only, self.transfer_max)?;
        let before = self.unit.medium();
        if medium == *before {
            return Ok(None);
        }
        if medium.block_size != before.block_size {
            let what = format!("lun {}: its block size changed", self.number);
            return Err(Refusal::new(codes::DISK_CHANGED, what).hint("remove the LUN and add it again"));
        }
        if medium.blocks < before.blocks && !shrink {
            let what =
                format!("lun {}: the disk has {} bytes now, it had {}", self.number, medium.bytes(), before.bytes());
            return Err(Refusal::new(codes::WOULD_SHRINK, what).hint("say explicitly that it may shrink"));
        }
        let unit = LogicalUnit::new(self.unit.identity().clone(), medium, self.unit.book().clone());
        Ok(Some(self.changed(unit, self.disk.clone())))
    }
}

/// Opens the disk of a spec. Blocks; for the control plane.
///
/// # Errors
/// It cannot be opened, with the system's reason.
pub(crate) fn open(spec: &LunSpec) -> Result<Arc<dyn Backend>, Refusal> {
    let unavailable = |error: std::io::Error| Refusal::new(codes::DISK_UNAVAILABLE, error.to_string());
    let options = DiskOptions { block_size: spec.block_size, read_only: spec.read_only, ..DiskOptions::default() };
    let block_size = spec.block_size.unwrap_or(512);
    Ok(match &spec.backend {
        BackendSpec::Block { path } => Arc::new(BlockDisk::open(path, &options).map_err(unavailable)?),
        BackendSpec::File { path, size, create } => {
            let create = size.filter(|_| *create).map(|size| Create { bytes: size.bytes(), allocate: false });
            let disk = FileDisk::open(path, &DiskOptions { create, ..options }).map_err(unavailable)?;
            if let Some(size) = size.filter(|size| size.bytes() != disk.geometry().bytes) {
                let what = format!("{} has {} bytes, not {size}", path.display(), disk.geometry().bytes);
                return Err(Refusal::new(codes::DISK_UNFIT, what)
                    .hint("leave `size` out to take the file as it is, or give the file that size"));
            }
            Arc::new(disk)
        }
        BackendSpec::Memory { size } if size.bytes() > MemoryDisk::BYTES_MAX => {
            let what = format!("a memory disk has at most {} bytes, not {size}", MemoryDisk::BYTES_MAX);
            return Err(Refusal::new(codes::DISK_UNFIT, what));
        }
        BackendSpec::Memory { size } => Arc::new(MemoryDisk::with_block_size(size.bytes(), block_size)),
        BackendSpec::Null { size } => Arc::new(NullDisk::with_block_size(size.bytes(), block_size)),
        BackendSpec::Cdrom { path: Some(path) } => open_disc(path)?,
        BackendSpec::Cdrom { path: None } => Arc::new(EmptyDrive),
    })
}

/// What initiators see of a disk and its geometry. Blocks, for the disk is asked whether it keeps a map.
fn medium(disk: &dyn Backend, geometry: &Geometry, read_only: bool, transfer_max: usize) -> Result<Medium, Refusal> {
    let block = geometry.block_size;
    let unfit = |why: &str| Refusal::new(codes::DISK_UNFIT, why.to_owned());
    let plain = Medium::new(block, geometry.bytes.checked_div(block.into()).unwrap_or(0))
        .map_err(|error| unfit(&format!("the disk cannot be shown as one: {error}")))?;
    let blocks = |bytes: u64| u32::try_from(bytes / u64::from(block)).unwrap_or(u32::MAX);
    let unmap = geometry.discard.map(|discard| UnmapLimits {
        max_blocks: blocks(discard.max_bytes).min(UNMAP_BLOCKS_MAX),
        max_descriptors: UNMAP_DESCRIPTORS_MAX,
        granularity: blocks(discard.granularity.into()),
        alignment: blocks(discard.alignment.into()),
        reads_zero: discard.reads_zero,
    });
    let physical = (geometry.physical_block / block).max(1);
    Ok(Medium {
        physical_exponent: u8::try_from(physical.trailing_zeros()).expect("at most 31"),
        lowest_aligned: u16::try_from(geometry.physical_offset / block).unwrap_or(0),
        read_only: geometry.read_only || read_only,
        write_cache: geometry.write_cache,
        provisioning: if unmap.is_some() { Provisioning::Thin } else { Provisioning::Full },
        unmap,
        maps: disk.map(0, block.into()).is_ok_and(|map| map.is_some()),
        atomic: geometry.atomic.map(|atomic| AtomicLimits {
            max_blocks: blocks(atomic.max_bytes.into()),
            alignment: blocks(atomic.alignment.into()),
            granularity: blocks(atomic.granularity.into()),
            natural: atomic.natural,
        }),
        rotation: match geometry.rotational {
            None => Rotation::Unknown,
            Some(false) => Rotation::Solid,
            Some(true) => Rotation::Rpm(ROTATIONAL_RPM),
        },
        max_transfer: blocks(transfer_max as u64),
        optimal_transfer: blocks(geometry.optimal_io.into()),
        ..plain
    })
}

impl std::fmt::Debug for Lun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lun")
            .field("id", &self.id)
            .field("number", &self.number)
            .field("disk", &self.disk.describe())
            .finish_non_exhaustive()
    }
}

/// Descriptors of one UNMAP: enough for any file system's batch, few enough to be done soon.
const UNMAP_DESCRIPTORS_MAX: u32 = 256;

/// Blocks of one UNMAP: what initiators take for sane, and what is done soon enough not to stop others.
const UNMAP_BLOCKS_MAX: u32 = 1 << 20;

/// The kernel says that a disk turns, not how fast; this is the commonest answer.
const ROTATIONAL_RPM: u16 = 7200;
