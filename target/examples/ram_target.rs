//! The smallest target: 64 MiB of memory, for everybody on this machine.
//! `cargo run --example ram_target -- --once` starts, says where it listens, and ends.

use ferrite::{Lun, Target};
use std::time::Duration;

#[allow(clippy::print_stdout)]
fn main() -> Result<(), ferrite::Error> {
    let once = std::env::args().any(|argument| argument == "--once");
    let portal = if once { "127.0.0.1:0" } else { "127.0.0.1:13260" };
    let target = Target::builder("iqn.2026-11.com.example:ram").portal(portal).allow("any");
    let running = target.lun(0, Lun::memory(64 << 20)).serve()?;
    println!("iscsi://{}/{}/0", running.portals()[0], running.name());
    if !once {
        std::thread::sleep(Duration::MAX);
    }
    running.shutdown(Duration::from_secs(1));
    Ok(())
}
