//! The state directory: what of a unit's state outlives the process, one file for each unit.
//!
//! A file is never written in place: its next version is written beside it, made durable, renamed over it, and
//! the directory made durable. Whoever reads it, also after a loss of power, finds one version or the other whole.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ferrite_api::{Refusal, codes};
use ferrite_scsi::Lasting;
use serde::{Deserialize, Serialize};

/// A directory that keeps the state of units. Nobody else uses it while this lives.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    /// Writers of one directory take turns: a file has one next version.
    writing: Mutex<()>,
    _lock: File,
}

/// Where the state of one unit is kept.
#[derive(Debug, Clone)]
pub struct Keeper {
    dir: Arc<StateDir>,
    path: PathBuf,
    unit: String,
}

impl StateDir {
    /// Takes the directory, and makes it where it is not there.
    ///
    /// # Errors
    /// It cannot be made or written to, or another process has it.
    pub fn open(path: &Path) -> io::Result<Arc<Self>> {
        let about = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        make_durably(path).map_err(about)?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join(LOCK)).map_err(about)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(about(io::Error::new(io::ErrorKind::ResourceBusy, "another process keeps its state here")));
            }
            Err(TryLockError::Error(error)) => return Err(about(error)),
        }
        // Rights and a full disk are found now, not when an initiator needs its reservation kept.
        sync_directory(path).map_err(about)?;
        Ok(Arc::new(Self { path: path.to_owned(), writing: Mutex::default(), _lock: lock }))
    }

    /// Where the state of the unit `unique` of `target` is kept. The target belongs to the name: reservations are
    /// between initiator ports and target ports.
    pub fn keeper(self: &Arc<Self>, target: &str, unique: &str) -> Keeper {
        let unit = format!("{target} {unique}");
        let path = self.path.join(file_name(&unit, unique));
        Keeper { dir: self.clone(), path, unit }
    }
}

impl Keeper {
    /// What was kept; of a unit that nothing was kept of, what a new one begins with.
    ///
    /// # Errors
    /// The file is there and cannot be read, is damaged, or is of a later version or another unit: to go on without
    /// it would be to drop reservations that initiators rely on.
    pub fn load(&self) -> Result<Lasting, Refusal> {
        let refuse = |why: String| {
            let what = format!("the kept state {} cannot be used: {why}", self.path.display());
            Refusal::new(codes::STATE_UNUSABLE, what)
                .hint("restore the file, or remove it to have the unit begin without reservations and saved settings")
        };
        let bytes = match read_bounded(&self.path) {
            Ok(bytes) if bytes.len() <= FILE_MAX => bytes,
            Ok(_) => return Err(refuse(format!("it is longer than the limit of {FILE_MAX} bytes"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lasting::default()),
            Err(error) => return Err(refuse(error.to_string())),
        };
        // The version first: a later one may have any shape.
        let version: Version = serde_json::from_slice(&bytes).map_err(|error| refuse(error.to_string()))?;
        if version.version != VERSION {
            return Err(refuse(format!("its version is {}, and {VERSION} is read", version.version)));
        }
        let kept: Kept = serde_json::from_slice(&bytes).map_err(|error| refuse(error.to_string()))?;
        if kept.unit != self.unit {
            return Err(refuse(format!("it is of {:?}, not of {:?}", kept.unit, self.unit)));
        }
        Ok(kept.lasting)
    }

    /// Puts `lasting` on stable storage in place of what was kept. Blocks.
    ///
    /// # Errors
    /// What the system says; what was kept before is kept still, unless it is the directory that cannot be made
    /// durable: then a loss of power decides between the two.
    pub fn save(&self, lasting: &Lasting) -> io::Result<()> {
        let kept = Kept { version: VERSION, unit: self.unit.clone(), lasting: lasting.clone() };
        let mut bytes = serde_json::to_vec_pretty(&kept).map_err(io::Error::other)?;
        bytes.push(b'\n');
        if bytes.len() > FILE_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{} bytes of state", bytes.len())));
        }
        let _turn = self.dir.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.path.with_extension("next");
        let written = write_durably(&next, &bytes).and_then(|()| fs::rename(&next, &self.path));
        if written.is_err() {
            // It is nobody's, and would only be written over by the next attempt.
            let _ = fs::remove_file(&next);
        }
        written?;
        sync_directory(&self.dir.path)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What a file holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    unit: String,
    lasting: Lasting,
}

/// What every version of it has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Makes a directory and those above it, and has each in the one above it on stable storage: a file is only as durable
/// as the way to it.
fn make_durably(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|above| !above.exists()).collect();
    fs::create_dir_all(path)?;
    for made in missing {
        let above = made.parent().filter(|above| !above.as_os_str().is_empty());
        sync_directory(above.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// One byte more than the limit tells that it is longer.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// A name for people, and a number that tells apart what is cut off or not fit for a file name. What the file says
/// of itself decides whose it is.
fn file_name(unit: &str, unique: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    let readable: String = unique.chars().take(READABLE_MAX).map(fit).collect();
    format!("{readable}-{:016x}.json", fnv_1a(unit.as_bytes()))
}

/// FNV-1a, 64 bits: the same number for the same bytes in every version of this program.
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}

const VERSION: u32 = 1;

/// Held by the process that uses the directory.
const LOCK: &str = "lock";

/// A file is shorter: registrations and texts of a unit are bounded.
const FILE_MAX: usize = 16 << 20;

/// Characters of a unit's name in the name of its file.
const READABLE_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "iqn.2026-11.com.example:disk";

    fn protected() -> Lasting {
        let mut lasting = Lasting::default();
        lasting.information.insert(0, b"rack 4".to_vec());
        lasting
    }

    fn opened() -> (tempfile::TempDir, Arc<StateDir>) {
        let folder = tempfile::tempdir().unwrap();
        let dir = StateDir::open(&folder.path().join("made")).unwrap();
        (folder, dir)
    }

    fn refused(keeper: &Keeper, why: &str) {
        let refusal = keeper.load().unwrap_err();
        assert_eq!(refusal.code, codes::STATE_UNUSABLE);
        let path = keeper.path().display().to_string();
        assert!(refusal.what.contains(&path) && refusal.what.contains(why), "{}", refusal.what);
    }

    #[test]
    fn what_is_saved_is_loaded_again_by_the_next_process() {
        let (_folder, dir) = opened();
        let keeper = dir.keeper(TARGET, "serial:1");
        assert_eq!(keeper.load().unwrap(), Lasting::default());
        keeper.save(&protected()).unwrap();
        let path = dir.path.clone();
        drop((keeper, dir));
        let dir = StateDir::open(&path).unwrap();
        assert_eq!(dir.keeper(TARGET, "serial:1").load().unwrap(), protected());
        assert_eq!(dir.keeper(TARGET, "serial:2").load().unwrap(), Lasting::default());
        assert_eq!(dir.keeper("iqn.2026-11.com.example:other", "serial:1").load().unwrap(), Lasting::default());
    }

    #[test]
    fn a_directory_has_one_user_at_a_time() {
        let (_folder, dir) = opened();
        let error = StateDir::open(&dir.path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        assert!(error.to_string().contains(&dir.path.display().to_string()));
    }

    #[test]
    fn a_failed_save_leaves_what_was_kept() {
        let (_folder, dir) = opened();
        let keeper = dir.keeper(TARGET, "serial:1");
        keeper.save(&protected()).unwrap();
        // A folder in the way of the next version.
        fs::create_dir(keeper.path().with_extension("next")).unwrap();
        keeper.save(&Lasting::default()).unwrap_err();
        assert_eq!(keeper.load().unwrap(), protected());
    }

    #[test]
    fn a_version_that_was_not_finished_is_not_seen() {
        let (_folder, dir) = opened();
        let keeper = dir.keeper(TARGET, "serial:1");
        keeper.save(&protected()).unwrap();
        fs::write(keeper.path().with_extension("next"), b"{\"vers").unwrap();
        assert_eq!(keeper.load().unwrap(), protected());
        keeper.save(&Lasting::default()).unwrap();
        assert_eq!(keeper.load().unwrap(), Lasting::default());
    }

    #[test]
    fn a_file_that_cannot_be_trusted_is_refused_by_name_and_never_taken_for_an_empty_one() {
        let (_folder, dir) = opened();
        let keeper = dir.keeper(TARGET, "serial:1");
        keeper.save(&protected()).unwrap();
        let text = fs::read_to_string(keeper.path()).unwrap();
        for (damaged, why) in [
            (String::new(), "EOF"),
            ("\0".repeat(text.len()), "line"),
            (text[..text.len() / 2].to_owned(), "line"),
            (text.replace("\"version\": 1", "\"version\": 2"), "version is 2"),
            (text.replace("serial:1", "serial:9"), "serial:9"),
            (text.replace("\"unit\"", "\"more\": 1, \"unit\""), "more"),
        ] {
            fs::write(keeper.path(), damaged).unwrap();
            refused(&keeper, why);
        }
        fs::write(keeper.path(), vec![b' '; FILE_MAX + 1]).unwrap();
        refused(&keeper, "limit");
    }

    #[test]
    fn a_file_is_named_so_that_people_find_it_and_no_two_units_share_it() {
        let (_folder, dir) = opened();
        let name = |unique: &str| dir.keeper(TARGET, unique).path().file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name("dm:LVM-abc/../x").starts_with("dm_LVM-abc_.._x-"), "{}", name("dm:LVM-abc/../x"));
        assert_ne!(name("a/b"), name("a_b"));
        let long = "x".repeat(4000);
        assert!(name(&long).len() < 255);
        assert_ne!(name(&long), name(&format!("{long}y")));
        assert_ne!(dir.keeper("a", "u").path(), dir.keeper("b", "u").path());
    }
}
