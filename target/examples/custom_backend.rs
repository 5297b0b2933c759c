//! A disk of one's own: every block reads as its number, and writes are refused.
//! `cargo run --example custom_backend -- --once` starts, says where it listens, and ends.

use ferrite::{Backend, DiskError, FileRing, Geometry, Job, Lun, Op, Target};
use std::io;
use std::time::Duration;

/// Blocks of 512 bytes that nobody stores: each holds its own number, 64 times.
struct NumberedBlocks {
    blocks: u64,
}

impl Backend for NumberedBlocks {
    fn geometry(&self) -> Geometry {
        Geometry { read_only: true, ..Geometry::plain(512, self.blocks * 512) }
    }

    /// Called by the shard that serves the session, and must not block. This one finishes at once; a disk
    /// behind a network keeps the job, and finishes it from any thread later.
    fn submit(&self, mut job: Job, _ring: &mut dyn FileRing) {
        let done = match job.op() {
            Op::Read { at, .. } => {
                for (number, block) in (at / 512..).zip(job.buffer().chunks_exact_mut(512)) {
                    block.as_chunks_mut().0.fill(number.to_be_bytes());
                }
                Ok(())
            }
            Op::Flush | Op::Prefetch { .. } => Ok(()),
            Op::Write { .. } | Op::WriteAtomic { .. } | Op::Discard { .. } | Op::Zero { .. } => {
                Err(DiskError::ReadOnly)
            }
        };
        job.finish(done);
    }

    fn refresh(&self) -> io::Result<Geometry> {
        Ok(self.geometry())
    }

    fn describe(&self) -> String {
        format!("{} numbered blocks", self.blocks)
    }
}

#[allow(clippy::print_stdout)]
fn main() -> Result<(), ferrite::Error> {
    let once = std::env::args().any(|argument| argument == "--once");
    let running = Target::builder("iqn.2026-11.com.example:numbers")
        .portal(if once { "127.0.0.1:0" } else { "127.0.0.1:13260" })
        .allow("any")
        .lun(0, Lun::new(NumberedBlocks { blocks: 1 << 20 }))
        .serve()?;
    println!("iscsi://{}/{}/0", running.portals()[0], running.name());
    if !once {
        std::thread::sleep(Duration::MAX);
    }
    running.shutdown(Duration::from_secs(1));
    Ok(())
}
