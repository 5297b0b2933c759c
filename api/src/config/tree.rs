//! The file as a tree of keys and values that know where they stand.

use crate::names::quoted;
use crate::{ChapSpec, PortalSpec, TargetName};
use serde::Deserialize;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// One step from a table to its value, or from a list to its element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// The way from the root to a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Path(pub(crate) Vec<Step>);

/// A parsed file.
pub(crate) struct Tree<'t> {
    root: Spanned<DeValue<'t>>,
    /// How the file spells each target, filled when it is first asked for.
    spellings: OnceCell<HashMap<TargetName, String>>,
}

impl<'t> Tree<'t> {
    /// Parses TOML. Nesting is limited by the parser.
    pub(crate) fn parse(text: &'t str) -> Result<Self, toml::de::Error> {
        let table = DeTable::parse(text)?;
        let span = table.span();
        Ok(Tree { root: Spanned::new(span, DeValue::Table(table.into_inner())), spellings: OnceCell::new() })
    }

    pub(crate) fn copy(&self) -> Self {
        Tree { root: self.root.clone(), spellings: OnceCell::new() }
    }

    pub(crate) fn deserializer(&self) -> ValueDeserializer<'t> {
        self.root.clone().into()
    }

    /// The deepest value, or the deepest key, that has exactly this span.
    pub(crate) fn locate(&self, span: &Range<usize>) -> Option<Path> {
        let mut path = Vec::new();
        locate(&self.root, span, &mut path).then(|| {
            path.reverse();
            Path(path)
        })
    }

    /// Where the value at `path` stands.
    pub(crate) fn value_span(&self, path: &Path) -> Option<Range<usize>> {
        path.0.iter().try_fold(&self.root, |node, step| child(node, step)).map(Spanned::span)
    }

    /// Where the last key of `path` stands; for an element of a list, the element.
    pub(crate) fn key_span(&self, path: &Path) -> Option<Range<usize>> {
        let (last, parents) = path.0.split_last()?;
        let parent = parents.iter().try_fold(&self.root, |node, step| child(node, step))?;
        match (last, parent.get_ref()) {
            (Step::Key(key), DeValue::Table(table)) => table.get_key_value(key.as_str()).map(|(k, _)| k.span()),
            _ => child(parent, last).map(Spanned::span),
        }
    }

    /// Where `path` is best pointed at: the value if it stands on one line with its key, else the key.
    pub(crate) fn span(&self, path: &Path) -> Option<Range<usize>> {
        let mut node = path.0.iter().try_fold(&self.root, |node, step| child(node, step))?;
        while let DeValue::Array(list) = node.get_ref() {
            match list.iter().next() {
                Some(first) => node = first,
                None => break,
            }
        }
        match node.get_ref() {
            DeValue::Table(_) => self.key_span(path),
            _ => self.value_span(path),
        }
    }

    /// Whether there is a value at `path`.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.value_span(path).is_some()
    }

    /// The keys of the table at `path`.
    pub(crate) fn keys(&self, path: &Path) -> Vec<&str> {
        let node = path.0.iter().try_fold(&self.root, |node, step| child(node, step));
        match node.map(Spanned::get_ref) {
            Some(DeValue::Table(table)) => table.keys().map(|key| key.get_ref().as_ref()).collect(),
            _ => Vec::new(),
        }
    }

    /// The path of a target, its key spelled as in the file.
    pub(crate) fn target(&self, name: &TargetName) -> Path {
        let targets = Path::of(&["targets"]);
        let spelled = self.spellings.get_or_init(|| {
            let keys = self.keys(&targets);
            keys.iter().filter_map(|key| Some((TargetName::parse(key).ok()?, (*key).to_owned()))).collect()
        });
        targets.key(spelled.get(name).map_or(name.as_str(), String::as_str))
    }

    /// Which element of the list at `path` is the one that `what` is said about: the text it begins with,
    /// or the account or portal that cannot be read. None if there is no list.
    pub(crate) fn wrong_element(&self, path: &Path, what: &str) -> Option<usize> {
        let node = path.0.iter().try_fold(&self.root, |node, step| child(node, step))?;
        let DeValue::Array(list) = node.get_ref() else {
            return None;
        };
        list.iter().position(|element| match element.get_ref() {
            DeValue::String(text) => what.starts_with(&quoted(text)),
            _ if path.ends_in("portals") => PortalSpec::deserialize(ValueDeserializer::from(element.clone())).is_err(),
            _ => ChapSpec::deserialize(ValueDeserializer::from(element.clone())).is_err(),
        })
    }

    /// The integer at `path`, as it is written.
    pub(crate) fn integer(&self, path: &Path) -> Option<&str> {
        let node = path.0.iter().try_fold(&self.root, |node, step| child(node, step))?;
        node.get_ref().as_integer().map(|integer| integer.as_str())
    }

    /// Takes the value at `path` out. An element of a list takes its list with it: the others would move up.
    pub(crate) fn remove(&mut self, path: &Path) -> bool {
        let keys = path.0.iter().take_while(|step| matches!(step, Step::Key(_))).count();
        let Some((Step::Key(last), parents)) = path.0[..keys].split_last() else {
            return false;
        };
        let parent = parents.iter().try_fold(&mut self.root, |node, step| child_mut(node, step));
        match parent.map(Spanned::get_mut) {
            Some(DeValue::Table(table)) => table.remove(last.as_str()).is_some(),
            _ => false,
        }
    }
}

/// Finds `span` below `node`, and pushes the steps to it, last first.
fn locate(node: &Spanned<DeValue<'_>>, span: &Range<usize>, path: &mut Vec<Step>) -> bool {
    match node.get_ref() {
        DeValue::Table(table) => {
            for (key, value) in table.iter() {
                if locate(value, span, path) || key.span() == *span {
                    path.push(Step::Key(key.get_ref().to_string()));
                    return true;
                }
            }
        }
        DeValue::Array(list) => {
            // A list of tables has the span of its first one, and it is the list that was meant.
            for (index, value) in list.iter().enumerate().filter(|_| node.span() != *span) {
                if locate(value, span, path) {
                    path.push(Step::Index(index));
                    return true;
                }
            }
        }
        _ => {}
    }
    node.span() == *span
}

fn child<'n, 't>(node: &'n Spanned<DeValue<'t>>, step: &Step) -> Option<&'n Spanned<DeValue<'t>>> {
    match (node.get_ref(), step) {
        (DeValue::Table(table), Step::Key(key)) => table.get(key.as_str()),
        (DeValue::Array(list), Step::Index(index)) => list.get(*index),
        _ => None,
    }
}

fn child_mut<'n, 't>(node: &'n mut Spanned<DeValue<'t>>, step: &Step) -> Option<&'n mut Spanned<DeValue<'t>>> {
    match (node.get_mut(), step) {
        (DeValue::Table(table), Step::Key(key)) => table.get_mut(key.as_str()),
        _ => None,
    }
}

impl Path {
    /// The path with these keys.
    pub(crate) fn of(keys: &[&str]) -> Path {
        Path(keys.iter().map(|key| Step::Key((*key).to_owned())).collect())
    }

    /// One key further.
    pub(crate) fn key(&self, key: impl fmt::Display) -> Path {
        let mut path = self.clone();
        path.0.push(Step::Key(key.to_string()));
        path
    }

    /// One element further.
    pub(crate) fn index(&self, index: usize) -> Path {
        let mut path = self.clone();
        path.0.push(Step::Index(index));
        path
    }

    /// The path to what holds this, and the last key.
    pub(crate) fn split_key(&self) -> (Path, Option<&str>) {
        match self.0.split_last() {
            Some((Step::Key(key), parents)) => (Path(parents.to_vec()), Some(key)),
            _ => (self.clone(), None),
        }
    }

    pub(crate) fn starts_with(&self, other: &Path) -> bool {
        self.0.starts_with(&other.0)
    }

    pub(crate) fn ends_in(&self, word: &str) -> bool {
        matches!(self.0.last(), Some(Step::Key(key)) if key == word)
    }

    /// How a table of this path is headed in the file: `[targets.x.luns.0]`.
    pub(crate) fn heading(&self) -> String {
        let mut text = String::new();
        for step in &self.0 {
            let Step::Key(key) = step else { continue };
            let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            let dot = if text.is_empty() { "" } else { "." };
            text.push_str(dot);
            text.push_str(&if bare { key.clone() } else { quoted(key) });
        }
        match text.is_empty() {
            true => "the file".to_owned(),
            false => format!("[{text}]"),
        }
    }
}

/// The tables of the file that hold keys rather than names.
const TABLES: [&str; 2] = ["global", "engine"];

/// As people call it: `lun 4 of clustertarget1: scsi_id`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Step::{Index, Key};
        let rest = |f: &mut fmt::Formatter<'_>, steps: &[Step]| {
            let mut between = ": ";
            steps.iter().filter_map(|s| if let Key(key) = s { Some(key) } else { None }).try_for_each(|key| {
                write!(f, "{between}{}", short(key))?;
                between = ".";
                Ok(())
            })
        };
        match &self.0[..] {
            [Key(targets), Key(target), Key(luns), Key(lun), tail @ ..] if targets == "targets" && luns == "luns" => {
                write!(f, "lun {} of {}", short(lun), short(target))?;
                rest(f, tail)
            }
            [Key(targets), Key(target), Key(chap), Index(at), tail @ ..] if targets == "targets" && chap == "chap" => {
                write!(f, "account {} of {}", at + 1, short(target))?;
                rest(f, tail)
            }
            [Key(_), Key(list), Index(at), tail @ ..] if list == "discovery_auth" => {
                write!(f, "account {} for discovery", at + 1)?;
                rest(f, tail)
            }
            [Key(targets), Key(target), tail @ ..] if targets == "targets" => {
                write!(f, "target {}", short(target))?;
                rest(f, tail)
            }
            [Key(table), tail @ ..] if TABLES.contains(&table.as_str()) => {
                write!(f, "[{}]", short(table))?;
                rest(f, tail)
            }
            [Key(key), tail @ ..] => {
                f.write_str(&short(key))?;
                rest(f, tail)
            }
            _ => f.write_str("the file"),
        }
    }
}

/// A key as it is, unless it would spoil the line.
fn short(key: &str) -> String {
    if key.len() <= 80 && !key.is_empty() && key.chars().all(|c| c.is_ascii_graphic()) {
        return key.to_owned();
    }
    quoted(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "schema = 1\n[targets.a]\nallow = [\"any\", 5]\n[targets.a.luns.0]\nsize = 7\n[[targets.a.chap]]\nuser = \"u\"\n";

    #[test]
    fn what_has_a_span_is_found_by_it() {
        let tree = Tree::parse(TEXT).unwrap();
        let lun = Path::of(&["targets", "a", "luns", "0", "size"]);
        let rule = Path::of(&["targets", "a", "allow"]).index(1);
        let user = Path::of(&["targets", "a", "chap"]).index(0).key("user");
        for path in [lun, rule, user] {
            let span = tree.value_span(&path).unwrap();
            assert_eq!(tree.locate(&span), Some(path));
        }
        assert_eq!(tree.locate(&(9000..9001)), None);
    }

    #[test]
    fn a_path_is_called_as_people_call_it() {
        let target = Path::of(&["targets", "a"]);
        for (path, text) in [
            (target.clone(), "target a"),
            (target.key("alias"), "target a: alias"),
            (target.key("luns").key("4").key("scsi_id"), "lun 4 of a: scsi_id"),
            (target.key("chap").index(0).key("user"), "account 1 of a: user"),
            (target.key("negotiate").key("initial_r2t"), "target a: negotiate.initial_r2t"),
            (Path::of(&["global", "portals"]).index(3), "[global]: portals"),
            (Path::default(), "the file"),
        ] {
            assert_eq!(path.to_string(), text);
        }
        assert_eq!(
            Path::of(&["targets", "iqn.2026-11.com.example:x", "luns"]).heading(),
            "[targets.\"iqn.2026-11.com.example:x\".luns]"
        );
    }

    #[test]
    fn removing_an_element_removes_its_list() {
        let mut tree = Tree::parse(TEXT).unwrap();
        let allow = Path::of(&["targets", "a", "allow"]);
        assert!(tree.remove(&allow.index(1)) && !tree.has(&allow));
        assert!(!tree.remove(&allow) && !tree.remove(&Path::default()));
    }
}
