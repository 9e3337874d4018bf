//! Hashes as text.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The SHA-256 of some bytes, in hexadecimal.
///
/// ```
/// assert!(pycno_data::hash::sha256_hex(b"").starts_with("e3b0c442"));
/// ```
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The first 128 bits of the SHA-256 of token ids (little-endian), in hexadecimal.
pub fn sequence_hash(ids: &[u32]) -> String {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    hex(&Sha256::digest(&bytes)[..16])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_digest_of_abc_comes_out() {
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn sequences_that_differ_in_a_token_or_in_order_hash_differently() {
        assert_eq!(sequence_hash(&[1, 2]).len(), 32);
        assert_ne!(sequence_hash(&[1, 2]), sequence_hash(&[2, 1]));
        assert_ne!(sequence_hash(&[1]), sequence_hash(&[1, 0]));
    }
}
