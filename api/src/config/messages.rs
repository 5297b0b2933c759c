//! Every message of the reader, pinned word for word.

use super::tests::heads;

/// What stands in a file behind its schema, and what is said about it.
const MESSAGES: &[(&str, &str)] = &[
    ("[defaults.negotiate]\na = 1", "error[F-0110]: unknown key \"defaults\" in the file"),
    (
        "[targets.\"iqn.2026-11.com.example:x\".luns.0]\nbackend = \"null\"\nsize = 512\nScsiSN = \"x\"",
        "error[F-0110]: unknown key \"ScsiSN\" in [targets.\"iqn.2026-11.com.example:x\".luns.0]",
    ),
    ("[engine]\nshards = \"2\"", "error[F-0111]: [engine]: shards has to be a whole number, and is the string \"2\""),
    ("[engine]\nshards = -1", "error[F-0209]: [engine]: shards is out of range: integer `-1`"),
    ("[engine]\nshards = 257", "error[F-0209]: [engine]: `shards` is 1 to 256; leave it out for one per core"),
    ("[engine]\nspin_us = 99999", "error[F-0209]: [engine]: `spin_us` is 0 to 10000"),
    ("[engine]\nmemory = 1", "error[F-0209]: [engine]: `memory` is at least 16 MiB"),
    ("[engine]\nmemory = \"1X\"", "error[F-0206]: [engine]: memory \"1X\" is not a size"),
    ("[engine]\nio = \"urng\"", "error[F-0112]: [engine]: io \"urng\" is not one of auto, uring, threads"),
    ("[engine", "error[F-0103]: unclosed table, expected `]`"),
    ("[global]\n[global]", "error[F-0103]: duplicate key"),
    (
        "[global]\nportals = [\"127.0.0.1\", \"localhost\"]",
        "error[F-0208]: [global]: portals \"localhost\" is not a portal",
    ),
    (
        "[global]\nportals = [{ address = \"::1\", group = 0 }]",
        "error[F-0209]: [global]: portals.group \"0\" is not a portal group",
    ),
    (
        "[global]\nportals = [{ address = \"::1\", groop = 2 }]",
        "error[F-0110]: unknown key \"groop\" in [global.portals]",
    ),
    ("[global]\nportals = [\"::1\", { group = 2 }]", "error[F-0113]: [global]: portals: `address` is missing"),
    (
        "[global]\nportals = [5]",
        "error[F-0111]: [global]: portals has to be an address, or a table with address and group, and is the integer `5`",
    ),
    ("[global]\nstate_dir = \"state\"", "error[F-0210]: [global]: `state_dir` is not absolute"),
    (
        "[targets.\"eui.02004567a425678d\"]\nallow = [\"any\"]\nalua = { 2 = \"standby\" }",
        "error[F-0114]: target eui.02004567a425678d: alua: no portal is in group 2",
    ),
    (
        "[targets.x.alua]\n1 = \"stanby\"",
        "error[F-0112]: target x: alua.1 \"stanby\" is not one of active-optimized, active-non-optimized, standby, unavailable, offline, transitioning",
    ),
    ("[targets.x.alua]\n0 = \"standby\"", "error[F-0209]: target x: alua: \"0\" is not a portal group"),
    (
        "[targets.x.luns.0]\nbackend = \"null\"\nsize = 512\nnaa = \"naa.1\"",
        "error[F-0203]: lun 0 of x: naa \"naa.1\" is not an NAA name",
    ),
    (
        "[targets.x.luns.0]\nbackend = \"null\"\nsize = 512\nsoft_threshold = \"100%\"",
        "error[F-0209]: lun 0 of x: soft_threshold \"100%\" is not a share from 1% to 99%",
    ),
    (
        "[targets.x.luns.0]\nbackend = \"null\"\nsize = 512\nprofile = \"iet\"",
        "error[F-0112]: lun 0 of x: profile \"iet\" is not one of iet-0.4.15, iet-1.4.20",
    ),
    (
        "[targets.x.luns.0]\nbackend = \"null\"\nsize = 512\nprofile = \"iet-0.4.15\"",
        "error[F-0113]: lun 0 of x: `scsi_id` is missing: the profile iet-0.4.15 has to show the one that the old target showed",
    ),
    (
        "[targets.x.luns.0]\nbackend = \"null\"\nsize = 512\nprofile = \"iet-0.4.15\"\nscsi_id = \"a\"\nvendor = \"b\"",
        "error[F-0114]: lun 0 of x: `vendor` stands beside the profile iet-0.4.15, which says that itself",
    ),
    ("[global]\nportals = [\"::1\", \"[::1]:3260\"]", "error[F-0208]: [global]: portal [::1]:3260 stands twice"),
    (
        "[global]\nportals = \"127.0.0.1\"",
        "error[F-0111]: [global]: portals has to be a list, and is the string \"127.0.0.1\"",
    ),
    (
        "[global]\niqn_prefix = \"iqn.2026-11.com.example:x\"",
        "error[F-0201]: [global]: iqn_prefix \"iqn.2026-11.com.example:x\" is not a prefix of names",
    ),
    ("targets = 5", "error[F-0111]: targets has to be a table, and is the integer `5`"),
    ("[targets.x]\nallow = [\"any\"]", "error[F-0201]: target x has a short name, and the file has no prefix for it"),
    (
        "[targets.\"iqn.2026-11.com.example:a_b\"]",
        "error[F-0201]: targets: \"iqn.2026-11.com.example:a_b\" is not an iSCSI name: '_' may not stand in one",
    ),
    (
        "[targets.\"EUI.02004567A425678D\"]\n[targets.\"eui.02004567a425678d\"]",
        "error[F-0205]: EUI.02004567A425678D and eui.02004567a425678d are the same target",
    ),
    (
        "[global]\niqn_prefix = \"iqn.2026-11.com.example\"\n[targets.x]\n[targets.\"iqn.2026-11.com.example:x\"]",
        "error[F-0205]: x and iqn.2026-11.com.example:x are the same target, iqn.2026-11.com.example:x",
    ),
    (
        "[targets.\"eui.02004567a425678d\"]\nalias = \"\"",
        "error[F-0210]: target eui.02004567a425678d: `alias` is empty",
    ),
    ("[targets.\"eui.02004567a425678d\"]", "warning[F-0606]: target eui.02004567a425678d lets nobody in"),
    (
        "[targets.\"eui.02004567a425678d\"]\nallow = [\"any\", \"addr:192.0.2.1\"]",
        "warning[F-0607]: target eui.02004567a425678d: beside \"any\" no other rule has a meaning",
    ),
    (
        "[targets.\"eui.02004567a425678d\"]\nallow = [\"any\", \"192.0.2.1\"]",
        "error[F-0601]: target eui.02004567a425678d: allow \"192.0.2.1\" is not a rule",
    ),
    (
        "[targets.\"eui.02004567a425678d\"]\nallow = [\"addr:192.0.2.5/24\"]",
        "error[F-0601]: target eui.02004567a425678d: allow \"192.0.2.5/24\" is not an address range: it has bits behind the prefix",
    ),
    ("[targets.x.luns.99999]\nbackend = \"null\"", "error[F-0202]: target x: luns: \"99999\" is not a LUN number"),
    ("[targets.x.luns.0]\npath = \"/x\"", "error[F-0113]: lun 0 of x: `backend` is missing"),
    (
        "[targets.x.luns.0]\nbackend = \"blok\"",
        "error[F-0112]: lun 0 of x: backend \"blok\" is not one of block, file, memory, null, cdrom",
    ),
    ("[targets.x.luns.0]\nbackend = \"block\"", "error[F-0113]: lun 0 of x: `path` is missing: a block disk needs it"),
    ("[targets.x.luns.0]\nbackend = \"block\"\npath = \"sda\"", "error[F-0210]: lun 0 of x: `path` is not absolute"),
    (
        "[targets.x.luns.0]\nbackend = \"block\"\npath = \"/x\"\nsize = 1",
        "error[F-0114]: lun 0 of x: `size` means nothing to a block disk: the device has one",
    ),
    (
        "[targets.x.luns.0]\nbackend = \"memory\"\nsize = 5000",
        "error[F-0207]: lun 0 of x: `size` is 5000 bytes, not a multiple of the 512 bytes of a block",
    ),
    (
        "[targets.x.luns.0]\nbackend = \"memory\"\nsize = 8192\nblock_size = 1024",
        "error[F-0207]: lun 0 of x: `block_size` is 1024, and 512 and 4096 are served",
    ),
    (
        "[targets.x.luns.0]\nbackend = \"null\"\nsize = 512\nread_only = \"yes\"",
        "error[F-0111]: lun 0 of x: read_only has to be true or false, and is the string \"yes\"",
    ),
    (
        "[targets.x.negotiate]\nmax_burst_length = 100",
        "error[F-0209]: target x: negotiate: `max_burst_length` is 100, and 512 to 16777215 may stand there",
    ),
    (
        "[targets.x.negotiate]\nheader_digest = []",
        "error[F-0209]: target x: negotiate: `header_digest` is a list of one or both of \"crc32c\" and \"none\", each once",
    ),
    (
        "[targets.x.negotiate]\ndata_digest = [\"md5\"]",
        "error[F-0112]: target x: negotiate.data_digest \"md5\" is not one of none, crc32c",
    ),
    ("[[targets.x.chap]]\nuser = \"u\"\nsecret = 12345", "error[F-0111]: account 1 of x: the secret is not a string"),
    (
        "[[targets.x.chap]]\nuser = \"u\"\nsecret_file = \"/x\"\n[[targets.x.chap]]\nuser = \"u\"",
        "error[F-0113]: account 2 of x: the account has no secret",
    ),
    ("[targets.x]\nmutual_chap = { user = \"u\" }", "error[F-0113]: target x: mutual_chap: the account has no secret"),
    (
        "[targets.\"eui.02004567a425678d\"]\nallow = [\"any\"]\nmutual_chap = { user = \"u\", secret_file = \"/x\" }",
        "error[F-0114]: target eui.02004567a425678d: `mutual_chap` stands without chap: a target answers only after the initiator has",
    ),
    (
        "[[global.discovery_auth]]\nuser = \"u\"\nsecret = \"eleven byte\"",
        "warning[F-0604]: account 1 for discovery: the secret is shorter than 12 bytes",
    ),
    (
        "[[global.discovery_auth]]\nuser = \"u\"\nsecret = \"(redacted)\"",
        "error[F-0602]: account 1 for discovery: the secret was taken out when this was written",
    ),
    (
        "[[global.discovery_auth]]\nuser = \"u\"\nsecret_file = \"/a\"\n[[global.discovery_auth]]\nuser = \"u\"\nsecret_file = \"/b\"",
        "error[F-0605]: account 2 for discovery: user \"u\" stands twice",
    ),
];

#[test]
fn every_message_says_what_is_wrong_and_where() {
    for (text, message) in MESSAGES {
        assert_eq!(heads(&format!("schema = 1\n{text}\n")), [*message], "{text}");
    }
}
