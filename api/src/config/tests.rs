//! The reader as a whole: what it takes, how it points, its limits, and texts that nobody would write.

use super::*;
use crate::{BackendSpec, ChapSpec, GlobalSpec, LunNumber, SecretSource, TargetName, TargetSpec};
use proptest::prelude::*;

/// What the reader says about `text`, whether it takes it or not.
fn said(text: &str) -> String {
    match parse(text, "f.toml") {
        Ok(loaded) => loaded.warnings.iter().map(Diagnostic::render).collect(),
        Err(rejected) => rejected.to_string(),
    }
}

/// The first lines of what is said, without places and hints.
pub(super) fn heads(text: &str) -> Vec<String> {
    said(text).lines().filter(|l| l.starts_with("error[") || l.starts_with("warning[")).map(str::to_owned).collect()
}

const WHOLE: &str = r#"
schema = 1

[global]
iqn_prefix = "iqn.1990-01.edu.amherst.iscsi-target"
portals = ["[::]:3260", "127.0.0.1:0", { address = "192.0.2.11", group = 2 }]
state_dir = "/var/lib/ferrite"
[[global.discovery_auth]]
user = "portalusername"
secret_file = "/etc/ferrite/secrets/portal"

[engine]
shards = 2
io = "threads"
spin_us = 50
memory = "256MiB"

[targets.clustertarget1]
alias = "cluster"
allow = ["iqn:iqn.1998-01.com.vmware:esx1-*", "addr:198.51.100.0/28", "iqn.1993-08.org.debian:01:abc"]
mutual_chap = { user = "target", secret_file = "/etc/ferrite/secrets/target" }
[[targets.clustertarget1.chap]]
user = "esx"
secret_file = "/etc/ferrite/secrets/esx"
[targets.clustertarget1.negotiate]
header_digest = ["crc32c", "none"]
max_burst_length = 1048576
[targets.clustertarget1.alua]
2 = "standby"
[targets.clustertarget1.luns.0]
backend = "block"
path = "/dev/vg_test/lv_test1_0"
scsi_id = "AMHDSK-061207-00"
serial = "AMHDSK-061207-00"
[targets.clustertarget1.luns.16383]
backend = "memory"
size = "64MiB"
block_size = 4096
read_only = true
naa = "0x3000000000000001"
soft_threshold = "80%"

[targets."iqn.2026-11.com.example:full-name"]
allow = ["any"]
async_events = false
luns.0 = { backend = "file", path = "/var/lib/ferrite/x.img", size = "1GiB", create = true }
"#;

#[test]
fn a_whole_file_is_read_without_a_word() {
    let loaded = parse(WHOLE, "f.toml").unwrap();
    assert_eq!(loaded.warnings, []);
    let config = &loaded.config;
    assert_eq!(config.engine.memory.unwrap().bytes(), 256 << 20);
    let names: Vec<String> = config.whole_targets().unwrap().keys().map(ToString::to_string).collect();
    let prefixed = "iqn.1990-01.edu.amherst.iscsi-target:clustertarget1";
    assert_eq!(names, [prefixed, "iqn.2026-11.com.example:full-name"]);
    let cluster = &config.targets[&TargetName::parse("clustertarget1").unwrap()];
    assert_eq!(
        cluster.luns[&LunNumber::new(0).unwrap()].backend,
        BackendSpec::Block { path: "/dev/vg_test/lv_test1_0".into() }
    );
    assert_eq!(cluster.allow.len(), 3);
}

#[test]
fn what_is_written_is_read_back_the_same() {
    let config = parse(WHOLE, "f.toml").unwrap().config;
    let text = toml::to_string(&config).unwrap();
    assert_eq!(parse(&text, "again").unwrap().config, config, "{text}");
    let empty = parse("schema = 1", "f").unwrap().config;
    assert_eq!(toml::to_string(&empty).unwrap(), "schema = 1\n");
    assert_eq!(empty, Config::default());
}

#[test]
fn an_error_points_at_file_line_and_column_with_a_caret_and_a_hint() {
    let text = "schema = 1\n[targets.clustertarget1.luns.4]\nbackend = \"memory\"\nsize = \"64M\"\n  scsi_id = \"AMHDSK-261122-0400\"\n";
    assert_eq!(
        said(text),
        "error[F-0203]: lun 4 of clustertarget1: scsi_id \"AMHDSK-261122-0400\" is 18 bytes, the limit is 16\n  \
           --> f.toml:5:13\n   \
            |  scsi_id = \"AMHDSK-261122-0400\"\n   \
            |            ^^^^^^^^^^^^^^^^^^^^\n"
    );
    assert_eq!(
        said("schema = 1\n[global]\niqn_prefx = \"x\"\n"),
        "error[F-0110]: unknown key \"iqn_prefx\" in [global]\n  \
           --> f.toml:3:1\n   \
            |  iqn_prefx = \"x\"\n   \
            |  ^^^^^^^^^\n  \
           help: did you mean \"iqn_prefix\"?\n"
    );
}

#[test]
fn the_schema_is_looked_at_before_everything_else() {
    for (text, message) in [
        ("", "error[F-0104]: the file does not say its schema"),
        ("colour = 5", "error[F-0104]: the file does not say its schema"),
        ("schema = 2\ncolour = 5", "error[F-0104]: schema 2 is not known"),
        ("schema = \"1\"", "error[F-0104]: schema is not a number"),
    ] {
        assert_eq!(heads(text), [message], "{text}");
    }
}

#[test]
fn independent_errors_are_all_shown_in_the_order_of_the_file() {
    let text = "schema = 1\ncolour = 1\n[targets.x.luns.0]\nbackend = \"memory\"\n[targets.x.luns.1]\nbackend = \"blok\"\npath = 5\n[engine]\nio = 7\n";
    let codes: Vec<String> = heads(text).iter().map(|head| head[..13].to_owned()).collect();
    assert_eq!(codes, ["error[F-0110]", "error[F-0113]", "error[F-0112]", "error[F-0111]", "error[F-0111]"]);
}

#[test]
fn a_caret_stands_under_the_wrong_element_of_a_list() {
    assert!(said("schema = 1\n[targets.x]\nallow = [\"any\", \"nobody\"]").contains("f.toml:3:17\n"));
    let accounts = "[[targets.x.chap]]\nuser = \"u\"\nsecret_file = \"/x\"\n[[targets.x.chap]]\nuser = \"v\"\n";
    assert!(
        said(&format!("schema = 1\n{accounts}")).contains("f.toml:5:"),
        "{}",
        said(&format!("schema = 1\n{accounts}"))
    );
}

#[test]
fn two_luns_that_look_the_same_are_refused() {
    let lun = |target: &str, path: &str, more: &str| {
        format!(
            "[targets.\"iqn.2026-11.com.example:{target}\".luns.0]\nbackend = \"block\"\npath = \"{path}\"\n{more}\n"
        )
    };
    let both = |a: &str, b: &str| {
        heads(&format!("schema = 1\n{a}{b}")).into_iter().filter(|h| h.starts_with("error")).collect::<Vec<_>>()
    };
    let same_id = both(&lun("a", "/a", "scsi_id = \"X\""), &lun("b", "/b", "scsi_id = \"X\""));
    assert_eq!(
        same_id,
        [
            "error[F-0204]: lun 0 of iqn.2026-11.com.example:b: scsi_id \"X\" is also that of lun 0 of iqn.2026-11.com.example:a"
        ]
    );
    let same_serial = both(&lun("a", "/a", "serial = \"X\""), &lun("b", "/b", "serial = \"X\""));
    assert_eq!(
        same_serial,
        [
            "error[F-0204]: lun 0 of iqn.2026-11.com.example:b: serial \"X\" is also that of lun 0 of iqn.2026-11.com.example:a"
        ]
    );
    let same_disk = both(&lun("a", "/a", ""), &lun("b", "/a", "read_only = true"));
    assert_eq!(
        same_disk,
        [
            "error[F-0211]: lun 0 of iqn.2026-11.com.example:b: /a is also the disk of lun 0 of iqn.2026-11.com.example:a"
        ]
    );
    assert_eq!(both(&lun("a", "/a", "read_only = true"), &lun("b", "/a", "read_only = true")), Vec::<String>::new());
    // Who makes a disk does not tell it from another: much software looks at the serial number or the name alone.
    for (name, value) in [("serial", "X"), ("scsi_id", "X"), ("naa", "3000000000000001"), ("eui64", "0000000000000001")]
    {
        let lun = |at: &str, vendor: &str| {
            lun(at, &format!("/{at}"), &format!("{name} = \"{value}\"\nvendor = \"{vendor}\""))
        };
        let said = both(&lun("a", "A"), &lun("b", "B"));
        assert!(said.len() == 1 && said[0].starts_with("error[F-0204]") && said[0].contains(name), "{said:?}");
    }
}

#[test]
fn the_target_proves_another_secret_than_the_initiators_do() {
    let file = |answer: &str| {
        format!(
            "schema = 1\n[targets.\"eui.02004567a425678d\"]\nallow = [\"any\"]\nchap = [{{ user = \"u\", secret = \"correct horse\" }}]\nmutual_chap = {{ user = \"t\", secret = \"{answer}\" }}\n"
        )
    };
    assert_eq!(heads(&file("battery staple")), Vec::<String>::new());
    assert_eq!(
        heads(&file("correct horse")),
        ["error[F-0602]: target eui.02004567a425678d: mutual_chap: the secret is also one that initiators prove"]
    );
}

#[test]
fn no_secret_is_shown_whatever_is_wrong_around_it() {
    for text in [
        "schema = 1\n[[global.discovery_auth]]\nuser = \"u\"\nsecret = \"hunter2\"\ncolour = 1",
        "schema = 1\n[[global.discovery_auth]]\nuser = \"u\"\nsecret = 2\nsecrets = \"hunter2\"",
        "schema = 1\n[global]\ndiscovery_auth = [{ user = 5, secret = \"hunter2\" }]",
        "schema = 1\n[[global.discovery_auth]]\nuser = \"u\"\nsecret = \"hunter2",
        "schema = 1\n[[global.discovery_auth]]\nuser = \"u\"\nsecret = '''\nhunter2''' x",
        "schema = 1\n[[global.discovery_auth]]\nuser = \"u\"\nsecret = [\"hunter2\"]",
    ] {
        let said = said(text);
        assert!(!said.is_empty() && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_secret_file_is_looked_at_when_a_file_is_loaded_and_not_when_text_is_parsed() {
    let text = "schema = 1\n[[global.discovery_auth]]\nuser = \"u\"\nsecret_file = \"/nonexistent/secret\"\n";
    assert_eq!(said(text), "");
    let path = std::env::temp_dir().join(format!("ferrite-config-{}.toml", std::process::id()));
    std::fs::write(&path, text).unwrap();
    let rejected = load(&path).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    let [diagnostic] = rejected.diagnostics() else { panic!("{rejected}") };
    assert_eq!(diagnostic.refusal.code, codes::SECRET_FILE);
    assert_eq!(diagnostic.place.as_ref().map(|p| p.line), Some(4));
}

#[test]
fn a_file_that_cannot_be_read_is_refused_by_its_name() {
    let rejected = load(Path::new("/nonexistent/ferrite.toml")).unwrap_err();
    assert!(rejected.to_string().starts_with("error[F-0101]: cannot read /nonexistent/ferrite.toml: No such file"));
    assert_eq!(load(&std::env::temp_dir()).unwrap_err().diagnostics()[0].refusal.code, codes::FILE_UNREADABLE);
}

#[test]
fn a_file_may_be_as_large_as_the_limit_and_not_one_byte_larger() {
    let mut text = "schema = 1\n#".to_owned();
    text.push_str(&"x".repeat(FILE_BYTES_MAX - text.len()));
    assert!(parse(&text, "f").is_ok());
    text.push('x');
    assert_eq!(parse(&text, "f").unwrap_err().diagnostics()[0].refusal.code, codes::FILE_TOO_LARGE);
}

#[test]
fn every_count_has_a_limit_that_is_reached_and_not_passed() {
    let list = |count: usize, item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<String>();
    let targets = |n| list(n, &|i| format!("[targets.\"iqn.2026-11.com.example:{i}\"]\nallow = [\"any\"]\n"));
    let portals = |n| format!("[global]\nportals = [{}]", list(n, &|i| format!("\"127.0.0.1:{}\",", i + 1)));
    let accounts = |n| list(n, &|i| format!("[[global.discovery_auth]]\nuser = \"{i}\"\nsecret_file = \"/x\"\n"));
    let rules = |n| format!("[targets.\"eui.02004567a425678d\"]\nallow = [{}]", list(n, &|i| format!("\"iqn:{i}\",")));
    let limits: [(&dyn Fn(usize) -> String, usize); 4] = [
        (&targets, Config::TARGETS_MAX),
        (&portals, GlobalSpec::PORTALS_MAX),
        (&accounts, TargetSpec::ACCOUNTS_MAX),
        (&rules, TargetSpec::RULES_MAX),
    ];
    for (text, limit) in limits {
        assert_eq!(heads(&format!("schema = 1\n{}", text(limit))), Vec::<String>::new());
        let over = heads(&format!("schema = 1\n{}", text(limit + 1)));
        assert!(
            over.len() == 1
                && over[0].starts_with("error[F-0115]")
                && over[0].ends_with(&format!("the limit is {limit}")),
            "{over:?}"
        );
    }
    let luns = |targets: usize, each: usize| {
        list(targets, &|t| {
            let luns = list(each, &|i| format!("luns.{i} = {{ backend = \"null\", size = 512 }}\n"));
            format!("[targets.\"iqn.2026-11.com.example:{t}\"]\nallow = [\"any\"]\n{luns}")
        })
    };
    assert_eq!(heads(&format!("schema = 1\n{}", luns(4, 16384))), Vec::<String>::new());
    let over = luns(4, 16384)
        + "[targets.\"iqn.2026-11.com.example:x\"]\nallow = [\"any\"]\nluns.0 = { backend = \"null\", size = 512 }\n";
    assert_eq!(
        heads(&format!("schema = 1\n{over}")),
        ["error[F-0115]: targets: there are 65537 LUNs in all, the limit is 65536"]
    );
}

#[test]
fn no_more_diagnostics_are_given_than_the_limit() {
    let wrong = |n: usize| (0..n).map(|i| format!("colour{i} = 1\n")).collect::<String>();
    assert_eq!(heads(&format!("schema = 1\n{}", wrong(REPORTED_MAX))).len(), REPORTED_MAX);
    assert_eq!(heads(&format!("schema = 1\n{}", wrong(REPORTED_MAX + 1))).len(), REPORTED_MAX);
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    assert_eq!(heads(&format!("schema = 1\na = {}", "[".repeat(100_000)))[0][..13], *"error[F-0103]");
    assert_eq!(heads(&format!("schema = 1\na{} = 1", ".a".repeat(100_000)))[0][..13], *"error[F-0103]");
}

#[test]
fn machines_get_code_place_and_hint_as_json() {
    let rejected = parse("schema = 1\n[global]\nportal = []\n", "f.toml").unwrap_err();
    assert_eq!(
        serde_json::to_string(rejected.diagnostics()).unwrap(),
        r#"[{"severity":"error","code":"F-0110","what":"unknown key \"portal\" in [global]","hint":"did you mean \"portals\"?","place":{"file":"f.toml","line":3,"column":1}}]"#
    );
}

#[test]
fn an_account_built_by_hand_is_written_as_a_file_has_it() {
    let mut config = Config::default();
    config.global.discovery_auth.push(ChapSpec::new("u", SecretSource::File("/x".into())).unwrap());
    let text = toml::to_string(&config).unwrap();
    assert_eq!(text, "schema = 1\n\n[[global.discovery_auth]]\nuser = \"u\"\nsecret_file = \"/x\"\n");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        let _ = said(&text);
        let _ = said(&format!("schema = 1\n{text}"));
    }

    #[test]
    fn a_file_with_a_piece_replaced_is_read_or_refused_with_a_place(at in 0..WHOLE.len(), cut in 0usize..40, piece in "[a-z0-9\\[\\]{}=.\"'\n#, ]{0,12}") {
        let end = (at + cut).min(WHOLE.len());
        let text = format!("{}{piece}{}", &WHOLE[..at], &WHOLE[end..]);
        if let Err(rejected) = parse(&text, "f.toml") {
            prop_assert!(!rejected.diagnostics().is_empty() && rejected.diagnostics().len() <= REPORTED_MAX);
            for diagnostic in rejected.diagnostics() {
                prop_assert!(diagnostic.place.is_some(), "{}", diagnostic.render());
                prop_assert!(!diagnostic.refusal.what.contains('\n'), "{}", diagnostic.render());
            }
        }
    }
}
