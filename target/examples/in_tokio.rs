//! A target inside a program that has a tokio runtime of its own: the two do not get in each other's way.
//! `cargo run --example in_tokio -- --once` adds a LUN while it runs, and ends.

use ferrite::{Lun, Running, Target};
use std::sync::Arc;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
#[allow(clippy::print_stdout)]
async fn main() -> Result<()> {
    let once = std::env::args().any(|argument| argument == "--once");
    let portal = if once { "127.0.0.1:0" } else { "127.0.0.1:13260" };
    // The target has threads of its own. Opening and changing it may block, and so stays off the runtime's.
    let running: Arc<Running> = Arc::new(
        tokio::task::spawn_blocking(move || {
            let target = Target::builder("iqn.2026-11.com.example:tokio").portal(portal).allow("any");
            target.lun(0, Lun::memory(16 << 20)).serve()
        })
        .await??,
    );
    println!("iscsi://{}/{}/0", running.portals()[0], running.name());

    // The rest of the program goes on meanwhile, and may change what is served.
    let handle = running.clone();
    tokio::task::spawn_blocking(move || handle.add_lun(1, Lun::memory(16 << 20))).await??;
    println!("LUN 1 is there; {} sessions", running.sessions().len());

    if !once {
        tokio::time::sleep(Duration::MAX).await;
    }
    tokio::task::spawn_blocking(move || drop(running)).await?;
    Ok(())
}
