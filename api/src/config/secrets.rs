//! Whether the secrets of a config can be used: readable, strong enough, and not the same in both directions.

use super::Diagnostic;
use super::place::Source;
use super::tree::{Path, Tree};
use crate::{ChapSpec, Config, Refusal, Secret, SecretSource, codes};
use std::collections::HashSet;

/// One account and where it stands.
struct Account<'c> {
    at: Path,
    spec: &'c ChapSpec,
    /// None if it could not be had, or is in a file and files are not looked at.
    secret: Option<Secret>,
}

/// Checks every account; `with_files` looks at secret files too.
pub(crate) fn check(config: &Config, tree: &Tree<'_>, source: &Source<'_>, with_files: bool) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let place = |at: &Path| tree.span(at).map(|span| source.place(&span));
    let mut lists: Vec<Vec<Account<'_>>> = Vec::new();
    let mut answers: Vec<Account<'_>> = Vec::new();
    let mut take = |at: Path, spec| {
        let secret = match spec_secret(spec, with_files) {
            Ok(secret) => secret,
            Err(refusal) => {
                found.push(Diagnostic::error(refusal.about(&at), place(&at.key("secret_file"))));
                None
            }
        };
        Account { at, spec, secret }
    };
    let list = Path::of(&["global", "discovery_auth"]);
    lists.push(config.global.discovery_auth.iter().enumerate().map(|(n, spec)| take(list.index(n), spec)).collect());
    for (name, target) in &config.targets {
        let at = tree.target(name);
        let list = at.key("chap");
        lists.push(target.chap.iter().enumerate().map(|(n, spec)| take(list.index(n), spec)).collect());
        answers.extend(target.mutual_chap.iter().map(|spec| take(at.key("mutual_chap"), spec)));
    }
    for account in lists.iter().flatten().chain(&answers) {
        if account.secret.as_ref().is_some_and(|secret| !secret.is_strong()) {
            found.push(Diagnostic::warning(weak(account), place(&account.at.key(key(account)))));
        }
    }
    for list in &lists {
        let mut users = HashSet::new();
        for account in list.iter().filter(|account| !users.insert(account.spec.user())) {
            let what = format!("{}: user {:?} stands twice", account.at, account.spec.user());
            found.push(Diagnostic::error(Refusal::new(codes::DUPLICATE_ACCOUNT, what), place(&account.at.key("user"))));
        }
    }
    let asked: HashSet<&str> = lists.iter().flatten().filter_map(|a| a.secret.as_ref()).map(Secret::reveal).collect();
    for account in &answers {
        if account.secret.as_ref().is_some_and(|secret| asked.contains(secret.reveal())) {
            let what = format!("{}: the secret is also one that initiators prove", account.at);
            let refusal = Refusal::new(codes::BAD_SECRET, what)
                .hint("use another: an initiator could send the target's own answers back (RFC 7143 9.2.1)");
            found.push(Diagnostic::error(refusal, place(&account.at.key(key(account)))));
        }
    }
    found
}

fn spec_secret(spec: &ChapSpec, with_files: bool) -> Result<Option<Secret>, Refusal> {
    match spec.secret() {
        SecretSource::File(_) if !with_files => Ok(None),
        source => source.resolve().map(Some),
    }
}

fn key(account: &Account<'_>) -> &'static str {
    match account.spec.secret() {
        SecretSource::Inline(_) => "secret",
        SecretSource::File(_) => "secret_file",
    }
}

fn weak(account: &Account<'_>) -> Refusal {
    let what = format!("{}: the secret is shorter than {} bytes", account.at, Secret::STRONG_BYTES_MIN);
    Refusal::new(codes::WEAK_SECRET, what)
        .hint("whoever records one login can guess it; initiators that follow RFC 7143 9.2.1 refuse it")
}
