//! Histogram buckets for times: four per octave from 1.024 us to 17.18 s, one below, one above.
//! Quarter octaves keep the error of a quantile under 13 %, in 98 counters.

/// Octaves start at 2^10 ns: less is noise of the tracepoint itself.
const FIRST_EXPONENT: u32 = 10;
/// The last octave ends at 2^34 ns = 17.18 s.
const END_EXPONENT: u32 = 34;
/// Buckets in one octave.
const PER_OCTAVE: u32 = 4;

/// How many counters a histogram has: below, the octaves' quarters, above.
pub const BUCKETS: usize = ((END_EXPONENT - FIRST_EXPONENT) * PER_OCTAVE + 2) as usize;

/// The bucket a time falls in; always less than [`BUCKETS`].
#[inline(always)]
pub fn bucket_of(ns: u64) -> usize {
    if ns < 1 << FIRST_EXPONENT {
        return 0;
    }
    if ns >= 1 << END_EXPONENT {
        return BUCKETS - 1;
    }
    let mut units = (ns >> FIRST_EXPONENT) as u32;
    // A search by halves: BPF has no instruction that counts leading zeros.
    let mut exponent = 0u32;
    if units >= 1 << 16 {
        units >>= 16;
        exponent += 16;
    }
    if units >= 1 << 8 {
        units >>= 8;
        exponent += 8;
    }
    if units >= 1 << 4 {
        units >>= 4;
        exponent += 4;
    }
    if units >= 1 << 2 {
        units >>= 2;
        exponent += 2;
    }
    if units >= 1 << 1 {
        exponent += 1;
    }
    let quarter = (ns >> (exponent + FIRST_EXPONENT - 2)) as u32 & (PER_OCTAVE - 1);
    (1 + exponent * PER_OCTAVE + quarter) as usize
}

/// The least time in a bucket.
pub const fn lower_bound_ns(bucket: usize) -> u64 {
    if bucket == 0 {
        return 0;
    }
    if bucket >= BUCKETS - 1 {
        return 1 << END_EXPONENT;
    }
    let step = bucket as u64 - 1;
    let exponent = FIRST_EXPONENT as u64 + step / PER_OCTAVE as u64;
    (PER_OCTAVE as u64 + step % PER_OCTAVE as u64) << (exponent - 2)
}

/// The first time above a bucket; the last bucket has no end and says twice its start.
pub const fn upper_bound_ns(bucket: usize) -> u64 {
    if bucket >= BUCKETS - 1 { 2 << END_EXPONENT } else { lower_bound_ns(bucket + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_contiguous_and_every_edge_lands_in_its_own() {
        for bucket in 0..BUCKETS {
            let (low, high) = (lower_bound_ns(bucket), upper_bound_ns(bucket));
            assert!(low < high, "bucket {bucket} is empty");
            assert_eq!(bucket_of(low), bucket, "lower edge of {bucket}");
            assert_eq!(bucket_of(high - 1), bucket, "upper edge of {bucket}");
        }
    }

    #[test]
    fn a_bucket_is_at_most_a_quarter_of_its_start_wide() {
        for bucket in 1..BUCKETS - 1 {
            let (low, high) = (lower_bound_ns(bucket), upper_bound_ns(bucket));
            assert!((high - low) * 4 <= low, "bucket {bucket}: {low}..{high}");
        }
    }

    #[test]
    fn the_ends_are_where_the_head_of_this_file_says() {
        assert_eq!(bucket_of(1_023), 0);
        assert_eq!(bucket_of(1_024), 1);
        assert_eq!(bucket_of(17_179_869_183), BUCKETS - 2);
        assert_eq!(bucket_of(17_179_869_184), BUCKETS - 1);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }
}
