//! How many candidates meet at once when the largest is looked for.
//!
//! Within a group all pairs are compared at once, so the number of comparisons grows with the square of the group; each
//! level of groups costs the rounds of a comparison again.

use crate::op::Variant;

/// The most candidates of a group, zero not counted.
pub const GROUP_SIZE_MAX: u32 = 4;

/// The groups of each level, in the order of the candidates, so that the first of equal candidates is in the first group that holds one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tournament {
    levels: Vec<Vec<Group>>,
}

/// Candidates of which all pairs are compared at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Group {
    /// Secret candidates.
    pub candidates: u32,
    /// Whether the public number zero competes, too.
    pub with_zero: bool,
}

impl Tournament {
    /// Groups of at most four, level upon level until one candidate is left; zero joins in the last level. With [`Variant::Traffic`] candidates
    /// meet in pairs (an odd one makes a group of three), and zero meets the last.
    ///
    /// A single candidate that does not meet zero needs no level.
    pub fn new(candidates: u32, with_zero: bool, variant: Variant) -> Tournament {
        let in_pairs = variant == Variant::Traffic;
        let mut levels: Vec<Vec<Group>> = Vec::new();
        let mut left = candidates;
        while left > 1 {
            let groups = if in_pairs {
                left / 2
            } else {
                left.div_ceil(GROUP_SIZE_MAX)
            };
            let size = |group| left / groups + u32::from(group < left % groups);
            levels.push(
                (0..groups)
                    .map(|group| Group {
                        candidates: size(group),
                        with_zero: false,
                    })
                    .collect(),
            );
            left = groups;
        }
        if with_zero {
            match levels.last_mut().filter(|_| !in_pairs) {
                Some(last) => last[0].with_zero = true,
                None => levels.push(vec![Group {
                    candidates: 1,
                    with_zero: true,
                }]),
            }
        }
        Tournament { levels }
    }

    /// The groups of each level. The last level is a single group.
    pub fn levels(&self) -> &[Vec<Group>] {
        &self.levels
    }
}

impl Group {
    /// Candidates and zero.
    pub fn contestants(self) -> u32 {
        self.candidates + u32::from(self.with_zero)
    }

    /// Comparisons.
    pub fn pairs(self) -> u32 {
        self.contestants() * (self.contestants() - 1) / 2
    }

    /// Whether the winner has to be found from several comparisons, which takes a round; of two contestants a single comparison tells.
    pub fn has_winner_round(self) -> bool {
        self.contestants() > 2
    }

    /// Bits dealt per lane for the winner bits: the mask of each comparison, and for each candidate all products of two or more of the
    /// masks of its comparisons.
    pub fn winner_products(self) -> u32 {
        if !self.has_winner_round() {
            return 0;
        }
        let opponents = self.contestants() - 1;
        self.pairs() + self.candidates * ((1 << opponents) - 1 - opponents)
    }

    /// Products of one or more masks that name the winner without a round: for each candidate those of its comparisons.
    pub fn winner_terms(self) -> u32 {
        let opponents = self.contestants() - 1;
        self.candidates * ((1 << opponents) - 1)
    }

    /// Bits opened per lane in each direction for the winner bits: that of zero is not needed.
    pub fn winner_openings(self) -> u32 {
        if self.has_winner_round() { self.candidates } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(tournament: &Tournament) -> Vec<Vec<u32>> {
        tournament
            .levels()
            .iter()
            .map(|level| level.iter().map(|group| group.contestants()).collect())
            .collect()
    }

    #[test]
    fn levels_fit_together() {
        for (candidates, variant) in (1..200).flat_map(|candidates| Variant::ALL.map(|variant| (candidates, variant))) {
            let mut left = candidates;
            for level in Tournament::new(candidates, false, variant).levels() {
                assert_eq!(level.iter().map(|group| group.candidates).sum::<u32>(), left);
                assert!(
                    level
                        .iter()
                        .all(|group| (2..=GROUP_SIZE_MAX).contains(&group.candidates))
                );
                left = level.len() as u32;
            }
            assert_eq!(left, 1);
        }
    }

    #[test]
    fn known_tournaments() {
        for variant in [Variant::Balanced, Variant::Latency] {
            let sizes = |candidates, with_zero| sizes(&Tournament::new(candidates, with_zero, variant));
            assert_eq!(sizes(1, false), Vec::<Vec<u32>>::new());
            assert_eq!(sizes(1, true), [vec![2]]);
            assert_eq!(sizes(4, false), [vec![4]]);
            assert_eq!(sizes(4, true), [vec![5]]);
            assert_eq!(sizes(9, true), [vec![3, 3, 3], vec![4]]);
            assert_eq!(sizes(10, false), [vec![4, 3, 3], vec![3]]);
        }
        let pairs = |candidates, with_zero| sizes(&Tournament::new(candidates, with_zero, Variant::Traffic));
        assert_eq!(pairs(1, true), [vec![2]]);
        assert_eq!(pairs(4, true), [vec![2, 2], vec![2], vec![2]]);
        assert_eq!(pairs(9, false), [vec![3, 2, 2, 2], vec![2, 2], vec![2]]);
    }

    #[test]
    fn bits_of_a_window_of_four_with_zero() {
        let group = Group {
            candidates: 4,
            with_zero: true,
        };
        assert_eq!(group.pairs(), 10);
        assert_eq!(group.winner_products(), 10 + 4 * 11);
        assert_eq!(group.winner_openings(), 4);
        assert_eq!(group.winner_terms(), 4 * 15);
        assert_eq!(
            Group {
                candidates: 2,
                with_zero: false
            }
            .winner_products(),
            0
        );
    }
}
