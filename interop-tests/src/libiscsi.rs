//! What does libiscsi's conformance suite say, test by test, and what of it is excused?
//!
//! Each test is a process of its own with a time limit, so that a crash or a hang costs one test. Several run at a
//! time, each worker on a target of its own: the tests reset units, reserve them and write everywhere.

use crate::need::{self, Missing};
use crate::process::{self, Ending};
use crate::served::Url;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

/// How long one test of the suite may take. The slowest waits for a whole medium to be overwritten.
pub const TEST_LIMIT: Duration = Duration::from_secs(240);

/// Tests that find zeroes only on a unit to which nobody has written: this one zeroes 256 blocks and compares 257.
const WANTS_ZEROES: [&str; 1] = ["MultipathIO.CompareAndWrite"];

/// The suite on this machine.
#[derive(Debug, Clone)]
pub struct Suite {
    tool: PathBuf,
}

/// What came of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All its assertions held.
    Passed,
    /// The suite found nothing to test, and says why.
    Skipped(String),
    /// An assertion failed, or it crashed or hung; what it said.
    Failed(String),
}

/// An excuse: a test that need not pass, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excuse {
    /// `SUITE.TEST`.
    pub test: String,
    /// Does it fail, or is it skipped?
    pub outcome: ExcusedOutcome,
    /// On which kinds of disk; empty for all.
    pub kinds: Vec<String>,
    /// Why.
    pub reason: String,
}

/// What an excused test does instead of passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExcusedOutcome {
    /// It finds nothing to test.
    Skipped,
    /// It fails.
    Failed,
}

impl Suite {
    /// The suite.
    ///
    /// # Errors
    /// [`Missing`], when `iscsi-test-cu` is not installed.
    pub fn find() -> Result<Suite, Missing> {
        Ok(Suite { tool: need::tool("iscsi-test-cu")? })
    }

    /// The names of all its tests as `SUITE.TEST`: those of the family ALL, of which the others are parts.
    pub fn tests(&self) -> Vec<String> {
        let listed =
            process::run(Command::new(&self.tool).arg("--list"), TEST_LIMIT).expect_success("iscsi-test-cu --list");
        tests_in(&listed)
    }

    /// Runs the tests, as many at a time as there are LUNs; each LUN has two URLs, the two paths of the multipath tests.
    /// The verdicts by name.
    pub fn run(&self, tests: &[String], luns: &[[Url; 2]]) -> BTreeMap<String, Verdict> {
        let (first, rest): (Vec<_>, Vec<_>) = tests.iter().partition(|test| WANTS_ZEROES.contains(&test.as_str()));
        let queue = Mutex::new(first.into_iter().chain(rest));
        let verdicts = Mutex::new(BTreeMap::new());
        std::thread::scope(|scope| {
            for lun in luns {
                scope.spawn(|| {
                    loop {
                        let Some(test) = queue.lock().expect("no worker panics").next() else {
                            return;
                        };
                        let verdict = self.run_one(test, lun);
                        verdicts.lock().expect("no worker panics").insert(test.clone(), verdict);
                    }
                });
            }
        });
        verdicts.into_inner().expect("no worker panics")
    }

    fn run_one(&self, test: &str, lun: &[Url; 2]) -> Verdict {
        let mut command = Command::new(&self.tool);
        command.args(["--dataloss", "--allow-sanitize", "--test", &format!("ALL.{test}")]);
        command.args(lun.each_ref().map(Url::to_string));
        let finished = process::run(&mut command, TEST_LIMIT);
        verdict_of(finished.ending, &finished.output)
    }
}

/// The list of excuses: lines of `SUITE.TEST | skipped or failed | all or kinds | reason`; `#` starts a comment.
///
/// # Errors
/// The first line that is none, or gives no reason.
pub fn excuses_in(text: &str) -> Result<Vec<Excuse>, String> {
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| excuse_in(line).map_err(|why| format!("line {number}: {why}: {line}")))
        .collect()
}

/// Where the verdicts on one kind of disk and the excuses do not agree, a line each; none when all is as it has to be.
/// A test without an excuse has to pass; one with an excuse must not pass, so that the list only shrinks.
pub fn disagreements(kind: &str, verdicts: &BTreeMap<String, Verdict>, excuses: &[Excuse]) -> Vec<String> {
    let excused: BTreeMap<&str, &Excuse> = excuses
        .iter()
        .filter(|excuse| excuse.kinds.is_empty() || excuse.kinds.iter().any(|named| named == kind))
        .map(|excuse| (excuse.test.as_str(), excuse))
        .collect();
    let of_verdicts = verdicts.iter().filter_map(|(test, verdict)| {
        use ExcusedOutcome::{Failed, Skipped};
        match (verdict, excused.get(test.as_str()).map(|excuse| excuse.outcome)) {
            (Verdict::Passed, None) | (Verdict::Skipped(_), Some(Skipped)) | (Verdict::Failed(_), Some(Failed)) => None,
            (Verdict::Passed, Some(_)) => Some(format!("{test}: passes: take it off the list")),
            (Verdict::Skipped(why), Some(Failed)) => Some(format!("{test}: listed as failed, but skipped: {why}")),
            (Verdict::Failed(why), Some(Skipped)) => Some(format!("{test}: listed as skipped, but failed: {why}")),
            (Verdict::Skipped(why), None) => Some(format!("{test}: skipped: {why}")),
            (Verdict::Failed(why), None) => Some(format!("{test}: FAILED: {why}")),
        }
    });
    let unknown = excused
        .keys()
        .filter(|test| !verdicts.contains_key(**test))
        .map(|test| format!("{test}: listed, but there is no such test"));
    of_verdicts.chain(unknown).collect()
}

/// How many passed, were skipped, failed: one line.
pub fn summary(verdicts: &BTreeMap<String, Verdict>) -> String {
    let count = |wanted: fn(&Verdict) -> bool| verdicts.values().filter(|verdict| wanted(verdict)).count();
    format!(
        "{} passed, {} skipped, {} failed of {}",
        count(|v| matches!(v, Verdict::Passed)),
        count(|v| matches!(v, Verdict::Skipped(_))),
        count(|v| matches!(v, Verdict::Failed(_))),
        verdicts.len()
    )
}

fn tests_in(listed: &str) -> Vec<String> {
    let names = listed.lines().filter_map(|line| line.trim().strip_prefix("ALL."));
    names.filter(|name| name.contains('.')).map(str::to_owned).collect()
}

fn excuse_in(line: &str) -> Result<Excuse, &'static str> {
    let fields: Vec<&str> = line.split('|').map(str::trim).collect();
    let [test, outcome, kinds, reason] = fields[..] else {
        return Err("four fields are wanted");
    };
    let outcome = match outcome {
        "skipped" => ExcusedOutcome::Skipped,
        "failed" => ExcusedOutcome::Failed,
        _ => return Err("the outcome is `skipped` or `failed`"),
    };
    let kinds = match kinds {
        "" => return Err("`all`, or the kinds of disk, are wanted"),
        "all" => Vec::new(),
        some => some.split(',').map(|kind| kind.trim().to_owned()).collect(),
    };
    if !test.contains('.') {
        return Err("the test is `SUITE.TEST`");
    }
    if reason.is_empty() {
        return Err("there is no excuse without a reason");
    }
    Ok(Excuse { test: test.to_owned(), outcome, kinds, reason: reason.to_owned() })
}

/// CUnit's summary is the only proof of a pass: the exit code is 0 for a test that was skipped, and for one that was
/// never found.
fn verdict_of(ending: Ending, output: &str) -> Verdict {
    match (ending, counted(output)) {
        (Ending::Exit(0), Some([_, 1, 1, 0])) => match marked(during(output), "[SKIPPED]") {
            Some(why) => Verdict::Skipped(why),
            None => Verdict::Passed,
        },
        (Ending::Exit(_), Some(_)) => Verdict::Failed(said(output)),
        (Ending::Exit(code), None) => Verdict::Failed(format!("exit code {code} without a summary: {}", said(output))),
        (Ending::Signal(signal), _) => Verdict::Failed(format!("crashed with signal {signal}: {}", said(output))),
        (Ending::TimedOut, _) => Verdict::Failed(format!("hangs: {}", said(output))),
    }
}

/// The row of the tests in CUnit's summary: how many there are in all, ran, passed, failed.
fn counted(output: &str) -> Option<[u32; 4]> {
    output.lines().find_map(|line| {
        let numbers = line.trim().strip_prefix("tests")?.split_whitespace().map_while(|word| word.parse().ok());
        numbers.take(4).collect::<Vec<u32>>().try_into().ok()
    })
}

/// What was said in the test itself: from its name to its verdict. Before and behind stand the complaints of the
/// suite's own setting up and clearing away.
fn during(output: &str) -> &str {
    let Some((_, test)) = output.split_once("  Test: ").and_then(|(_, test)| test.split_once("...")) else {
        return "";
    };
    let is_verdict = |line: &str| line.starts_with("passed") || line.starts_with("FAILED");
    let lines = test.split_inclusive('\n').take_while(|line| !is_verdict(line));
    &test[..lines.map(str::len).sum()]
}

fn marked(output: &str, mark: &str) -> Option<String> {
    output.lines().find_map(|line| line.split_once(mark)).map(|(_, why)| why.trim().to_owned())
}

/// The reasons in the output: what is marked as failed, and CUnit's numbered assertions.
fn said(output: &str) -> String {
    const LINES_MAX: usize = 8;
    let reasons: Vec<&str> = output
        .lines()
        .map(str::trim)
        .filter(|line| line.contains("[FAILED]") || line.contains("CU_") || line.starts_with("malloc"))
        .collect();
    let mut text = String::new();
    for reason in reasons.iter().take(LINES_MAX) {
        let _ = write!(text, "\n      {reason}");
    }
    if reasons.len() > LINES_MAX {
        let _ = write!(text, "\n      and {} more", reasons.len() - LINES_MAX);
    }
    if text.is_empty() { output.trim().to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary_of(passed: u32) -> String {
        let failed = 1 - passed;
        format!(
            "Run Summary:    Type  Total    Ran Passed Failed Inactive\n\
             \x20             suites      1      1    n/a      0        0\n\
             \x20              tests      1      1      {passed}      {failed}        0\n"
        )
    }

    fn verdict(exit: i32, text: &str, passed: u32) -> Verdict {
        verdict_of(Ending::Exit(exit), &format!("{text}\n{}", summary_of(passed)))
    }

    #[test]
    fn the_list_is_read_to_the_tests_of_the_whole_family() {
        let listed = "ALL\nALL.Inquiry\nALL.Inquiry.EVPD\nSCSI.Inquiry.EVPD\niSCSI.iSCSITMF.AbortTaskSimpleAsync\n";
        assert_eq!(tests_in(listed), ["Inquiry.EVPD"]);
    }

    #[test]
    fn a_pass_is_what_the_summary_counts_as_one() {
        assert_eq!(verdict(0, "  Test: EVPD ...passed", 1), Verdict::Passed);
        assert!(
            matches!(verdict(1, "  Test: EVPD ...FAILED\n    1. a.c:9 - CU_ASSERT(x)", 0), Verdict::Failed(why) if why.contains("a.c:9"))
        );
    }

    #[test]
    fn a_skip_is_no_pass_although_the_summary_counts_it_as_one() {
        let text = "  Test: Simple ...    [SKIPPED] COMPAREANDWRITE is not implemented.\npassed";
        assert_eq!(verdict(0, text, 1), Verdict::Skipped("COMPAREANDWRITE is not implemented.".into()));
    }

    #[test]
    fn what_the_suite_says_before_and_behind_a_test_is_not_about_the_test() {
        let around = "    [SKIPPED] PERSISTENT RESERVE IN is not implemented.";
        let passed = format!("{around}\n  Test: EVPD ...passed{around}\n{around}\n");
        assert_eq!(verdict(0, &passed, 1), Verdict::Passed);
        let skipped = format!("{around}\n  Test: EVPD ...    [SKIPPED] no pages\n    [SKIPPED] none\npassed{around}\n");
        assert_eq!(verdict(0, &skipped, 1), Verdict::Skipped("no pages".into()));
    }

    #[test]
    fn a_test_that_was_not_found_a_crash_and_a_hang_are_failures() {
        assert!(matches!(verdict_of(Ending::Exit(0), "no such test"), Verdict::Failed(_)));
        assert!(matches!(verdict_of(Ending::Signal(6), &summary_of(1)), Verdict::Failed(_)));
        assert!(matches!(verdict_of(Ending::TimedOut, &summary_of(1)), Verdict::Failed(_)));
    }

    #[test]
    fn only_the_first_reasons_of_a_long_failure_are_told() {
        let many: String = (1..=20).map(|n| format!("{n}. t.c:1 - CU_ASSERT(x)\n")).collect();
        let Verdict::Failed(why) = verdict(1, &many, 0) else { panic!("a failure") };
        assert_eq!(why.matches("CU_ASSERT").count(), 8);
        assert!(why.ends_with("and 12 more"), "{why}");
    }

    #[test]
    fn an_excuse_needs_a_reason() {
        let good = "# why\n\nA.B | skipped | all | no tape\nC.D | failed | file, block | a bug of the suite\n";
        let excuses = excuses_in(good).unwrap();
        assert_eq!(excuses[0].kinds, Vec::<String>::new());
        assert_eq!(excuses[1].kinds, ["file", "block"]);
        for bad in [
            "A.B | skipped | all |",
            "A.B | skipped | all",
            "A.B | maybe | all | why",
            "AB | failed | all | why",
            "A.B | failed | | why",
        ] {
            assert!(excuses_in(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_list_can_only_shrink() {
        let verdicts = BTreeMap::from([
            ("A.passes".to_owned(), Verdict::Passed),
            ("B.skipped".to_owned(), Verdict::Skipped("why".into())),
            ("C.fails".to_owned(), Verdict::Failed("why".into())),
        ]);
        let check = |list: &str| disagreements("file", &verdicts, &excuses_in(list).unwrap());
        assert_eq!(check("B.skipped | skipped | all | r\nC.fails | failed | file | r"), Vec::<String>::new());
        assert_eq!(check("B.skipped | skipped | all | r").len(), 1, "a failure nobody excused");
        assert_eq!(check("C.fails | failed | all | r").len(), 1, "a skip nobody excused");
        assert_eq!(check("B.skipped | skipped | all | r\nC.fails | failed | block | r").len(), 1, "excused elsewhere");
        let passes = check("A.passes | failed | all | r\nB.skipped | skipped | all | r\nC.fails | failed | all | r");
        assert_eq!(passes, ["A.passes: passes: take it off the list"]);
        let wrong = check("B.skipped | failed | all | r\nC.fails | skipped | all | r");
        assert_eq!(wrong.len(), 2);
        let gone = check("B.skipped | skipped | all | r\nC.fails | failed | all | r\nX.gone | failed | all | r");
        assert_eq!(gone, ["X.gone: listed, but there is no such test"]);
    }
}
