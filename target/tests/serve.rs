//! The daemon on a configuration file: what it serves, and how it ends.

mod kit;

use ferrite_iscsi::initiator::{Chap, Error, Settings};
use kit::{Served, enter, login, run, text};
use nix::sys::signal::Signal;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TARGET: &str = "iqn.2026-11.com.example:disks";

/// A configuration with one target on a port that the system chooses; `more` stands inside of the target.
fn config(folder: &TempDir, more: &str) -> PathBuf {
    let path = folder.path().join("ferrite.toml");
    let text = format!(
        "schema = 1\n[global]\nportals = [\"127.0.0.1:0\"]\niqn_prefix = \"iqn.2026-11.com.example\"\n[engine]\nshards = 2\nmemory = \"64MiB\"\n[targets.disks]\n{more}\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn memory(folder: &TempDir) -> PathBuf {
    config(
        folder,
        "allow = [\"any\"]\nluns.0 = { backend = \"memory\", size = \"8MiB\", block_size = 4096, serial = \"S-0\" }",
    )
}

fn secret(folder: &TempDir, name: &str, value: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, value).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    path
}

#[test]
fn a_target_of_the_file_is_served_until_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let mut served = Served::start(&memory(&folder), &[]);
    let mut session = enter(served.portal, TARGET);
    let capacity = session.read_capacity(0).unwrap();
    assert_eq!((capacity.blocks, capacity.block_size), (2048, 4096));
    let page = session.inquiry(0, Some(0x80)).unwrap();
    assert_eq!(&page[4..], b"S-0");
    session.write(0, 2047, &[0x5a; 4096], 4096).unwrap();
    assert_eq!(session.read(0, 2047, 1, 4096).unwrap(), [0x5a; 4096]);
    assert_eq!(session.logout().unwrap(), 0);
    served.signal(Signal::SIGTERM);
    let (status, took) = served.ended();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    served.line_with("stopped; everything is on stable storage");
}

#[test]
fn what_was_written_to_a_file_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk.img");
    let lun = format!(
        "allow = [\"any\"]\nluns.0 = {{ backend = \"file\", path = \"{}\", size = \"1MiB\", create = true }}",
        disk.display()
    );
    let path = config(&folder, &lun);
    for round in 0..2u8 {
        let mut served = Served::start(&path, &[]);
        let mut session = enter(served.portal, TARGET);
        let before = session.read(0, 7, 1, 512).unwrap();
        assert_eq!(before, [round * 0x11; 512], "round {round}");
        session.write(0, 7, &[0x11; 512], 512).unwrap();
        session.logout().unwrap();
        served.signal(Signal::SIGINT);
        assert_eq!(served.ended().0.code(), Some(0));
    }
    assert_eq!(std::fs::metadata(&disk).unwrap().len(), 1 << 20);
}

#[test]
fn a_host_that_does_not_log_out_holds_the_end_up_for_the_grace_and_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let mut served = Served::start(&memory(&folder), &["--grace", "300ms"]);
    let session = enter(served.portal, TARGET);
    served.signal(Signal::SIGTERM);
    let (status, took) = served.ended();
    assert_eq!(status.code(), Some(9));
    assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(20), "{took:?}");
    served.line_with("1 sessions had not logged out");
    drop(session);
}

#[test]
fn a_second_signal_ends_the_wait() {
    let folder = tempfile::tempdir().unwrap();
    let mut served = Served::start(&memory(&folder), &["--grace", "50s"]);
    let _session = enter(served.portal, TARGET);
    served.signal(Signal::SIGTERM);
    served.line_with("stopping");
    let started = Instant::now();
    // The thread that hears the second signal may need a moment to be there.
    served.signal(Signal::SIGTERM);
    assert_eq!(served.ended().0.code(), Some(9));
    assert!(started.elapsed() < Duration::from_secs(40));
}

#[test]
fn sighup_drops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut served = Served::start(&memory(&folder), &[]);
    let mut session = enter(served.portal, TARGET);
    served.signal(Signal::SIGHUP);
    served.line_with("SIGHUP");
    session.test_unit_ready(0).unwrap();
}

#[test]
fn the_service_manager_hears_when_it_is_ready_and_when_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(kit::LIMIT)).unwrap();
    let heard = || {
        let mut bytes = [0; 512];
        let length = manager.recv(&mut bytes).unwrap();
        text(&bytes[..length]).to_owned()
    };
    let path = memory(&folder);
    let served = Served::spawn(kit::ferrited(&["--config", path.to_str().unwrap()]).env("NOTIFY_SOCKET", &socket));
    assert_eq!(heard(), "READY=1\nSTATUS=serving 1 target with 1 LUN\n");
    served.signal(Signal::SIGTERM);
    assert!(heard().starts_with("STOPPING=1\n"));
}

#[test]
fn nobody_enters_who_is_not_listed() {
    let folder = tempfile::tempdir().unwrap();
    let lun = "luns.0 = { backend = \"memory\", size = \"1MiB\" }";
    let path =
        config(&folder, &format!("allow = [\"iqn:iqn.2026-11.com.example:friend\", \"addr:127.0.0.0/8\"]\n{lun}"));
    let served = Served::start(&path, &[]);
    let refused = login(served.portal, &Settings::normal("iqn.2026-11.com.example:stranger", TARGET));
    assert!(matches!(refused, Err(Error::Refused { class: 2, .. })), "{refused:?}");
    let friend = login(served.portal, &Settings::normal("iqn.2026-11.com.example:friend", TARGET));
    assert!(friend.is_ok(), "{friend:?}");
}

#[test]
fn what_the_file_says_of_negotiation_is_what_is_agreed_on() {
    let folder = tempfile::tempdir().unwrap();
    let more = "allow = [\"any\"]\nalias = \"scratch\"\nluns.0 = { backend = \"null\", size = \"1GiB\" }\n[targets.disks.negotiate]\n\
                header_digest = [\"crc32c\"]\ndata_digest = [\"none\"]\ninitial_r2t = true\nimmediate_data = false\n\
                max_recv_data_segment_length = 16384\nmax_burst_length = 32768\nfirst_burst_length = 8192\n\
                max_outstanding_r2t = 1\ndefault_time2wait = 5\ndefault_time2retain = 7";
    let served = Served::start(&config(&folder, more), &[]);
    let mut settings = Settings::normal("iqn.2026-11.com.example:host", TARGET);
    settings.keys.header_digest = vec!["CRC32C", "None"];
    settings.keys.data_digest = vec!["CRC32C", "None"];
    settings.keys.initial_r2t = false;
    settings.keys.immediate_data = true;
    settings.keys.max_outstanding_r2t = 8;
    let session = login(served.portal, &settings).unwrap();
    let agreed = session.agreed();
    assert_eq!(agreed.target_alias.as_deref(), Some("scratch"));
    assert_eq!((agreed.header_digest, agreed.data_digest), (true, false));
    assert_eq!((agreed.initial_r2t, agreed.immediate_data), (true, false));
    assert_eq!(agreed.max_send_data_segment_length, 16384);
    assert_eq!((agreed.max_burst_length, agreed.first_burst_length), (32768, 8192));
    assert_eq!(agreed.max_outstanding_r2t, 1);
    assert_eq!((agreed.default_time2wait, agreed.default_time2retain), (5, 0));
}

#[test]
fn a_disk_shows_the_identity_of_the_file_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let lun = "allow = [\"any\"]\nluns.0 = { backend = \"memory\", size = \"1MiB\", vendor = \"ACME\", product = \"DISK\", revision = \"7\", serial = \"SN-1\", scsi_id = \"ID-1\" }";
    let served = Served::start(&config(&folder, lun), &[]);
    let mut session = enter(served.portal, TARGET);
    let standard = session.inquiry(0, None).unwrap();
    assert_eq!(&standard[8..36], b"ACME    DISK            7   ");
    assert_eq!(&session.inquiry(0, Some(0x80)).unwrap()[4..], b"SN-1");
    let designators = session.inquiry(0, Some(0x83)).unwrap();
    let t10 = b"ACME    ID-1";
    assert!(designators.windows(t10.len()).any(|bytes| bytes == t10), "{designators:02x?}");
}

#[test]
fn a_disk_that_is_read_only_is_not_written_whatever_is_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk.img");
    std::fs::write(&disk, [9; 8192]).unwrap();
    let more = format!(
        "allow = [\"any\"]\nluns.0 = {{ backend = \"file\", path = \"{}\", read_only = true }}\n\
         luns.1 = {{ backend = \"memory\", size = \"1MiB\", read_only = true }}\n\
         luns.2 = {{ backend = \"null\", size = \"1MiB\", read_only = true }}",
        disk.display()
    );
    let served = Served::start(&config(&folder, &more), &[]);
    let mut session = enter(served.portal, TARGET);
    for lun in 0..3 {
        session.settle(lun).unwrap();
        let Err(Error::Status(result)) = session.write(lun, 0, &[1; 512], 512) else { panic!("lun {lun} was written") };
        // DATA PROTECT, WRITE PROTECTED.
        assert_eq!(result.sense_code(), Some((0x07, 0x27, 0x00)), "lun {lun}");
    }
    assert_eq!(session.read(0, 0, 1, 512).unwrap(), [9; 512]);
}

fn chap(user: &str, secret: &str) -> Option<Chap> {
    Some(Chap::one_way(user, secret))
}

#[test]
fn accounts_of_the_file_are_asked_for_in_sessions_and_in_discovery() {
    let folder = tempfile::tempdir().unwrap();
    let session_secret = secret(&folder, "session", "session secret\n");
    let discovery_secret = secret(&folder, "discovery", "discovery secret\n");
    let lun = "luns.0 = { backend = \"memory\", size = \"1MiB\" }";
    let path = config(
        &folder,
        &format!(
            "allow = [\"any\"]\n{lun}\nchap = [{{ user = \"host\", secret_file = \"{}\" }}]",
            session_secret.display()
        ),
    );
    let account =
        format!("[[global.discovery_auth]]\nuser = \"portal\"\nsecret_file = \"{}\"\n", discovery_secret.display());
    let text = std::fs::read_to_string(&path).unwrap() + &account;
    std::fs::write(&path, text).unwrap();
    let served = Served::start(&path, &[]);

    let with = |mut settings: Settings, chap| {
        settings.chap = chap;
        login(served.portal, &settings)
    };
    let normal = || Settings::normal("iqn.2026-11.com.example:host", TARGET);
    let discovery = || Settings::discovery("iqn.2026-11.com.example:host");
    for (settings, good, wrong) in [
        (normal as fn() -> Settings, ("host", "session secret"), ("host", "discovery secret")),
        (discovery, ("portal", "discovery secret"), ("host", "session secret")),
    ] {
        assert!(with(settings(), None).is_err());
        assert!(with(settings(), chap(wrong.0, wrong.1)).is_err());
        let session = with(settings(), chap(good.0, good.1));
        assert!(session.is_ok(), "{session:?}");
    }
}

#[test]
fn what_cannot_be_served_is_said_and_nothing_is() {
    let folder = tempfile::tempdir().unwrap();
    let absent = config(&folder, "allow = [\"any\"]\nluns.3 = { backend = \"block\", path = \"/nonexistent/disk\" }");
    let output = run(&["--config", absent.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.starts_with("error[F-0301]: lun 3 of iqn.2026-11.com.example:disks: /nonexistent/disk: No such file"),
        "{said}"
    );

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let portal = taken.local_addr().unwrap();
    let path = folder.path().join("taken.toml");
    std::fs::write(&path, format!("schema = 1\n[global]\nportals = [\"{portal}\"]\n")).unwrap();
    let output = run(&["--config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains(&format!("error[F-0503]: cannot listen on {portal}: Address already in use")), "{said}");
}

#[test]
fn the_way_to_do_io_is_the_one_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = memory(&folder);
    let threads =
        std::fs::read_to_string(&path).unwrap().replace("shards = 2", "shards = 1\nio = \"threads\"\nspin_us = 0");
    std::fs::write(&path, threads).unwrap();
    let served = Served::start(&path, &[]);
    let mut session = enter(served.portal, TARGET);
    session.write(0, 0, &[1; 4096], 4096).unwrap();
    assert!(thread_names(&served).iter().filter(|name| name.starts_with("ferrite-")).count() >= 1);
}

fn thread_names(served: &Served) -> Vec<String> {
    let tasks = std::fs::read_dir(Path::new("/proc").join(served.id().to_string()).join("task")).unwrap();
    tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok()).collect()
}
