use std::env;
use std::fmt;
use std::sync::OnceLock;

/// The environment variable that names the best tier a process may use: `portable`, `avx2`, `avx512` or `avx512plus`.
///
/// It is there to run the fallback paths on a processor that needs none of them. Unset, a process uses the best its processor has.
pub const TIER_VARIABLE: &str = "TERCET_KERNELS";

/// What the processor's vector unit can do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Tier {
    /// What every processor of the target can.
    Portable,
    /// 256-bit integer vectors.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512-bit integer vectors with masks and 64-bit products (AVX-512 F, DQ, BW and VL).
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// What came with Ice Lake and Zen 4 besides: permutations of bytes (VBMI), affine maps over bits (GFNI), AES on vectors (VAES).
    #[cfg(target_arch = "x86_64")]
    Avx512Plus,
}

/// [`TIER_VARIABLE`] asks for kernels that cannot be used. Whoever set it has to change it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TierError {
    /// No tier has this name.
    #[error("{TIER_VARIABLE} is `{name}`, but has to be one of {}", names(Tier::ALL))]
    Unknown {
        /// The variable's value.
        name: String,
    },
    /// The processor lacks the instructions.
    #[error(
        "{TIER_VARIABLE} is `{name}`, but this processor can only do {}",
        names(Tier::available())
    )]
    Unsupported {
        /// The variable's value.
        name: String,
    },
}

impl Tier {
    const ALL: &[Tier] = &[
        Tier::Portable,
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2,
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512,
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512Plus,
    ];

    /// The tier this process uses. Decided once, by [`TIER_VARIABLE`] and the processor.
    ///
    /// # Errors
    /// When the variable names no tier, or one the processor lacks. Programs ask before they begin; a kernel that runs nevertheless panics.
    pub fn chosen() -> Result<Tier, TierError> {
        choice().clone()
    }

    /// The tier of the kernels that run now.
    ///
    /// # Panics
    /// Where [`Tier::chosen`] fails.
    #[inline]
    pub fn current() -> Tier {
        match choice() {
            Ok(tier) => *tier,
            Err(error) => panic!("{error}"),
        }
    }

    /// Every tier this processor can run, the best last.
    pub(crate) fn available() -> &'static [Tier] {
        &Tier::ALL[..=Tier::ALL.iter().rposition(|tier| tier.is_supported()).unwrap_or(0)]
    }

    #[cfg(target_arch = "x86_64")]
    fn is_supported(self) -> bool {
        let avx2 = is_x86_feature_detected!("avx2");
        let avx512 = avx2
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl");
        match self {
            Tier::Portable => true,
            Tier::Avx2 => avx2,
            Tier::Avx512 => avx512,
            Tier::Avx512Plus => {
                avx512
                    && is_x86_feature_detected!("avx512vbmi")
                    && is_x86_feature_detected!("gfni")
                    && is_x86_feature_detected!("aes")
                    && is_x86_feature_detected!("vaes")
            }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn is_supported(self) -> bool {
        true
    }

    /// The tier that a process uses whose variable has this value.
    fn named(name: Option<&str>) -> Result<Tier, TierError> {
        let available = Tier::available();
        let Some(name) = name else {
            return Ok(available[available.len() - 1]);
        };
        let tier = Tier::ALL.iter().find(|tier| tier.to_string() == name);
        let tier = tier.ok_or_else(|| TierError::Unknown { name: name.to_owned() })?;
        if !available.contains(tier) {
            return Err(TierError::Unsupported { name: name.to_owned() });
        }
        Ok(*tier)
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tier::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Tier::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512Plus => "avx512plus",
        })
    }
}

fn choice() -> &'static Result<Tier, TierError> {
    static CHOICE: OnceLock<Result<Tier, TierError>> = OnceLock::new();
    CHOICE.get_or_init(|| {
        let name = env::var_os(TIER_VARIABLE).map(|name| name.to_string_lossy().into_owned());
        Tier::named(name.as_deref())
    })
}

fn names(tiers: &[Tier]) -> String {
    tiers.iter().map(Tier::to_string).collect::<Vec<_>>().join(", ")
}

/// Evaluates a call compiled for the widest vectors this process may use, or with a [`kernel::Tier`](crate::kernel::Tier) before it for that one's.
///
/// For plain loops over slices, which the compiler then vectorises for each tier. The function called has to be marked `#[inline(always)]`,
/// or it stays portable.
///
/// A macro, because it gives each tier a closure of its own: the compiler inlines even a large one into the only function that calls it,
/// where a single closure for all tiers would stay what it is, portable code.
#[macro_export]
macro_rules! vectorize {
    ($call:expr) => {
        $crate::vectorize!($crate::kernel::Tier::current(), $call)
    };
    ($tier:expr, $call:expr) => {
        match $crate::kernel::Tier::vectors($tier) {
            $crate::kernel::Vectors::Portable => $call,
            $crate::kernel::Vectors::Avx2(vectors) => vectors.run(|| $call),
            $crate::kernel::Vectors::Avx512(vectors) => vectors.run(|| $call),
        }
    };
}

/// The vectors that compiled loops use, see [`vectorize!`](crate::vectorize).
pub enum Vectors {
    /// Those of every processor of the target.
    Portable,
    /// 256-bit ones.
    Avx2(Avx2),
    /// 512-bit ones.
    Avx512(Avx512),
}

/// Proof that the processor has 256-bit integer vectors.
pub struct Avx2(());

/// Proof that the processor has 512-bit integer vectors.
pub struct Avx512(());

impl Tier {
    /// The vectors of the tier.
    #[inline]
    pub fn vectors(self) -> Vectors {
        match self {
            Tier::Portable => Vectors::Portable,
            #[cfg(target_arch = "x86_64")]
            Tier::Avx2 => Vectors::Avx2(Avx2(())),
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512 | Tier::Avx512Plus => Vectors::Avx512(Avx512(())),
        }
    }
}

macro_rules! run {
    ($proof:ident, $features:literal) => {
        impl $proof {
            /// Runs `body`, compiled for these vectors if it is inlined.
            #[inline]
            pub fn run<T>(self, body: impl FnOnce() -> T) -> T {
                #[inline]
                #[cfg_attr(target_arch = "x86_64", target_feature(enable = $features))]
                fn with_features<T>(body: impl FnOnce() -> T) -> T {
                    body()
                }
                // SAFETY: the tier that the proof comes from is in use only where the processor has the features.
                #[cfg_attr(
                    not(target_arch = "x86_64"),
                    allow(unused_unsafe, reason = "only features are unsafe")
                )]
                unsafe {
                    with_features(body)
                }
            }
        }
    };
}

run!(Avx2, "avx2");
run!(Avx512, "avx2,avx512f,avx512dq,avx512bw,avx512vl");

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(always)]
    fn triple(values: &mut [u64]) -> u64 {
        values.iter_mut().for_each(|v| *v = v.wrapping_mul(3));
        values.iter().sum()
    }

    #[test]
    fn every_tier_runs_the_function() {
        for &tier in Tier::available() {
            let mut values: Vec<u64> = (0..100).collect();
            let sum = vectorize!(tier, triple(&mut values));
            assert_eq!(sum, 3 * 4950);
        }
    }

    #[test]
    fn the_variable_lowers_the_tier_and_never_raises_it() {
        for &tier in Tier::ALL {
            let named = Tier::named(Some(&tier.to_string()));
            if Tier::available().contains(&tier) {
                assert_eq!(named, Ok(tier));
            } else {
                assert_eq!(named, Err(TierError::Unsupported { name: tier.to_string() }));
            }
        }
        assert_eq!(Tier::named(None).ok().as_ref(), Tier::available().last());
        let unknown = Tier::named(Some("sse9")).unwrap_err();
        assert!(
            unknown
                .to_string()
                .starts_with("TERCET_KERNELS is `sse9`, but has to be one of portable")
        );
    }
}
