//! Disks by one `io_uring`: registered files and buffers, one submission for all that a turn made due.
//!
//! The kernel writes into the buffer of a job until its completion is reaped, so the job, its buffer and
//! its file live in `Uring::ops` until then. When the ring goes away it drains; what does not come home
//! in time is leaked, never freed.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_backends::{DiskError, DiskFile, FileRing, FileWork, Job, Pool};
use io_uring::squeue::Entry;
use io_uring::{IoUring, opcode, types};
use slab::Slab;

use super::linux::Disks;
use super::threads::{DiskThreads, Work};

/// The ring of one shard.
pub struct Uring {
    ring: IoUring,
    ops: Slab<Op>,
    /// Prepared but not yet in the submission queue: more was due at once than the queue holds.
    backlog: std::collections::VecDeque<usize>,
    in_kernel: usize,
    unsubmitted: bool,
    files: Files,
    buffers: Buffers,
    elsewhere: DiskThreads,
}

struct Op {
    job: Job,
    file: Arc<DiskFile>,
    work: FileWork,
    /// Bytes of the buffer already moved; the kernel may move less than asked.
    done: usize,
    /// Its file was forgotten meanwhile and must not be registered again: it would never be closed.
    forgotten: bool,
}

impl Uring {
    /// Sets a ring up. The error says what the kernel refused, in words for a log line.
    pub fn new(pool: &Pool, name: &str) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_coop_taskrun()
            .setup_submit_all()
            .setup_clamp()
            .setup_cqsize(ENTRIES * 2)
            .dontfork()
            .build(ENTRIES)?;
        if !ring.params().is_feature_nodrop() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "this kernel's io_uring may drop completions"));
        }
        let files = Files { registered: ring.submitter().register_files_sparse(FILES_MAX).is_ok(), slots: Vec::new() };
        let buffers = Buffers::new(&ring, pool.clone());
        Ok(Self {
            ring,
            ops: Slab::new(),
            backlog: std::collections::VecDeque::new(),
            in_kernel: 0,
            unsubmitted: false,
            files,
            buffers,
            elsewhere: DiskThreads::new(name),
        })
    }

    fn push(&mut self, key: usize) {
        if self.in_kernel >= self.ring.params().cq_entries() as usize {
            return self.wait_in_backlog(key);
        }
        let entry = self.entry(key).user_data(key as u64);
        loop {
            // SAFETY: the entry names a buffer and a file that `self.ops[key]` owns until its completion is
            // reaped (or for ever, if the ring is dropped before).
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                self.in_kernel += 1;
                self.unsubmitted = true;
                return;
            }
            if !self.enter() {
                return self.wait_in_backlog(key);
            }
        }
    }

    fn wait_in_backlog(&mut self, key: usize) {
        match self.ops[key].job.is_urgent() {
            true => self.backlog.push_front(key),
            false => self.backlog.push_back(key),
        }
    }

    fn entry(&mut self, key: usize) -> Entry {
        let op = &mut self.ops[key];
        let descriptor = op.file.as_raw_fd();
        let priority = if op.job.is_urgent() { URGENT_PRIORITY } else { 0 };
        let slot = if op.forgotten { None } else { self.files.slot(&self.ring, &op.file) };
        // A registered file saves the kernel two atomic operations per request.
        macro_rules! on_file {
            ($file:ident => $build:expr) => {
                match slot {
                    Some(slot) => {
                        let $file = types::Fixed(slot);
                        $build
                    }
                    None => {
                        let $file = types::Fd(descriptor);
                        $build
                    }
                }
            };
        }
        match op.work {
            FileWork::Discard { .. } => unreachable!("`submit` gives it to the threads"),
            FileWork::Sync => on_file!(file => opcode::Fsync::new(file).flags(types::FsyncFlags::DATASYNC).build()),
            FileWork::Allocate { mode, at, len } => {
                on_file!(file => opcode::Fallocate::new(file, len).offset(at).mode(mode).build())
            }
            FileWork::Prefetch { at, len } => on_file!(file => {
                opcode::Fadvise::new(file, len.into(), libc::POSIX_FADV_WILLNEED).offset(at).build()
            }),
            FileWork::Read { at } => {
                let buffer = op.job.raw_buffer().expect("a read job has a buffer");
                let fixed = self.buffers.index(&self.ring, buffer.slab());
                let (pointer, len) = rest(buffer, op.done);
                let at = at + op.done as u64;
                match fixed {
                    Some(slab) => on_file!(file => {
                        opcode::ReadFixed::new(file, pointer, len, slab).offset(at).ioprio(priority).build()
                    }),
                    None => on_file!(file => {
                        opcode::Read::new(file, pointer, len).offset(at).ioprio(priority).build()
                    }),
                }
            }
            FileWork::Write { at, durable } | FileWork::WriteAtomic { at, durable } => {
                let buffer = op.job.raw_buffer().expect("a write job has a buffer");
                let fixed = self.buffers.index(&self.ring, buffer.slab());
                let (pointer, len) = rest(buffer, op.done);
                let at = at + op.done as u64;
                let atomic = if matches!(op.work, FileWork::WriteAtomic { .. }) { RWF_ATOMIC } else { 0 };
                let flags = atomic | if durable { libc::RWF_DSYNC } else { 0 };
                match fixed {
                    Some(slab) => on_file!(file => {
                        opcode::WriteFixed::new(file, pointer, len, slab)
                            .offset(at)
                            .rw_flags(flags)
                            .ioprio(priority)
                            .build()
                    }),
                    None => on_file!(file => {
                        opcode::Write::new(file, pointer, len).offset(at).rw_flags(flags).ioprio(priority).build()
                    }),
                }
            }
        }
    }

    /// Hands the submission queue to the kernel; false when it would take nothing now.
    fn enter(&mut self) -> bool {
        match self.ring.submit() {
            Ok(_) => {
                self.unsubmitted = !self.ring.submission().is_empty();
                true
            }
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => true,
            // EBUSY, EAGAIN: completions must be reaped first; the next turn tries again.
            Err(error) => {
                tracing::debug!(%error, "io_uring takes nothing now");
                false
            }
        }
    }

    fn completed(&mut self, key: usize, result: i32) {
        self.in_kernel -= 1;
        let op = &mut self.ops[key];
        let moves = matches!(op.work, FileWork::Read { .. } | FileWork::Write { .. } | FileWork::WriteAtomic { .. });
        let whole = matches!(op.work, FileWork::WriteAtomic { .. });
        let outcome = match result {
            error if error < 0 && [libc::EINTR, libc::EAGAIN].contains(&-error) => None,
            error if error < 0 => Some(Err(DiskError::from(io::Error::from_raw_os_error(-error)))),
            // Nothing moved before the end: the file is shorter than the disk it is.
            0 if moves => Some(Err(DiskError::OutOfRange)),
            moved if moves => {
                op.done += usize::try_from(moved).expect("checked above");
                let len = op.job.raw_buffer().map_or(0, |buffer| buffer.len());
                assert!(op.done <= len, "the kernel moved more than it was asked");
                match op.done == len {
                    true => Some(Ok(())),
                    // All or nothing; anything between would be the kernel's mistake, and not to be hidden.
                    false if whole => Some(Err(DiskError::Medium)),
                    false => None,
                }
            }
            _ => Some(Ok(())),
        };
        match outcome {
            Some(result) => self.ops.remove(key).job.finish(result),
            None => self.push(key),
        }
    }

    fn collect(&mut self) -> bool {
        let mut any = false;
        loop {
            let Some(entry) = self.ring.completion().next() else { break };
            any = true;
            self.completed(usize::try_from(entry.user_data()).expect("we put a usize in"), entry.result());
        }
        any
    }
}

impl FileRing for Uring {
    fn submit(&mut self, file: &Arc<DiskFile>, work: FileWork, job: Job) {
        // The ioctl blocks, and kernels before 6.12 have no request for it.
        if matches!(work, FileWork::Discard { .. }) {
            return FileRing::submit(&mut self.elsewhere, file, work, job);
        }
        let key = self.ops.insert(Op { job, file: file.clone(), work, done: 0, forgotten: false });
        self.push(key);
    }

    fn forget(&mut self, file: &Arc<DiskFile>) {
        self.files.forget(&self.ring, file.id());
        for (_, op) in self.ops.iter_mut().filter(|(_, op)| Arc::ptr_eq(&op.file, file)) {
            op.forgotten = true;
        }
    }

    fn elsewhere(&mut self, job: Job, work: Work) {
        self.elsewhere.run(job, work);
    }
}

impl Disks for Uring {
    fn ring(&mut self) -> &mut dyn FileRing {
        self
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        // SAFETY: the ring owns the descriptor and outlives the borrow of self.
        Some(unsafe { BorrowedFd::borrow_raw(self.ring.as_raw_fd()) })
    }

    fn submit(&mut self) {
        for _ in 0..self.backlog.len() {
            let key = self.backlog.pop_front().expect("counted");
            self.push(key);
        }
        if self.unsubmitted {
            self.enter();
        }
    }

    fn is_refused(&self) -> bool {
        self.unsubmitted || !self.backlog.is_empty()
    }

    fn reap(&mut self) -> bool {
        self.collect()
    }

    fn trim(&mut self, pool: &Pool) {
        // A registered slab that the pool unmaps must not stay registered: its number will be used again.
        if self.in_kernel == 0 && self.backlog.is_empty() && self.buffers.forget_all(&self.ring) {
            pool.trim();
        }
    }

    fn describe(&self) -> &'static str {
        "io_uring"
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        let deadline = Instant::now() + DRAIN_AT_DROP;
        while !self.ops.is_empty() && Instant::now() < deadline {
            Disks::submit(self);
            if !self.collect() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        if !self.ops.is_empty() {
            tracing::error!(left = self.ops.len(), "disk requests did not come back; their buffers are given up");
            std::mem::forget(std::mem::take(&mut self.ops));
        }
    }
}

impl std::fmt::Debug for Uring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uring").field("in_kernel", &self.in_kernel).finish_non_exhaustive()
    }
}

fn rest(buffer: &mut ferrite_backends::Buffer, done: usize) -> (*mut u8, u32) {
    let rest = &mut buffer[done..];
    (rest.as_mut_ptr(), u32::try_from(rest.len()).expect("buffers are at most 32 MiB"))
}

/// Files known to the kernel by a small number instead of a descriptor.
struct Files {
    registered: bool,
    /// By [`DiskFile::id`]. Held until forgotten, so that no other file gets the number of a registered one.
    slots: Vec<Option<Arc<DiskFile>>>,
}

impl Files {
    fn slot(&mut self, ring: &IoUring, file: &Arc<DiskFile>) -> Option<u32> {
        let id = file.id();
        if !self.registered || id >= FILES_MAX {
            return None;
        }
        let index = id as usize;
        if self.slots.len() <= index {
            self.slots.resize(index + 1, None);
        }
        if self.slots[index].is_none() {
            ring.submitter().register_files_update(id, &[file.as_raw_fd()]).ok()?;
            self.slots[index] = Some(file.clone());
        }
        Some(id)
    }

    fn forget(&mut self, ring: &IoUring, id: u32) {
        if let Some(file) = self.slots.get_mut(id as usize).and_then(Option::take) {
            // While this fails the kernel only holds the file open a little longer.
            let _ = ring.submitter().register_files_update(id, &[-1]);
            drop(file);
        }
    }
}

/// Slabs of the pool known to the kernel, which then need not be pinned for each request.
struct Buffers {
    pool: Pool,
    registered: bool,
    known: Vec<bool>,
}

impl Buffers {
    fn new(ring: &IoUring, pool: Pool) -> Self {
        let registered = ring.submitter().register_buffers_sparse(SLABS_MAX).is_ok();
        Self { pool, registered, known: Vec::new() }
    }

    fn index(&mut self, ring: &IoUring, slab: Option<u16>) -> Option<u16> {
        let slab = slab?;
        if !self.registered || u32::from(slab) >= SLABS_MAX {
            return None;
        }
        let index = usize::from(slab);
        if self.known.len() <= index {
            self.known.resize(index + 1, false);
        }
        if !self.known[index] {
            let (address, len) = self.pool.slab(slab)?;
            let vector = libc::iovec { iov_base: address.cast(), iov_len: len };
            // SAFETY: the slab stays mapped while a buffer of it lives, one does, and before the pool unmaps
            // slabs `forget_all` takes the registration back.
            let result = unsafe { ring.submitter().register_buffers_update(slab.into(), &[vector], None) };
            match result {
                Ok(_) => self.known[index] = true,
                Err(error) => {
                    tracing::info!(%error, "buffers are not registered with io_uring; raise the limit on locked memory (ulimit -l, LimitMEMLOCK=) for less work per request");
                    self.registered = false;
                    return None;
                }
            }
        }
        Some(slab)
    }

    /// False when the kernel keeps one, for want of memory: then all slabs stay.
    fn forget_all(&mut self, ring: &IoUring) -> bool {
        let none = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        for (index, known) in self.known.iter_mut().enumerate().filter(|(_, known)| **known) {
            let index = u32::try_from(index).expect("slab numbers are u16");
            // SAFETY: an empty vector takes the registration back; nothing is in flight.
            let result = unsafe { ring.submitter().register_buffers_update(index, &[none], None) };
            if let Err(error) = result {
                tracing::warn!(%error, "io_uring does not let go of a buffer; idle memory is kept");
                return false;
            }
            *known = false;
        }
        true
    }
}

/// `RWF_ATOMIC` of linux/fs.h, since Linux 6.11; older kernels say `EOPNOTSUPP`.
const RWF_ATOMIC: i32 = 0x40;

/// The best-effort class at its highest level (linux/ioprio.h), which needs no privilege: I/O schedulers that look at
/// priorities put urgent work before other.
const URGENT_PRIORITY: u16 = 2 << 13;

/// Requests per submission; more than a turn usually makes due.
const ENTRIES: u32 = 256;

/// Registered files: more LUNs than this still work, by descriptor.
const FILES_MAX: u32 = 1024;

/// Registered slabs: more still work, by address.
const SLABS_MAX: u32 = 1024;

/// How long a ring that goes away waits for the kernel to be done with its buffers.
const DRAIN_AT_DROP: Duration = Duration::from_secs(10);
