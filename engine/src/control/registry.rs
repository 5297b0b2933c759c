//! The one writer of the catalog: opens disks, makes the next catalog, posts it, awaits acknowledgements.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use ferrite_api::{
    AccessState, ChapSpec, IdentitySpec, Iqn, LunNumber, LunSpec, Percent, PortalGroup, Refusal, TargetSpec, codes,
};
use ferrite_backends::Backend;
use ferrite_scsi::Device;

use super::acceptor::{Acceptor, Lane};
use super::space::SpaceWatch;
use crate::catalog::{Catalog, EmptyDrive, House, Lun, Portal, Target, auth, check_identities, open};
use crate::hold::{Held, Hold};
use crate::shard::letters::Letter;

/// See the module.
pub(crate) struct Registry {
    lanes: Vec<Lane>,
    device: Arc<Device>,
    house: House,
    space: SpaceWatch,
    state: Mutex<State>,
}

struct State {
    catalog: Arc<Catalog>,
    last_id: u64,
    stopped: bool,
}

impl Registry {
    pub(crate) fn new(lanes: Vec<Lane>, house: House, space: SpaceWatch) -> Self {
        let state = State { catalog: Arc::new(Catalog::empty()), last_id: 0, stopped: false };
        let device = Arc::new(Device::new(now_ms, unguessable));
        Self { lanes, device, house, space, state: Mutex::new(state) }
    }

    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.lock().catalog.clone()
    }

    /// No change is taken from now on.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.space.stop();
    }

    /// Serves nothing any more, so that every disk is closed; false when one still works after `timeout`.
    pub(crate) fn clear(&self, timeout: Duration) -> bool {
        let empty = Arc::new(Catalog::empty());
        let mut state = self.lock();
        state.catalog = empty.clone();
        self.space.look_after(&empty);
        let taken = self.everywhere(|hold| Letter::Catalog { catalog: empty.clone(), hold });
        drop(state);
        taken.wait(timeout)
    }

    pub(crate) fn listen(
        &self,
        acceptor: &Acceptor,
        address: SocketAddr,
        group: PortalGroup,
    ) -> Result<SocketAddr, Refusal> {
        let state = self.open_state()?;
        let (listener, bound) = Acceptor::bind(address, group.number()).map_err(|error| {
            Refusal::new(codes::CANNOT_LISTEN, format!("cannot listen on {address}: {error}"))
                .hint("see who has the port with: ss -ltnp")
        })?;
        let next = state.catalog.with_portal(Portal { address: bound, group: group.number() });
        // Every shard knows the portal before anybody comes in by it.
        self.publish(state, next)?;
        acceptor.serve(listener);
        Ok(bound)
    }

    pub(crate) fn set_discovery(&self, accounts: &[ChapSpec]) -> Result<(), Refusal> {
        let auth = auth(accounts, None)?;
        let state = self.open_state()?;
        let next = state.catalog.with_discovery(auth);
        self.publish(state, next)
    }

    pub(crate) fn add_target(&self, name: &Iqn, spec: &TargetSpec) -> Result<(), Refusal> {
        self.open_state()?.free_name(name)?;
        // Opened before the registry is locked: a disk that is slow to open holds nobody else up.
        let mut disks = Vec::new();
        for (number, lun) in &spec.luns {
            let disk = open(lun).map_err(|refusal| refusal.about(format!("lun {number} of {name}")))?;
            disks.push((number.number(), disk, lun));
        }
        let mut state = self.open_state()?;
        state.free_name(name)?;
        let groups = state.catalog.groups();
        let mut target = Target::new(state.next_id(), name.clone(), spec, &groups, self.device.clone())?;
        for (number, disk, lun) in disks {
            let house = &self.house;
            if lun.backend.is_drive() {
                target = target.with(Lun::drive(state.next_id(), name, number, disk, &lun.identity, house)?);
                continue;
            }
            let unit = Lun::new(state.next_id(), name, number, disk, &lun.identity, lun.read_only, house)?;
            let unit = unit.with_soft_threshold(lun.soft_threshold);
            target = target.with(unit.map_err(|refusal| refusal.about(format!("lun {number} of {name}")))?);
        }
        let next = state.catalog.with(target);
        check_identities(&next)?;
        check_keepers(&next)?;
        self.publish(state, next)
    }

    /// The state is the truth for every LUN of the target, those that come after it too, when this returns.
    pub(crate) fn set_access_state(&self, name: &Iqn, group: PortalGroup, access: AccessState) -> Result<(), Refusal> {
        let state = self.open_state()?;
        let target = state.target(name)?;
        if !state.catalog.groups().contains(&group.number()) {
            let refusal = Refusal::new(codes::NO_SUCH_GROUP, format!("no portal is in group {group}"));
            return Err(refusal.hint("listen in that group first"));
        }
        let next = state.catalog.with(target.with_access(group, access));
        target.set_access(group, access);
        drop(target);
        self.publish(state, next)
    }

    pub(crate) fn remove_target(&self, name: &Iqn) -> Result<(), Refusal> {
        let state = self.open_state()?;
        state.target(name)?;
        let next = state.catalog.without(name);
        self.publish(state, next)
    }

    pub(crate) fn add_lun(&self, target: &Iqn, number: LunNumber, spec: &LunSpec) -> Result<(), Refusal> {
        self.open_state()?.free_number(target, number)?;
        let disk = open(spec).map_err(|refusal| refusal.about(format!("lun {number} of {target}")))?;
        if spec.backend.is_drive() {
            return self.add_drive(target, number, disk, &spec.identity);
        }
        self.add(target, number, disk, &spec.identity, spec.read_only, spec.soft_threshold)
    }

    pub(crate) fn add_disk(
        &self,
        target: &Iqn,
        number: LunNumber,
        disk: Arc<dyn Backend>,
        identity: &IdentitySpec,
        soft_threshold: Option<Percent>,
    ) -> Result<(), Refusal> {
        self.add(target, number, disk, identity, false, soft_threshold)
    }

    fn add(
        &self,
        target: &Iqn,
        number: LunNumber,
        disk: Arc<dyn Backend>,
        identity: &IdentitySpec,
        read_only: bool,
        soft_threshold: Option<Percent>,
    ) -> Result<(), Refusal> {
        let mut state = self.open_state()?;
        let entry = state.free_number(target, number)?;
        let house = &self.house;
        let lun = Lun::new(state.next_id(), target, number.number(), disk, identity, read_only, house)?;
        let lun = lun.with_soft_threshold(soft_threshold);
        let lun = lun.map_err(|refusal| refusal.about(format!("lun {number} of {target}")))?;
        let next = state.catalog.with(entry.with(lun));
        check_identities(&next)?;
        check_keepers(&next)?;
        self.publish(state, next)
    }

    /// Adds a drive with this disc in it.
    pub(crate) fn add_drive(
        &self,
        target: &Iqn,
        number: LunNumber,
        disc: Arc<dyn Backend>,
        identity: &IdentitySpec,
    ) -> Result<(), Refusal> {
        let mut state = self.open_state()?;
        let entry = state.free_number(target, number)?;
        let lun = Lun::drive(state.next_id(), target, number.number(), disc, identity, &self.house)?;
        let next = state.catalog.with(entry.with(lun));
        check_identities(&next)?;
        self.publish(state, next)
    }

    /// Takes the disc out of a drive; nothing reads it any more when this returns.
    pub(crate) fn eject(&self, target: &Iqn, number: LunNumber, force: bool) -> Result<(), Refusal> {
        let state = self.open_state()?;
        let entry = state.target(target)?;
        let drive = drive_of(&entry, number)?;
        let book = drive.unit.book();
        if !force && !book.request_removal() {
            let what = format!("an initiator prevents the removal of the disc in lun {number} of {target}");
            return Err(Refusal::new(codes::IN_USE, what)
                .hint("it has been asked to let go; try again, or say explicitly that it is taken away"));
        }
        book.open_tray();
        let next = state.catalog.with(entry.with(drive.with_disc(Arc::new(EmptyDrive))?));
        drop((entry, drive));
        self.publish(state, next)
    }

    /// Puts a disc into a drive that has none, and shuts its tray.
    pub(crate) fn insert(&self, target: &Iqn, number: LunNumber, disc: Arc<dyn Backend>) -> Result<(), Refusal> {
        let state = self.open_state()?;
        let entry = state.target(target)?;
        let drive = drive_of(&entry, number)?;
        if drive.unit.medium().blocks > 0 {
            let what = format!("lun {number} of {target} has a disc in it: {}", drive.disk.describe());
            return Err(Refusal::new(codes::IN_USE, what).hint("eject it first"));
        }
        let book = drive.unit.book().clone();
        let next = drive.with_disc(disc).map_err(|refusal| refusal.about(format!("lun {number} of {target}")))?;
        // Nobody reads the disc before everybody has been told.
        book.open_tray();
        let next = state.catalog.with(entry.with(next));
        drop((entry, drive));
        let published = self.publish(state, next);
        book.load(true);
        published
    }

    pub(crate) fn remove_lun(&self, target: &Iqn, number: LunNumber) -> Result<(), Refusal> {
        let state = self.open_state()?;
        let entry = state.target(target)?;
        lun_of(&entry, number)?;
        let next = state.catalog.with(entry.without(number.number()));
        drop(entry);
        self.publish(state, next)
    }

    pub(crate) fn resize_lun(&self, target: &Iqn, number: LunNumber, shrink: bool) -> Result<u64, Refusal> {
        let lun = lun_of(&*self.open_state()?.target(target)?, number)?;
        // Looked at before the registry is locked, as above.
        let Some(resized) = lun.looked_at_again(shrink)? else { return Ok(lun.unit.medium().bytes()) };
        let bytes = resized.unit.medium().bytes();
        let state = self.open_state()?;
        let entry = state.target(target)?;
        if !Arc::ptr_eq(&lun_of(&entry, number)?, &lun) {
            let what = format!("lun {number} of {target} was changed meanwhile");
            return Err(Refusal::new(codes::DISK_CHANGED, what).hint("try again"));
        }
        let next = state.catalog.with(entry.with(resized));
        self.publish(state, next)?;
        Ok(bytes)
    }

    /// Makes `next` the truth: every shard has it, and nothing runs against what it took away, when this
    /// returns well.
    ///
    /// The lock is held while it is posted, so that all shards get all changes in one order, and not while it is
    /// waited for: a disk that does not answer holds up whoever wants it gone, and nobody else.
    fn publish(&self, mut state: MutexGuard<'_, State>, next: Catalog) -> Result<(), Refusal> {
        let next = Arc::new(next);
        state.catalog = next.clone();
        self.space.look_after(&next);
        let taken = self.everywhere(|hold| Letter::Catalog { catalog: next.clone(), hold });
        drop(state);
        drop(next);
        if taken.wait(CHANGE_DEADLINE) {
            return Ok(());
        }
        let what = "the change is made, but a disk still works on what was taken away";
        Err(Refusal::new(codes::NOT_DRAINED, what).hint("look for a disk that does not answer: dmesg, iostat -x"))
    }

    /// Posts a letter to every shard; the hold in it is what is waited for.
    pub(crate) fn everywhere(&self, letter: impl Fn(Hold) -> Letter<TcpStream>) -> Held {
        let (hold, held) = Held::new();
        for lane in &self.lanes {
            lane.inbox.post(letter(hold.clone()));
        }
        held
    }

    fn open_state(&self) -> Result<MutexGuard<'_, State>, Refusal> {
        let state = self.lock();
        if state.stopped {
            return Err(Refusal::new(codes::STOPPING, "the target is going away and takes no changes"));
        }
        Ok(state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn free_name(&self, name: &Iqn) -> Result<(), Refusal> {
        match self.catalog.targets.contains_key(name) {
            true => Err(Refusal::new(codes::TARGET_EXISTS, format!("there is a target {name} already"))),
            false => Ok(()),
        }
    }

    /// The target, if it has no LUN of this number yet.
    fn free_number(&self, target: &Iqn, number: LunNumber) -> Result<Arc<Target>, Refusal> {
        let entry = self.target(target)?;
        if entry.luns.contains_key(&number.number()) {
            let what = format!("{target} has a lun {number} already");
            return Err(Refusal::new(codes::LUN_EXISTS, what).hint("remove it first, or take another number"));
        }
        Ok(entry)
    }

    fn target(&self, name: &Iqn) -> Result<Arc<Target>, Refusal> {
        let found = self.catalog.targets.get(name).cloned();
        found.ok_or_else(|| Refusal::new(codes::NO_SUCH_TARGET, format!("there is no target {name}")))
    }
}

fn drive_of(target: &Target, number: LunNumber) -> Result<Arc<Lun>, Refusal> {
    let lun = lun_of(target, number)?;
    if lun.unit.is_drive() {
        return Ok(lun);
    }
    let what = format!("lun {number} of {} is a disk, and has no tray", target.name);
    Err(Refusal::new(codes::NOT_A_DRIVE, what))
}

fn lun_of(target: &Target, number: LunNumber) -> Result<Arc<Lun>, Refusal> {
    let found = target.luns.get(&number.number()).cloned();
    found.ok_or_else(|| Refusal::new(codes::NO_SUCH_LUN, format!("{} has no lun {number}", target.name)))
}

/// Two LUNs of one target on one disk would keep their reservations in one file, each without those of the other.
fn check_keepers(catalog: &Catalog) -> Result<(), Refusal> {
    let mut taken: HashMap<&Path, &Lun> = HashMap::new();
    for lun in catalog.luns() {
        let Some(keeper) = &lun.keeper else { continue };
        if let Some(other) = taken.insert(keeper.path(), lun) {
            let what = format!("lun {} and lun {} of one target are one disk", other.number, lun.number);
            return Err(Refusal::new(codes::DISK_TWICE, what).hint("show the disk once, or as another `serial`"));
        }
    }
    Ok(())
}

/// A change that takes longer waits for a disk that does not answer.
const CHANGE_DEADLINE: Duration = Duration::from_secs(30);

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Bytes for names that give access.
///
/// # Panics
/// When the system has none: whoever could guess them could read what is not his.
fn unguessable(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system gives random bytes once it has started");
}
