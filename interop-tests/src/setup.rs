//! What is served in a test: targets, accounts and disks, and how that reads as a configuration file of `ferrited`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// Which tenant of the engine moves the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Io {
    /// Whatever the target thinks best.
    #[default]
    Auto,
    /// io_uring.
    Uring,
    /// Disk threads.
    Threads,
}

/// The disk of one LUN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disk {
    /// Memory of the target: gone when it ends.
    Memory {
        /// Its size.
        mib: u32,
    },
    /// Nothing: reads are zeroes, writes vanish.
    Null {
        /// The size it says it has.
        mib: u32,
    },
    /// A file through the page cache, made by the target unless the LUN is read only.
    File {
        /// Where it is.
        path: PathBuf,
        /// Its size.
        mib: u32,
    },
    /// A device or an existing file, past the page cache.
    Block {
        /// Where it is.
        path: PathBuf,
    },
    /// A drive for optical discs with this image in it.
    Disc {
        /// Where it is.
        path: PathBuf,
    },
}

/// One logical unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lun {
    /// What is behind it.
    pub disk: Disk,
    /// Bytes in a logical block.
    pub block_size: u32,
    /// Are writes refused?
    pub read_only: bool,
}

/// A name and its secret, for CHAP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub user: String,
    /// The secret, 12 to 16 characters: what every initiator takes.
    pub secret: String,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its iSCSI name.
    pub name: String,
    /// The account an initiator has to prove.
    pub chap: Option<Account>,
    /// The account the target proves in return.
    pub mutual_chap: Option<Account>,
    /// Its LUNs by number.
    pub luns: BTreeMap<u32, Lun>,
}

/// All that is served.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Setup {
    /// The tenant.
    pub io: Io,
    /// The account that a discovery session has to prove.
    pub discovery: Option<Account>,
    /// The folder in which the target keeps what outlives it: persistent reservations, saved mode pages.
    pub state: Option<PathBuf>,
    /// A second portal, in a portal group of its own: another way to the same disks.
    pub two_ways: bool,
    /// The targets.
    pub targets: Vec<Target>,
}

impl Lun {
    /// A writable LUN with blocks of 512 bytes.
    pub fn on(disk: Disk) -> Lun {
        Lun { disk, block_size: 512, read_only: false }
    }
}

impl Account {
    /// This name with this secret.
    pub fn new(user: &str, secret: &str) -> Account {
        Account { user: user.to_owned(), secret: secret.to_owned() }
    }
}

impl Target {
    /// A target named by the last part of its name, open to everybody, with these LUNs numbered from 0.
    pub fn new(last: &str, luns: Vec<Lun>) -> Target {
        let name = format!("iqn.2026-11.com.example:{last}");
        Target { name, chap: None, mutual_chap: None, luns: (0..).zip(luns).collect() }
    }
}

impl Setup {
    /// These targets, everything else as the target likes it.
    pub fn of(targets: Vec<Target>) -> Setup {
        Setup { targets, ..Setup::default() }
    }

    /// The same as a configuration file of `ferrited` that listens on the first of these ports of the loopback, and
    /// where two ways are wanted on both.
    pub fn to_toml(&self, ports: [u16; 2]) -> String {
        let [one, two] = ports;
        let second = format!(", {{ address = \"127.0.0.1:{two}\", group = 2 }}");
        let second = if self.two_ways { second.as_str() } else { "" };
        let mut text = format!("schema = 1\n\n[global]\nportals = [\"127.0.0.1:{one}\"{second}]\n");
        if let Some(state) = &self.state {
            let _ = writeln!(text, "state_dir = \"{}\"", state.display());
        }
        if let Some(account) = &self.discovery {
            text += &account_table("[[global.discovery_auth]]", account);
        }
        let io = match self.io {
            Io::Auto => "auto",
            Io::Uring => "uring",
            Io::Threads => "threads",
        };
        let _ = writeln!(text, "\n[engine]\nio = \"{io}\"");
        for target in &self.targets {
            text += &target.to_toml();
        }
        text
    }
}

impl Target {
    fn to_toml(&self) -> String {
        let name = &self.name;
        let mut text = format!("\n[targets.\"{name}\"]\nallow = [\"any\"]\n");
        if let Some(account) = &self.chap {
            text += &account_table(&format!("[[targets.\"{name}\".chap]]"), account);
        }
        if let Some(account) = &self.mutual_chap {
            text += &account_table(&format!("[targets.\"{name}\".mutual_chap]"), account);
        }
        for (number, lun) in &self.luns {
            let _ = writeln!(text, "\n[targets.\"{name}\".luns.{number}]");
            text += &lun.to_toml();
        }
        text
    }
}

impl Lun {
    fn to_toml(&self) -> String {
        let mut text = match &self.disk {
            Disk::Memory { mib } => format!("backend = \"memory\"\nsize = \"{mib}MiB\"\n"),
            Disk::Null { mib } => format!("backend = \"null\"\nsize = \"{mib}MiB\"\n"),
            Disk::File { path, mib } => {
                // What cannot be written is not made: a read-only file has to be there.
                let create = !self.read_only;
                let path = path.display();
                format!("backend = \"file\"\npath = \"{path}\"\nsize = \"{mib}MiB\"\ncreate = {create}\n")
            }
            Disk::Block { path } => format!("backend = \"block\"\npath = \"{}\"\n", path.display()),
            // Its blocks are what they are, and it is never written.
            Disk::Disc { path } => return format!("backend = \"cdrom\"\npath = \"{}\"\n", path.display()),
        };
        let _ = writeln!(text, "block_size = {}", self.block_size);
        if self.read_only {
            text += "read_only = true\n";
        }
        text
    }
}

fn account_table(header: &str, account: &Account) -> String {
    format!("\n{header}\nuser = \"{}\"\nsecret = \"{}\"\n", account.user, account.secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setup_reads_as_the_file_an_administrator_would_write() {
        let disk = Disk::File { path: "/d/f".into(), mib: 16 };
        let luns = vec![Lun::on(Disk::Memory { mib: 8 }), Lun { block_size: 4096, ..Lun::on(disk) }];
        let mut target = Target::new("disks", luns);
        let read_only = Lun { read_only: true, ..Lun::on(Disk::Block { path: "/dev/loop1".into() }) };
        target.luns.insert(300, read_only);
        target.chap = Some(Account::new("u", "secretsecret"));
        target.mutual_chap = Some(Account::new("t", "terceesterces"));
        let discovery = Some(Account::new("d", "discoversecret"));
        let state = Some(PathBuf::from("/s"));
        let setup = Setup { io: Io::Threads, discovery, state, two_ways: true, targets: vec![target] };

        let file: toml::Table = setup.to_toml([3261, 3262]).parse().unwrap();
        assert_eq!(file["schema"].as_integer(), Some(1));
        assert_eq!(file["global"]["portals"][0].as_str(), Some("127.0.0.1:3261"));
        assert_eq!(file["global"]["discovery_auth"][0]["user"].as_str(), Some("d"));
        assert_eq!(file["global"]["portals"][1]["address"].as_str(), Some("127.0.0.1:3262"));
        assert_eq!(file["global"]["portals"][1]["group"].as_integer(), Some(2));
        assert_eq!(file["global"]["state_dir"].as_str(), Some("/s"));
        assert_eq!(file["engine"]["io"].as_str(), Some("threads"));
        let target = &file["targets"]["iqn.2026-11.com.example:disks"];
        assert_eq!(target["allow"][0].as_str(), Some("any"));
        assert_eq!(target["chap"][0]["secret"].as_str(), Some("secretsecret"));
        assert_eq!(target["mutual_chap"]["user"].as_str(), Some("t"));
        assert_eq!(target["luns"]["0"]["size"].as_str(), Some("8MiB"));
        assert_eq!(target["luns"]["1"]["block_size"].as_integer(), Some(4096));
        assert_eq!(target["luns"]["1"]["create"].as_bool(), Some(true));
        assert_eq!(target["luns"]["300"]["backend"].as_str(), Some("block"));
        assert_eq!(target["luns"]["300"]["read_only"].as_bool(), Some(true));
    }
}
