//! Base64: written in the standard alphabet with padding, read in every variant.

use alloc::vec::Vec;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The value of each character, in the standard and the URL-safe alphabet; 64 for what is in neither.
const VALUES: [u8; 256] = {
    let mut values = [64; 256];
    let mut value = 0;
    while value < 64 {
        values[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    values[b'-' as usize] = 62;
    values[b'_' as usize] = 63;
    values
};

/// Appends `bytes` to `out`.
pub(super) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len().div_ceil(3) * 4);
    let letter = |bits: u32| ALPHABET[(bits & 63) as usize];
    let mut groups = bytes.chunks_exact(3);
    for group in &mut groups {
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        out.extend_from_slice(&[letter(bits >> 18), letter(bits >> 12), letter(bits >> 6), letter(bits)]);
    }
    match *groups.remainder() {
        [a] => {
            let bits = u32::from_be_bytes([0, a, 0, 0]);
            out.extend_from_slice(&[letter(bits >> 18), letter(bits >> 12), b'=', b'=']);
        }
        [a, b] => {
            let bits = u32::from_be_bytes([0, a, b, 0]);
            out.extend_from_slice(&[letter(bits >> 18), letter(bits >> 12), letter(bits >> 6), b'=']);
        }
        _ => {}
    }
}

/// Appends what `text` encodes to `out`; padding may be missing and unused bits may be set. `None` when it is no base64.
pub(super) fn decode(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let text = text.trim_end_matches('=').as_bytes();
    out.reserve(text.len() / 4 * 3 + 2);
    let bits_of = |group: &[u8]| {
        let mut bits = 0;
        let mut bad = 0;
        for byte in group {
            let value = VALUES[usize::from(*byte)];
            bad |= value & 64;
            bits = bits << 6 | u32::from(value);
        }
        (bad == 0).then_some(bits)
    };
    let mut groups = text.chunks_exact(4);
    for group in &mut groups {
        let bits = bits_of(group)?;
        out.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    let rest = groups.remainder();
    let bits = bits_of(rest)?;
    match rest.len() {
        0 => {}
        2 => out.push((bits >> 4) as u8),
        3 => out.extend_from_slice(&(bits >> 2).to_be_bytes()[2..]),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use alloc::vec::Vec;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(text, &mut out).map(|()| out)
    }

    #[test]
    fn round_trips_every_length() {
        for length in 0..=64_u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37) ^ 0xa5).collect();
            let mut text = Vec::new();
            encode(&bytes, &mut text);
            assert_eq!(text.len() % 4, 0);
            let text = core::str::from_utf8(&text).unwrap();
            assert_eq!(decoded(text).as_ref(), Some(&bytes));
            assert_eq!(
                decoded(text.trim_end_matches('=')).as_ref(),
                Some(&bytes),
                "without padding"
            );
            let safe = text.replace('+', "-").replace('/', "_");
            assert_eq!(decoded(&safe).as_ref(), Some(&bytes), "URL-safe");
        }
    }

    #[test]
    fn reads_trailing_bits_and_refuses_rubbish() {
        assert_eq!(decoded("aGk=").as_deref(), Some(&b"hi"[..]));
        assert_eq!(decoded("aGl=").as_deref(), Some(&b"hi"[..]), "unused bits set");
        for text in ["a", "aGkx!", "aG k", "a=Gk", "é"] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }
}
