//! A strict reader of the chunked coding (RFC 9112 7.1).

use crate::message::{Fields, field, lines};
use crate::record::find;

/// As much of a chunked body as there is.
#[derive(Debug, Default)]
pub(crate) struct Chunked {
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Fields,
    /// Bytes it takes.
    pub(crate) len: usize,
    pub(crate) complete: bool,
}

/// Reads the body at the start of `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Result<Chunked, String> {
    let mut read = Chunked::default();
    loop {
        let rest = &bytes[read.len..];
        let Some(end) = find(rest, b"\r\n") else {
            read.len = bytes.len();
            return Ok(read);
        };
        let size = size(&rest[..end])?;
        if size == 0 {
            return trailers(read, bytes, end + 2);
        }
        let data = &rest[end + 2..];
        if data.len() < size + 2 {
            read.body.extend_from_slice(&data[..size.min(data.len())]);
            read.len = bytes.len();
            return Ok(read);
        }
        if &data[size..size + 2] != b"\r\n" {
            return Err(format!("a chunk of {size} bytes does not end there"));
        }
        read.body.extend_from_slice(&data[..size]);
        read.len += end + 2 + size + 2;
    }
}

/// What follows the last chunk, whose line takes `line` bytes.
fn trailers(mut read: Chunked, bytes: &[u8], line: usize) -> Result<Chunked, String> {
    // With the line end before it, so that no trailers look like an empty last line.
    let from = read.len + line - 2;
    match find(&bytes[from..], b"\r\n\r\n") {
        Some(end) => {
            let section = &bytes[from + 2..from + end + 2];
            read.trailers = lines(section)?.into_iter().map(field).collect::<Result<_, _>>()?;
            read.len = from + end + 4;
            read.complete = true;
        }
        None => read.len = bytes.len(),
    }
    Ok(read)
}

fn size(line: &[u8]) -> Result<usize, String> {
    let bad = |why: &str| format!("chunk size `{}`: {why}", line.escape_ascii());
    lines(&[line, b"\r\n"].concat()).map_err(|e| bad(&e))?;
    if line.contains(&b'\r') || line.contains(&b'\n') {
        return Err(bad("a line end inside"));
    }
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let rest = &line[digits..];
    if digits == 0 || !(rest.is_empty() || rest.trim_ascii_start().starts_with(b";")) {
        return Err(bad("not a hexadecimal number"));
    }
    usize::from_str_radix(&String::from_utf8_lossy(&line[..digits]), 16)
        .map_err(|e| bad(&e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_to_its_last_line() {
        let whole = b"2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nX: 1\r\n\r\nGET";
        let read = read(whole).unwrap();
        assert_eq!((&read.body[..], read.complete), (&b"hello"[..], true));
        assert_eq!((read.trailers.len(), read.len), (1, whole.len() - 3));
        for end in 0..whole.len() - 3 {
            assert!(!super::read(&whole[..end]).unwrap().complete, "{end}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_a_fault() {
        for bad in [
            "x\r\n",
            "+1\r\n",
            "\r\n",
            "1\na\r\n",
            "1;a\nb\r\n",
            "1 1\r\n",
            "1\r\nab\r\n",
            "0\r\nX : 1\r\n\r\n",
        ] {
            assert!(read(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
