//! The seed of a run's randomness.

/// Derives the seed from a run id. It is part of the file format of histories: it never changes.
///
/// FNV-1a over the id's bytes (64 bits, offset basis `cbf29ce484222325`, prime `100000001b3`), then the finaliser of
/// splitmix64 so that ids which differ in one character give unrelated seeds.
pub(crate) fn random_seed(run_id: &str) -> u64 {
    let hash = run_id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::random_seed;

    #[test]
    fn seeds_never_change() {
        assert_eq!(random_seed(""), 0xf52a_15e9_a9b5_e89b);
        assert_eq!(
            random_seed("b2a5c3f0-0000-4000-8000-000000000001"),
            random_seed("b2a5c3f0-0000-4000-8000-000000000001")
        );
        assert_ne!(random_seed("a"), random_seed("b"));
    }
}
