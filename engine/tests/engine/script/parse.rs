//! What does a script say?

use std::fmt;

/// One line of a script that does something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its number in the file, from 1.
    pub(crate) number: usize,
    /// What is to be done.
    pub(crate) step: Step,
}

/// What a line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A headline, for the reader of a failure.
    Headline(String),
    /// A session ends.
    Logout(String),
    /// A session takes the unit attentions that wait for it on every LUN that it has used.
    Hear(String),
    /// A command.
    Command {
        /// The session.
        session: String,
        /// The LUN.
        lun: u16,
        /// The command descriptor block.
        cdb: Vec<Piece>,
        /// Data-out; empty for none.
        data_out: Vec<Piece>,
        /// How it has to end.
        outcome: Outcome,
        /// What data-in has to be.
        checks: Vec<Check>,
    },
}

/// A part of a command block or of data-out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What was saved under this name.
    Saved(String),
}

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// GOOD, CONDITION MET is not.
    Good,
    /// RESERVATION CONFLICT.
    Conflict,
    /// BUSY.
    Busy,
    /// CHECK CONDITION with this key, code and qualifier.
    Sense(u8, u8, u8),
}

/// What is looked at in data-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Check {
    /// These bytes stand at this offset.
    At(usize, Vec<u8>),
    /// So many bytes came.
    Len(usize),
    /// So many bytes from an offset on are kept under a name.
    Save(String, usize, usize),
}

/// Reads a script.
///
/// # Errors
/// The first line that is none, with its number.
pub(crate) fn parse(text: &str) -> Result<Vec<Line>, String> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            let step = step(line).map_err(|why| format!("line {number}: {why}: {line}"))?;
            lines.push(Line { number, step });
        }
    }
    Ok(lines)
}

fn step(line: &str) -> Result<Step, String> {
    if let Some(headline) = line.strip_prefix("== ") {
        return Ok(Step::Headline(headline.to_owned()));
    }
    if let Some(session) = line.strip_prefix("logout ") {
        return Ok(Step::Logout(session.trim().to_owned()));
    }
    if let Some(session) = line.strip_prefix("hear ") {
        return Ok(Step::Hear(session.trim().to_owned()));
    }
    let (who, rest) = line.split_once(':').ok_or("no session")?;
    let (session, lun) = who.split_once('.').unwrap_or((who, "0"));
    let lun = lun.parse().map_err(|_| "no LUN")?;
    let (asked, answered) = rest.split_once("->").unwrap_or((rest, "good"));
    let (cdb, data_out) = asked.split_once('<').unwrap_or((asked, ""));
    let mut answers = answered.split(';').map(str::trim);
    let outcome = outcome(answers.next().unwrap_or_default())?;
    let checks = answers.map(check).collect::<Result<_, _>>()?;
    let (cdb, data_out) = (pieces(cdb)?, pieces(data_out)?);
    Ok(Step::Command { session: session.trim().to_owned(), lun, cdb, data_out, outcome, checks })
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let parts = text.split('+').map(str::trim).filter(|part| !part.is_empty());
    let mut pieces = Vec::new();
    for part in parts {
        // A command block may have a saved piece in its midst without a sign of addition.
        for word in split_saved(part) {
            pieces.push(match word.strip_prefix('@') {
                Some(name) => Piece::Saved(name.to_owned()),
                None => Piece::Bytes(bytes(&word)?),
            });
        }
    }
    Ok(pieces)
}

fn split_saved(part: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in part.split_whitespace() {
        match words.last_mut() {
            Some(last) if !word.starts_with('@') && !last.starts_with('@') => {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for word in text.split_whitespace() {
        let (byte, count) = match word.split_once('*') {
            Some((byte, count)) => (byte, count.parse().map_err(|_| format!("no count: {word}"))?),
            None => (word, 1),
        };
        let byte = u8::from_str_radix(byte, 16).map_err(|_| format!("no byte: {word}"))?;
        bytes.extend(std::iter::repeat_n(byte, count));
    }
    Ok(bytes)
}

fn outcome(text: &str) -> Result<Outcome, String> {
    match text {
        "good" => Ok(Outcome::Good),
        "conflict" => Ok(Outcome::Conflict),
        "busy" => Ok(Outcome::Busy),
        _ => {
            let codes = text.strip_prefix("sense ").ok_or_else(|| format!("no outcome: {text}"))?;
            let mut codes = codes.split('/').map(|code| u8::from_str_radix(code.trim(), 16));
            match (codes.next(), codes.next(), codes.next(), codes.next()) {
                (Some(Ok(key)), Some(Ok(asc)), Some(Ok(ascq)), None) => Ok(Outcome::Sense(key, asc, ascq)),
                _ => Err(format!("no sense: {text}")),
            }
        }
    }
}

fn check(text: &str) -> Result<Check, String> {
    let number = |text: &str| text.trim().parse().map_err(|_| format!("no number: {text}"));
    if let Some(len) = text.strip_prefix("len ") {
        return Ok(Check::Len(number(len)?));
    }
    if let Some(save) = text.strip_prefix("save ") {
        let words: Vec<&str> = save.split_whitespace().collect();
        let [name, at, len] = words[..] else { return Err("save NAME OFFSET LEN".to_owned()) };
        return Ok(Check::Save(name.to_owned(), number(at)?, number(len)?));
    }
    let (at, expected) = text.split_once(':').ok_or_else(|| format!("no check: {text}"))?;
    Ok(Check::At(number(at)?, bytes(expected)?))
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Good => write!(f, "GOOD"),
            Outcome::Conflict => write!(f, "RESERVATION CONFLICT"),
            Outcome::Busy => write!(f, "BUSY"),
            Outcome::Sense(key, asc, ascq) => write!(f, "{key:X}/{asc:02X}/{ascq:02X}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_with_its_data_its_outcome_and_its_checks() {
        let lines =
            parse("# a comment\n\na.3: 2a 00 @x 01 < aa*3 + @y -> sense E/1D/00; 4: 01 02; len 9; save z 0 2\n");
        let expected = Step::Command {
            session: "a".into(),
            lun: 3,
            cdb: vec![Piece::Bytes(vec![0x2A, 0]), Piece::Saved("x".into()), Piece::Bytes(vec![1])],
            data_out: vec![Piece::Bytes(vec![0xAA; 3]), Piece::Saved("y".into())],
            outcome: Outcome::Sense(0xE, 0x1D, 0),
            checks: vec![Check::At(4, vec![1, 2]), Check::Len(9), Check::Save("z".into(), 0, 2)],
        };
        assert_eq!(lines, Ok(vec![Line { number: 3, step: expected }]));
    }

    #[test]
    fn good_is_what_is_not_said() {
        let lines = parse("== it begins\nb: 00 00 00 00 00 00\nhear b\nlogout b").unwrap();
        assert_eq!(lines[0].step, Step::Headline("it begins".into()));
        assert!(
            matches!(&lines[1].step, Step::Command { lun: 0, outcome: Outcome::Good, data_out, .. } if data_out.is_empty())
        );
        assert_eq!((&lines[2].step, &lines[3].step), (&Step::Hear("b".into()), &Step::Logout("b".into())));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        for wrong in
            ["nobody", "a: zz", "a: 00 -> maybe", "a: 00 -> sense 1/2", "a: 00 -> good; five", "a.x: 00", "a: 00*z"]
        {
            let why = parse(&format!("\n{wrong}")).unwrap_err();
            assert!(why.starts_with("line 2: "), "{why}");
        }
    }
}
