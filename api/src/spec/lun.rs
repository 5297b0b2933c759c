//! What a LUN is: the disk behind it, how it is cut into blocks, and who it says it is.

use super::{IdentityProfile, IdentitySpec, is_default};
use crate::{Eui64Name, HexId, InquiryText, NaaName, Percent, Refusal, Size, codes};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One logical unit of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Words", into = "Words")]
pub struct LunSpec {
    /// The disk behind it.
    pub backend: BackendSpec,
    /// Bytes per logical block, 512 or 4096; None is what the disk has itself, 512 where it has none.
    pub block_size: Option<u32>,
    /// Writes are refused, and the unit says so.
    pub read_only: bool,
    /// Initiators are warned when the disk's own space is used to this share (THIN PROVISIONING SOFT THRESHOLD
    /// REACHED); None never warns. Devices cannot tell their space: a LUN on one is refused with it.
    pub soft_threshold: Option<Percent>,
    /// Who it says it is.
    pub identity: IdentitySpec,
}

/// The disk behind a LUN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendSpec {
    /// `block`: a block device or a file, past the page cache (O_DIRECT).
    Block {
        /// The device.
        path: PathBuf,
    },
    /// `file`: a file, through the page cache; the unit reports a volatile write cache.
    File {
        /// The file.
        path: PathBuf,
        /// How large it has to be. None takes it as it is.
        size: Option<Size>,
        /// Make it, sparse, if it does not exist.
        create: bool,
    },
    /// `memory`: memory of this process, gone with it.
    Memory {
        /// How large it is.
        size: Size,
    },
    /// `null`: reads are zeroes, writes are dropped. For measurements.
    Null {
        /// How large it says it is.
        size: Size,
    },
    /// `cdrom`: a drive for optical discs, which only reads.
    Cdrom {
        /// The image of the disc in it. None is an empty drive.
        path: Option<PathBuf>,
    },
}

impl LunSpec {
    /// The block sizes that are served.
    pub const BLOCK_SIZES: [u32; 2] = [512, 4096];

    /// A LUN on this disk, everything else by default.
    pub fn new(backend: BackendSpec) -> Self {
        LunSpec { backend, block_size: None, read_only: false, soft_threshold: None, identity: IdentitySpec::default() }
    }
}

impl BackendSpec {
    /// The word in the file.
    pub fn kind(&self) -> &'static str {
        self.word().word()
    }

    fn word(&self) -> BackendWord {
        match self {
            BackendSpec::Block { .. } => BackendWord::Block,
            BackendSpec::File { .. } => BackendWord::File,
            BackendSpec::Memory { .. } => BackendWord::Memory,
            BackendSpec::Null { .. } => BackendWord::Null,
            BackendSpec::Cdrom { .. } => BackendWord::Cdrom,
        }
    }

    /// The size that is asked for, where one is.
    pub fn size(&self) -> Option<Size> {
        match self {
            BackendSpec::Block { .. } | BackendSpec::Cdrom { .. } => None,
            BackendSpec::File { size, .. } => *size,
            BackendSpec::Memory { size } | BackendSpec::Null { size } => Some(*size),
        }
    }

    /// The path of the disk, where it has one.
    pub fn path(&self) -> Option<&PathBuf> {
        match self {
            BackendSpec::Block { path } | BackendSpec::File { path, .. } => Some(path),
            BackendSpec::Cdrom { path } => path.as_ref(),
            BackendSpec::Memory { .. } | BackendSpec::Null { .. } => None,
        }
    }

    /// Whether it is a drive, whose medium can be changed.
    pub fn is_drive(&self) -> bool {
        matches!(self, BackendSpec::Cdrom { .. })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BackendWord {
    Block,
    File,
    Memory,
    Null,
    Cdrom,
}

impl BackendWord {
    fn word(self) -> &'static str {
        match self {
            BackendWord::Block => "block",
            BackendWord::File => "file",
            BackendWord::Memory => "memory",
            BackendWord::Null => "null",
            BackendWord::Cdrom => "cdrom",
        }
    }
}

/// The same as it is written: one flat table.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    backend: BackendWord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<Size>,
    #[serde(default, skip_serializing_if = "is_default")]
    create: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    block_size: Option<u32>,
    #[serde(default, skip_serializing_if = "is_default")]
    read_only: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    soft_threshold: Option<Percent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<IdentityProfile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    naa: Option<NaaName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    eui64: Option<Eui64Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scsi_id: Option<InquiryText<16>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scsi_id_hex: Option<HexId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    serial: Option<InquiryText<32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vendor: Option<InquiryText<8>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    product: Option<InquiryText<16>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<InquiryText<4>>,
}

impl TryFrom<Words> for LunSpec {
    type Error = Refusal;
    fn try_from(words: Words) -> Result<Self, Refusal> {
        let backend = words.backend()?;
        if backend.is_drive() {
            words.check_drive()?;
        }
        check_blocks(words.block_size, backend.size())?;
        if let BackendSpec::File { create: true, .. } = backend
            && words.read_only
        {
            return Err(unfit("create", "makes an empty file, and the LUN is read only"));
        }
        let Words { block_size, read_only, soft_threshold, profile, naa, eui64, scsi_id, scsi_id_hex, .. } = words;
        let Words { serial, vendor, product, revision, .. } = words;
        let identity = IdentitySpec { profile, naa, eui64, scsi_id, scsi_id_hex, serial, vendor, product, revision };
        Ok(LunSpec { backend, block_size, read_only, soft_threshold, identity: identity.checked()? })
    }
}

impl Words {
    /// # Errors
    /// `F-0114` for what only a disk has.
    fn check_drive(&self) -> Result<(), Refusal> {
        let said = [
            ("block_size", self.block_size.is_some(), "blocks of a disc have 2048 bytes"),
            ("soft_threshold", self.soft_threshold.is_some(), "a disc never needs more space"),
            ("profile", self.profile.is_some(), "the old target had no drives"),
        ];
        match said.iter().find(|(_, is_said, _)| *is_said) {
            Some((key, _, why)) => Err(unfit(key, &format!("means nothing to a cdrom: {why}"))),
            None => Ok(()),
        }
    }

    fn backend(&self) -> Result<BackendSpec, Refusal> {
        let word = self.backend.word();
        let has_path = matches!(self.backend, BackendWord::Block | BackendWord::File);
        let has_size = !matches!(self.backend, BackendWord::Block | BackendWord::Cdrom);
        let may_have_path = has_path || self.backend == BackendWord::Cdrom;
        let path = match &self.path {
            None if has_path => return Err(missing("path", word)),
            Some(_) if !may_have_path => {
                return Err(unfit("path", &format!("means nothing to a {word} disk")));
            }
            Some(path) if !path.is_absolute() => {
                return Err(Refusal::new(codes::BAD_TEXT, "`path` is not absolute")
                    .hint("the working folder of a daemon is nobody's; write the whole path"));
            }
            path => path.clone(),
        };
        if self.size.is_some() && !has_size {
            let has = if self.backend == BackendWord::Block { "device" } else { "image" };
            return Err(unfit("size", &format!("means nothing to a {word} disk: the {has} has one")));
        }
        if self.size.is_some_and(|size| size.bytes() == 0) {
            return Err(Refusal::new(codes::BAD_SIZE, "`size` is 0"));
        }
        if self.create && self.backend != BackendWord::File {
            return Err(unfit("create", &format!("means nothing to a {word} disk: only files are made")));
        }
        if self.create && self.size.is_none() {
            return Err(missing("size", "file that may have to be made"));
        }
        let size = || self.size.ok_or_else(|| missing("size", word));
        let given = || path.clone().unwrap_or_default();
        Ok(match self.backend {
            BackendWord::Block => BackendSpec::Block { path: given() },
            BackendWord::File => BackendSpec::File { path: given(), size: self.size, create: self.create },
            BackendWord::Memory => BackendSpec::Memory { size: size()? },
            BackendWord::Null => BackendSpec::Null { size: size()? },
            BackendWord::Cdrom => BackendSpec::Cdrom { path },
        })
    }
}

fn missing(key: &str, backend: &str) -> Refusal {
    Refusal::new(codes::MISSING_KEY, format!("`{key}` is missing: a {backend} disk needs it"))
}

fn unfit(key: &str, why: &str) -> Refusal {
    Refusal::new(codes::UNFIT_KEY, format!("`{key}` {why}"))
}

fn check_blocks(block_size: Option<u32>, size: Option<Size>) -> Result<(), Refusal> {
    if let Some(odd) = block_size.filter(|b| !LunSpec::BLOCK_SIZES.contains(b)) {
        return Err(Refusal::new(codes::BAD_BLOCK_SIZE, format!("`block_size` is {odd}, and 512 and 4096 are served")));
    }
    let block = block_size.unwrap_or(LunSpec::BLOCK_SIZES[0]);
    match size {
        Some(size) if size.bytes() % u64::from(block) != 0 => {
            let what = format!("`size` is {} bytes, not a multiple of the {block} bytes of a block", size.bytes());
            let down = size.bytes() - size.bytes() % u64::from(block);
            Err(Refusal::new(codes::BAD_BLOCK_SIZE, what)
                .hint(format!("the next ones are {down} and {}", down + u64::from(block))))
        }
        _ => Ok(()),
    }
}

impl From<LunSpec> for Words {
    fn from(spec: LunSpec) -> Words {
        let IdentitySpec { profile, naa, eui64, scsi_id, scsi_id_hex, serial, vendor, product, revision } =
            spec.identity;
        let create = matches!(spec.backend, BackendSpec::File { create: true, .. });
        Words {
            backend: spec.backend.word(),
            path: spec.backend.path().cloned(),
            size: spec.backend.size(),
            create,
            block_size: spec.block_size,
            read_only: spec.read_only,
            soft_threshold: spec.soft_threshold,
            profile,
            naa,
            eui64,
            scsi_id,
            scsi_id_hex,
            serial,
            vendor,
            product,
            revision,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LunSpec, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    #[test]
    fn each_backend_is_read_and_written_back_the_same() {
        for text in [
            r#"{"backend":"block","path":"/dev/vg/lv"}"#,
            r#"{"backend":"file","path":"/x.img"}"#,
            r#"{"backend":"file","path":"/x.img","size":1073741824,"create":true}"#,
            r#"{"backend":"memory","size":67108864,"block_size":4096}"#,
            r#"{"backend":"null","size":1099511627776,"read_only":true}"#,
            r#"{"backend":"cdrom"}"#,
            r#"{"backend":"cdrom","path":"/x.iso","serial":"S"}"#,
            r#"{"backend":"block","path":"/d","soft_threshold":"80%","naa":"3000000000000001","eui64":"0000000000000001"}"#,
            r#"{"backend":"block","path":"/d","profile":"iet-1.4.20","scsi_id_hex":"00ff","serial":"B"}"#,
            r#"{"backend":"block","path":"/d","scsi_id":"A","serial":"B","vendor":"C","product":"D","revision":"E"}"#,
        ] {
            assert_eq!(serde_json::to_string(&read(text).expect(text)).unwrap(), text);
        }
    }

    #[test]
    fn a_backend_needs_what_it_needs_and_takes_nothing_else() {
        for (text, code, key) in [
            (r#"{"backend":"block"}"#, codes::MISSING_KEY, "`path`"),
            (r#"{"backend":"file"}"#, codes::MISSING_KEY, "`path`"),
            (r#"{"backend":"memory"}"#, codes::MISSING_KEY, "`size`"),
            (r#"{"backend":"null"}"#, codes::MISSING_KEY, "`size`"),
            (r#"{"backend":"file","path":"/x","create":true}"#, codes::MISSING_KEY, "`size`"),
            (r#"{"backend":"block","path":"/x","size":512}"#, codes::UNFIT_KEY, "`size`"),
            (r#"{"backend":"memory","size":512,"path":"/x"}"#, codes::UNFIT_KEY, "`path`"),
            (r#"{"backend":"null","size":512,"create":true}"#, codes::UNFIT_KEY, "`create`"),
            (
                r#"{"backend":"file","path":"/x","size":512,"create":true,"read_only":true}"#,
                codes::UNFIT_KEY,
                "`create`",
            ),
            (r#"{"backend":"cdrom","size":512}"#, codes::UNFIT_KEY, "`size`"),
            (r#"{"backend":"cdrom","path":"x.iso"}"#, codes::BAD_TEXT, "`path`"),
            (r#"{"backend":"cdrom","create":true}"#, codes::UNFIT_KEY, "`create`"),
            (r#"{"backend":"cdrom","block_size":512}"#, codes::UNFIT_KEY, "`block_size`"),
            (r#"{"backend":"cdrom","soft_threshold":"80%"}"#, codes::UNFIT_KEY, "`soft_threshold`"),
            (r#"{"backend":"cdrom","profile":"iet-0.4.15","scsi_id":"A"}"#, codes::UNFIT_KEY, "`profile`"),
            (r#"{"backend":"block","path":"dev/sda"}"#, codes::BAD_TEXT, "`path`"),
            (r#"{"backend":"memory","size":0}"#, codes::BAD_SIZE, "`size`"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.starts_with(code) && error.contains(key), "{text}: {error}");
        }
    }

    #[test]
    fn blocks_are_512_or_4096_bytes_and_fill_the_size() {
        for (text, fits) in [
            (r#"{"backend":"memory","size":4096,"block_size":512}"#, true),
            (r#"{"backend":"memory","size":4096,"block_size":4096}"#, true),
            (r#"{"backend":"memory","size":4096,"block_size":1024}"#, false),
            (r#"{"backend":"memory","size":4608,"block_size":4096}"#, false),
            (r#"{"backend":"memory","size":4608}"#, true),
            (r#"{"backend":"memory","size":4609}"#, false),
        ] {
            assert_eq!(read(text).is_ok(), fits, "{text}");
        }
    }

    #[test]
    fn a_scsi_id_of_17_bytes_is_refused() {
        let error = read(r#"{"backend":"memory","size":512,"scsi_id":"12345678901234567"}"#).unwrap_err();
        assert!(error.starts_with("F-0203: \"12345678901234567\" is 17 bytes, the limit is 16"), "{error}");
    }
}
