//! What `ferrited demo --self-check` does: log in to itself as an initiator, then let real ones do it.

mod builtin;
mod tools;

use crate::output;
use ferrite::api::codes;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// How long one step may take before it counts as failed.
const STEP_LIMIT: Duration = Duration::from_secs(20);

/// Who is checked against what.
#[derive(Debug, Clone, Copy)]
struct Subject<'a> {
    portal: SocketAddr,
    target: &'a str,
}

/// One step and how it went.
#[derive(Debug)]
struct Row {
    initiator: &'static str,
    step: &'static str,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    /// As it should be, with what was seen.
    Good(String),
    /// Could not be tried here, and why.
    Skipped(String),
    /// Not as it should be.
    Bad(String),
}

/// Checks, prints a table, and gives the exit code.
pub(crate) fn run(portal: SocketAddr, target: &str) -> io::Result<u8> {
    let subject = Subject { portal, target };
    let mut rows = builtin::run(subject);
    rows.extend(tools::run(subject));
    output::print(table(&rows))?;
    let failed = rows.iter().any(|row| matches!(row.outcome, Outcome::Bad(_)));
    Ok(if failed { codes::EXIT_FAILED } else { codes::EXIT_OK })
}

fn table(rows: &[Row]) -> String {
    let width = |cell: fn(&Row) -> &'static str| rows.iter().map(|row| cell(row).len()).max().unwrap_or(0);
    let (initiators, steps) = (width(|row| row.initiator), width(|row| row.step));
    let mut text = String::new();
    let (mut good, mut skipped, mut bad) = (0, 0, 0);
    for Row { initiator, step, outcome } in rows {
        let (word, seen) = match outcome {
            Outcome::Good(seen) => ("ok", seen),
            Outcome::Skipped(why) => ("skipped", why),
            Outcome::Bad(why) => ("FAILED", why),
        };
        *match outcome {
            Outcome::Good(_) => &mut good,
            Outcome::Skipped(_) => &mut skipped,
            Outcome::Bad(_) => &mut bad,
        } += 1;
        let line = format!("{initiator:initiators$}  {step:steps$}  {word:7}  {seen}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(&format!("{good} ok, {skipped} skipped, {bad} failed\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_step_and_counts_them() {
        let row = |step, outcome| Row { initiator: "ferrite", step, outcome };
        let rows = [
            row("login", Outcome::Good("a, b".into())),
            row("write", Outcome::Bad("it differs".into())),
            row("x", Outcome::Skipped("not installed".into())),
        ];
        assert_eq!(
            table(&rows),
            "ferrite  login  ok       a, b\nferrite  write  FAILED   it differs\nferrite  x      skipped  not installed\n1 ok, 1 skipped, 1 failed\n"
        );
    }
}
