//! Readers of what strangers wrote, without a file or a store around them: doors for `tests/properties` and the fuzzer.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pai_common::sha256;

use crate::archive::open::Bytes as _;
use crate::crypt::{self, Identities, Keys, Recipients, open};
use crate::store::probe::{Objects, archive};

/// Seals bytes.
pub fn seal(bytes: &[u8], to: &Recipients) -> Vec<u8> {
    crypt::seal(bytes, to).map(|sealed| sealed.bytes).unwrap_or_default()
}

/// What came of opening something in every way there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// All of it at once.
    pub whole: Option<Vec<u8>>,
    /// What came out of a stream before it ended or failed.
    pub streamed: Vec<u8>,
    /// A part of it.
    pub part: Option<Vec<u8>>,
}

/// Opens bytes: whole, as a stream, and `length` bytes from `offset` on.
pub fn open(bytes: &[u8], identities: Identities, offset: u64, length: usize) -> Opened {
    let mut streamed = Vec::new();
    if let Ok(mut stream) = open::stream(bytes, &identities) {
        let mut buffer = [0; 5000];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            streamed.extend_from_slice(&buffer[..count]);
        }
    }
    let whole = open::open(bytes, &identities).ok();
    let file = Arc::new(crate::store::probe::InMemory(bytes.to_vec()));
    let part = open::Opened::new(file, Arc::new(identities)).ok().and_then(|opened| {
        let mut part = vec![0; length];
        opened.read_exact_at(&mut part, offset).ok().map(|()| part)
    });
    Opened { whole, streamed, part }
}

/// Reads a list, compressed or as text, and gives it as it would be written.
pub fn list(bytes: &[u8], name: &str) -> Option<String> {
    crate::store::probe::list(bytes, name)
}

/// Whether the lines of an archive's packs are whole, byte for byte.
pub fn packs(bytes: &[u8]) -> bool {
    crate::store::probe::needs(bytes)
}

/// What an address behind the token asks for, and the address that a link to it would have, if there is one.
pub fn asked(address: &str) -> Option<Asked> {
    crate::browse::probe::asked(address)
}

/// What a page is asked to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Names of archives.
    pub names: Vec<String>,
    /// A path in an archive.
    pub path: Option<PathBuf>,
    /// The address of a link to the same.
    pub link: Option<String>,
}

/// The address of the page that downloads a path of an archive.
pub fn address(archive: &str, path: &Path) -> String {
    crate::browse::probe::address(archive, path)
}

/// Whether `browse` answers such a request, or the status of its refusal.
pub fn admitted(token: &str, port: u16, method: &str, hosts: &[&str], url: &str) -> Result<(), u16> {
    crate::browse::probe::admitted(token, port, method, hosts, url)
}

/// A store of packs, and an archive that is made of them.
#[derive(Debug)]
pub struct Archive {
    objects: Objects,
    list: String,
    keys: Arc<Keys>,
    sealed: bool,
}

impl Archive {
    /// Packs, encrypted for somebody or not, and the runs of the archive: number of the pack, first byte, length.
    pub fn new(
        packs: &[Vec<u8>],
        runs: &[(usize, u64, u64)],
        pair: Option<(Identities, &Recipients)>,
    ) -> Self {
        let (mut objects, mut names, mut heads) = (BTreeMap::new(), Vec::new(), String::new());
        let sealed = pair.is_some();
        let mut keys = Keys::default();
        let mut recipients = None;
        if let Some((identities, to)) = pair {
            (keys, recipients) = (Keys::of(identities), Some(to));
        }
        for pack in packs {
            let object = recipients.map_or_else(|| pack.clone(), |to| seal(pack, to));
            let name = sha256::to_hex(&sha256::digest(&object));
            if let Some(head) = open::head_length(&object).filter(|_| sealed) {
                let digest = sha256::to_hex(&sha256::digest(&object[..head]));
                heads.extend(["# head ", &name, " ", &digest, "\n"]);
            }
            let end = if sealed { ".gz.age" } else { ".gz" };
            objects.insert(format!("packs/{}/{name}{end}", &name[..2]), object);
            names.push(name);
        }
        let size: u64 = runs.iter().map(|(.., length)| length).sum();
        let mut list = format!("# pai-backup list 1\n# archive a\n# size {size}\n{heads}");
        for (pack, offset, length) in runs {
            list.extend([&names[*pack], " ", &offset.to_string(), " ", &length.to_string(), "\n"]);
        }
        Self { objects: Objects(objects), list, keys: Arc::new(keys), sealed }
    }

    /// Changes the bytes of a pack where they lie.
    pub fn tamper(&mut self, pack: usize, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(object) = self.objects.0.values_mut().nth(pack) {
            change(object);
        }
    }

    /// `length` bytes from `offset` on; `whole`: every pack is checked against its name.
    pub fn read(&self, offset: u64, length: usize, whole: bool) -> Option<Vec<u8>> {
        archive(&self.list, &self.objects, self.sealed, &self.keys, whole, offset, length)
    }
}
