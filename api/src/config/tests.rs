use super::*;
#[test]
fn scratch() {
    for text in [
        "schema = 1\n[global]\niqn_prefx = \"x\"\n",
        "schema = 1\n[defaults.negotiate]\na=1\n",
        "schema = 1\n[engine]\nshards = \"2\"\nspin_us=99999\nio = \"urng\"\n",
        "schema = 1\n[engine]\nshards = 70000\n",
        "schema = 1\n[engine\nshards = 70000\n",
        "a = 1\n",
        "schema = 2\n",
        "schema = \"1\"\n",
        "schema = 1\n[targets.x.luns.0]\nbackend=\"memory\"\n[targets.x.luns.1]\nbackend=\"blok\"\npath=5\n[targets.x.luns.2]\npath='/x'\n[targets.x.luns.99999]\n[targets.x.luns.3]\nbackend=\"block\"\npath=\"/d\"\nsize=\"3X\"\n scsi_id = \"AMHDSK-261122-0400\"\n",
        "schema = 1\n[targets.x]\nallow=[\"any\", \"192.0.2.1\"]\n[[targets.x.chap]]\nuser=\"u\"\nsecret=12345\n",
        "schema = 1\n[targets.x]\nallow=[\"any\"]\nchap = [{user=\"u\", secret=\"hunter22\"}]\n[targets.X]\n",
        "schema = 1\n[targets.\"iqn.2026-11.com.example:x\"]\nallow=[\"any\"]\nchap = [{user=\"u\", secret=\"hunter22\"}]\n",
        "schema = 1\n[targets.\"iqn.2026-11.com.example:x\"]\nluns = 5\n[targets.\"iqn.2026_11.com.example:x\"]\n",
        "schema = 1\ntargets = 5\n",
        "schema = 1\n[targets.x.luns.0]\nbackend=\"memory\"\nsize=5000\n[targets.x]\nalias=\"\"\nallow=5\n",
        "schema = 1\n[global]\nportals = [\"a\", \"127.0.0.1\"]\n[global]\n",
    ] {
        println!("-----\n{text}");
        match parse(text, "f.toml") {
            Ok(l) => {
                for w in l.warnings {
                    print!("{}", w.render());
                }
                println!("OK");
            }
            Err(r) => print!("{r}"),
        }
    }
}
