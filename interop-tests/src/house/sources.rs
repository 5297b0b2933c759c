//! What every source file has to be: begin with its answer, be of a size that is read, keep to its floor's means.

use super::code::{without_text, words};
use super::{LongFile, Source, Violation};

/// The longest file without a reason on the list.
pub const LINES_MAX: usize = 500;

/// Where the kernel is spoken to directly, and memory is lent to it.
const UNSAFE: &[&str] = &["engine/src/io/", "backends/src/pool/", "backends/src/pool.rs"];
/// Where rings and readiness live.
const KERNEL: &[&str] = &["engine/src/io/"];
/// Where people and processes are waited for.
const TOKIO: &[&str] =
    &["engine/src/control/", "target/", "api/src/client/", "api/src/client.rs", "cluster/", "tools/", "interop-tests/"];

/// What is wrong with this file.
pub fn check(source: &Source, long_files: &[LongFile]) -> Vec<Violation> {
    let code = without_text(&source.text);
    let found = [
        first_line(source),
        length(source, long_files),
        means(source, &code, UNSAFE, "`unsafe`", |word| word == "unsafe"),
        means(source, &code, KERNEL, "io_uring or epoll", |word| {
            word == "io_uring" || word.to_ascii_lowercase().contains("epoll")
        }),
        means(source, &code, TOKIO, "tokio", |word| word == "tokio"),
        unsafe_lint(source, &code),
        lint_lifted(source, &code),
    ];
    found.into_iter().flatten().map(|what| Violation::new(&source.path, what)).collect()
}

/// Entries of the list of long files that excuse nothing (any more).
pub fn stale_long_files(sources: &[Source], long_files: &[LongFile]) -> Vec<Violation> {
    let is_long =
        |path: &str| sources.iter().any(|source| source.path == path && source.text.lines().count() > LINES_MAX);
    let stale = long_files.iter().filter(|(path, _)| !is_long(path));
    stale.map(|(path, _)| Violation::new(*path, "is on the list of long files, and is none: take it off")).collect()
}

fn first_line(source: &Source) -> Option<String> {
    let first = source.text.lines().next().unwrap_or_default();
    let answer = first.strip_prefix("//!").unwrap_or_default();
    (answer.trim().is_empty()).then(|| "the first line is not `//!` and the one question this file answers".to_owned())
}

fn length(source: &Source, long_files: &[LongFile]) -> Option<String> {
    let lines = source.text.lines().count();
    let listed = long_files.iter().any(|(path, reason)| *path == source.path && !reason.is_empty());
    (lines > LINES_MAX && !listed).then(|| format!("has {lines} lines; over {LINES_MAX} it needs a reason on the list"))
}

/// A means that is kept to some places.
fn means(source: &Source, code: &str, places: &[&str], name: &str, is: impl Fn(&str) -> bool) -> Option<String> {
    if places.iter().any(|place| source.path.starts_with(place)) {
        return None;
    }
    let used = code.lines().position(|line| words(line).any(&is))?;
    Some(format!("line {}: {name} only in {}", used + 1, places.join(", ")))
}

/// The root of a crate says what becomes of `unsafe` in it.
fn unsafe_lint(source: &Source, code: &str) -> Option<String> {
    let (folder, rest) = source.path.split_once("/src/")?;
    // A program of one file is its root; one with a folder has its root in `main.rs` there.
    let of_program = rest.strip_prefix("bin/").is_some_and(|rest| match rest.split_once('/') {
        None => true,
        Some((_, inside)) => inside == "main.rs",
    });
    if rest != "lib.rs" && rest != "main.rs" && !of_program {
        return None;
    }
    let level = if matches!(folder, "engine" | "backends") && rest == "lib.rs" { "deny" } else { "forbid" };
    let wanted = format!("#![{level}(unsafe_code)]");
    (!code.contains(&wanted)).then(|| format!("a crate's root without `{wanted}`"))
}

/// The lint is lifted only where the code is that needs it.
fn lint_lifted(source: &Source, code: &str) -> Option<String> {
    let lifts = code.lines().any(|line| {
        let mut words = words(line);
        words.any(|word| matches!(word, "allow" | "expect" | "warn")) && words.any(|word| word == "unsafe_code")
    });
    if !lifts {
        return None;
    }
    // The parent may lift it for the module it declares.
    let at_home = UNSAFE.iter().any(|place| source.path.starts_with(place));
    let parents = ["engine/src/lib.rs", "backends/src/lib.rs"];
    (!at_home && !parents.contains(&source.path.as_str()))
        .then(|| format!("lifts the lint on unsafe code outside of {}", UNSAFE.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong_with(path: &str, text: &str, long_files: &[LongFile]) -> Vec<String> {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        check(&source, long_files).into_iter().map(|violation| violation.what).collect()
    }

    fn wrong(path: &str, body: &str) -> Vec<String> {
        wrong_with(path, &format!("//! An answer.\n{body}\n"), &[])
    }

    #[test]
    fn the_first_line_is_the_answer() {
        assert_eq!(wrong_with("scsi/src/a.rs", "//! An answer.\n", &[]), Vec::<String>::new());
        for bad in ["", "//!\n", "// An answer.\n", "\n//! An answer.\n", "#![no_main]\n//! An answer.\n", "use a;\n"] {
            assert_eq!(wrong_with("scsi/src/a.rs", bad, &[]).len(), 1, "{bad:?}");
        }
    }

    #[test]
    fn a_file_of_the_longest_length_passes_and_one_line_more_needs_a_reason() {
        let text = |lines: usize| format!("//! An answer.\n{}", "// x\n".repeat(lines - 1));
        assert_eq!(wrong_with("scsi/src/a.rs", &text(LINES_MAX), &[]), Vec::<String>::new());
        assert_eq!(wrong_with("scsi/src/a.rs", &text(LINES_MAX + 1), &[]).len(), 1);
        assert_eq!(
            wrong_with("scsi/src/a.rs", &text(LINES_MAX + 1), &[("scsi/src/a.rs", "one table")]),
            Vec::<String>::new()
        );
        assert_eq!(wrong_with("scsi/src/a.rs", &text(LINES_MAX + 1), &[("scsi/src/a.rs", "")]).len(), 1);
    }

    #[test]
    fn the_list_of_long_files_only_shrinks() {
        let short = Source { path: "scsi/src/a.rs".into(), text: "//! An answer.\n".into() };
        let sources = std::slice::from_ref(&short);
        assert_eq!(stale_long_files(sources, &[("scsi/src/a.rs", "one table")]).len(), 1);
        assert_eq!(stale_long_files(sources, &[("scsi/src/gone.rs", "one table")]).len(), 1);
    }

    #[test]
    fn unsafe_stays_where_the_kernel_is_spoken_to() {
        let body = "fn f() { unsafe { g() } }";
        assert_eq!(wrong("engine/src/io/ring.rs", body), Vec::<String>::new());
        assert_eq!(wrong("backends/src/pool/slab.rs", body), Vec::<String>::new());
        for place in [
            "engine/src/shard/task.rs",
            "backends/src/memory.rs",
            "scsi/src/a.rs",
            "target/tests/a.rs",
            "benches/src/a.rs",
        ] {
            assert_eq!(wrong(place, body).len(), 1, "{place}");
        }
        assert_eq!(wrong("scsi/src/a.rs", "// unsafe\nconst A: &str = \"unsafe\";"), Vec::<String>::new());
    }

    #[test]
    fn rings_and_readiness_stay_in_io() {
        for body in [
            "use io_uring::IoUring;",
            "use nix::sys::epoll::Epoll;",
            "let e = EpollFlags::EPOLLIN;",
            "libc::epoll_wait();",
        ] {
            assert_eq!(wrong("engine/src/io/mod.rs", body), Vec::<String>::new());
            assert_eq!(wrong("engine/src/shard/mod.rs", body).len(), 1, "{body}");
        }
    }

    #[test]
    fn tokio_stays_with_the_control_plane() {
        let body = "use tokio::net::TcpListener;";
        for place in ["engine/src/control/socket.rs", "target/src/main_loop.rs", "api/src/client.rs", "tools/src/a.rs"]
        {
            assert_eq!(wrong(place, body), Vec::<String>::new(), "{place}");
        }
        for place in ["engine/src/shard/mod.rs", "api/src/names.rs", "iscsi/src/a.rs", "benches/src/a.rs"] {
            assert_eq!(wrong(place, body).len(), 1, "{place}");
        }
    }

    #[test]
    fn the_root_of_a_crate_forbids_unsafe_and_two_only_deny_it() {
        assert_eq!(wrong("scsi/src/lib.rs", "#![forbid(unsafe_code)]"), Vec::<String>::new());
        assert_eq!(wrong("engine/src/lib.rs", "#![deny(unsafe_code)]"), Vec::<String>::new());
        assert_eq!(wrong("target/src/main.rs", "#![forbid(unsafe_code)]"), Vec::<String>::new());
        assert_eq!(wrong("scsi/src/lib.rs", "").len(), 1);
        assert_eq!(wrong("scsi/src/lib.rs", "#![deny(unsafe_code)]").len(), 1);
        assert_eq!(wrong("scsi/src/lib.rs", "// #![forbid(unsafe_code)]").len(), 1);
        assert_eq!(wrong("fuzz/doors/src/lib.rs", "").len(), 1);
        assert_eq!(wrong("target/src/bin/ferrited.rs", "").len(), 1);
        assert_eq!(wrong("target/src/bin/ferrited/main.rs", "").len(), 1);
        assert_eq!(wrong("target/src/bin/ferrited/cli.rs", ""), Vec::<String>::new());
    }

    #[test]
    fn the_lint_is_lifted_only_at_home_or_by_the_parent() {
        assert_eq!(wrong("engine/src/io/mod.rs", "#![allow(unsafe_code)]"), Vec::<String>::new());
        assert_eq!(
            wrong("engine/src/lib.rs", "#![deny(unsafe_code)]\n#[allow(unsafe_code)]\nmod io;"),
            Vec::<String>::new()
        );
        assert_eq!(wrong("engine/src/shard/mod.rs", "#![allow(unsafe_code)]").len(), 1);
        assert_eq!(wrong("engine/src/shard/mod.rs", "#![expect(unsafe_code, reason = \"x\")]").len(), 1);
    }
}
