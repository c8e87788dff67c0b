//! Words that can be pasted into a shell.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// `words` as a command line that sh splits into exactly these words.
pub(crate) fn line<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Vec<u8> {
    words.into_iter().map(|word| quote(word.as_ref())).collect::<Vec<_>>().join(&b' ')
}

/// One word: bare where that is safe, otherwise in single quotes.
fn quote(word: &OsStr) -> Vec<u8> {
    let safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"%+,-./:=@_".contains(byte);
    let bytes = word.as_bytes();
    if !bytes.is_empty() && bytes.iter().all(safe) {
        return bytes.to_vec();
    }
    let mut quoted = vec![b'\''];
    for &byte in bytes {
        match byte {
            b'\'' => quoted.extend_from_slice(br"'\''"),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sh_reads_back_what_was_quoted() {
        for words in
            [vec!["plain", "/a/b-c_d.tar.gz", "+43200"], vec!["", "it's", "a b", "$HOME", "-x\n*", "ä"]]
        {
            let line = String::from_utf8(line(&words)).unwrap();
            let output = std::process::Command::new("sh")
                .args(["-c", &format!("printf '%s\\0' {line}")])
                .output()
                .unwrap();
            let read: Vec<&[u8]> = output.stdout.split(|&b| b == 0).collect();
            assert_eq!(read[..words.len()], words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
        }
        assert_eq!(line(["pai-*.tar.gz"]), b"'pai-*.tar.gz'");
    }
}
