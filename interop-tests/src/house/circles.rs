//! Is there an import circle between the modules of a crate?
//!
//! A module leans on another when it has a `use` of it, by `crate::` or `super::`, outside of its tests. What a
//! module passes on (`pub use`) is its face and not a lean: a parent that shows what its children have, and
//! children that use what the parent itself defines, are a circle only when the parent also uses the children.

use super::code::{without_tests, without_text, words};
use super::{Source, Violation};
use std::collections::{BTreeMap, BTreeSet};

/// Modules of one crate, and what each leans on: paths from the root of the crate, which is empty.
type Leans = BTreeMap<Vec<String>, BTreeSet<Vec<String>>>;

/// The circles of all crates, one violation for each crate that has one.
pub fn check(sources: &[Source]) -> Vec<Violation> {
    let mut crates: BTreeMap<&str, Vec<(Vec<String>, &Source)>> = BTreeMap::new();
    for source in sources {
        if let Some((name, module)) = module_of(&source.path) {
            crates.entry(name).or_default().push((module, source));
        }
    }
    crates
        .into_iter()
        .filter_map(|(name, modules)| {
            let circle = circle_in(&leans_of(&modules))?;
            let names: Vec<String> = circle.iter().map(|module| format!("crate::{}", module.join("::"))).collect();
            Some(Violation::new(name.trim_end_matches('/'), format!("an import circle: {}", names.join(" uses "))))
        })
        .collect()
}

/// The crate of a file and the path of its module in it. A program is a crate of its own; one of a single file
/// has no circle to find.
fn module_of(path: &str) -> Option<(&str, Vec<String>)> {
    let (folder, rest) = path.split_once("/src/")?;
    let (name, rest) = match rest.strip_prefix("bin/") {
        None => (folder, rest),
        Some(program) => {
            let (_, inside) = program.split_once('/')?;
            path.split_at_checked(path.len() - inside.len())?
        }
    };
    let mut parts: Vec<String> = rest.strip_suffix(".rs")?.split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        parts.pop();
    }
    Some((name, parts))
}

fn leans_of(modules: &[(Vec<String>, &Source)]) -> Leans {
    let known: BTreeSet<&Vec<String>> = modules.iter().map(|(module, _)| module).collect();
    let mut leans = Leans::new();
    for (module, source) in modules {
        let code = without_tests(&without_text(&source.text));
        let used = uses(&code).into_iter().filter_map(|path| absolute(module, &path)).map(|path| deepest(&known, path));
        leans.entry(module.clone()).or_default().extend(used.filter(|used| used != module));
    }
    leans
}

/// Every path that a `use` of this code names, groups spread out. Not those of a `pub use`.
fn uses(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for statement in code.split_inclusive(';') {
        // Behind the last brace stands the statement itself; the braces of its group come after the `use`.
        let Some(at) = statement.rmatch_indices("use ").map(|(at, _)| at).find(|&at| begins_word(statement, at)) else {
            continue;
        };
        let visibility = statement[..at].trim_end();
        if visibility.ends_with("pub")
            || (visibility.ends_with(')')
                && visibility.rsplit(['\n', ';', '}']).next().is_some_and(|last| last.trim_start().starts_with("pub")))
        {
            continue;
        }
        let Some(tree) = statement[at + 4..].strip_suffix(';') else {
            continue;
        };
        spread(tree, &mut Vec::new(), &mut found);
    }
    found
}

fn begins_word(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// The paths of a use tree: `a::{b, c::{d, e}}` is `a::b`, `a::c::d`, `a::c::e`.
fn spread(tree: &str, before: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        // `a::b as c` is `a::b`; a glob is its module.
        let path = tree.split(" as ").next().unwrap_or_default();
        let mut whole = before.clone();
        whole.extend(words(path).map(str::to_owned));
        found.push(whole);
        return;
    };
    let length = before.len();
    before.extend(words(&tree[..open]).map(str::to_owned));
    let inside = tree[open + 1..].trim_end().strip_suffix('}').unwrap_or(&tree[open + 1..]);
    let mut depth = 0usize;
    for part in inside.split(|c| {
        depth = match c {
            '{' => depth + 1,
            '}' => depth.saturating_sub(1),
            _ => depth,
        };
        c == ',' && depth == 0
    }) {
        if !part.trim().is_empty() {
            spread(part, before, found);
        }
    }
    before.truncate(length);
}

/// The path from the root of the crate; None when it leads out of the crate.
fn absolute(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let first = path.first()?.as_str();
    match first {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        "super" => {
            let up = path.iter().take_while(|part| *part == "super").count();
            let kept = module.len().checked_sub(up)?;
            Some([&module[..kept], &path[up..]].concat())
        }
        _ => None,
    }
}

/// The module in which the path ends: what stands behind is an item of it.
fn deepest(known: &BTreeSet<&Vec<String>>, mut path: Vec<String>) -> Vec<String> {
    while !path.is_empty() && !known.contains(&path) {
        path.pop();
    }
    path
}

/// A circle, with its first module again at its end.
fn circle_in(leans: &Leans) -> Option<Vec<Vec<String>>> {
    let mut done = BTreeSet::new();
    leans.keys().find_map(|start| walk(leans, start, &mut Vec::new(), &mut done))
}

fn walk<'a>(
    leans: &'a Leans,
    at: &'a Vec<String>,
    way: &mut Vec<&'a Vec<String>>,
    done: &mut BTreeSet<&'a Vec<String>>,
) -> Option<Vec<Vec<String>>> {
    if let Some(met) = way.iter().position(|module| *module == at) {
        return Some(way[met..].iter().chain([&at]).map(|module| (*module).clone()).collect());
    }
    if !done.insert(at) {
        return None;
    }
    way.push(at);
    let circle = leans.get(at).into_iter().flatten().find_map(|next| walk(leans, next, way, done));
    way.pop();
    circle
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> =
            files.iter().map(|(path, text)| Source { path: (*path).into(), text: (*text).into() }).collect();
        check(&sources).into_iter().map(|violation| violation.what).collect()
    }

    #[test]
    fn a_circle_of_two_and_of_three_is_seen_and_named() {
        let two = wrong(&[("c/src/a.rs", "use crate::b::B;"), ("c/src/b.rs", "use super::a::A;")]);
        assert_eq!(two, ["an import circle: crate::a uses crate::b uses crate::a"]);
        let three = [
            ("c/src/a.rs", "use crate::b::B;"),
            ("c/src/b.rs", "use crate::d::D;"),
            ("c/src/d.rs", "use crate::a::A;"),
        ];
        assert_eq!(wrong(&three).len(), 1);
    }

    #[test]
    fn leaning_one_way_is_no_circle() {
        let files = [
            ("c/src/lib.rs", "pub use a::A;"),
            ("c/src/a.rs", "use crate::b::{B, C};"),
            ("c/src/b.rs", "use std::io;"),
        ];
        assert_eq!(wrong(&files), Vec::<String>::new());
    }

    #[test]
    fn a_circle_is_seen_through_groups_globs_and_other_names() {
        for text in [
            "use crate::{x::Y, b::{B, C}};",
            "use crate::b::*;",
            "use crate::b as other;",
            "use super::{b};",
            "use crate::{\n    b::B,\n};",
        ] {
            assert_eq!(wrong(&[("c/src/a.rs", text), ("c/src/b.rs", "use crate::a::A;")]).len(), 1, "{text}");
        }
    }

    #[test]
    fn tests_comments_and_other_crates_make_no_circle() {
        for text in ["#[cfg(test)]\nmod tests { use crate::b::B; }", "// use crate::b::B;", "use other::b::B;"] {
            assert_eq!(
                wrong(&[("c/src/a.rs", text), ("c/src/b.rs", "use crate::a::A;")]),
                Vec::<String>::new(),
                "{text}"
            );
        }
        assert_eq!(
            wrong(&[("c/src/a.rs", "use crate::b::B;"), ("d/src/b.rs", "use crate::a::A;")]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_parent_may_show_what_its_children_have_but_not_use_it() {
        let child = ("c/src/a/child.rs", "use super::Own;");
        assert_eq!(
            wrong(&[
                ("c/src/a/mod.rs", "mod child;\npub use child::Thing;\npub(crate) use self::child::Other;"),
                child
            ]),
            Vec::<String>::new()
        );
        assert_eq!(wrong(&[("c/src/a/mod.rs", "mod child;\nuse self::child::Thing;"), child]).len(), 1);
    }

    #[test]
    fn a_program_of_several_files_is_a_crate_of_its_own() {
        let files = [("c/src/bin/p/a.rs", "use crate::b::B;"), ("c/src/bin/p/b.rs", "use crate::a::A;")];
        assert_eq!(wrong(&files).len(), 1);
        let apart = [("c/src/bin/p/a.rs", "use crate::b::B;"), ("c/src/b.rs", "use crate::a::A;")];
        assert_eq!(wrong(&apart), Vec::<String>::new());
    }

    #[test]
    fn a_use_behind_a_block_is_seen() {
        let files =
            [("c/src/a.rs", "fn f() { g() }\nuse crate::b::B;\nfn because() {}"), ("c/src/b.rs", "use crate::a::A;")];
        assert_eq!(wrong(&files).len(), 1);
    }
}
