/// What the processor's vector unit can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tier {
    /// What every processor of the target can.
    Portable,
    /// 256-bit integer vectors.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512-bit integer vectors with masks and 64-bit products.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Tier {
    /// The best tier of this processor. The standard library remembers the answer.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn detected() -> Tier {
        let avx2 = is_x86_feature_detected!("avx2");
        let wide = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl");
        match (avx2, wide) {
            (true, true) => Tier::Avx512,
            (true, false) => Tier::Avx2,
            _ => Tier::Portable,
        }
    }

    /// The best tier of this processor.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn detected() -> Tier {
        Tier::Portable
    }

    /// Every tier this processor can run, for tests.
    #[cfg(test)]
    pub(crate) fn available() -> Vec<Tier> {
        let mut tiers = vec![Tier::Portable];
        #[cfg(target_arch = "x86_64")]
        match Tier::detected() {
            Tier::Portable => {}
            Tier::Avx2 => tiers.push(Tier::Avx2),
            Tier::Avx512 => tiers.extend([Tier::Avx2, Tier::Avx512]),
        }
        tiers
    }
}

/// Runs `body` compiled for the widest vectors this processor has.
///
/// For plain loops over slices, which the compiler then vectorises for each tier. The loop must be inlined into `body`, or it stays
/// portable: put it in a function marked `#[inline(always)]` and let `body` be nothing but the call.
#[inline]
pub fn vectorize<T>(body: impl FnOnce() -> T) -> T {
    vectorize_for(Tier::detected(), body)
}

#[inline]
pub(crate) fn vectorize_for<T>(tier: Tier, body: impl FnOnce() -> T) -> T {
    match tier {
        Tier::Portable => body(),
        // SAFETY: a tier other than the portable one exists only where `detected` found its features.
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => unsafe { with_avx2(body) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 => unsafe { with_avx512(body) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<T>(body: impl FnOnce() -> T) -> T {
    body()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512dq,avx512bw,avx512vl")]
fn with_avx512<T>(body: impl FnOnce() -> T) -> T {
    body()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tier_runs_the_body() {
        for tier in Tier::available() {
            let mut values: Vec<u64> = (0..100).collect();
            let sum = vectorize_for(tier, || {
                values.iter_mut().for_each(|v| *v = v.wrapping_mul(3));
                values.iter().sum::<u64>()
            });
            assert_eq!(sum, 3 * 4950);
        }
    }
}
