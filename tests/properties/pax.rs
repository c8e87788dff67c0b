//! Pax records in front of an entry: any keys and values, with the lengths that belong to them.

use pai_backup::archive::header::pad;

/// What separates the records of the input: the first half of each is ahead of its equals sign.
const SEPARATOR: u8 = 0xff;

/// Reads a file behind the pax header that `bytes` make: KEY=VALUE pieces between 0xff bytes.
pub(crate) fn holds(bytes: &[u8]) {
    let Some((&kind, bytes)) = bytes.split_first() else { return };
    let records: Vec<u8> = bytes.split(|&byte| byte == SEPARATOR).flat_map(record).collect();
    let flag = b"xgx0"[usize::from(kind % 4)];
    let mut tar = header(b"PaxHeaders/x", flag, records.len());
    tar.extend(records);
    pad(&mut tar);
    tar.extend(header(b"name", b"0502"[usize::from(kind / 4 % 4)], 0));
    tar.resize(tar.len() + 1024, 0);
    super::tar::mend(&mut tar);
    super::tar::is_read_properly(&tar);
}

/// `LENGTH KEY=VALUE\n`, where LENGTH counts itself.
pub(crate) fn record(text: &[u8]) -> Vec<u8> {
    let rest = text.len() + 2;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [length.to_string().as_bytes(), b" ", text, b"\n"].concat()
}

fn header(name: &[u8], flag: u8, size: usize) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..107].copy_from_slice(b"0000644");
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[156] = flag;
    block[257..265].copy_from_slice(b"ustar\x0000");
    block
}
